//! Transcripts are found, and nothing else is taken for one.

use std::{
    fs,
    path::{Path, PathBuf},
};

use sessiondb_import::{Format, Found, ImportError, find};

use crate::desk::user;

fn names(found: &Found) -> Vec<&str> {
    found.sources.iter().map(|source| source.path.file_name().unwrap().to_str().unwrap()).collect()
}

fn testdata(below: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("testdata/claude").join(below)
}

fn why_not(format: Option<Format>, path: &Path) -> String {
    match find(format, &[path.to_owned()]).unwrap_err() {
        ImportError::NotATranscript { path: named, reason } => {
            assert_eq!(named, path);
            reason
        }
        error => panic!("{error}"),
    }
}

#[test]
fn a_directory_is_searched_and_what_is_no_transcript_is_passed_over_and_counted() {
    for format in [None, Some(Format::Claude)] {
        let found = find(format, &[testdata("")]).unwrap();
        let expected = [
            "11111111-0000-4000-8000-000000000001.jsonl",
            "agent-a1.jsonl",
            "agent-b2.jsonl",
            "agent-c3.jsonl",
        ];
        let mut names = names(&found);
        names.sort_unstable();
        assert_eq!(names, expected);
        assert_eq!(found.passed_over, 4);
        assert!(found.sources.is_sorted_by(|a, b| a.path < b.path));
        for source in &found.sources {
            assert_eq!(source.format.to_string(), "claude");
            assert_eq!(source.bytes, fs::metadata(&source.path).unwrap().len());
        }
    }
}

#[test]
fn a_file_is_found_once() {
    let (file, dir) = (testdata("projects/-w/agent-c3.jsonl"), testdata("projects"));
    let again = testdata("projects/../projects/-w/agent-c3.jsonl");
    let found = find(None, &[file.clone(), dir.clone(), again, dir, file.clone()]).unwrap();
    assert_eq!(found.sources.len(), 4);
    assert_eq!(found.sources[0].path, file);
}

#[test]
fn a_file_named_itself_must_be_a_transcript() {
    let unknown = "its first records are of no known format";
    assert_eq!(why_not(None, &testdata("history.jsonl")), unknown);
    assert_eq!(why_not(None, &testdata("projects/-w/sessions-index.json")), unknown);
    assert_eq!(why_not(None, &testdata("README.md")), "it has no complete JSON line");
    assert!(why_not(Some(Format::Claude), &testdata("history.jsonl")).contains("not those of claude"));
    let error = find(None, &[PathBuf::from("/nowhere")]).unwrap_err();
    assert!(matches!(error, ImportError::Read { .. }) && error.to_string().contains("/nowhere"), "{error}");
}

#[test]
fn a_file_named_itself_may_have_any_name_and_with_its_format_be_empty() {
    let dir = tempfile::tempdir().unwrap();
    let (copy, empty) = (dir.path().join("copy.bak"), dir.path().join("empty.jsonl"));
    fs::write(&copy, user("a", "1")).unwrap();
    fs::write(&empty, "").unwrap();
    assert_eq!(names(&find(None, std::slice::from_ref(&copy)).unwrap()), ["copy.bak"]);
    assert_eq!(why_not(None, &empty), "it has no complete JSON line");
    assert_eq!(names(&find(Some(Format::Claude), std::slice::from_ref(&empty)).unwrap()), ["empty.jsonl"]);
    let found = find(None, &[dir.path().to_owned()]).unwrap();
    assert_eq!((found.sources.len(), found.passed_over), (0, 2));
}

#[test]
fn a_transcript_is_known_behind_bad_lines_and_records_without_a_mark() {
    let dir = tempfile::tempdir().unwrap();
    let write = |name: &str, text: String| fs::write(dir.path().join(name), text).unwrap();
    write("1.jsonl", "\u{feff}oops\n\n{\"type\":\"mode\"}\n".to_owned() + &user("a", "1"));
    write("2.jsonl", user("a", "1").trim_end().to_owned());
    write("3.jsonl", "{\"type\":\"x\"}\n".repeat(20) + &user("a", "1"));
    assert_eq!(names(&find(None, &[dir.path().to_owned()]).unwrap()), ["1.jsonl", "2.jsonl"]);
}

#[cfg(unix)]
#[test]
fn links_to_directories_are_not_followed_and_a_pipe_is_not_waited_for() {
    use std::os::unix::{fs::symlink, net::UnixListener};
    let dir = tempfile::tempdir().unwrap();
    let (real, other) = (dir.path().join("real"), dir.path().join("other"));
    fs::create_dir_all(real.join("-w")).unwrap();
    fs::create_dir_all(&other).unwrap();
    fs::write(real.join("-w/s.jsonl"), user("a", "1")).unwrap();
    fs::write(other.join("t.jsonl"), user("a", "1")).unwrap();
    symlink(&real, real.join("-w/cycle")).unwrap();
    symlink(&other, real.join("other")).unwrap();
    symlink(other.join("t.jsonl"), real.join("link.jsonl")).unwrap();
    symlink(other.join("gone"), real.join("dangling.jsonl")).unwrap();
    let _socket = UnixListener::bind(real.join("socket.jsonl")).unwrap();
    let found = find(None, std::slice::from_ref(&real)).unwrap();
    assert_eq!(names(&found), ["s.jsonl", "link.jsonl"]);
    assert_eq!(found.passed_over, 2);

    // What the caller names is followed.
    symlink(&real, dir.path().join("link")).unwrap();
    assert_eq!(find(None, &[dir.path().join("link")]).unwrap().sources.len(), 2);
    assert!(why_not(None, &real.join("socket.jsonl")).contains("neither a file nor a directory"));
}

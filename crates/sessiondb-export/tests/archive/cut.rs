//! Archives that end early, or in which something is wrong.

use sessiondb::Write;
use sessiondb_export::RestoreError;

use crate::desk::{archive, file, key, memory, put, read, read_whole, rich, say, seen, sessions, write};

/// Wherever an archive is cut, it is told, and reading all of it afterwards makes the store whole.
#[test]
fn a_cut_archive_is_known_and_can_be_completed() {
    let source = memory();
    rich(&source);
    let (whole, all) = (archive(&source), seen(&source));
    let header = whole.find('\n').unwrap();
    for end in (header..whole.len() - 1).filter(|end| whole.is_char_boundary(*end)) {
        let store = memory();
        let cut = read(&store, &whole[..end]);
        if end + 1 < whole.len() {
            assert!(cut.incomplete.is_some_and(|why| why.starts_with("it ends early")), "at {end}");
        }
        assert_eq!((cut.bad_lines, cut.failed), (vec![], vec![]), "at {end}");
        crate::desk::sound(&store);
        assert!(
            seen(&store).iter().all(|session| all.contains(session)),
            "at {end}: a session is half there"
        );
        read_whole(&store, &whole);
        assert_eq!(archive(&store), whole, "at {end}");
    }
    // The line end of the last line may be missing.
    read_whole(&memory(), whole.trim_end());
}

#[test]
fn a_cut_archive_can_be_completed_in_a_file() {
    let source = memory();
    rich(&source);
    let whole = archive(&source);
    for lines in 1..whole.lines().count() {
        let (store, _dir) = file();
        let cut: Vec<_> = whole.lines().take(lines).collect();
        assert!(read(&store, &cut.join("\n")).incomplete.is_some());
        crate::desk::sound(&store);
        read_whole(&store, &whole);
        assert_eq!(archive(&store), whole, "after {lines} lines");
    }
}

/// A process that died in the midst of a large session left it half there.
#[test]
fn a_half_session_is_finished() {
    use sessiondb::{Restore, Write};
    let source = memory();
    rich(&source);
    let whole = archive(&source);
    for (store, _dir) in [(memory(), None), {
        let (store, dir) = file();
        (store, Some(dir))
    }] {
        // The half that was committed: the session and two of its messages.
        let session = pollster::block_on(source.session(&key("ann"))).unwrap().unwrap();
        let opening = sessiondb::RestoredSession {
            family: session.family,
            created_at: session.created_at,
            log_first: 1,
            ancestors: vec![],
            forked_from: None,
        };
        let window = sessiondb::Window::log(0, 2);
        let messages = pollster::block_on(source.message_window(&key("ann"), window)).unwrap().messages;
        let commit = sessiondb::Commit::new(key("ann"))
            .write(Write::Restore(Restore::Session(Box::new(opening))))
            .write(Write::Restore(Restore::Messages(messages)));
        pollster::block_on(store.commit_one(commit)).unwrap();
        assert_eq!(read_whole(&store, &whole).sessions, 3);
        assert_eq!(archive(&store), whole);
    }
}

/// Whichever line is missing or broken: what it belongs to is left out or the loss is told, and nothing is half there.
#[test]
fn a_bad_line_fails_its_session_and_the_rest_goes_on() {
    let source = memory();
    rich(&source);
    let whole = archive(&source);
    let all = seen(&source);
    let count = whole.lines().count();
    for at in 1..count {
        for replacement in [None, Some("{\"message\":"), Some("\0"), Some("[1]"), Some("{\"state\":{}}")] {
            let lines = whole.lines().enumerate();
            let lines = lines.filter_map(|(n, line)| if n == at { replacement } else { Some(line) });
            let broken = lines.collect::<Vec<_>>().join("\n") + "\n";
            let store = memory();
            let restored = read(&store, &broken);
            assert!(!restored.is_complete(), "line {at} as {replacement:?}");
            if replacement.is_some() {
                assert_eq!(restored.bad_lines[0].line, at as u64 + 1);
            }
            crate::desk::sound(&store);
            // A missing document or change is seen only by the counts at the end.
            let quiet = replacement.is_none() && restored.failed.is_empty();
            assert!(quiet || seen(&store).iter().all(|session| all.contains(session)), "line {at}");
        }
    }
}

#[test]
fn a_session_that_fails_late_is_taken_back() {
    let source = memory();
    let texts: Vec<String> = (0..5000).map(|n| n.to_string()).collect();
    let texts: Vec<&str> = texts.iter().map(String::as_str).collect();
    write(&source, "ann", 1, vec![Write::open(), say(&texts)]);
    write(&source, "bob", 2, vec![Write::open(), say(&["b"])]);
    let whole = archive(&source);
    let broken = whole.replace("\"content\":\"4500\"", "\"content\":4500x");
    for (store, _dir) in [(memory(), None), {
        let (store, dir) = file();
        (store, Some(dir))
    }] {
        let restored = read(&store, &broken);
        assert_eq!((restored.sessions, restored.failed.len(), restored.bad_lines.len()), (1, 1, 1));
        assert_eq!((restored.failed[0].key.clone(), restored.failed[0].line), (key("ann"), 2));
        assert!(sessions(&store).iter().all(|session| session.key == key("bob")));
    }
}

#[test]
fn what_is_no_archive_is_refused() {
    let store = memory();
    let refusal = |text: &str| {
        let result = pollster::block_on(sessiondb_export::restore(&store, text.as_bytes(), &mut |_| {}));
        match result {
            Err(RestoreError::NotAnArchive(why)) => why,
            other => panic!("{other:?}"),
        }
    };
    for text in ["", "\n", "hello", "{}", "{\"type\":\"user\"}", "\u{feff}{\"sessiondb_archive\":1}"] {
        assert!(refusal(text).contains("not an archive"), "{text}");
    }
    assert!(refusal("{\"sessiondb_archive\":2}\n").contains("version 2"));
    assert!(refusal("{\"sessiondb_archive\":2,\"more\":[]}\n").contains("version 2"));
    assert!(refusal("{\"sessiondb_archive\":1,\"more\":[]}\n").contains("more than this program knows"));
    assert!(refusal("{\"sessiondb_archive\":\n").contains("damaged"));
    assert!(read(&store, " { \"sessiondb_archive\" : 1 }\r\n").incomplete.is_some());
}

#[test]
fn lost_and_doubled_lines_are_told() {
    let source = memory();
    write(&source, "ann", 1, vec![Write::open(), say(&["a"]), put("1", "1", None)]);
    let whole = archive(&source);
    let document = whole.lines().find(|line| line.starts_with("{\"document")).unwrap();
    let without = whole.replace(&format!("{document}\n"), "");
    assert!(read(&memory(), &without).incomplete.unwrap().contains("missing"));
    let after = read(&memory(), &format!("{whole}{document}\n"));
    assert_eq!(after.bad_lines[0].reason, "it stands behind the end of the archive");
}

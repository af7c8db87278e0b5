//! What must end in a clear error and an unchanged store.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a panic is how a test fails")]

use std::{
    fs,
    io::Write,
    os::unix::fs::PermissionsExt,
    path::Path,
    process::{Command, Output, Stdio},
};

use tempfile::TempDir;

const KEY: &str = "a:cli::dm:p";

fn run(db: &Path, args: &[&str], stdin: &[u8]) -> Output {
    let mut child = Command::new(env!("CARGO_BIN_EXE_sessiondb"))
        .args(args)
        .arg("--db")
        .arg(db)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    // A program that refuses early closes its end.
    let _ = child.stdin.take().unwrap().write_all(stdin);
    child.wait_with_output().unwrap()
}

/// A store with one session of two messages.
fn filled() -> (TempDir, std::path::PathBuf) {
    let dir = tempfile::tempdir().unwrap();
    let db = dir.path().join("s.db");
    let input = b"{\"role\":\"user\",\"content\":\"one\"}\n{\"role\":\"assistant\",\"content\":\"two\"}\n";
    let output = run(&db, &["append", KEY], input);
    assert!(output.status.success(), "{output:?}");
    (dir, db)
}

/// Everything that can be seen of the store.
fn visible(db: &Path) -> String {
    let mut text = String::new();
    for args in [&["ls", "-o", "jsonl"][..], &["show", KEY, "-o", "json"]] {
        let output = run(db, args, b"");
        assert!(output.status.success(), "{output:?}");
        text.push_str(&String::from_utf8(output.stdout).unwrap());
    }
    text
}

fn refused(output: &Output, code: i32, why: &str) {
    let stderr = String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.code(), Some(code), "{stderr}");
    assert!(stderr.starts_with("error: ") && stderr.contains(why), "should say '{why}': {stderr}");
    assert!(!stderr.contains("panicked"), "{stderr}");
}

/// The input is refused with this code and reason, nothing is acknowledged, and the store is as it was.
fn refused_input(args: &[&str], stdin: &[u8], code: i32, why: &str) {
    let (_dir, db) = filled();
    let before = visible(&db);
    let output = run(&db, args, stdin);
    refused(&output, code, why);
    assert_eq!(String::from_utf8_lossy(&output.stdout), "");
    assert_eq!(visible(&db), before);
    assert!(run(&db, &["check"], b"").status.success());
}

#[test]
fn a_message_of_20_mb() {
    let line = format!("{{\"role\":\"user\",\"content\":\"{}\"}}\n", "x".repeat(20 << 20));
    refused_input(&["append", KEY], line.as_bytes(), 5, "at most 16777216 are allowed");
}

#[test]
fn json_nested_100_000_deep() {
    let nested = format!("{}{}", "[".repeat(100_000), "]".repeat(100_000));
    let line = format!("{{\"role\":\"user\",\"content\":{nested}}}\n");
    refused_input(&["append", KEY], line.as_bytes(), 5, "nested 100000 deep");
    // As deep as an argument can be.
    let metadata = format!("{{\"a\":{}{}}}", "[".repeat(60_000), "]".repeat(60_000));
    refused_input(&["patch", KEY, "--metadata", &metadata], b"", 5, "nested 60001 deep");
    refused_input(&["patch", KEY, "--merge", &metadata], b"", 5, "nested 60001 deep");
}

#[test]
fn text_that_is_not_utf_8() {
    refused_input(&["append", KEY], b"{\"role\":\"user\",\"content\":\"\xff\xfe\"}\n", 5, "line 1");
}

#[test]
fn a_nul_in_a_key() {
    refused_input(&["append", "a:cli::dm:x=00y", "--role", "user", "--content", "x"], b"", 5, "NUL");
    refused_input(&["new", "a:=00:::"], b"", 5, "NUL");
}

#[test]
fn a_key_that_is_not_utf_8() {
    use std::os::unix::ffi::OsStrExt;
    let (_dir, db) = filled();
    let before = visible(&db);
    let key = std::ffi::OsStr::from_bytes(b"a:cli::dm:\xff");
    let output = Command::new(env!("CARGO_BIN_EXE_sessiondb"))
        .arg("new")
        .arg(key)
        .arg("--db")
        .arg(&db)
        .output()
        .unwrap();
    refused(&output, 2, "UTF-8");
    // The same byte as an escape.
    refused(&run(&db, &["new", "a:cli::dm:=FF"], b""), 5, "not UTF-8");
    assert_eq!(visible(&db), before);
}

#[test]
fn a_file_that_is_no_database() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("notes.txt");
    let text = "my notes\n".repeat(1_000);
    fs::write(&path, &text).unwrap();
    refused(&run(&path, &["ls"], b""), 6, "not a SQLite database");
    assert_eq!(fs::read_to_string(&path).unwrap(), text);
}

#[test]
fn a_directory() {
    let dir = tempfile::tempdir().unwrap();
    refused(&run(dir.path(), &["ls"], b""), 6, "it is a directory");
    assert_eq!(fs::read_dir(dir.path()).unwrap().count(), 0);
}

#[test]
fn a_newer_schema() {
    let (_dir, db) = filled();
    let newer = "INSERT INTO schema_version VALUES (99, 'future', '')";
    rusqlite::Connection::open(&db).unwrap().execute_batch(newer).unwrap();
    let before = fs::read(&db).unwrap();
    let output = run(&db, &["append", KEY, "--role", "user", "--content", "x"], b"");
    refused(&output, 6, "its schema is version 99, and this program knows up to version");
    assert!(fs::read(&db).unwrap() == before);
}

fn is_root() -> bool {
    let output = Command::new("id").arg("-u").output().unwrap();
    output.stdout == b"0\n"
}

/// The program as a user whom file modes bind: they do not bind the superuser.
fn unprivileged(directory: &Path) -> Command {
    let program = directory.join("sessiondb");
    fs::copy(env!("CARGO_BIN_EXE_sessiondb"), &program).unwrap();
    if !is_root() {
        return Command::new(&program);
    }
    let mut command = Command::new("setpriv");
    command.args(["--reuid=65534", "--regid=65534", "--clear-groups"]).arg(&program);
    command
}

fn set_mode(path: &Path, mode: u32) {
    fs::set_permissions(path, fs::Permissions::from_mode(mode)).unwrap();
}

#[test]
fn a_read_only_file() {
    let (dir, db) = filled();
    let before = fs::read(&db).unwrap();
    for lock in ["s.db-lock", "s.db-next"] {
        set_mode(&dir.path().join(lock), 0o666);
    }
    set_mode(&db, 0o444);
    for (mode, why) in [(0o777, "read-only"), (0o555, "cannot open")] {
        set_mode(dir.path(), 0o755);
        let mut command = unprivileged(dir.path());
        set_mode(dir.path(), mode);
        let args = ["append", KEY, "--role", "user", "--content", "x", "--db"];
        refused(&command.args(args).arg(&db).output().unwrap(), 6, why);
        assert!(fs::read(&db).unwrap() == before);
    }
    set_mode(dir.path(), 0o755);
}

/// A transcript that may not be read is named; those beside it are imported.
#[test]
fn a_directory_that_cannot_be_read_beside_others() {
    let dir = tempfile::tempdir().unwrap();
    set_mode(dir.path(), 0o777);
    let sample =
        concat!(env!("CARGO_MANIFEST_DIR"), "/../../samples/claude/projects/-Users-test-user-agent-sample");
    for project in ["aaa", "mmm", "zzz"] {
        let directory = dir.path().join("projects").join(project);
        fs::create_dir_all(&directory).unwrap();
        let name = format!("{project}.jsonl");
        let from = Path::new(sample).join("7f2abd2d-7cfc-4447-9ddd-3ca8d14e02e9.jsonl");
        fs::copy(from, directory.join(name)).unwrap();
    }
    let closed = dir.path().join("projects/mmm");
    set_mode(&closed, 0o000);
    let db = dir.path().join("s.db");
    let mut command = unprivileged(dir.path());
    let output =
        command.args(["import", "claude"]).arg(dir.path().join("projects")).arg("--db").arg(&db).output();
    let output = output.unwrap();
    set_mode(&closed, 0o755);
    let stderr = String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.code(), Some(1), "{stderr}");
    assert!(stderr.contains("mmm") && stderr.contains("2 new") && stderr.contains("1 failed"), "{stderr}");
}

/// A change of what a session shows that cannot be made changes nothing.
#[test]
fn places_that_are_not_there() {
    for seq in ["3", "99", "9223372036854775807"] {
        refused_input(&["rewind", KEY, seq], b"", 4, "is not in its view");
        refused_input(&["compact", KEY, "--through", seq, "--summary", "s"], b"", 4, "is not in its view");
        refused_input(&["fork", KEY, "a:cli::dm:q", "--at", seq], b"", 4, "is not in its view");
    }
    for seq in ["-1", "1.5", "0x1", "", " 1", "१", "18446744073709551616"] {
        refused_input(&["rewind", KEY, "--", seq], b"", 2, "SEQ");
        refused_input(&["fork", KEY, "a:cli::dm:q", &format!("--at={seq}")], b"", 2, "--at");
    }
    refused_input(&["fork", KEY, KEY], b"", 4, "it exists already");
    refused_input(&["fork", KEY, KEY, "--at", "1"], b"", 4, "it exists already");
    refused_input(&["fork", KEY, "a:cli::dm:=00"], b"", 5, "NUL");
    refused_input(&["fork", KEY, &format!("a:cli::dm:{}", "x".repeat(600))], b"", 5, "512");
    refused_input(&["compact", KEY, "--summary-file", "-"], b"\xff\xfe", 5, "not UTF-8 from byte 1 on");
    let long = "x".repeat((16 << 20) + 1);
    refused_input(&["compact", KEY, "--keep", "1", "--summary-file", "-"], long.as_bytes(), 5, "16777216");
}

/// What cannot be done in any store makes none.
#[test]
fn a_command_that_cannot_be_done_makes_no_store() {
    let dir = tempfile::tempdir().unwrap();
    let db = dir.path().join("new/s.db");
    refused(&run(&db, &["append", "ann", "--content", "x"], b""), 6, "there is no store");
    refused(&run(&db, &["append", "a:b", "--content", "x"], b""), 5, "2 parts");
    refused(&run(&db, &["append", KEY, "--content-json", "{"], b""), 5, "not JSON");
    refused(&run(&db, &["new", "a"], b""), 5, "1 part where five");
    refused(&run(&db, &["ls"], b""), 6, "there is no store");
    refused(&run(&db, &["check"], b""), 6, "there is no store");
    for command in ["compact", "uncompact", "undo", "reset", "pop", "repair", "stats"] {
        refused(&run(&db, &[command, KEY], b""), 6, "there is no store");
    }
    refused(&run(&db, &["rewind", KEY, "1"], b""), 6, "there is no store");
    refused(&run(&db, &["fork", KEY, "a:cli::dm:q"], b""), 6, "there is no store");
    assert_eq!(fs::read_dir(dir.path()).unwrap().count(), 0);
}

#[test]
fn a_line_that_is_a_list() {
    refused_input(&["append", KEY], b"[\"user\",\"hi\"]\n", 5, "line 1: not a JSON object");
    refused_input(&["append", KEY], b"hello\n", 5, "--content");
}

/// On a small file system of its own: appends until it is full, looks at what is there, makes room, appends again. The
/// room is as much as the store's log can have taken, since what is in the log may be copied into the database first;
/// with less, this test failed now and then.
#[test]
fn a_full_disk() {
    let script = r#"
        set -eu
        mount -t tmpfs -o size=12m tmpfs "$DIR/disk"
        export SESSIONDB_URL="sqlite:$DIR/disk/s.db"
        head -c 6000000 /dev/zero >"$DIR/disk/ballast"
        code=0
        yes "{\"role\":\"user\",\"content\":\"$(printf '%0999d' 0)\"}" | head -n 20000 |
            "$SESSIONDB" append "$KEY" >"$DIR/receipts" 2>"$DIR/error" || code=$?
        echo "$code" >"$DIR/code"
        rm "$DIR/disk/ballast"
        "$SESSIONDB" check >"$DIR/check"
        "$SESSIONDB" ls -o json >"$DIR/list"
        "$SESSIONDB" append "$KEY" --role user --content again >"$DIR/receipt"
        "$SESSIONDB" check >>"$DIR/check"
    "#;
    let dir = tempfile::tempdir().unwrap();
    fs::create_dir(dir.path().join("disk")).unwrap();
    let mut unshare = Command::new("unshare");
    if !is_root() {
        unshare.arg("--map-root-user");
    }
    let output = unshare
        .args(["--mount", "sh", "-c", script])
        .env("DIR", dir.path())
        .env("KEY", KEY)
        .env("SESSIONDB", env!("CARGO_BIN_EXE_sessiondb"))
        .output()
        .unwrap();
    let read = |name: &str| fs::read_to_string(dir.path().join(name)).unwrap_or_default();
    assert!(output.status.success(), "{}{}", String::from_utf8_lossy(&output.stderr), read("error"));

    assert_eq!(read("code").trim(), "6", "{}", read("error"));
    assert!(read("error").contains("disk is full"), "{}", read("error"));
    let acknowledged = read("receipts").lines().count() as u64;
    assert!(acknowledged > 100, "{acknowledged} messages of a kilobyte fit into six megabytes");
    let list: serde_json::Value = serde_json::from_str(&read("list")).unwrap();
    let there = list["sessions"][0]["message_count"].as_u64().unwrap();
    assert_eq!(there, acknowledged, "what was acknowledged is there, and nothing else");
    let receipt: serde_json::Value = serde_json::from_str(&read("receipt")).unwrap();
    assert_eq!(receipt["seq"].as_u64(), Some(acknowledged + 1), "with room on the disk the store goes on");
}

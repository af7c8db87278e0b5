//! The exit codes, one command line for each.

use crate::support::Place;

#[test]
fn every_exit_code_has_its_case() {
    let place = Place::new();
    place.sessions(1);
    let broken = place.path("broken.jsonl");
    std::fs::write(&broken, "not a transcript\n").unwrap();
    let broken = broken.to_str().unwrap();
    let directory = format!("sqlite:{}", place.path("").display());
    let cases: [(i32, &[&str]); 16] = [
        (0, &["ls"]),
        (1, &["import", "claude", broken]),
        (2, &["list"]),
        (2, &[]),
        (2, &["rm", "000"]),
        (3, &["show", "nobody"]),
        (3, &["show", "main:cli::dm:nobody"]),
        (4, &["new", "main:cli::dm:000"]),
        (4, &["patch", "000", "--status", "x", "--revision", "9"]),
        (4, &["rewind", "000", "1"]),
        (4, &["fork", "000", "main:cli::dm:000"]),
        (5, &["compact", "000", "--summary", ""]),
        (5, &["new", "no-key"]),
        (5, &["append", "000", "--content-json", "{"]),
        (6, &["ls", "--db", &directory]),
        (6, &["ls", "--db", "postgres://localhost/x"]),
    ];
    for (code, args) in cases {
        let run = place.run(args);
        assert_eq!(run.code, code, "{args:?}: {run:?}");
        assert_eq!(run.stderr.is_empty(), code == 0, "{args:?}: {run:?}");
    }
}

#[test]
fn a_file_that_is_no_store_is_not_touched() {
    let place = Place::new();
    std::fs::write(place.path("sessions.db"), "somebody's notes\n".repeat(100)).unwrap();
    let run = place.run(&["ls"]);
    assert_eq!((run.code, run.stdout.as_str()), (6, ""));
    assert!(run.stderr.starts_with("error: cannot open "), "{run:?}");
    assert_eq!(
        std::fs::read(place.path("sessions.db")).unwrap(),
        "somebody's notes\n".repeat(100).into_bytes()
    );
}

#[test]
fn without_an_address_the_store_is_in_the_users_directory_for_data() {
    let place = Place::new();
    for variable in [None, Some("")] {
        let mut command = place.command(&["new", &format!("main:cli::dm:{}", variable.is_some())]);
        match variable {
            None => command.env_remove("SESSIONDB_URL"),
            Some(empty) => command.env("SESSIONDB_URL", empty),
        };
        command.env("XDG_DATA_HOME", place.path("data ? home"));
        assert!(command.output().unwrap().status.success());
    }
    let path = place.path("data ? home").join("sessiondb").join("sessions.db");
    assert!(path.is_file());
    assert_eq!(place.ok(&["ls", "-o", "jsonl", "--db", path.to_str().unwrap()]).lines().count(), 2);
}

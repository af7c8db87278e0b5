//! KEY arguments: whole keys, and the beginnings of peers.

use crate::support::Place;

fn place() -> Place {
    let place = Place::new();
    for key in [
        "main:cli::session:7f2abd2d-7cfc",
        "main:cli::session:7f9",
        "main:cli::session:a1",
        "main:slack::dm:a1",
    ] {
        place.ok(&["new", key]);
    }
    place
}

#[test]
fn the_beginning_of_one_peer_is_enough_everywhere() {
    let place = place();
    assert!(place.ok(&["show", "7f2"]).starts_with("main:cli::session:7f2abd2d-7cfc\n"));
    assert_eq!(place.ok(&["append", "7f9", "--content", "hi"]), "{\"seq\":1}\n");
    assert!(place.ok(&["patch", "7f9", "--status", "done"]).contains("\"id\":\"main:cli::session:7f9\""));
    assert_eq!(place.ok(&["rm", "7f2", "--yes"]), "main:cli::session:7f2abd2d-7cfc\n");
}

#[test]
fn one_that_fits_several_names_them() {
    let run = place().run(&["show", "7f"]);
    assert_eq!((run.code, run.stdout.as_str()), (5, ""));
    insta::assert_snapshot!(run.stderr, @r"
    error: '7f' fits several sessions:
      main:cli::session:7f9
      main:cli::session:7f2abd2d-7cfc
    hint: give more of it, or a whole key
    ");
    // The same peer on two channels is two sessions.
    assert_eq!(place().run(&["show", "a1"]).code, 5);
}

#[test]
fn one_that_fits_none_is_not_found() {
    let run = place().run(&["show", "zz"]);
    assert_eq!(run.code, 3);
    insta::assert_snapshot!(run.stderr, @r"
    error: no session's peer_id begins with 'zz'
    hint: `sessiondb ls` shows the keys
    ");
}

#[test]
fn a_whole_key_of_no_session_is_not_found() {
    let place = place();
    for args in [&["show", "main:cli::dm:no"][..], &["patch", "main:cli::dm:no", "--status", "x"]] {
        let run = place.run(args);
        assert_eq!((run.code, run.stdout.as_str()), (3, ""), "{run:?}");
        assert!(run.stderr.starts_with("error: session main:cli::dm:no does not exist\nhint: "), "{run:?}");
    }
}

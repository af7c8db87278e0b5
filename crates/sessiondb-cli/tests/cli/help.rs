//! Every help text, as a snapshot: what users read is reviewed like code.

use crate::support::Place;

#[test]
fn help_of_the_program() {
    insta::assert_snapshot!("help", Place::new().ok(&["--help"]));
    insta::assert_snapshot!("help-short", Place::new().ok(&["-h"]));
}

#[test]
fn help_of_every_command() {
    for command in [
        "import",
        "export",
        "new",
        "append",
        "ls",
        "show",
        "search",
        "state",
        "stats",
        "patch",
        "compact",
        "uncompact",
        "fork",
        "rewind",
        "pop",
        "reset",
        "undo",
        "repair",
        "rm",
        "check",
        "ait42",
        "optimize",
        "recover",
        "serve",
        "token",
        "completions",
    ] {
        insta::assert_snapshot!(format!("help-{command}"), Place::new().ok(&[command, "--help"]));
    }
}

#[test]
fn version() {
    assert_eq!(Place::new().ok(&["-V"]), format!("sessiondb {}\n", env!("CARGO_PKG_VERSION")));
}

#[test]
fn every_exit_code_is_in_the_help() {
    let help = Place::new().ok(&["--help"]);
    let codes = help.split_once("Exit codes:\n").unwrap().1.lines();
    assert_eq!(
        codes.map(|line| line.trim_start().split_once("  ").unwrap().0).collect::<String>(),
        "0123456"
    );
}

#[test]
fn the_help_does_not_tell_the_address_of_the_store() {
    let place = Place::new();
    assert!(!place.ok(&["--help"]).contains(&place.url()));
}

//! `sessiondb recover`.

use std::fs;

use crate::support::{Place, json};

/// A frame of the log: its header and a page.
const FRAME: usize = 24 + 4096;

/// A store as it is after a power cut, its log in place, and then damaged.
fn damaged(damage: impl FnOnce(&mut [u8], usize)) -> Place {
    let (live, place) = (Place::new(), Place::new());
    live.sessions(1);
    let store = sessiondb::blocking::open(&live.url()).unwrap();
    let key = sessiondb::SessionKey::new("main", "cli", "", "dm", "000");
    for n in 0..20 {
        store.append(&key, vec![sessiondb::NewMessage::new("user", n.to_string())]).unwrap();
    }
    fs::copy(live.path("sessions.db"), place.path("sessions.db")).unwrap();
    let mut log = fs::read(live.path("sessions.db-wal")).unwrap();
    let middle = 32 + log.len() / FRAME / 2 * FRAME;
    damage(&mut log, middle);
    fs::write(place.path("sessions.db-wal"), &log).unwrap();
    place
}

/// Without what differs from run to run: the directory, and how many frames there were.
fn masked(place: &Place, text: &str) -> String {
    let text = text.replace(&place.path("").display().to_string(), "DIR/");
    text.split(' ')
        .map(|word| if word.parse::<u64>().is_ok() { "N" } else { word })
        .collect::<Vec<_>>()
        .join(" ")
}

#[test]
fn every_other_command_refuses_a_damaged_log_and_says_how_to_go_on() {
    let place = damaged(|log, middle| log[middle + 1_000] ^= 1);
    for args in
        [&["ls"][..], &["check"], &["append", "000", "--content", "one"], &["optimize"], &["show", "000"]]
    {
        let run = place.run(args);
        assert_eq!((run.code, run.stdout.as_str()), (6, ""), "{args:?}");
        insta::allow_duplicates! {
            insta::assert_snapshot!(masked(&place, &run.stderr), @"error: cannot open DIR/sessions.db: its write-ahead log is damaged: frame N of N does not check; N transactions before it can be read, N behind it would be lost. (A power cut leaves this too where a program writes with durability=normal.) Nothing was changed. `sessiondb recover` keeps a copy of the log and puts it right: what was there can be told from the checksums");
        }
    }
}

#[test]
fn a_turned_bit_is_put_right_and_everything_is_there() {
    let place = damaged(|log, middle| log[middle + 1_000] ^= 1);
    let run = place.run(&["recover"]);
    assert_eq!(run.code, 0);
    insta::assert_snapshot!(masked(&place, &run.stdout), @r"
    the damaged log is kept as DIR/sessions.db-wal-damaged-1
    damaged places put right: 1
    transactions kept: 20
    ");
    assert!(run.stderr.contains("hint: `sessiondb check`"), "{run:?}");
    assert!(place.ok(&["show", "000"]).contains("\n  19\n"));
    assert!(place.ok(&["check", "-o", "json"]).contains(r#""messages":20"#));
    assert_eq!(place.ok(&["recover"]), "nothing in the log is damaged\n");
}

#[test]
fn what_had_to_be_left_out_is_told_and_the_exit_code_says_so() {
    let lose = |log: &mut [u8], middle: usize| log[middle..middle + 1_024].fill(0);
    let place = damaged(lose);
    let run = place.run(&["recover"]);
    assert_eq!(run.code, 1);
    let lines: Vec<&str> = run.stdout.lines().map(|line| line.split(':').next().unwrap()).collect();
    assert!(lines[0].starts_with("the damaged log is kept as "), "{run:?}");
    assert_eq!(lines[1..], ["transactions kept", "transactions left out"]);
    assert!(place.path("sessions.db-wal-damaged-1").exists());
    place.ok(&["check"]);

    let place = damaged(lose);
    let run = place.run(&["recover", "-q", "-o", "json"]);
    assert_eq!((run.code, run.stderr.as_str()), (1, ""));
    let recovery = json(&run.stdout);
    assert_eq!(recovery["mended"], 0);
    for count in ["kept", "left_out", "pages_left_out"] {
        assert!(recovery[count].as_u64().unwrap() > 0, "{recovery}");
    }
    assert!(recovery["copy"].as_str().unwrap().ends_with("sessions.db-wal-damaged-1"), "{recovery}");
}

#[test]
fn a_store_that_is_not_there_is_not_made() {
    let place = Place::new();
    assert_eq!(place.run(&["recover"]).code, 6);
    assert!(!place.path("sessions.db").exists());
    assert_eq!(place.run(&["recover", "--db", "memory:"]).code, 6);
}

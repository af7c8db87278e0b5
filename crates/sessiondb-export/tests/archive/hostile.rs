//! Archives that nobody exported.

use proptest::prelude::*;
use sessiondb::{SessionFilter, Write};

use crate::desk::{archive, file, memory, read, rich, say, sound, write};

fn with(lines: &[&str]) -> String {
    let mut text = "{\"sessiondb_archive\":1}\n".to_owned();
    lines.iter().for_each(|line| text = format!("{text}{line}\n"));
    text + "{\"end\":{\"sessions\":0,\"kept\":0,\"messages\":0,\"gaps\":0,\"documents\":0,\"changes\":0,\"states\":0,\"dropped\":0}}\n"
}

const SESSION: &str = r#"{"session":{"key":["a","b","c","d","e"],"family":"chat","created_at":"2026-11-20T00:00:00Z","log_first":1}}"#;

fn message(seq: u64) -> String {
    format!(r#"{{"message":{{"seq":{seq},"role":"user","created_at":"2026-11-20T00:00:00Z","content":1}}}}"#)
}

fn gap(first: u64, last: u64) -> String {
    format!(r#"{{"gap":{{"first":{first},"last":{last}}}}}"#)
}

fn state(head: u64, view: &str) -> String {
    format!(
        r#"{{"state":{{"status":"x","token_usage":0,"updated_at":"2026-11-20T00:00:00Z","revision":1,"head":{head},"view":{view},"metadata":{{}}}}}}"#
    )
}

/// Each of these is refused with a reason, leaves no session behind, and the store stays sound.
#[test]
fn lies_are_refused() {
    let kept = r#"{"kept":{"key":["~kept","","","log","x"],"log_first":1,"first":1,"last":1}}"#;
    let fork = |ancestor: &str, first: u64, last: u64| {
        SESSION.replace(
            "\"log_first\":1",
            &format!(
                r#""log_first":{},"ancestors":[{{"key":{ancestor},"first":{first},"last":{last}}}]"#,
                last + 1
            ),
        )
    };
    let reserved = r#"["~kept","","","log","x"]"#;
    let cases: Vec<(Vec<String>, &str)> = vec![
        (vec![SESSION.replace("\"a\"", "\"~a\""), state(0, "[]")], "reserved"),
        (vec![SESSION.replace("\"a\"", "\"~kept\""), state(0, "[]")], "reserved"),
        (vec![kept.replace("~kept", "a"), message(1)], "not an address"),
        (vec![kept.replace("\"last\":1", "\"last\":0"), message(1)], "no stretch"),
        (vec![kept.replace("\"first\":1", "\"first\":0"), message(0)], "no stretch"),
        (vec![kept.into(), state(0, "[]")], "only messages"),
        (vec![fork(reserved, 1, 1), state(1, "[]")], "does not have before it"),
        (
            vec![kept.into(), message(1), fork(reserved, 1, 2), state(2, "[]")],
            "does not have the messages 1 to 2",
        ),
        (vec![kept.into(), message(1), fork(reserved, 2, 2), state(2, "[]")], "do not follow"),
        (vec![fork(r#"["a","b","c","d","e"]"#, 1, 1), state(1, "[]")], "does not exist"),
        (
            vec![SESSION.replace("\"log_first\":1", "\"log_first\":9"), state(8, "[]")],
            "begins with message 9",
        ),
        (vec![SESSION.replace("\"chat\"", "\"\""), state(0, "[]")], "family is empty"),
        (vec![SESSION.into(), message(2), state(2, "[]")], "message 2 stands where message 1"),
        (vec![SESSION.into(), message(1), message(1)], "message 1 stands where message 2"),
        (vec![SESSION.into(), gap(2, 2), state(2, "[]")], "message 2 stands where message 1"),
        (vec![SESSION.into(), gap(1, 0), state(0, "[]")], "1 to 0 is no gap"),
        (vec![SESSION.into(), gap(1, u64::MAX), state(0, "[]")], "cannot be a gap"),
        (vec![kept.into(), gap(1, 2)], "behind the end"),
        (vec![SESSION.into(), message(1), state(2, "[]")], "another last message"),
        (vec![SESSION.into(), message(1), state(1, "[[1,2]]")], "than its view shows"),
        (vec![SESSION.into(), message(1), state(1, "[[1,1],[1,1]]")], "twice"),
        (vec![SESSION.into(), message(1), state(1, "[[0,1]]")], "no stretch"),
        (vec![SESSION.into(), message(1)], "ends without its state"),
        (vec![SESSION.into(), state(18_446_744_073_709_551_615, "[]")], "63 bits"),
        (vec![SESSION.into(), state(0, "[]").replace("\"x\"", "\"\"")], "status is empty"),
    ];
    for (lines, reason) in cases {
        let lines: Vec<&str> = lines.iter().map(String::as_str).collect();
        for (store, _dir) in [(memory(), None), {
            let (store, dir) = file();
            (store, Some(dir))
        }] {
            let restored = read(&store, &with(&lines));
            assert_eq!(restored.failed.len(), 1, "{reason}: {restored:#?}");
            assert!(restored.failed[0].reason.contains(reason), "{reason}: {restored:#?}");
            let list = pollster::block_on(store.session_list(&SessionFilter::default())).unwrap();
            assert_eq!(list.sessions, [], "{reason}");
            sound(&store);
        }
    }
}

#[test]
fn a_session_that_occurs_twice_is_taken_once() {
    let (first, second) = (state(1, "[[1,1]]"), state(0, "[]"));
    let lines = [SESSION, &message(1), &first, SESSION, &second];
    let store = memory();
    let restored = read(&store, &with(&lines));
    assert!(restored.failed[0].reason.contains("a second time"), "{restored:#?}");
    assert_eq!(archive(&store).lines().filter(|line| line.starts_with("{\"message")).count(), 1);
}

#[test]
fn depth_and_size_are_bounded() {
    let deep = "[".repeat(1_000_000);
    let nested = format!("{}{}", "[".repeat(200), "]".repeat(200));
    let huge = message(1).replace("\"content\":1", &format!("\"content\":\"{}\"", "x".repeat(17 << 20)));
    let long = "x".repeat((64 << 20) + 1);
    let contents = message(1).replace("\"content\":1", &format!("\"content\":{nested}"));
    for bad in [deep.as_str(), &contents, &huge, &long] {
        let store = memory();
        let restored = read(
            &store,
            &with(&[SESSION, bad, &state(0, "[]"), &SESSION.replace("\"e\"", "\"f\""), &state(0, "[]")]),
        );
        assert_eq!(restored.failed.len(), 1, "{:?}", restored.failed);
        assert_eq!(restored.sessions, 1);
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(300))]

    /// Bytes that changed on the way are found or do not matter, but never break anything.
    #[test]
    fn flipped_bytes_break_nothing(flips in proptest::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 1..4)) {
        let source = memory();
        rich(&source);
        write(&source, "eve", 9, vec![Write::open(), say(&["\n\u{1b}"])]);
        let mut bytes = archive(&source).into_bytes();
        let header = bytes.iter().position(|byte| *byte == b'\n').unwrap() + 1;
        let length = bytes.len() - header;
        for (at, byte) in flips {
            bytes[header + at.index(length)] = byte;
        }
        let store = memory();
        pollster::block_on(sessiondb_export::restore(&store, bytes.as_slice(), &mut |_| {})).unwrap();
        sound(&store);
        // What is there can be exported and read again.
        let again = archive(&store);
        let copy = memory();
        crate::desk::read_whole(&copy, &again);
        prop_assert_eq!(archive(&copy), again);
    }
}

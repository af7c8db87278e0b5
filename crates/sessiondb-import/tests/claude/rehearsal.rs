//! A rehearsal says of a transcript what its import then does, and does nothing.

use std::fs;

use pollster::block_on;
use proptest::prelude::*;
use sessiondb_import::{Rehearsal, Verdict};

use crate::desk::{Desk, all_samples, assistant, source, user, users};

/// Rehearses the import of the file in its present state, and then does it.
fn both(desk: &Desk) -> (Verdict, Verdict) {
    let before = (desk.session(), desk.session().map(|_| desk.content()));
    let rehearsal = Rehearsal::new(Some(desk.store.clone()));
    let rehearsed = block_on(rehearsal.import(&source(&desk.path), &mut |_| {})).unwrap();
    assert_eq!((desk.session(), desk.session().map(|_| desk.content())), before);
    (rehearsed, desk.import())
}

#[test]
fn new_grown_and_unchanged_transcripts_are_told_apart() {
    for sample in all_samples() {
        let text = fs::read_to_string(&sample.path).unwrap();
        let desk = Desk::with(&text[..text.len() / 2]);
        for state in [&text[..text.len() / 2], &text, &text] {
            desk.write(state);
            let (rehearsed, done) = both(&desk);
            assert_eq!(rehearsed, done);
        }
        let without_store = block_on(Rehearsal::new(None).import(&sample, &mut |_| {})).unwrap();
        let fresh = Desk::with(&text).import();
        assert_eq!(
            Verdict { key: None, ..without_store },
            Verdict { key: None, ..fresh },
            "{}",
            sample.path.display()
        );
    }
}

#[test]
fn rewritten_transcripts_in_many_batches_are_too() {
    let desk = Desk::with(users(0..600));
    desk.import();
    let redacted: String = (0..650).map(|n| user(&format!("u-{n}"), &format!("redacted {n}"))).collect();
    for text in [users(200..1300), redacted, users(0..3), String::new(), users(0..1) + "oops\n"] {
        desk.write(text);
        let (rehearsed, done) = both(&desk);
        assert_eq!(rehearsed, done);
    }
}

#[test]
fn a_session_of_another_family_is_refused_in_the_same_words() {
    let desk = Desk::with(user("a", "hello"));
    block_on(desk.store.session_open(&desk.key())).unwrap();
    let rehearsal = Rehearsal::new(Some(desk.store.clone()));
    let error = block_on(rehearsal.import(&source(&desk.path), &mut |_| {})).unwrap_err();
    assert_eq!(error.to_string(), desk.try_import().unwrap_err().to_string());
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 24, ..ProptestConfig::default() })]

    #[test]
    fn whatever_becomes_of_a_file_the_rehearsal_says_it(
        states in prop::collection::vec(prop::collection::vec((0_u64..6, "[xy]", 0_u8..4), 0..8), 1..5),
    ) {
        let desk = Desk::with("");
        for state in states {
            let line = |(id, text, kind): &(u64, String, u8)| match kind {
                0 | 1 => user(&format!("u-{id}"), text),
                2 => assistant(&format!("a-{id}"), "m", *id),
                _ => format!("{{\"type\":\"mode\",\"n\":\"{text}\"}}\n"),
            };
            desk.write(state.iter().map(line).collect::<String>());
            let (rehearsed, done) = both(&desk);
            prop_assert_eq!(rehearsed, done);
        }
    }
}

//! A rehearsal says of a transcript what its import then does, and does nothing.

use std::fs;

use pollster::block_on;
use proptest::prelude::*;
use sessiondb::{Commit, NewMessage, Restore, RestoredSession, RestoredState, SessionKey, Write};
use sessiondb_import::{Outcome, Rehearsal, Verdict, nothing_to_import};

use crate::desk::{Desk, all_samples, assistant, documents, source, user, users};

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

/// The desk with a store in which these messages of its session are gone.
fn without(desk: Desk, gone: &[u64]) -> Desk {
    let session = desk.session().unwrap();
    let store = block_on(sessiondb::open("memory:")).unwrap();
    let opening = RestoredSession {
        family: session.family,
        created_at: session.created_at,
        log_first: 1,
        ancestors: vec![],
        forked_from: None,
    };
    let state = RestoredState {
        status: session.status,
        metadata: session.metadata,
        token_usage: session.token_usage,
        updated_at: session.updated_at,
        revision: session.revision,
        head: session.head,
        view: vec![(1, session.head)],
        changes: vec![],
    };
    let mut parts = vec![Restore::Session(Box::new(opening))];
    parts.extend(desk.messages().into_iter().map(|message| match gone.contains(&message.seq) {
        true => Restore::Gap { first: message.seq, last: message.seq },
        false => Restore::Messages(vec![message]),
    }));
    let documents = documents(&desk.store, &desk.key());
    parts.extend([Restore::Documents(documents), Restore::State(Box::new(state))]);
    let writes = parts.into_iter().map(Write::Restore).collect();
    block_on(store.commit_one(Commit { writes, ..Commit::new(desk.key()) })).unwrap();
    Desk { store, ..desk }
}

/// A session from which somebody had deleted a message could not be rehearsed.
#[test]
fn a_session_from_which_messages_were_deleted_is_told_apart_too() {
    for gone in [&[1][..], &[75, 76, 100], &[150], &[1, 2, 150]] {
        let desk = Desk::with(users(0..150));
        desk.import();
        let desk = without(desk, gone);
        for text in [users(0..170), users(10..140), users(0..5)] {
            desk.write(text);
            let (rehearsed, done) = both(&desk);
            assert_eq!(rehearsed, done, "{gone:?}");
        }
    }
}

#[test]
fn a_session_that_hides_messages_and_a_fork_are_told_apart_too() {
    let summary = || Some(NewMessage::new("system", "in short"));
    for change in 0..4 {
        let desk = Desk::with(users(0..150));
        desk.import();
        let (store, key) = (&desk.store, desk.key());
        match change {
            0 => _ = block_on(store.compact(&key, 20, summary())).unwrap(),
            1 => _ = block_on(store.rewind(&key, 30)).unwrap(),
            2 => _ = block_on(store.reset(&key)).unwrap(),
            _ => {
                let other = SessionKey::new("a", "b", "", "c", "d");
                block_on(store.fork(&key, &other, Some(100))).unwrap();
                block_on(store.session_delete(&key)).unwrap();
                block_on(store.fork(&other, &key, Some(90))).unwrap();
                block_on(store.append(&key, vec![NewMessage::new("user", "own")])).unwrap();
            }
        }
        // Grown, rewritten, and shorter.
        for text in [users(0..170), users(10..140), users(0..5)] {
            desk.write(text);
            let (rehearsed, done) = both(&desk);
            assert_eq!(rehearsed, done, "{change}");
        }
    }
}

#[test]
fn a_store_is_needed_only_by_a_file_with_something_to_put_in() {
    let nothing = |text: &str| {
        let desk = Desk::with(text);
        block_on(nothing_to_import(&source(&desk.path))).unwrap()
    };
    let verdict = nothing("oops\n\n{\"torn").unwrap();
    assert_eq!((verdict.bad_lines.len(), verdict.torn_bytes), (1, 6));
    assert_eq!(verdict.outcome, Outcome::Unchanged);
    assert_eq!(nothing(&("oops\n".repeat(1200) + &users(0..1))), None);
    assert_eq!(nothing(&users(0..1200)), None);
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

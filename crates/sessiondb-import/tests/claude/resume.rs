//! Importing again brings what is new and nothing twice.

use std::fs;

use pollster::block_on;
use proptest::prelude::*;
use sessiondb_import::{Outcome, import};

use crate::desk::{Desk, all_samples, content, source, user, users};

#[test]
fn importing_twice_changes_nothing_at_all() {
    for sample in all_samples() {
        let desk = Desk::with(fs::read(&sample.path).unwrap());
        let first = desk.import();
        let (session, content) = (desk.session().unwrap(), desk.content());
        let mut told = Vec::new();
        let again =
            block_on(import(&desk.store, &source(&desk.path), &mut |bytes| told.push(bytes))).unwrap();
        assert_eq!((again.outcome, again.messages, again.duplicates), (Outcome::Unchanged, 0, 0));
        assert!(again.records.is_empty() && again.bad_lines.is_empty() && told.is_empty());
        assert_eq!(desk.session().unwrap(), session);
        assert_eq!(desk.content(), content);
        assert_eq!(again.key, first.key);
    }
}

#[test]
fn of_a_file_that_has_grown_only_the_new_lines_are_read() {
    let desk = Desk::with(users(0..3));
    desk.import();
    // Were the second line read again, it would be a bad line now.
    let mut text = fs::read(&desk.path).unwrap();
    let second = user("u-0", "text 0").len();
    text[second] = b'!';
    text.extend(users(3..5).into_bytes());
    desk.write(text);
    let verdict = desk.import();
    assert_eq!((verdict.outcome, verdict.messages, verdict.bad_lines.len()), (Outcome::Grown, 2, 0));
    assert_eq!(desk.texts().len(), 5);
}

#[test]
fn progress_is_told_the_bytes_read_after_each_commit() {
    let desk = Desk::with(users(0..1200));
    let length = |lines: usize| users(0..lines).len() as u64;
    let mut told = Vec::new();
    block_on(import(&desk.store, &source(&desk.path), &mut |bytes| told.push(bytes))).unwrap();
    assert_eq!(told, [length(500), length(1000), length(1200)]);
    desk.append(users(1200..1201));
    told.clear();
    block_on(import(&desk.store, &source(&desk.path), &mut |bytes| told.push(bytes))).unwrap();
    assert_eq!(told, [length(1201)]);
}

#[test]
fn a_batch_is_bounded_in_bytes_too() {
    let line = |id: &str| user(id, &"x".repeat(3 << 20));
    let desk = Desk::with(line("a") + &line("b") + &line("c"));
    let mut told = Vec::new();
    block_on(import(&desk.store, &source(&desk.path), &mut |bytes| told.push(bytes))).unwrap();
    let length = line("a").len() as u64;
    assert_eq!(told, [2 * length, 3 * length]);
}

#[test]
fn the_tail_of_an_old_file_does_not_make_it_a_session_of_today() {
    let mode = "{\"type\":\"mode\",\"sessionId\":\"s\"}\n";
    let desk = Desk::with(users(0..500) + mode);
    desk.import();
    let session = desk.session().unwrap();
    assert_eq!(session.updated_at, session.created_at);
}

#[test]
fn a_file_that_moved_goes_on_where_it_was() {
    let desk = Desk::with(users(0..3));
    desk.import();
    let moved = desk.home.path().join("backup/-w");
    fs::create_dir_all(&moved).unwrap();
    let moved = moved.join("s-1.jsonl");
    fs::rename(&desk.path, &moved).unwrap();
    let verdict = block_on(import(&desk.store, &source(&moved), &mut |_| {})).unwrap();
    assert_eq!(verdict.outcome, Outcome::Unchanged);

    fs::write(&moved, users(0..4)).unwrap();
    let verdict = block_on(import(&desk.store, &source(&moved), &mut |_| {})).unwrap();
    assert_eq!((verdict.outcome, verdict.messages), (Outcome::Grown, 1));
    let position: serde_json::Value = desk.documents("import")[0].body.read().unwrap();
    assert_eq!(position["path"], moved.to_str().unwrap());
}

#[test]
fn a_position_that_is_lost_or_unreadable_loses_and_doubles_nothing() {
    let records = "{\"type\":\"mode\"}\n";
    let desk = Desk::with(users(0..3) + records);
    desk.import();
    let content = desk.content();
    for write in [
        sessiondb::Write::RemoveDocument { collection: "import".into(), id: "position".into() },
        sessiondb::Write::PutDocument(sessiondb::NewDocument::new("import", "position", "what?".into())),
    ] {
        block_on(desk.store.commit_one(sessiondb::Commit::new(desk.key()).write(write))).unwrap();
        let verdict = desk.import();
        assert_eq!((verdict.outcome, verdict.messages, verdict.duplicates), (Outcome::New, 0, 0));
        assert!(verdict.records.is_empty());
        assert_eq!(desk.content(), content);
        assert_eq!(desk.import().outcome, Outcome::Unchanged);
    }
}

/// Imports a file as it grows to these lengths, and then as a whole.
fn in_steps(text: &[u8], cuts: &[usize]) -> Desk {
    let desk = Desk::with("");
    let mut cuts: Vec<usize> = cuts.iter().map(|cut| cut % (text.len() + 1)).collect();
    cuts.sort_unstable();
    cuts.push(text.len());
    let mut messages = 0;
    for cut in cuts {
        desk.write(&text[..cut]);
        messages += desk.import().messages;
    }
    assert_eq!(messages, desk.session().map_or(0, |session| session.message_count));
    desk
}

/// Lines with the same id, the same and other content, in between answers that repeat their usage.
fn with_duplicates() -> Vec<u8> {
    let mut text = String::new();
    for n in 0..40 {
        text += &user(&format!("u-{}", n % 7), &format!("text {}", n % 3));
        text += &crate::desk::assistant(&format!("a-{n}"), &format!("m-{}", n % 5), n);
        text += "{\"type\":\"mode\",\"n\":";
        text += &format!("{n}}}\n");
    }
    text.into_bytes()
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 12, ..ProptestConfig::default() })]

    #[test]
    fn a_file_imported_while_it_grows_is_as_if_imported_at_once(cuts in prop::collection::vec(any::<usize>(), 1..8)) {
        for sample in all_samples() {
            let text = fs::read(&sample.path).unwrap();
            let at_once = Desk::with(&text);
            at_once.import();
            let desk = in_steps(&text, &cuts);
            prop_assert_eq!(desk.content(), at_once.content());
            desk.assert_whole();
        }
    }

    #[test]
    fn duplicates_are_the_same_wherever_a_growing_file_is_cut(cuts in prop::collection::vec(any::<usize>(), 1..8)) {
        let text = with_duplicates();
        let at_once = Desk::with(&text);
        prop_assert_eq!(at_once.import().duplicates, 33);
        let desk = in_steps(&text, &cuts);
        prop_assert_eq!(desk.content(), at_once.content());
        desk.assert_whole();
    }
}

#[test]
fn a_file_cut_at_every_byte_is_as_if_imported_at_once() {
    let text =
        (users(0..2) + "\n{\"type\":\"ai-title\",\"aiTitle\":\"é\"}\n" + &user("u-0", "again")).into_bytes();
    let at_once = Desk::with(&text);
    at_once.import();
    let every: Vec<usize> = (0..text.len()).collect();
    assert_eq!(in_steps(&text, &every).content(), at_once.content());
    for cut in every {
        assert_eq!(in_steps(&text, &[cut]).content(), at_once.content(), "cut at {cut}");
    }
}

#[test]
fn a_transcript_in_a_store_of_its_own_is_the_same_as_among_others() {
    let store = block_on(sessiondb::open("memory:")).unwrap();
    for sample in all_samples() {
        let key = block_on(import(&store, &sample, &mut |_| {})).unwrap().key.unwrap();
        let desk = Desk::with(fs::read(&sample.path).unwrap());
        desk.import();
        assert_eq!(content(&store, &key), desk.content());
    }
}

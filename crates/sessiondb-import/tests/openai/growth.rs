//! Conversations that go on, and conversations that change.

use pollster::block_on;
use proptest::prelude::*;
use sessiondb::{NewMessage, Window};
use sessiondb_import::{Outcome, Variant, original_conversation};

use crate::desk::{Desk, chat, counts, named, nameless};

#[test]
fn a_conversation_that_goes_on_is_appended_to() {
    let desk = Desk::with(chat("a", &["1"]) + &chat("b", &["x"]));
    desk.import();
    desk.write(chat("a", &["1", "2", "3"]) + &chat("b", &["x"]));
    let verdict = desk.import();
    assert_eq!(
        (verdict.outcome, verdict.sessions, verdict.messages),
        (Outcome::Grown, counts(0, 1, 0, 1), 2)
    );
    assert_eq!(desk.texts(&named("a")), ["\"1\"", "\"2\"", "\"3\""]);
    desk.assert_whole();
    // The line as it was can be given back too.
    assert_eq!(desk.originals().len(), 3);
    assert_eq!(desk.import().outcome, Outcome::Unchanged);
}

#[test]
fn a_log_of_one_conversation_as_it_grew_is_one_session() {
    let log = chat("a", &["1"]) + &chat("a", &["1", "2"]) + &chat("a", &["1", "2", "3"]);
    let desk = Desk::with(&log);
    let verdict = desk.import();
    assert_eq!((verdict.sessions, verdict.messages), (counts(1, 2, 0, 0), 3));
    assert_eq!((desk.sessions().len(), desk.originals().len()), (1, 3));
    assert_eq!(desk.import().sessions, counts(0, 0, 0, 3));
    desk.assert_whole();
    // In whatever order its states come.
    let backwards: Vec<_> = log.lines().rev().collect();
    let desk = Desk::with(backwards.join("\n"));
    desk.import();
    assert_eq!((desk.sessions().len(), desk.texts(&named("a")).len()), (1, 3));
    desk.assert_whole();
}

#[test]
fn what_changed_beside_the_messages_is_kept_beside_what_was() {
    let desk = Desk::with(chat("a", &["1"]));
    desk.import();
    desk.write(chat("a", &["1"]).replace("}\n", ",\"metadata\":{\"rating\":5}}\n"));
    let verdict = desk.import();
    assert_eq!((verdict.sessions, verdict.messages), (counts(0, 1, 0, 0), 0));
    assert_eq!((desk.sessions().len(), desk.originals().len()), (1, 2));
    desk.assert_whole();
}

#[test]
fn a_conversation_that_changed_is_a_session_beside_the_one_that_was() {
    let desk = Desk::with(chat("a", &["1", "2"]));
    desk.import();
    desk.write(chat("b", &["x"]) + &chat("a", &["1", "two"]));
    let verdict = desk.import();
    assert_eq!(
        (verdict.outcome, verdict.sessions, verdict.messages),
        (Outcome::Rewritten, counts(1, 0, 1, 0), 3)
    );
    let [Variant { line: 2, key }] = &verdict.variants[..] else { panic!("{:?}", verdict.variants) };
    assert_eq!((key.peer_id.as_str(), key.account_id.len()), ("a", 32));
    assert_eq!(desk.texts(key), ["\"1\"", "\"two\""]);
    assert_eq!(desk.texts(&named("a")), ["\"1\"", "\"2\""]);
    desk.assert_whole();

    let again = desk.import();
    assert_eq!((again.sessions, again.variants.len()), (counts(0, 0, 0, 2), 0));
    // Changed back, it is what it was.
    desk.write(chat("a", &["1", "2", "3"]));
    assert_eq!(desk.import().sessions, counts(0, 1, 0, 0));
}

#[test]
fn two_conversations_with_one_id_are_both_kept() {
    let desk = Desk::with(chat("a", &["1"]) + &chat("a", &["other"]) + &chat("b", &["2"]));
    assert_eq!(desk.import().sessions, counts(2, 0, 1, 0));
    assert_eq!(desk.import().sessions, counts(0, 0, 0, 3));
    desk.assert_whole();
}

#[test]
fn without_an_id_a_conversation_that_went_on_is_another() {
    let desk = Desk::with(nameless(&["1"]));
    desk.import();
    desk.write(nameless(&["1", "2"]));
    assert_eq!(desk.import().sessions, counts(1, 0, 0, 0));
    assert_eq!(desk.sessions().len(), 2);
}

#[test]
fn what_others_appended_stays_and_the_line_is_still_given_back() {
    let desk = Desk::with(chat("a", &["1"]));
    desk.import();
    block_on(desk.store.append(&named("a"), vec![NewMessage::new("user", "theirs")])).unwrap();
    desk.write(chat("a", &["1", "2"]));
    assert_eq!(desk.import().messages, 1);
    assert_eq!(desk.texts(&named("a")), ["\"1\"", "\"theirs\"", "\"2\""]);
    desk.assert_whole();
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 48, ..ProptestConfig::default() })]

    /// Files of a few conversations that grow, change, move and go: after each import the store has every line that the
    /// file ever had, and a second import finds nothing new.
    #[test]
    fn whatever_becomes_of_a_file_every_line_is_kept(
        states in prop::collection::vec(prop::collection::vec(("[ab]?", prop::collection::vec("[xy]", 1..4)), 0..6), 1..5),
    ) {
        let (desk, mut ever) = (Desk::with(""), std::collections::BTreeSet::new());
        for state in states {
            let mut text = String::new();
            for (id, texts) in &state {
                let texts: Vec<_> = texts.iter().map(String::as_str).collect();
                text += &if id.is_empty() { nameless(&texts) } else { chat(id, &texts) };
            }
            ever.extend(text.lines().map(str::to_owned));
            desk.write(&text);
            let verdict = desk.import();
            prop_assert_eq!(verdict.bad_lines, []);
            prop_assert_eq!(desk.originals(), ever.iter().cloned().collect::<Vec<_>>());
            prop_assert_eq!(desk.import().outcome, Outcome::Unchanged);
        }
        let messages: u64 = desk.sessions().iter().map(|session| session.message_count).sum();
        prop_assert_eq!(block_on(desk.store.check()).unwrap().messages, messages);
    }
}

#[test]
fn what_the_session_hides_does_not_come_again() {
    for change in 0..3 {
        let desk = Desk::with(chat("a", &["1", "2", "3"]));
        desk.import();
        let key = named("a");
        match change {
            0 => {
                _ = block_on(desk.store.compact(&key, 1, Some(NewMessage::new("system", "in short"))))
                    .unwrap()
            }
            1 => _ = block_on(desk.store.rewind(&key, 1)).unwrap(),
            _ => _ = block_on(desk.store.reset(&key)).unwrap(),
        }
        let shown = desk.texts(&key);
        desk.write(chat("a", &["1", "2", "3", "4"]));
        let verdict = desk.import();
        assert_eq!((verdict.sessions, verdict.messages), (counts(0, 1, 0, 0), 1));
        assert_eq!(desk.texts(&key), [shown, vec!["\"4\"".to_owned()]].concat());

        desk.write(chat("a", &["1", "x", "3", "4"]));
        assert_eq!(desk.import().sessions, counts(0, 0, 1, 0));
        desk.write(chat("a", &["1", "2", "3", "4", "5"]));
        assert_eq!(desk.import().messages, 1);
        let log = block_on(desk.store.message_window(&key, Window::log(0, 100))).unwrap().messages;
        for line in desk.lines(&key) {
            original_conversation(&line, &log).unwrap();
        }
    }
}

//! Conversations and files of many sizes.

use pollster::block_on;
use sessiondb::limits;
use sessiondb_import::{BadLine, ImportError, Outcome, import};

use crate::{
    desk::{Desk, chat, counts, long, named, nameless, source},
    dying::dying,
};

#[test]
fn many_conversations_are_committed_together() {
    let lines: String = (0..1200).map(|n| chat(&n.to_string(), &["x"])).collect();
    let desk = Desk::with(&lines);
    let mut told = Vec::new();
    let verdict = block_on(import(&desk.store, &source(&desk.path), &mut |bytes| told.push(bytes))).unwrap();
    assert_eq!((verdict.sessions, told.len()), (counts(1200, 0, 0, 0), 3));
    assert_eq!(told.last(), Some(&(lines.len() as u64)));
    assert_eq!(desk.import().sessions, counts(0, 0, 0, 1200));
}

#[test]
fn a_conversation_that_the_store_refuses_does_not_take_its_neighbours_along() {
    let mut lines: String = (0..20).map(|n| chat(&n.to_string(), &["x"])).collect();
    let desk = Desk::with(&lines);
    block_on(desk.store.session_open(&named("7"))).unwrap();
    lines += &chat("3", &["changed"]);
    desk.write(lines);
    let verdict = desk.import();
    assert_eq!((verdict.sessions, verdict.bad_lines.len()), (counts(19, 0, 1, 0), 1));
    assert_eq!(verdict.bad_lines[0].line, 8);
}

#[test]
fn conversations_with_more_messages_than_a_commit_takes_together_are_committed_apart() {
    let desk = Desk::with(long("a", 6_000) + &long("b", 6_000) + &chat("c", &["x"]));
    assert_eq!(desk.import().sessions, counts(3, 0, 0, 0));
    desk.assert_whole();
}

/// What does not go into one commit does not make each of its neighbours have one of its own.
#[test]
fn a_commit_is_ended_before_what_it_could_not_take() {
    let many: String = (0..300).map(|n| chat(&n.to_string(), &["x"])).collect();
    for lines in
        [long("a", 6_000) + &many + &long("b", 6_000), chat("a", &["1"]) + &many + &chat("a", &["1", "2"])]
    {
        let desk = Desk::with(lines);
        block_on(import(&dying(&desk.store, 2), &source(&desk.path), &mut |_| {})).unwrap();
        desk.assert_whole();
    }
}

#[test]
fn a_conversation_that_fits_into_a_commit_is_there_as_a_whole_or_not_at_all() {
    let most = limits::COMMIT_WRITES_MAX - 4;
    let desk = Desk::with(long("a", most));
    let error = block_on(import(&dying(&desk.store, 0), &source(&desk.path), &mut |_| {})).unwrap_err();
    assert!(
        matches!(error, ImportError::Store { .. }) && error.to_string().contains("the disk is gone"),
        "{error}"
    );
    assert!(desk.sessions().is_empty());
    block_on(import(&dying(&desk.store, 1), &source(&desk.path), &mut |_| {})).unwrap();
    assert_eq!(desk.texts(&named("a")).len(), most);
    desk.assert_whole();
}

#[test]
fn a_batch_that_fails_takes_nothing_back_of_those_before_it() {
    let lines: String = (0..1200).map(|n| chat(&n.to_string(), &["1", "2"])).collect();
    let desk = Desk::with(&lines);
    block_on(import(&dying(&desk.store, 1), &source(&desk.path), &mut |_| {})).unwrap_err();
    assert_eq!(desk.sessions().len(), 500);
    assert!(desk.sessions().iter().all(|session| session.message_count == 2));
    assert_eq!(desk.import().sessions, counts(700, 0, 0, 500));
}

#[test]
fn a_long_conversation_that_was_interrupted_goes_on_where_it_stopped() {
    let desk = Desk::with(long("a", 20_500));
    for commits in [1, 2] {
        block_on(import(&dying(&desk.store, commits), &source(&desk.path), &mut |_| {})).unwrap_err();
        assert_eq!(desk.texts(&named("a")).len(), commits * 9_996);
        assert!(desk.lines(&named("a")).is_empty());
    }
    let verdict = desk.try_import().unwrap();
    assert_eq!((verdict.outcome, verdict.messages), (Outcome::Grown, 20_500 - 2 * 9_996));
    assert_eq!(desk.texts(&named("a")).len(), 20_500);
    assert_eq!(desk.try_import().unwrap().outcome, Outcome::Unchanged);
    desk.assert_whole();
}

#[test]
fn a_line_of_more_than_16_mib_is_a_bad_line_and_one_of_less_is_kept() {
    let filled = |bytes: usize| nameless(&["x".repeat(bytes).as_str()]);
    let frame = filled(0).len() - 1;
    let most = (16 << 20) - frame;
    let desk = Desk::with(filled(most + 1) + &filled(most) + &chat("a", &["1"]));
    let verdict = desk.try_import().unwrap();
    assert_eq!(verdict.sessions, counts(2, 0, 0, 0));
    assert_eq!(verdict.bad_lines, [BadLine { line: 1, reason: "longer than 16777216 bytes".into() }]);
    assert!(desk.originals().contains(&filled(most).trim_end().to_owned()));
}

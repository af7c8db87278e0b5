//! A file that is not the one that was imported is read again; what the session has stays.

use pollster::block_on;
use sessiondb::NewMessage;
use sessiondb_import::{Outcome, original_record};

use crate::desk::{Desk, user, users};

const MODE: &str = "{\"type\":\"mode\",\"mode\":\"plan\"}\n";

#[test]
fn a_rewritten_file_brings_what_is_new_and_nothing_twice() {
    let desk = Desk::with(users(0..3) + MODE);
    desk.import();
    desk.write(MODE.to_owned() + &users(1..5) + MODE);
    let verdict = desk.import();
    assert_eq!((verdict.outcome, verdict.messages, verdict.duplicates), (Outcome::Rewritten, 2, 0));
    assert_eq!(verdict.records["mode"], 2);
    let texts: Vec<_> = (0..5).map(|n| format!("\"text {n}\"")).collect();
    assert_eq!(desk.texts(), texts);
    // The record of the old line 4 stays, though line 4 is a message now: nothing is removed.
    assert_eq!(desk.records().into_iter().map(|record| record.0).collect::<Vec<_>>(), [1, 4, 6]);
    assert_eq!(desk.import().outcome, Outcome::Unchanged);
}

#[test]
fn records_are_put_only_where_they_differ() {
    let mode = |n: usize| format!("{{\"type\":\"mode\",\"n\":{n}}}\n");
    let desk = Desk::with(mode(1) + &mode(2) + &mode(3));
    desk.import();
    let before = desk.documents("record");
    desk.write(mode(1) + &mode(22) + "{\"type\":\"mode\",\"n\":3}\r\n");
    assert_eq!(desk.import().records["mode"], 2);
    let after = desk.documents("record");
    assert_eq!(after[0].revision, before[0].revision);
    assert!(after[1].revision > before[1].revision && after[2].revision > before[2].revision);
    assert_eq!(original_record(&after[2]).unwrap(), "{\"type\":\"mode\",\"n\":3}\r");
}

#[test]
fn a_file_that_shrank_takes_nothing_away_and_may_grow_again() {
    let desk = Desk::with(users(0..4));
    desk.import();
    desk.write(users(0..2));
    let verdict = desk.import();
    assert_eq!((verdict.outcome, verdict.messages), (Outcome::Rewritten, 0));
    assert_eq!(desk.import().outcome, Outcome::Unchanged);
    desk.write(users(0..5));
    let verdict = desk.import();
    assert_eq!((verdict.outcome, verdict.messages, verdict.duplicates), (Outcome::Grown, 1, 0));
    assert_eq!(desk.texts().len(), 5);
    assert!(desk.records().is_empty());
}

#[test]
fn an_emptied_file_takes_nothing_away() {
    let desk = Desk::with(users(0..2));
    desk.import();
    let session = desk.session();
    desk.write("");
    assert_eq!(desk.import().outcome, Outcome::Unchanged);
    assert_eq!(desk.session(), session);
}

#[test]
fn a_message_rewritten_under_its_id_is_kept_as_a_record_beside_the_first() {
    let desk = Desk::with(users(0..3));
    desk.import();
    desk.write(
        user("u-0", "text 0") + &user("u-1", "redacted") + &user("u-2", "text 2") + &user("u-3", "text 3"),
    );
    let verdict = desk.import();
    assert_eq!((verdict.outcome, verdict.messages, verdict.duplicates), (Outcome::Rewritten, 1, 1));
    assert_eq!(verdict.records["user"], 1);
    assert_eq!(desk.texts()[1], "\"text 1\"");
    assert_eq!(desk.records(), [(2, user("u-1", "redacted").trim_end().to_owned())]);

    // Read once more from the start: what was put aside then is the same now.
    desk.write(user("u-0", "text 0") + &user("u-1", "redacted") + &user("u-4", "text 4"));
    let verdict = desk.import();
    assert_eq!((verdict.messages, verdict.duplicates), (1, 1));
    assert!(verdict.records.is_empty());
}

#[test]
fn a_file_rewritten_in_every_line_ends_and_loses_no_line() {
    let desk = Desk::with(users(0..600));
    desk.import();
    let other: String = (0..650).map(|n| user(&format!("u-{n}"), &format!("redacted {n}"))).collect();
    desk.write(other);
    let verdict = desk.import();
    assert_eq!((verdict.messages, verdict.duplicates, verdict.records["user"]), (50, 600, 600));
    assert_eq!(desk.texts()[599..601], ["\"text 599\"", "\"redacted 600\""]);
    assert_eq!(desk.records().len(), 600);
    assert_eq!(desk.import().outcome, Outcome::Unchanged);
}

#[test]
fn a_uuid_seen_twice_is_one_message_and_a_record() {
    let desk = Desk::with(user("a", "1") + &user("a", "1") + &user("a", "2") + &user("b", "3"));
    let verdict = desk.import();
    assert_eq!((verdict.messages, verdict.duplicates, verdict.records["user"]), (2, 2, 2));
    assert_eq!(desk.records().into_iter().map(|record| record.0).collect::<Vec<_>>(), [2, 3]);
    desk.assert_whole();
}

#[test]
fn a_uuid_of_an_earlier_import_seen_again_is_a_record() {
    let desk = Desk::with(user("a", "1"));
    desk.import();
    desk.append(user("a", "1"));
    let verdict = desk.import();
    assert_eq!((verdict.messages, verdict.duplicates, verdict.records["user"]), (0, 1, 1));
    desk.append(user("a", "2") + &user("b", "3"));
    let verdict = desk.import();
    assert_eq!((verdict.messages, verdict.duplicates, verdict.records["user"]), (1, 1, 1));
    desk.assert_whole();
}

#[test]
fn a_uuid_of_an_earlier_import_seen_again_in_a_later_batch_is_a_record() {
    let desk = Desk::with(users(0..3));
    desk.import();
    desk.append(users(3..700) + &users(1..2));
    let verdict = desk.import();
    assert_eq!((verdict.messages, verdict.duplicates, verdict.records["user"]), (697, 1, 1));
    assert_eq!(desk.records().into_iter().map(|record| record.0).collect::<Vec<_>>(), [701]);
    desk.assert_whole();
}

#[test]
fn what_the_session_hides_does_not_come_again() {
    let desk = Desk::with(users(0..10));
    desk.import();
    let summary = NewMessage::new("system", "in short");
    block_on(desk.store.compact(&desk.key(), 2, Some(summary))).unwrap();
    let shown = desk.texts();
    assert_eq!(shown.len(), 3);
    desk.write(MODE.to_owned() + &users(0..11));
    assert_eq!((desk.import().messages, desk.texts().len()), (1, 4));
    desk.write(users(5..9));
    assert_eq!(desk.import().messages, 0);
    desk.append(users(9..13));
    let verdict = desk.import();
    assert_eq!((verdict.outcome, verdict.messages, desk.texts().len()), (Outcome::Grown, 2, 6));
    // Another message with the id of a hidden one is kept as a record.
    desk.write(user("u-1", "changed"));
    let verdict = desk.import();
    assert_eq!((verdict.messages, verdict.duplicates, desk.texts().len()), (0, 1, 6));
    assert_eq!(verdict.records["user"], 1);
}

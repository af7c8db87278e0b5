//! A rehearsal says what an import would do. That it says so of each file in these tests is what `Desk::import` asks.

use pollster::block_on;
use sessiondb_import::{Outcome, Rehearsal, import};

use crate::desk::{Desk, chat, counts, nameless, sessions, source};

#[test]
fn without_a_store_everything_is_new() {
    let desk = Desk::with(chat("a", &["1"]) + "oops\n" + &nameless(&["2", "3"]));
    let verdict = block_on(Rehearsal::new(None).import(&source(&desk.path), &mut |_| {})).unwrap();
    assert_eq!((verdict.outcome, verdict.sessions, verdict.messages), (Outcome::New, counts(2, 0, 0, 0), 3));
    assert_eq!(verdict.bad_lines.len(), 1);
}

#[test]
fn files_of_one_rehearsal_see_those_before_them() {
    let (desk, rehearsal) = (Desk::with(chat("a", &["1"])), Rehearsal::new(None));
    let rehearse = || block_on(rehearsal.import(&source(&desk.path), &mut |_| {})).unwrap().sessions;
    assert_eq!(rehearse(), counts(1, 0, 0, 0));
    assert_eq!(rehearse(), counts(0, 0, 0, 1));
    desk.write(chat("a", &["1", "2"]));
    assert_eq!(rehearse(), counts(0, 1, 0, 0));
    desk.write(chat("a", &["1", "3"]));
    assert_eq!(rehearse(), counts(0, 0, 1, 0));
    assert_eq!(rehearse(), counts(0, 0, 0, 1));
}

#[test]
fn a_rehearsal_over_a_store_goes_on_from_it_and_leaves_it_as_it_is() {
    let desk = Desk::with(chat("a", &["1", "2"]));
    desk.import();
    let (before, rehearsal) = (desk.sessions(), Rehearsal::new(Some(desk.store.clone())));
    let rehearse = || block_on(rehearsal.import(&source(&desk.path), &mut |_| {})).unwrap().sessions;
    for (texts, expected) in [
        (&["1", "2"][..], counts(0, 0, 0, 1)),
        (&["1", "2", "3"], counts(0, 1, 0, 0)),
        (&["1", "2", "3", "4"], counts(0, 1, 0, 0)),
        (&["1", "x"], counts(0, 0, 1, 0)),
    ] {
        desk.write(chat("a", texts));
        assert_eq!(rehearse(), expected, "{texts:?}");
    }
    assert_eq!(desk.sessions(), before);
    assert_eq!(
        block_on(import(&desk.store, &source(&desk.path), &mut |_| {})).unwrap().sessions,
        counts(0, 0, 1, 0)
    );
    assert_eq!(sessions(&desk.store).len(), 2);
}

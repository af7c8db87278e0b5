//! Several imports of one file at the same time.

use std::thread;

use pollster::block_on;
use sessiondb::{Commit, Json, Write};
use sessiondb_import::{Outcome, import};

use crate::desk::{Desk, assistant, source, users};

fn lines() -> String {
    let answers =
        |from: usize| (from..from + 300).map(|n| assistant(&format!("a-{n}"), &format!("m-{}", n / 3), 1));
    users(0..900)
        + &answers(0).collect::<String>()
        + "{\"type\":\"mode\"}\n"
        + &answers(300).collect::<String>()
}

#[test]
fn an_import_that_is_overtaken_goes_on_behind_the_other() {
    let alone = Desk::with(lines());
    alone.import();
    let desk = Desk::with(lines());
    let mut other = None;
    let verdict = block_on(import(&desk.store, &source(&desk.path), &mut |_| {
        // Between this import's first and second batch another one imports the whole rest.
        other.get_or_insert_with(|| desk.import());
    }))
    .unwrap();
    let other = other.unwrap();
    assert_eq!((verdict.outcome, verdict.messages), (Outcome::New, 500));
    assert_eq!((other.outcome, other.messages), (Outcome::Grown, 1000));
    assert_eq!(verdict.records.values().sum::<u64>() + other.records.values().sum::<u64>(), 1);
    assert_eq!(desk.content(), alone.content());
}

#[test]
fn a_duplicate_found_before_an_import_is_overtaken_is_kept_after_it() {
    let desk = Desk::with(users(0..3));
    desk.import();
    desk.append(users(1..2) + &users(3..600));
    let mut other = None;
    let verdict = block_on(import(&desk.store, &source(&desk.path), &mut |_| {
        other.get_or_insert_with(|| desk.import());
    }))
    .unwrap();
    assert_eq!((verdict.messages, verdict.duplicates, verdict.records["user"]), (499, 1, 1));
    assert_eq!(other.unwrap().messages, 98);
    desk.assert_whole();
}

#[test]
fn imports_at_the_same_time_share_the_work_and_double_nothing() {
    let alone = Desk::with(lines());
    alone.import();
    for _ in 0..5 {
        let desk = Desk::with(lines());
        let verdicts = thread::scope(|scope| {
            let imports: Vec<_> = (0..4).map(|_| scope.spawn(|| desk.import())).collect();
            imports.into_iter().map(|import| import.join().unwrap()).collect::<Vec<_>>()
        });
        assert_eq!(verdicts.iter().map(|verdict| verdict.messages).sum::<u64>(), 1500);
        assert_eq!(verdicts.iter().map(|verdict| verdict.duplicates).sum::<u64>(), 0);
        assert_eq!(desk.content(), alone.content());
    }
}

#[test]
fn metadata_changed_during_an_import_are_not_overwritten() {
    let title = "{\"type\":\"custom-title\",\"customTitle\":\"T\"}\n";
    // With the title in the second batch, and in the third.
    for lines in [600, 1100] {
        let desk = Desk::with(users(0..lines) + title);
        let mut changes = 0;
        block_on(import(&desk.store, &source(&desk.path), &mut |_| {
            changes += 1;
            if changes == 1 {
                let theirs = Json::parse("{\"star\":true}").unwrap();
                let change = Commit::new(desk.key()).write(Write::SetMetadata(theirs));
                block_on(desk.store.commit_one(change)).unwrap();
            }
        }))
        .unwrap();
        assert_eq!(desk.metadata(), serde_json::json!({"star": true, "title": "T"}));
        assert_eq!(desk.texts().len(), lines);
    }
}

#[test]
fn a_session_deleted_during_an_import_is_imported_anew() {
    let desk = Desk::with(users(0..600));
    let mut commits = 0;
    block_on(import(&desk.store, &source(&desk.path), &mut |_| {
        commits += 1;
        if commits == 1 {
            block_on(desk.store.session_delete(&desk.key())).unwrap();
        }
    }))
    .unwrap();
    assert_eq!(desk.texts().len(), 600);
    desk.assert_whole();
}

#[test]
fn an_import_can_be_awaited_on_any_thread() {
    fn can_be_sent(_: &impl Send) {}
    let (desk, mut progress) = (Desk::with(users(0..1)), |_| {});
    let source = source(&desk.path);
    let importing = import(&desk.store, &source, &mut progress);
    can_be_sent(&importing);
    assert_eq!(block_on(importing).unwrap().messages, 1);
}

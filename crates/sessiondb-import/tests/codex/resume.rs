//! Importing again brings what is new and nothing twice.

use std::fs;

use pollster::block_on;
use proptest::prelude::*;
use sessiondb::Write;
use sessiondb_import::{Outcome, import};

use crate::desk::{Desk, THREAD, all_samples, count, meta, source, user, users};

#[test]
fn importing_twice_changes_nothing_at_all() {
    for sample in all_samples() {
        let desk = Desk::with(fs::read(&sample.path).unwrap());
        desk.import();
        let (session, content) = (desk.session().unwrap(), desk.content());
        let again = desk.import();
        assert_eq!((again.outcome, again.messages, again.duplicates), (Outcome::Unchanged, 0, 0));
        assert!(again.records.is_empty());
        assert_eq!((desk.session().unwrap(), desk.content()), (session, content));
    }
}

#[test]
fn a_file_that_lost_its_position_is_read_again_and_nothing_doubles() {
    for sample in all_samples() {
        let desk = Desk::with(fs::read(&sample.path).unwrap());
        desk.import();
        let content = desk.content();
        let forget = Write::RemoveDocument { collection: "import".into(), id: "position".into() };
        block_on(desk.store.commit_one(sessiondb::Commit::new(desk.key()).write(forget))).unwrap();
        assert_eq!(desk.import().messages, 0);
        assert_eq!(desk.content(), content);
    }
}

#[test]
fn a_rewritten_file_brings_what_is_new_and_counts_it_once() {
    let desk = Desk::with(meta(THREAD) + &users(1..4) + &count(5, 100, 100) + &count(6, 130, 30));
    desk.import();
    assert_eq!(desk.tokens(), 130);
    desk.write(meta(THREAD) + &users(2..4) + &user(4, "new") + &count(6, 130, 30) + &count(7, 140, 10));
    let verdict = desk.import();
    assert_eq!((verdict.outcome, verdict.messages, verdict.duplicates), (Outcome::Rewritten, 1, 0));
    assert_eq!((desk.messages().len(), desk.tokens()), (4, 140));
}

#[test]
fn an_archived_file_goes_on_where_it_was() {
    let desk = Desk::with(meta(THREAD) + &users(1..3));
    desk.import();
    let archive = desk.home.path().join("archived_sessions");
    fs::create_dir(&archive).unwrap();
    let moved = archive.join(desk.path.file_name().unwrap());
    fs::rename(&desk.path, &moved).unwrap();
    assert_eq!(desk.try_import(&moved).unwrap().outcome, Outcome::Unchanged);
}

#[test]
fn an_import_that_is_overtaken_goes_on_behind_the_other() {
    let text = || {
        meta(THREAD)
            + &users(1..900)
            + &(0..600).map(|n| count(901 + n, 10 + n as u64, 1)).collect::<String>()
    };
    let alone = Desk::with(text());
    alone.import();
    let desk = Desk::with(text());
    let mut other = None;
    block_on(import(&desk.store, &source(&desk.path), &mut |_| {
        other.get_or_insert_with(|| desk.import());
    }))
    .unwrap();
    assert_eq!(other.unwrap().outcome, Outcome::Grown);
    assert_eq!(desk.content(), alone.content());
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 12, ..ProptestConfig::default() })]

    #[test]
    fn a_file_imported_while_it_grows_is_as_if_imported_at_once(cuts in prop::collection::vec(any::<usize>(), 1..8)) {
        for sample in all_samples() {
            let text = fs::read(&sample.path).unwrap();
            let at_once = Desk::with(&text);
            at_once.import();
            let desk = Desk::with("");
            let mut cuts: Vec<usize> = cuts.iter().map(|cut| cut % (text.len() + 1)).collect();
            cuts.sort_unstable();
            for cut in cuts.into_iter().chain([text.len()]) {
                desk.write(&text[..cut]);
                desk.import();
            }
            prop_assert_eq!(desk.content(), at_once.content());
            desk.assert_whole();
        }
    }
}

#[test]
fn a_small_file_cut_at_every_line_and_compressed_in_between_is_as_if_imported_at_once() {
    for sample in all_samples().into_iter().filter(|sample| sample.bytes < 20_000) {
        let text = fs::read_to_string(&sample.path).unwrap();
        let at_once = Desk::with(&text);
        at_once.import();
        let desk = Desk::with("");
        for (n, line) in text.split_inclusive('\n').enumerate() {
            desk.append(line);
            let path = if n % 2 == 0 { desk.pack() } else { desk.path.clone() };
            desk.try_import(&path).unwrap();
        }
        assert_eq!(desk.content(), at_once.content());
    }
}

//! Rollouts that Codex has compressed.

use std::fs;

use sessiondb_import::{ImportError, Outcome};

use crate::desk::{Desk, all_samples, meta, user, users};

#[test]
fn a_compressed_rollout_is_the_same_as_the_plain_one() {
    for sample in all_samples() {
        let (plain, desk) =
            (Desk::with(fs::read(&sample.path).unwrap()), Desk::with(fs::read(&sample.path).unwrap()));
        let expected = plain.import();
        let verdict = desk.try_import(&desk.pack()).unwrap();
        assert_eq!(verdict, expected);
        assert_eq!(desk.content(), plain.content());
        desk.assert_whole();
    }
}

#[test]
fn plain_and_compressed_are_one_session_imported_once() {
    let desk = Desk::with(meta("a") + &users(1..700));
    assert_eq!(desk.import().outcome, Outcome::New);
    let session = desk.session();
    let packed = desk.pack();
    for path in [&packed, &desk.path, &packed] {
        assert_eq!(desk.try_import(path).unwrap().outcome, Outcome::Unchanged);
    }
    assert_eq!(desk.session(), session);

    desk.append(users(700..705));
    let verdict = desk.try_import(&desk.pack()).unwrap();
    assert_eq!((verdict.outcome, verdict.messages), (Outcome::Grown, 5));
    assert_eq!(desk.import().outcome, Outcome::Unchanged);
    desk.assert_whole();
}

#[test]
fn a_compressed_rollout_that_was_rewritten_is_read_again() {
    let desk = Desk::with(meta("a") + &users(1..4) + "\n\n");
    desk.try_import(&desk.pack()).unwrap();
    assert_eq!(desk.try_import(&desk.pack()).unwrap().outcome, Outcome::Unchanged);
    desk.write(meta("a") + &users(1..3) + &user(9, "new"));
    let verdict = desk.try_import(&desk.pack()).unwrap();
    assert_eq!((verdict.outcome, verdict.messages), (Outcome::Rewritten, 1));
}

#[test]
fn of_a_compressed_rollout_that_is_cut_off_all_that_can_be_read_is_kept() {
    let text = meta("a") + &users(1..20_000);
    let desk = Desk::with(&text);
    let packed = desk.pack();
    let bytes = fs::read(&packed).unwrap();
    fs::write(&packed, &bytes[..bytes.len() * 3 / 4]).unwrap();
    for _ in 0..2 {
        let error = desk.try_import(&packed).unwrap_err();
        assert!(matches!(error, ImportError::Read { .. }));
        let error = error.to_string();
        assert!(error.contains(packed.to_str().unwrap()), "{error}");
        let (_, after) = error.split_once("damaged or cut off behind ").unwrap();
        let read: usize = after.split_once(" bytes").unwrap().0.parse().unwrap();
        let whole_lines = text[..read].matches('\n').count();
        assert!(whole_lines > 1000, "{whole_lines}");
        assert_eq!(desk.messages().len(), whole_lines - 1);
    }

    // The whole file comes back.
    fs::write(&packed, bytes).unwrap();
    let verdict = desk.try_import(&packed).unwrap();
    assert_eq!(verdict.outcome, Outcome::Grown);
    desk.assert_whole();
}

#[test]
fn a_compressed_rollout_cut_at_any_byte_neither_panics_nor_keeps_anything_else() {
    let text = meta("a") + &users(1..30);
    let whole = Desk::with(&text);
    let packed = fs::read(whole.pack()).unwrap();
    for cut in 0..packed.len() {
        let desk = Desk::with(&text);
        let path = desk.pack();
        fs::write(&path, &packed[..cut]).unwrap();
        assert!(matches!(desk.try_import(&path), Err(ImportError::Read { .. })), "cut at {cut}");
        let mut flipped = packed.clone();
        flipped[cut] ^= 0x55;
        fs::write(&path, flipped).unwrap();
        let _ = desk.try_import(&path);
        assert!(desk.session().is_none_or(|session| session.message_count <= 29));
    }
}

//! Files of conversations that are compressed.

use std::fs;

use pollster::block_on;
use sessiondb_import::{Format, ImportError, find, import};

use crate::desk::{Desk, chat, content, counts, nameless, samples, source};

fn packed(text: impl AsRef<[u8]>) -> Vec<u8> {
    zstd::encode_all(text.as_ref(), 3).unwrap()
}

#[test]
fn a_compressed_file_holds_the_same_sessions_as_the_plain_one() {
    let text = fs::read(samples().join("support-bot.jsonl")).unwrap();
    let desk = Desk::with(&text);
    assert_eq!(desk.import().sessions, counts(4, 0, 0, 0));
    let before = content(&desk.store);

    let path = desk.path.with_extension("jsonl.zst");
    fs::write(&path, packed(&text)).unwrap();
    let found = find(None, std::slice::from_ref(&path)).unwrap().sources;
    assert_eq!(found, [source(&path)]);
    assert_eq!(found[0].format, Format::OpenAi);
    let verdict = block_on(import(&desk.store, &found[0], &mut |_| {})).unwrap();
    assert_eq!(verdict.sessions, counts(0, 0, 0, 4));
    assert_eq!(content(&desk.store), before);
}

#[test]
fn of_a_damaged_file_everything_before_the_damage_is_imported() {
    let mut bytes = packed(chat("a", &["1"]) + &nameless(&["2"]));
    let second = packed(chat("b", &["3"]));
    bytes.extend(&second[..second.len() - 1]);
    let desk = Desk::with(&bytes);
    for _ in 0..2 {
        let error = desk.try_import().unwrap_err();
        assert!(matches!(error, ImportError::Read { .. }), "{error}");
        assert_eq!(desk.sessions().len(), 2);
    }
}

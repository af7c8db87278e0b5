//! No byte of a record is lost.

use std::fs;

use pollster::block_on;
use sessiondb_import::{Outcome, import};

use crate::desk::{Desk, all_samples, assert_whole};

#[test]
fn every_line_of_every_sample_is_restored_byte_for_byte() {
    let store = block_on(sessiondb::open("memory:")).unwrap();
    for source in all_samples() {
        let verdict = block_on(import(&store, &source, &mut |_| {})).unwrap();
        assert_eq!((verdict.outcome, verdict.torn_bytes), (Outcome::New, 0));
        assert_eq!(verdict.bad_lines, []);
        assert_whole(&store, &verdict.key.unwrap(), &fs::read(&source.path).unwrap());
    }
    assert_eq!(block_on(store.check()).unwrap().findings, []);
}

#[test]
fn every_line_of_every_sample_is_restored_with_other_line_ends_and_a_byte_order_mark() {
    for source in all_samples() {
        let text = fs::read_to_string(&source.path).unwrap();
        let desk = Desk::with(format!("\u{feff}{}", text.replace('\n', "\r\n")));
        let verdict = desk.import();
        assert_eq!(verdict.bad_lines, []);
        desk.assert_whole();

        let plain = Desk::with(&text);
        assert_eq!(plain.import().messages, verdict.messages);
        assert_eq!(plain.said(), desk.said());
        assert_eq!(plain.metadata(), desk.metadata());
    }
}

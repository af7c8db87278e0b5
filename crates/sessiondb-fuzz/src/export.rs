//! Archives of stores to which anything was done that can be done.

use arbitrary::Unstructured;
use pollster::block_on;
use sessiondb_export::{Choice, markdown};

use crate::{
    acts,
    observed::{assert_restorable, assert_sound, memory},
};

/// The bytes are what is done to a store. Its archive restores an equal one, and it can be written as Markdown.
pub fn holds(data: &[u8]) {
    let (store, mut bytes) = (memory(), Unstructured::new(data));
    while !bytes.is_empty() {
        // What is refused is refused as a whole.
        _ = acts::play(&store, &mut bytes);
    }
    assert_sound(&store);
    assert_restorable(&store);
    block_on(markdown(&store, &Choice::all(), std::io::sink(), &mut |_, _| {})).unwrap();
}

//! Stores, and what can be seen of them.

use std::sync::Arc;

use pollster::block_on;
use sessiondb::{MemoryBackend, Store};
use sessiondb_export::{Choice, Restored, export, restore};

/// A new store in memory: the specification of the others, and the fastest.
pub(crate) fn memory() -> Store {
    Store::new(Arc::new(MemoryBackend::new()))
}

/// Everything in a store, as its archive. No session in it may be unreadable.
pub(crate) fn archive(store: &Store) -> Vec<u8> {
    let mut out = Vec::new();
    let exported = block_on(export(store, &Choice::all(), &mut out, &mut |_, _| {})).unwrap();
    assert_eq!((exported.unread, exported.unsteady), (vec![], vec![]));
    out
}

/// That a check of the store finds nothing.
pub(crate) fn assert_sound(store: &Store) {
    let report = block_on(store.check()).unwrap();
    assert!(report.is_clean(), "{:#?}", report.findings);
}

/// That the store's archive restores an equal store, which takes the archive a second time without a change. Answers the
/// archive.
pub(crate) fn assert_restorable(store: &Store) -> Vec<u8> {
    let first = archive(store);
    let copy = memory();
    let read = |copy| block_on(restore(copy, first.as_slice(), &mut |_| {})).unwrap();
    let restored: Restored = read(&copy);
    assert!(restored.is_complete(), "{restored:#?}");
    assert_sound(&copy);
    assert_same(&archive(&copy), &first);
    let again = read(&copy);
    assert_eq!((again.sessions, again.unchanged), (0, restored.sessions));
    assert_same(&archive(&copy), &first);
    first
}

/// That two archives are equal, with words that a person can read if not.
pub(crate) fn assert_same(left: &[u8], right: &[u8]) {
    assert_eq!(String::from_utf8_lossy(left), String::from_utf8_lossy(right));
}

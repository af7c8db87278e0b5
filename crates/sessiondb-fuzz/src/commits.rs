//! Commits that come as JSON: whatever they ask for, the store stays sound.

use pollster::block_on;
use sessiondb::{Commit, Receipt, Window};

use crate::observed::{archive, assert_restorable, assert_same, assert_sound, memory};

/// Most commits of one input that are tried.
const COMMITS_MAX: usize = 16;

/// Each line is a commit. What is refused changes nothing.
pub fn holds(data: &[u8]) {
    let store = memory();
    let lines = data.split(|byte| *byte == b'\n');
    let commits = lines.filter_map(|line| serde_json::from_slice::<Commit>(line).ok());
    let mut before = archive(&store);
    for commit in commits.take(COMMITS_MAX) {
        let key = commit.key.clone();
        let receipt = block_on(store.commit_one(commit.clone()));
        assert_sound(&store);
        let after = archive(&store);
        let Ok(receipt) = receipt else {
            assert_same(&after, &before);
            continue;
        };
        before = after;
        assert_eq!(receipt.key, key);
        if commit.id.is_some() {
            let expected = Receipt { replayed: true, ..receipt };
            assert_eq!(block_on(store.commit_one(commit)).ok(), Some(expected), "the same commit again");
            assert_same(&archive(&store), &before);
        }
        if block_on(store.session(&key)).unwrap().is_some() {
            for window in [Window::last(3), Window::after(0, 3), Window::log(0, 3)] {
                block_on(store.message_window(&key, window)).unwrap();
            }
        }
    }
    assert_restorable(&store);
}

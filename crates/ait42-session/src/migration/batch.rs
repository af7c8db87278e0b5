//! [`Batch`]: commits that are applied together.

use std::collections::BTreeSet;

use sessiondb::{Commit, limits};

use crate::{layout::WORKSPACE, migration::directory::Directory};

/// Most changes and bytes that are written at once. The store takes twice as many; what is added to a batch that is full
/// is small.
pub(crate) const BATCH_CHANGES_MAX: usize = limits::COMMIT_WRITES_MAX / 2;
pub(crate) const BATCH_BYTES_MAX: usize = limits::COMMIT_BYTES_MAX / 2;

/// Commits that are applied together, as long as the authority is not moved.
pub(crate) struct Batch {
    unmoved: Commit,
    commits: Vec<Commit>,
    /// Of what stands alone beside others: a workspace is opened once.
    opened: BTreeSet<String>,
    changes: usize,
    bytes: usize,
}

impl Batch {
    pub(crate) fn new(directory: &Directory) -> Batch {
        let unmoved = directory.unmoved();
        Batch { unmoved, commits: Vec::new(), opened: BTreeSet::new(), changes: 0, bytes: 0 }
    }

    /// Whether these fit in too.
    pub(crate) fn takes(&self, commits: &[Commit]) -> bool {
        let (changes, bytes) = size(commits);
        self.commits.is_empty()
            || (self.changes + changes <= BATCH_CHANGES_MAX && self.bytes + bytes <= BATCH_BYTES_MAX)
    }

    pub(crate) fn add(&mut self, commits: Vec<Commit>) {
        let (changes, bytes) = size(&commits);
        (self.changes, self.bytes) = (self.changes + changes, self.bytes + bytes);
        for commit in commits {
            // With each new session comes that its workspace was accessed.
            let of_workspace = commit.key.peer_kind == WORKSPACE && commit.expect.is_empty();
            if !of_workspace || self.opened.insert(commit.key.peer_id.clone()) {
                self.commits.push(commit);
            }
        }
    }

    /// Its commits, if there are any, and that the authority was not moved.
    pub(crate) fn take(&mut self) -> Vec<Commit> {
        let mut commits = std::mem::take(&mut self.commits);
        if !commits.is_empty() {
            // First, since one of them may move it.
            commits.insert(0, self.unmoved.clone());
        }
        *self = Batch {
            unmoved: self.unmoved.clone(),
            commits: Vec::new(),
            opened: BTreeSet::new(),
            changes: 0,
            bytes: 0,
        };
        commits
    }
}

fn size(commits: &[Commit]) -> (usize, usize) {
    (commits.iter().map(Commit::changes).sum(), commits.iter().map(Commit::bytes).sum())
}

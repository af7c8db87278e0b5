//! [`Operation`]: what can be in flight when the power goes.

use sessiondb_core::Write;

/// A kind of work that writes to the disk. Coverage is counted by it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
#[expect(
    missing_docs,
    reason = "the first are the writes of these names, and the others are described below"
)]
pub enum Operation {
    Open,
    Append,
    SetStatus,
    SetMetadata,
    SetTokens,
    AddTokens,
    PutDocument,
    PatchDocument,
    RemoveDocument,
    Fork,
    Compact,
    Uncompact,
    Pop,
    Rewind,
    Undo,
    SetView,
    Restore,
    Delete,
    /// A call of several commits.
    Batch,
    /// Several calls in one transaction, or at least at once.
    Crowd,
    /// A transcript is imported.
    Import,
    /// Space is given back.
    Optimize,
    /// The log is copied into the database, from the first write into it to its sync.
    Checkpoint,
    /// A store is made.
    Create,
    /// A store of schema version 1 is brought up to date.
    Migrate,
    /// A store is closed.
    Close,
    /// A store that was closed is opened again.
    Reopen,
    /// A sync fails, and the store is opened again.
    FailedSync,
}

impl Operation {
    /// The writes of a commit.
    pub const WRITES: [Operation; 18] = [
        Operation::Open,
        Operation::Append,
        Operation::SetStatus,
        Operation::SetMetadata,
        Operation::SetTokens,
        Operation::AddTokens,
        Operation::PutDocument,
        Operation::PatchDocument,
        Operation::RemoveDocument,
        Operation::Fork,
        Operation::Compact,
        Operation::Uncompact,
        Operation::Pop,
        Operation::Rewind,
        Operation::Undo,
        Operation::SetView,
        Operation::Restore,
        Operation::Delete,
    ];

    /// Everything else.
    pub const OTHERS: [Operation; 10] = [
        Operation::Batch,
        Operation::Crowd,
        Operation::Import,
        Operation::Optimize,
        Operation::Checkpoint,
        Operation::Create,
        Operation::Migrate,
        Operation::Close,
        Operation::Reopen,
        Operation::FailedSync,
    ];

    /// What a life does hardly more than once.
    pub(crate) const ONCE: [Operation; 3] = [Operation::Create, Operation::Migrate, Operation::FailedSync];

    /// All of them.
    pub fn all() -> impl Iterator<Item = Operation> {
        Operation::WRITES.into_iter().chain(Operation::OTHERS)
    }

    /// Which one a write is. A write that is added to the model does not compile here, and then must be in the workload,
    /// or the coverage has a gap.
    pub fn of(write: &Write) -> Operation {
        match write {
            Write::Open(_) => Operation::Open,
            Write::Append(_) => Operation::Append,
            Write::SetStatus(_) => Operation::SetStatus,
            Write::SetMetadata(_) => Operation::SetMetadata,
            Write::SetTokens(_) => Operation::SetTokens,
            Write::AddTokens(_) => Operation::AddTokens,
            Write::PutDocument(_) => Operation::PutDocument,
            Write::PatchDocument { .. } => Operation::PatchDocument,
            Write::RemoveDocument { .. } => Operation::RemoveDocument,
            Write::Fork(_) => Operation::Fork,
            Write::Compact { .. } => Operation::Compact,
            Write::Uncompact => Operation::Uncompact,
            Write::Pop { .. } => Operation::Pop,
            Write::Rewind { .. } => Operation::Rewind,
            Write::Undo => Operation::Undo,
            Write::SetView(_) => Operation::SetView,
            Write::Restore(_) => Operation::Restore,
            Write::Delete => Operation::Delete,
        }
    }
}

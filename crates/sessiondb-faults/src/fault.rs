//! Errors of the disk: which operation fails, when, how, and what SQLite is answered then.
//!
//! The answers are those of SQLite's unix VFS (`os_unix.c` in the bundled source), since the engine must be right about
//! the errors it will really meet.

use rusqlite::ffi;

/// An operation of the disk that is counted and can fail.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
#[expect(missing_docs, reason = "each is a method of SQLite's VFS and named as there")]
pub enum Op {
    Open,
    Read,
    Write,
    Truncate,
    Sync,
    FileSize,
    Lock,
    Delete,
    ShmMap,
    ShmLock,
}

impl Op {
    /// All of them.
    pub const ALL: [Op; 10] = [
        Op::Open,
        Op::Read,
        Op::Write,
        Op::Truncate,
        Op::Sync,
        Op::FileSize,
        Op::Lock,
        Op::Delete,
        Op::ShmMap,
        Op::ShmLock,
    ];
}

/// The error that the operating system gives.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum FaultKind {
    /// The medium fails.
    Eio,
    /// No space is left.
    Enospc,
    /// The file system became read-only.
    Erofs,
    /// Half of the bytes are written, and for the rest there is no space. For what is no write, as [`FaultKind::Enospc`].
    ShortWrite,
}

/// Whether a fault passes by itself.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Lasting {
    /// It strikes once.
    Once,
    /// It strikes from then on, until [`Disk::heal`](crate::Disk::heal).
    Sticky,
}

/// A fault that will strike.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Fault {
    /// What fails.
    pub op: Op,
    /// Which one of them, counted from 1 from when the fault is set.
    pub nth: u64,
    /// How.
    pub kind: FaultKind,
    /// Once or from then on.
    pub lasting: Lasting,
}

impl Fault {
    /// What the unix VFS answers SQLite when `op` fails with this error. Errors that an operation cannot meet are
    /// answered as any other error of it.
    pub(crate) fn answer(op: Op, kind: FaultKind) -> i32 {
        use FaultKind::{Eio, Enospc, Erofs, ShortWrite};
        match (op, kind) {
            // A file that cannot be opened for writing is tried read-only: see the VFS's `open`.
            (Op::Open, _) => ffi::SQLITE_CANTOPEN,
            // `unixRead`: a medium that fails is a corrupt file system, which becomes SQLITE_CORRUPT further up.
            (Op::Read, Eio) => ffi::SQLITE_IOERR_CORRUPTFS,
            (Op::Read, _) => ffi::SQLITE_IOERR_READ,
            (Op::Write, Enospc | ShortWrite) => ffi::SQLITE_FULL,
            (Op::Write, Eio | Erofs) => ffi::SQLITE_IOERR_WRITE,
            (Op::Truncate, _) => ffi::SQLITE_IOERR_TRUNCATE,
            (Op::Sync, _) => ffi::SQLITE_IOERR_FSYNC,
            (Op::FileSize, _) => ffi::SQLITE_IOERR_FSTAT,
            (Op::Lock, _) => ffi::SQLITE_IOERR_LOCK,
            (Op::Delete, _) => ffi::SQLITE_IOERR_DELETE,
            (Op::ShmMap, Eio) => ffi::SQLITE_IOERR_SHMMAP,
            (Op::ShmMap, Enospc | ShortWrite) => ffi::SQLITE_IOERR_SHMSIZE,
            (Op::ShmMap, Erofs) => ffi::SQLITE_CANTOPEN,
            // `unixShmSystemLock` takes every error for a lock of somebody else's.
            (Op::ShmLock, _) => ffi::SQLITE_BUSY,
        }
    }
}

//! From SQLite's errors to the store's.

use rusqlite::{ErrorCode, ffi};
use sessiondb_core::Error;

/// What went wrong inside the engine: SQLite failed, or the commit or row itself is at fault.
#[derive(Debug)]
pub(crate) enum Failure {
    Sqlite(rusqlite::Error),
    Store(Error),
}

impl From<rusqlite::Error> for Failure {
    fn from(error: rusqlite::Error) -> Failure {
        Failure::Sqlite(error)
    }
}

impl From<Error> for Failure {
    fn from(error: Error) -> Failure {
        Failure::Store(error)
    }
}

impl From<Failure> for Error {
    fn from(failure: Failure) -> Error {
        match failure {
            Failure::Store(error) => error,
            Failure::Sqlite(error) => store_error(&error),
        }
    }
}

/// What a caller can do about this error of SQLite, for an operation that certainly did not happen.
pub(crate) fn store_error(error: &rusqlite::Error) -> Error {
    let text = error.to_string();
    match error.sqlite_error_code() {
        Some(ErrorCode::DatabaseBusy | ErrorCode::DatabaseLocked) => Error::Busy(text),
        Some(ErrorCode::DiskFull) => Error::Full(text),
        _ if lacks_room_for_index(error) => Error::Full(format!("no room for the log's index: {text}")),
        Some(ErrorCode::TooBig) => Error::Invalid(format!("too big for SQLite: {text}")),
        Some(ErrorCode::ReadOnly) => Error::Storage(format!("the file cannot be written: {text}")),
        Some(ErrorCode::DatabaseCorrupt | ErrorCode::NotADatabase) => {
            Error::Storage(format!("the file is damaged ({text}); `sessiondb check` says where"))
        }
        _ => Error::Storage(text),
    }
}

/// Whether the index of the write-ahead log, the `-shm` file, could not grow, as on a full disk. It is memory that processes
/// share, and nothing in it has to be durable: the disk is not in doubt.
pub(crate) fn lacks_room_for_index(error: &rusqlite::Error) -> bool {
    error.sqlite_error().is_some_and(|error| error.extended_code == ffi::SQLITE_IOERR_SHMSIZE)
}

/// Whether, after this error, writing must stop until the store is opened anew: the disk did not do what it was told,
/// the file is not what was written, or it could only be opened for reading.
pub(crate) fn must_stop(error: &rusqlite::Error) -> bool {
    !lacks_room_for_index(error)
        && !is_of_the_index(error)
        && matches!(
            error.sqlite_error_code(),
            Some(
                ErrorCode::SystemIoFailure
                    | ErrorCode::DatabaseCorrupt
                    | ErrorCode::NotADatabase
                    | ErrorCode::CannotOpen
                    | ErrorCode::ReadOnly
            )
        )
}

/// Whether what is damaged is the index of words, as FTS5 says, and not the file: it can be made anew from the messages.
pub(crate) fn is_of_the_index(error: &rusqlite::Error) -> bool {
    error.sqlite_error().is_some_and(|error| error.extended_code == ffi::SQLITE_CORRUPT_VTAB)
}

/// Whether after this error of the disk nobody may rely on what was not synced before: others must be told.
pub(crate) fn puts_the_disk_in_doubt(error: &rusqlite::Error) -> bool {
    !lacks_room_for_index(error) && error.sqlite_error_code() == Some(ErrorCode::SystemIoFailure)
}

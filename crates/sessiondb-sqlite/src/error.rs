//! From SQLite's errors to the store's.

use rusqlite::ErrorCode;
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
        Some(ErrorCode::TooBig) => Error::Invalid(format!("too big for SQLite: {text}")),
        Some(ErrorCode::ReadOnly) => Error::Storage(format!("the file cannot be written: {text}")),
        Some(ErrorCode::DatabaseCorrupt | ErrorCode::NotADatabase) => {
            Error::Storage(format!("the file is damaged ({text}); `sessiondb check` says where"))
        }
        _ => Error::Storage(text),
    }
}

/// Whether, after this error, writing must stop until the store is opened anew: the disk did not do what it was told,
/// or the file is not what was written.
pub(crate) fn must_stop(error: &rusqlite::Error) -> bool {
    matches!(
        error.sqlite_error_code(),
        Some(
            ErrorCode::SystemIoFailure
                | ErrorCode::DatabaseCorrupt
                | ErrorCode::NotADatabase
                | ErrorCode::CannotOpen
        )
    )
}

//! [`ImportError`]: why a whole file, or the store, could not be dealt with.

use std::{io, path::PathBuf};

/// Why a file was not imported, or why paths could not be searched. It is about the file or the store as a whole: a
/// line that cannot be read is no error but a [`BadLine`](crate::BadLine) of the verdict.
///
/// The message is complete: it names the path and contains the message of its source. What a file had given to the
/// store before the error stays there, and the next import of the file goes on behind it.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ImportError {
    /// The file or directory could not be read.
    #[error("cannot read {}: {source}", path.display())]
    Read {
        /// The file or directory.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },

    /// The file is no transcript of the format named, or of any known format, or its name makes no session's address.
    #[error("{} is not a transcript: {reason}", path.display())]
    NotATranscript {
        /// The file.
        path: PathBuf,
        /// Why not.
        reason: String,
    },

    /// The store refused the file's content, or failed.
    #[error("cannot import {}: {source}", path.display())]
    Store {
        /// The file.
        path: PathBuf,
        /// What the store said.
        source: sessiondb::Error,
    },
}

//! [`restore`]: an archive back into a store.

use std::io::BufRead;

use serde::Deserialize;
use sessiondb::Store;

use crate::{
    RestoreError, Restored,
    batch::BATCH_BYTES,
    line::{ARCHIVE_VERSION, Header},
    reader::{Reader, Reading},
    run::Run,
};

/// What every archive begins with, but for white space.
const HEADER_BEGINS: &str = r#"{"sessiondb_archive":"#;

/// Whether a file that begins with these bytes (some dozens are enough) is meant to be an archive, of whatever version.
pub fn is_archive(beginning: &[u8]) -> bool {
    let dense: Vec<u8> = beginning.iter().copied().filter(|byte| !byte.is_ascii_whitespace()).collect();
    dense.starts_with(HEADER_BEGINS.as_bytes())
}

/// Reads an archive that [`export`](crate::export()) wrote into a store. `progress` is told the bytes read so far.
///
/// A session is restored as it was, with its numbers, revisions, times, view and documents. What the store has already
/// and equal stays as it is; so an archive can be read again, after a failure too, and goes on where it ended. A session
/// that the store has with other content is left alone, and so is one that a bad line stands in: it fails as a whole, with
/// the forks that inherit from it, and the rest goes on. [`Restored`] has a word about each.
///
/// If the archive ends early, the sessions that were whole before that are restored, and reading all of it later brings
/// the rest. Sessions are committed in batches: a large one that is being restored can be seen half, and stays so if the
/// process dies, until the archive is read again.
///
/// What the archive has to hold of one session in memory is one line and the changes of its view; further the keys of
/// the archive's sessions are held. It reads on the thread that polls.
///
/// # Errors
/// [`RestoreError::NotAnArchive`]; [`RestoreError::Read`]; [`RestoreError::Store`] if the store cannot go on, whatever it
/// is given.
pub async fn restore<R: BufRead>(
    store: &Store,
    input: R,
    progress: &mut dyn FnMut(u64),
) -> Result<Restored, RestoreError> {
    let mut reader = Reader::new(input);
    header(&mut reader)?;
    let mut run = Run::new(store);
    let mut told = 0;
    loop {
        let read = reader.next();
        let reading = read.map_err(|source| RestoreError::Read { line: reader.number, source })?;
        let Some(reading) = reading else { break };
        let result = run.line(reading, reader.number, &reader.line).await;
        result.map_err(|source| RestoreError::Store { line: reader.number, source })?;
        if reader.bytes - told >= BATCH_BYTES as u64 {
            told = reader.bytes;
            progress(told);
        }
    }
    let result = run.finish().await;
    let restored = result.map_err(|source| RestoreError::Store { line: reader.number, source })?;
    progress(reader.bytes);
    Ok(restored)
}

fn header<R: BufRead>(reader: &mut Reader<R>) -> Result<(), RestoreError> {
    let read = reader.next().map_err(|source| RestoreError::Read { line: 0, source })?;
    let not = |what: String| Err(RestoreError::NotAnArchive(what));
    if read.is_none_or(|reading| reading == Reading::TooLong) || !is_archive(&reader.line) {
        return not("not an archive of sessions: its first line is not that of one".into());
    }
    #[derive(Deserialize)]
    struct Version {
        sessiondb_archive: u64,
    }
    match serde_json::from_slice::<Header>(&reader.line) {
        Ok(header) if header.sessiondb_archive == ARCHIVE_VERSION => return Ok(()),
        Ok(_) | Err(_) => {}
    }
    match serde_json::from_slice::<Version>(&reader.line) {
        Ok(version) if version.sessiondb_archive != ARCHIVE_VERSION => not(format!(
            "an archive of version {}, which a later version of this program wrote; this one reads version {ARCHIVE_VERSION}",
            version.sessiondb_archive
        )),
        Ok(_) => not("an archive whose first line says more than this program knows".into()),
        Err(error) => not(format!("not an archive of sessions: its first line is damaged: {error}")),
    }
}

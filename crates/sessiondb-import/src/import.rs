//! [`import`]: one file into its session, or its sessions.

use std::{
    fs, io, mem,
    path::{Component, Path, PathBuf},
};

use sessiondb::{SessionKey, Store};

use crate::{
    ImportError, Source, Verdict, conversations,
    format::{Layout, Transcript},
    head::Head,
    run::{Run, Stop},
};

/// How often in a row somebody else may change the session without moving its position before this gives up.
const STALLS_MAX: u32 = 100;

/// Imports one file. `progress` is told the bytes of text read so far after each commit; of a file of conversations
/// also while there is nothing to commit.
///
/// It is read in batches, and each is committed, that of a session together with the position behind it: what is
/// committed is never lost or doubled, whatever happens then. After an error the next import goes on where this one
/// stopped, and imports of one file at the same time share the work. For a file that has nothing new the store is not
/// written to.
///
/// The file is read on the thread that polls. A file without one complete record makes no session.
///
/// # Errors
/// [`ImportError::Read`] if the file cannot be read; [`ImportError::NotATranscript`] if its name makes no session's
/// address; [`ImportError::Store`] if the store refused or failed, with
/// [`Conflict::Family`](sessiondb::Conflict::Family) if the session exists and is not of this agent. A conversation
/// that the store refuses is a bad line of its file, and the rest goes on.
pub async fn import(
    store: &Store,
    source: &Source,
    progress: &mut (dyn FnMut(u64) + Send),
) -> Result<Verdict, ImportError> {
    match source.format.layout() {
        Layout::Session(transcript) => session(store, source, transcript, progress).await,
        Layout::Conversations => conversations::import(store, source, &absolute_of(source)?, progress).await,
    }
}

async fn session(
    store: &Store,
    source: &Source,
    transcript: &'static dyn Transcript,
    progress: &mut (dyn FnMut(u64) + Send),
) -> Result<Verdict, ImportError> {
    let key = address(source, transcript)?;
    let mut verdict = Verdict::new(Some(key.clone()));
    let (mut stalls, mut began_at, mut late) = (0, None, Vec::new());
    loop {
        let mut run = Run::begin(store, source, key.clone(), transcript, mem::take(&mut late)).await?;
        stalls = if began_at == Some(run.revision()) { stalls + 1 } else { 0 };
        began_at = Some(run.revision());
        match run.finish(&mut verdict, progress).await {
            Ok(()) => {
                verdict.sessions.count(verdict.outcome);
                return Ok(verdict);
            }
            Err(Stop::Overtaken(_)) if stalls < STALLS_MAX => late = run.into_late(),
            Err(Stop::Overtaken(error) | Stop::Failed(error)) => return Err(error),
        }
    }
}

/// The session that a file is imported into.
fn address(source: &Source, transcript: &dyn Transcript) -> Result<SessionKey, ImportError> {
    let read_error = |error| ImportError::Read { path: source.path.clone(), source: error };
    let not = |reason| ImportError::NotATranscript { path: source.path.clone(), reason };
    let path = absolute_of(source)?;
    let key = match transcript.key(&path, None).map_err(not)? {
        Some(key) => key,
        None => {
            let head = Head::of(&path, |record| transcript.key(&path, Some(record)).ok().flatten());
            let key = head.map_err(read_error)?.found;
            key.ok_or_else(|| not("none of its first records names the session it belongs to".into()))?
        }
    };
    key.validate().map_err(|error| not(error.to_string()))?;
    Ok(key)
}

fn absolute_of(source: &Source) -> Result<PathBuf, ImportError> {
    absolute(&source.path).map_err(|error| ImportError::Read { path: source.path.clone(), source: error })
}

/// The path with the names of its directories as the caller has them.
fn absolute(path: &Path) -> io::Result<PathBuf> {
    let path = std::path::absolute(path)?;
    // What `..` means depends on links, so only the system can tell the name.
    if path.components().any(|component| component == Component::ParentDir) {
        fs::canonicalize(path)
    } else {
        Ok(path)
    }
}

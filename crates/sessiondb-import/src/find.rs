//! [`find`]: from the paths that a user names to the transcripts that are there.

use std::{
    collections::HashSet,
    fs,
    io::{self, ErrorKind},
    path::{Path, PathBuf},
};

use crate::{Format, ImportError, head::Head};

/// One transcript file to import.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Source {
    /// Which agent's.
    pub format: Format,
    /// The file.
    pub path: PathBuf,
    /// Its size when it was found.
    pub bytes: u64,
}

/// What [`find`] found.
#[derive(Debug, Default)]
pub struct Found {
    /// The transcripts, in the order of the paths given, within a directory in the order of their paths. No file is
    /// in it twice.
    pub sources: Vec<Source>,
    /// How many files in the directories were passed over because they are no transcripts.
    pub passed_over: u64,
    /// What in the directories could not be read; the rest was searched all the same.
    pub unread: Vec<ImportError>,
}

/// Finds the transcripts at these paths, of one format, or with `None` of any that is known.
///
/// A directory is searched with all that are below it; links to directories are not followed there. In it the files
/// that are transcripts are taken: those named `*.jsonl` or `*.jsonl.zst` of which one of the first 20 records is of
/// the format. A file that is named itself is taken whatever its name is, and must be a transcript. If the format is
/// named too, it may be one that has no record yet.
///
/// # Errors
/// [`ImportError::Read`] if a path does not exist or cannot be read;
/// [`ImportError::NotATranscript`] if a file that was named itself is none.
pub fn find(format: Option<Format>, paths: &[PathBuf]) -> Result<Found, ImportError> {
    let (mut found, mut known) = (Found::default(), HashSet::new());
    for path in paths {
        let read_error = |source| ImportError::Read { path: path.clone(), source };
        let metadata = fs::metadata(path).map_err(read_error)?;
        if metadata.is_dir() {
            search(format, path, &mut found, &mut known);
            continue;
        }
        let not = |reason: String| ImportError::NotATranscript { path: path.clone(), reason };
        if !metadata.is_file() {
            return Err(not("it is neither a file nor a directory".into()));
        }
        let head = recognise(format, path).map_err(read_error)?;
        let format = match (head.found, format) {
            (Some(found), _) => found,
            (None, Some(format)) if head.is_empty => format,
            (None, Some(format)) => return Err(not(format!("its first records are not those of {format}"))),
            (None, None) if head.is_empty => return Err(not("it has no complete JSON line".into())),
            (None, None) => return Err(not("its first records are of no known format".into())),
        };
        found.take(Source { format, path: path.clone(), bytes: metadata.len() }, &mut known);
    }
    Ok(found)
}

/// The places where the known agents keep transcripts on this machine, as far as they exist: for Claude Code
/// `$CLAUDE_CONFIG_DIR/projects`, or `~/.claude/projects` if that variable is not set; for Codex `sessions` and
/// `archived_sessions` in `$CODEX_HOME`, or in `~/.codex`. [`Format::places`] names those of one format.
pub fn default_places() -> Vec<PathBuf> {
    let places = Format::ALL.into_iter().flat_map(Format::places);
    places.filter(|place| place.is_dir()).collect()
}

fn search(format: Option<Format>, root: &Path, found: &mut Found, known: &mut HashSet<PathBuf>) {
    let mut files = Vec::new();
    walk(root, &mut files, found);
    files.sort();
    for path in files {
        match transcript(format, &path) {
            Ok(Some((format, bytes))) => found.take(Source { format, path, bytes }, known),
            Ok(None) => found.passed_over += 1,
            Err(source) => found.unread.push(ImportError::Read { path, source }),
        }
    }
}

/// All files below a directory. What disappears while one looks is not there.
fn walk(root: &Path, files: &mut Vec<PathBuf>, found: &mut Found) {
    let mut directories = vec![root.to_owned()];
    while let Some(directory) = directories.pop() {
        match entries(&directory, files) {
            Ok(mut below) => directories.append(&mut below),
            Err(error) if error.kind() == ErrorKind::NotFound => {}
            Err(source) => found.unread.push(ImportError::Read { path: directory, source }),
        }
    }
}

/// Adds the files in one directory, and answers the directories in it.
fn entries(directory: &Path, files: &mut Vec<PathBuf>) -> io::Result<Vec<PathBuf>> {
    let mut directories = Vec::new();
    for entry in fs::read_dir(directory)? {
        let entry = entry?;
        let kind = match entry.file_type() {
            Err(error) if error.kind() == ErrorKind::NotFound => continue,
            kind => kind?,
        };
        if kind.is_dir() {
            directories.push(entry.path());
        } else if !kind.is_symlink() || !entry.path().is_dir() {
            files.push(entry.path());
        }
    }
    Ok(directories)
}

/// The format and size of a file in a directory, if it is a transcript.
fn transcript(format: Option<Format>, path: &Path) -> io::Result<Option<(Format, u64)>> {
    let name = path.file_name().unwrap_or_default().as_encoded_bytes();
    if !name.ends_with(b".jsonl") && !name.ends_with(b".jsonl.zst") {
        return Ok(None);
    }
    let look = || {
        let metadata = fs::metadata(path)?;
        // Opening anything else, a named pipe say, could wait for ever.
        let found = if metadata.is_file() { recognise(format, path)?.found } else { None };
        Ok(found.map(|format| (format, metadata.len())))
    };
    look().or_else(|error: io::Error| if error.kind() == ErrorKind::NotFound { Ok(None) } else { Err(error) })
}

/// The format of a file, if it is the one that is wanted.
fn recognise(wanted: Option<Format>, path: &Path) -> io::Result<Head<Format>> {
    Head::of(path, |record| {
        let candidates =
            Format::ALL.into_iter().filter(|format| wanted.is_none_or(|wanted| wanted == *format));
        candidates.into_iter().find(|format| format.recognises(record))
    })
}

impl Found {
    fn take(&mut self, source: Source, known: &mut HashSet<PathBuf>) {
        let file = fs::canonicalize(&source.path).unwrap_or_else(|_| source.path.clone());
        if known.insert(file) {
            self.sources.push(source);
        }
    }
}

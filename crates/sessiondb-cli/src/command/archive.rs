//! `sessiondb import ARCHIVE`: restore what `export` wrote.

use std::{
    ffi::OsStr,
    fs::File,
    io::{self, BufRead, BufReader, Read},
    path::{Path, PathBuf},
};

use clap::{
    Arg, Command,
    builder::{PossibleValue, TypedValueParser},
};
use pollster::block_on;
use serde::Serialize;
use sessiondb::Store;
use sessiondb_export::{RestoreError, Restored, is_archive, restore};

use crate::{
    exit::{Exit, Failure},
    output::{Line, Output},
    place,
    progress::Progress,
};

/// What is imported: the transcripts of an agent, or an archive.
#[derive(Debug, Clone)]
pub enum Origin<A> {
    Agent(A),
    Archive(PathBuf),
}

/// Of an argument that is an agent's name: that an archive may stand there too.
pub trait OrArchive: TypedValueParser + Sized {
    fn or_archive(self) -> AgentOrArchive<Self> {
        AgentOrArchive(self)
    }
}

impl<P: TypedValueParser> OrArchive for P {}

/// Reads an agent's name; or else a path, to something that is there or that looks like one, or `-`.
#[derive(Clone)]
pub struct AgentOrArchive<P>(P);

impl<P: TypedValueParser> TypedValueParser for AgentOrArchive<P> {
    type Value = Origin<P::Value>;

    fn parse_ref(
        &self,
        command: &Command,
        arg: Option<&Arg>,
        value: &OsStr,
    ) -> clap::error::Result<Self::Value> {
        match self.0.parse_ref(command, arg, value) {
            Ok(agent) => Ok(Origin::Agent(agent)),
            Err(error) => {
                let path = Path::new(value);
                let looks_like_one = value.to_string_lossy().contains(['/', '.']);
                let may_be_one = value == "-" || looks_like_one || path.exists();
                if may_be_one { Ok(Origin::Archive(path.to_owned())) } else { Err(error) }
            }
        }
    }

    fn possible_values(&self) -> Option<Box<dyn Iterator<Item = PossibleValue> + '_>> {
        self.0.possible_values()
    }
}

/// What is printed for an archive.
#[derive(Serialize)]
struct ArchiveJson<'a> {
    path: String,
    format: &'a str,
    sessions: u64,
    unchanged: u64,
    messages: u64,
    documents: u64,
    failed: Vec<FailedJson<'a>>,
    bad_lines: Vec<BadLineJson<'a>>,
    more_bad_lines: u64,
    incomplete: Option<&'a str>,
}

#[derive(Serialize)]
struct FailedJson<'a> {
    line: u64,
    id: String,
    reason: &'a str,
}

#[derive(Serialize)]
struct BadLineJson<'a> {
    line: u64,
    reason: &'a str,
}

/// The store that archives are restored into, opened, and made if it is not there, for the first that is one.
struct Target<'a> {
    url: &'a str,
    store: Option<Store>,
}

impl Target<'_> {
    fn store(&mut self) -> Result<Store, Failure> {
        match &self.store {
            Some(store) => Ok(store.clone()),
            None => Ok(self.store.insert(place::open(self.url, true)?.for_blocking()).clone()),
        }
    }
}

/// Restores archives one after the other.
pub fn run(
    first: PathBuf,
    more: Vec<PathBuf>,
    print_json: bool,
    url: &str,
    out: &mut Output,
) -> Result<Exit, Failure> {
    let mut target = Target { url, store: None };
    let mut exit = Exit::Done;
    for path in [first].into_iter().chain(more) {
        let name = if path == Path::new("-") { "stdin".to_owned() } else { path.display().to_string() };
        let restored = read(&path, &mut target, out).map_err(|failure| failure.at(&name))?;
        let complain = |text: String| out.complain(&Line::new().plain(format!("{name}:{text}")));
        for bad in &restored.bad_lines {
            complain(format!("{}: {}", bad.line, bad.reason));
        }
        if restored.more_bad_lines > 0 {
            complain(format!(" {} more lines cannot be read", restored.more_bad_lines));
        }
        for failed in &restored.failed {
            complain(format!("{}: session {} was left out: {}", failed.line, failed.key, failed.reason));
        }
        if let Some(why) = &restored.incomplete {
            complain(format!(" the archive is not whole: {why}"));
        }
        summary(&restored).iter().for_each(|line| out.talk(line));
        if print_json {
            let printed = out.json_line(&json(&name, &restored)).and_then(|()| Ok(out.flush()?));
            Failure::unless_closed(printed)?;
        }
        if !restored.is_complete() {
            exit = Exit::Partly;
        }
    }
    if let Some(store) = target.store {
        block_on(store.close())?;
    }
    Ok(exit)
}

fn read(path: &Path, target: &mut Target<'_>, out: &Output) -> Result<Restored, Failure> {
    if path == Path::new("-") {
        let progress = Progress::new(1, 0, out);
        return restored(io::stdin().lock(), target, &progress);
    }
    let unreadable = |error: io::Error| {
        Failure::bad_input(format!("cannot be read: {error}"))
            .hint("to import an agent's transcripts, name the agent before the path: import auto PATH")
    };
    if path.is_dir() {
        return Err(unreadable(io::Error::from(io::ErrorKind::IsADirectory)));
    }
    let file = File::open(path).map_err(unreadable)?;
    let bytes = file.metadata().map_err(unreadable)?.len();
    let progress = Progress::new(1, bytes, out);
    restored(BufReader::with_capacity(64 << 10, file), target, &progress)
}

fn restored(
    mut input: impl BufRead,
    target: &mut Target<'_>,
    progress: &Progress,
) -> Result<Restored, Failure> {
    let unreadable = |error: io::Error| Failure::bad_input(format!("cannot be read: {error}"));
    // A pipe may give a few bytes at a time.
    let mut beginning = Vec::new();
    input.by_ref().take(32).read_to_end(&mut beginning).map_err(unreadable)?;
    if !is_archive(&beginning) {
        return Err(Failure::bad_input("not an archive that `export` wrote")
            .hint("to import an agent's transcripts, name the agent before the path: import auto PATH"));
    }
    let whole = BufReader::new(beginning.as_slice().chain(input));
    block_on(restore(&target.store()?, whole, &mut |bytes| progress.read(bytes))).map_err(|error| match error
    {
        RestoreError::Store { line, source } => Failure::from(source).at(format!("line {line}")),
        error => Failure::bad_input(error.to_string()),
    })
}

fn summary(restored: &Restored) -> Vec<Line> {
    let mut outcomes =
        vec![format!("{} restored", restored.sessions), format!("{} unchanged", restored.unchanged)];
    if !restored.failed.is_empty() {
        outcomes.push(format!("{} failed", restored.failed.len()));
    }
    let lines = [
        format!("sessions: {}", outcomes.join(", ")),
        format!("messages: {}", restored.messages),
        format!("documents: {}", restored.documents),
    ];
    lines.into_iter().map(|line| Line::new().plain(line)).collect()
}

fn json<'a>(path: &str, restored: &'a Restored) -> ArchiveJson<'a> {
    ArchiveJson {
        path: path.to_owned(),
        format: "archive",
        sessions: restored.sessions,
        unchanged: restored.unchanged,
        messages: restored.messages,
        documents: restored.documents,
        failed: restored
            .failed
            .iter()
            .map(|failed| FailedJson {
                line: failed.line,
                id: failed.key.to_string(),
                reason: &failed.reason,
            })
            .collect(),
        bad_lines: restored
            .bad_lines
            .iter()
            .map(|bad| BadLineJson { line: bad.line, reason: &bad.reason })
            .collect(),
        more_bad_lines: restored.more_bad_lines,
        incomplete: restored.incomplete.as_deref(),
    }
}

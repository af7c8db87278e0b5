//! `sessiondb import`: take in the transcripts that agents left on this machine.

use std::{collections::BTreeMap, path::PathBuf};

use clap::builder::{PossibleValuesParser, TypedValueParser};
use pollster::block_on;
use serde::Serialize;
use sessiondb::{ErrorClass, SessionKey, Store};
use sessiondb_import::{
    BadLine, Format, ImportError, Outcome, Source, Verdict, default_places, find, import,
};

use crate::{
    command::archive::{self, OrArchive, Origin},
    exit::{Exit, Failure},
    output::{Line, Output},
    progress::Progress,
};

/// How many types of records the summary names.
const RECORD_TYPES_MAX: usize = 12;

const ABOUT: &str = "\
Imports the transcripts that agents keep on this machine: those at the paths given, or else in the places where the \
agents keep them. `auto` takes the transcripts of every agent that is known.

It is safe to run again and again: what was imported before is not imported twice, and of a file that has grown the \
new lines are read. The files are only read. A line that cannot be kept is named on stderr as \
PATH:LINE: REASON; a file that cannot be imported is named too, and the rest goes on. In both cases the exit code is 1.

An archive that `export` wrote is restored: each session as it was, with its numbers and times. What the store has \
already and equal stays; a session that it has with other content is named on stderr and left alone.

The summary goes to stderr. Stdout stays empty, or has with -o json a line for each file, as it is done.";

const EXAMPLES: &str = "\
Examples:
  sessiondb import auto
  sessiondb import claude ~/.claude/projects/-home-ann-shop
  sessiondb import sessions.jsonl --db copy.db
  sessiondb import auto -o json | jq -r 'select(.outcome == \"new\").id'";

/// Imports the transcripts that agents keep on this machine.
#[derive(Debug, clap::Args)]
#[command(long_about = ABOUT, after_help = EXAMPLES)]
pub struct Args {
    /// Whose transcripts; or an archive that `export` wrote, `-` for one from stdin
    #[arg(value_parser = agent_parser().or_archive(), value_name = "AGENT|ARCHIVE")]
    from: Origin<Agent>,
    /// Files, or directories with files in and below them [default: where the agents keep them]
    #[arg(value_name = "PATH")]
    paths: Vec<PathBuf>,
    /// Print what came of each file
    #[arg(short, long, value_enum)]
    output: Option<Form>,
}

/// Whose transcripts: of one format, or of any.
#[derive(Debug, Clone, Copy)]
struct Agent(Option<Format>);

/// The formats' own names, so that a new format needs no line here.
fn agent_parser() -> impl TypedValueParser<Value = Agent> {
    let names = Format::ALL.into_iter().map(|format| format.to_string()).chain(["auto".to_owned()]);
    PossibleValuesParser::new(names)
        .map(|name| Agent(Format::ALL.into_iter().find(|format| format.to_string() == name)))
}

#[derive(Debug, Clone, Copy, clap::ValueEnum)]
enum Form {
    /// One object a line, a line a file
    #[value(alias = "jsonl")]
    Json,
}

/// What is printed for a file.
#[derive(Serialize)]
#[serde(untagged)]
enum FileJson<'a> {
    Done {
        path: String,
        format: String,
        id: String,
        key: &'a SessionKey,
        outcome: &'static str,
        messages: u64,
        records: &'a BTreeMap<String, u64>,
        duplicates: u64,
        bad_lines: Vec<BadLineJson<'a>>,
        torn_bytes: u64,
    },
    Failed {
        path: String,
        format: String,
        error: String,
    },
}

#[derive(Serialize)]
struct BadLineJson<'a> {
    line: u64,
    reason: &'a str,
}

pub fn run(args: Args, store: &Store, out: &mut Output) -> Result<Exit, Failure> {
    let agent = match args.from {
        Origin::Agent(agent) => agent,
        Origin::Archive(path) => {
            return archive::run(path, args.paths, args.output.is_some(), &store.for_blocking(), out);
        }
    };
    let paths = if args.paths.is_empty() { default_places() } else { args.paths };
    if paths.is_empty() {
        let failure = Failure::new(Exit::Usage, "no known agent keeps transcripts on this machine");
        return Err(failure.hint("name the files or directories to import"));
    }
    let mut summary = Summary::default();
    let mut sources = Vec::new();
    for path in paths {
        // One by one: a path that is wrong does not keep the others from being imported.
        match find(agent.0, &[path]) {
            Ok(found) => {
                summary.passed_over += found.passed_over;
                found.unread.iter().for_each(|error| summary.fail(error, out));
                sources.extend(found.sources);
            }
            Err(error) => summary.fail(&error, out),
        }
    }
    let result = import_all(&sources, args.output, &store.for_blocking(), &mut summary, out);
    summary.lines().iter().for_each(|line| out.talk(line));
    result?;
    Ok(if summary.is_clean() { Exit::Done } else { Exit::Partly })
}

fn import_all(
    sources: &[Source],
    form: Option<Form>,
    store: &Store,
    summary: &mut Summary,
    out: &mut Output,
) -> Result<(), Failure> {
    let mut progress = Progress::new(sources.len(), sources.iter().map(|source| source.bytes).sum(), out);
    for source in sources {
        let result = block_on(import(store, source, &mut |bytes| progress.read(bytes)));
        progress.file_done(source.bytes);
        progress.aside(|| {
            match &result {
                Ok(verdict) => summary.count(source, verdict, out),
                // It would be the same with every file that follows.
                Err(ImportError::Store { source: error, .. }) if is_the_stores_trouble(error) => {}
                Err(error) => summary.fail(error, out),
            }
            match form {
                Some(Form::Json) => print(source, &result, out),
                None => Ok(()),
            }
        })?;
        if let Err(ImportError::Store { path, source: error }) = result
            && is_the_stores_trouble(&error)
        {
            return Err(Failure::from(error).at(path.display()));
        }
    }
    Ok(())
}

/// Whether the store itself cannot go on, whatever it is given.
fn is_the_stores_trouble(error: &sessiondb::Error) -> bool {
    !matches!(
        error.class(),
        ErrorClass::Invalid
            | ErrorClass::NotFound
            | ErrorClass::Conflict
            | ErrorClass::OutOfScope
            | ErrorClass::Undecodable
    )
}

/// Prints what came of a file. The import goes on if nobody reads that any more.
fn print(source: &Source, result: &Result<Verdict, ImportError>, out: &mut Output) -> Result<(), Failure> {
    let (path, format) = (source.path.to_string_lossy().into_owned(), source.format.to_string());
    let file = match result {
        Ok(verdict) => FileJson::Done {
            path,
            format,
            id: verdict.key.to_string(),
            key: &verdict.key,
            outcome: outcome_name(verdict.outcome),
            messages: verdict.messages,
            records: &verdict.records,
            duplicates: verdict.duplicates,
            bad_lines: verdict
                .bad_lines
                .iter()
                .map(|bad| BadLineJson { line: bad.line, reason: &bad.reason })
                .collect(),
            torn_bytes: verdict.torn_bytes,
        },
        Err(error) => FileJson::Failed { path, format, error: error.to_string() },
    };
    Failure::unless_closed(out.json_line(&file).and_then(|()| Ok(out.flush()?)))
}

fn outcome_name(outcome: Outcome) -> &'static str {
    match outcome {
        Outcome::New => "new",
        Outcome::Grown => "grown",
        Outcome::Rewritten => "rewritten",
        Outcome::Unchanged => "unchanged",
    }
}

/// What came of all files together.
#[derive(Default)]
struct Summary {
    files: BTreeMap<&'static str, u64>,
    messages: u64,
    records: BTreeMap<String, u64>,
    duplicates: u64,
    bad_lines: u64,
    torn: u64,
    passed_over: u64,
    failed: u64,
}

impl Summary {
    /// Adds a file, and names its bad lines.
    fn count(&mut self, source: &Source, verdict: &Verdict, out: &Output) {
        *self.files.entry(outcome_name(verdict.outcome)).or_default() += 1;
        self.messages += verdict.messages;
        self.duplicates += verdict.duplicates;
        self.bad_lines += verdict.bad_lines.len() as u64;
        self.torn += u64::from(verdict.torn_bytes > 0);
        for (kind, count) in &verdict.records {
            *self.records.entry(kind.clone()).or_default() += count;
        }
        for BadLine { line, reason } in &verdict.bad_lines {
            out.complain(&Line::new().plain(format!("{}:{line}: {reason}", source.path.display())));
        }
    }

    /// Adds a file or path of which nothing came.
    fn fail(&mut self, error: &ImportError, out: &Output) {
        self.failed += 1;
        out.failure(&Failure::new(Exit::Partly, error.to_string()));
    }

    fn is_clean(&self) -> bool {
        self.failed == 0 && self.bad_lines == 0
    }

    fn lines(&self) -> Vec<Line> {
        let files = |name: &str| self.files.get(name).copied().unwrap_or(0);
        let mut outcomes = vec![
            format!("{} new", files("new")),
            format!("{} grown", files("grown")),
            format!("{} unchanged", files("unchanged")),
        ];
        let mut also =
            |count: u64, what: &str| outcomes.extend((count > 0).then(|| format!("{count} {what}")));
        also(files("rewritten"), "rewritten");
        also(self.failed, "failed");
        let mut lines =
            vec![format!("sessions: {}", outcomes.join(", ")), format!("messages: {}", self.messages)];
        if !self.records.is_empty() {
            lines.push(format!("other records: {}", self.record_types()));
        }
        let mut also = |count: u64, what: &str| lines.extend((count > 0).then(|| format!("{what}: {count}")));
        also(self.duplicates, "duplicate lines");
        also(self.bad_lines, "bad lines");
        also(self.torn, "files whose last line is not complete yet");
        also(self.passed_over, "files passed over");
        lines.into_iter().map(|line| Line::new().plain(line)).collect()
    }

    /// How many records of each type, the commonest first.
    fn record_types(&self) -> String {
        let mut types: Vec<_> = self.records.iter().collect();
        types.sort_by_key(|(_, count)| std::cmp::Reverse(**count));
        let rest = types.len().saturating_sub(RECORD_TYPES_MAX);
        let named = types.iter().take(RECORD_TYPES_MAX).map(|(kind, count)| format!("{count} {kind}"));
        let rest = (rest > 0).then(|| format!("and {rest} types more"));
        named.chain(rest).collect::<Vec<_>>().join(", ")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_summary_names_what_there_was() {
        let mut summary = Summary { messages: 312, passed_over: 2, ..Summary::default() };
        summary.files.insert("new", 3);
        let text =
            |summary: &Summary| summary.lines().iter().map(|line| line.text(false)).collect::<Vec<_>>();
        assert_eq!(
            text(&summary),
            ["sessions: 3 new, 0 grown, 0 unchanged", "messages: 312", "files passed over: 2"]
        );
        assert!(summary.is_clean());

        summary.records = (1..=14_u64).map(|n| (format!("type{n:02}"), n)).collect();
        (summary.failed, summary.bad_lines, summary.torn, summary.duplicates) = (1, 2, 1, 3);
        summary.files.insert("rewritten", 1);
        let lines = text(&summary);
        assert_eq!(lines[0], "sessions: 3 new, 0 grown, 0 unchanged, 1 rewritten, 1 failed");
        assert!(lines[2].starts_with("other records: 14 type14, 13 type13,"), "{}", lines[2]);
        assert!(lines[2].ends_with("3 type03, and 2 types more"), "{}", lines[2]);
        assert_eq!(
            lines[3..],
            [
                "duplicate lines: 3",
                "bad lines: 2",
                "files whose last line is not complete yet: 1",
                "files passed over: 2"
            ]
        );
        assert!(!summary.is_clean());
    }
}

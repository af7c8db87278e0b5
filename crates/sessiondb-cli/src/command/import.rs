//! `sessiondb import`: take in the transcripts that agents left on this machine.

use std::path::PathBuf;

use clap::builder::{PossibleValuesParser, TypedValueParser};
use pollster::block_on;
use sessiondb::{ErrorClass, Store};
use sessiondb_import::{Format, ImportError, Rehearsal, Source, Verdict, import, nothing_to_import};

use crate::{
    command::archive::{self, OrArchive, Origin},
    exit::{Exit, Failure},
    file::{self, FileJson},
    output::{Line, Output},
    place,
    progress::Progress,
    sources::{Searched, Sources},
    summary::Summary,
    table::Table,
};

const ABOUT: &str = "\
Imports the transcripts that agents keep on this machine: those at the paths given, or else in the places where the \
agents keep them. `claude` are those of Claude Code, `codex` those of Codex; `openai` are files in OpenAI's chat form, \
one conversation a line ({\"messages\": [...]}), which have no place of their own. `auto` takes them all. Each file may \
be compressed (*.jsonl.zst).

It is safe to run again and again: what was imported before is not imported twice, and of what has grown the new part \
is added. The files are only read. A line that cannot be kept is named on stderr as PATH:LINE: REASON; a file that \
cannot be imported is named too, and the rest goes on. In both cases the exit code is 1. If there are no transcripts \
at all it is 3. A store is made only when there is something to put in.

Before it starts, it tells on stderr what it has found in which directory; the summary goes there too. With -o json \
there is on stdout a line for each directory, then one for each file, as it is done. With --dry-run all is read and \
compared with the store, nothing is written anywhere, and what would come of each file is on stdout.

An archive that `export` wrote is restored: each session as it was, with its numbers and times. What the store has \
already and equal stays; a session that it has with other content is named on stderr and left alone.";

const EXAMPLES: &str = "\
Examples:
  sessiondb import
  sessiondb import auto --dry-run
  sessiondb import claude ~/.claude/projects/-home-ann-shop
  sessiondb import codex ~/.codex/archived_sessions
  sessiondb import openai train.jsonl
  sessiondb import sessions.jsonl --db copy.db
  sessiondb import auto -o json | jq -r 'select(.outcome == \"new\").id'";

/// Imports the transcripts that agents keep on this machine.
#[derive(Debug, clap::Args)]
#[command(long_about = ABOUT, after_help = EXAMPLES)]
pub struct Args {
    /// Whose transcripts; or an archive that `export` wrote, `-` for one from stdin
    #[arg(value_parser = agent_parser().or_archive(), value_name = "AGENT|ARCHIVE", default_value = AUTO)]
    from: Origin<Agent>,
    /// Files, or directories with files in and below them [default: where the agents keep them]
    #[arg(value_name = "PATH")]
    paths: Vec<PathBuf>,
    /// Write nothing; say what would come of each file
    #[arg(long)]
    dry_run: bool,
    /// Print what was found and what came of each file
    #[arg(short, long, value_enum)]
    output: Option<Form>,
}

/// The name for all formats.
const AUTO: &str = "auto";

/// Whose transcripts: of one format, or of any.
#[derive(Debug, Clone, Copy)]
struct Agent(Option<Format>);

/// The formats' own names, so that a new format needs no line here.
fn agent_parser() -> impl TypedValueParser<Value = Agent> {
    let names = [AUTO.to_owned()].into_iter().chain(Format::ALL.into_iter().map(|format| format.to_string()));
    PossibleValuesParser::new(names)
        .map(|name| Agent(Format::ALL.into_iter().find(|format| format.to_string() == name)))
}

#[derive(Debug, Clone, Copy, clap::ValueEnum)]
enum Form {
    /// One object a line: a line a directory, then a line a file
    #[value(alias = "jsonl")]
    Json,
}

/// What the files are imported into.
enum Target {
    Store(Store),
    /// There is none yet; it is made for the first file that has something to put in.
    NoStore,
    /// Nothing is written.
    Nothing(Rehearsal),
}

pub fn run(args: Args, db: Option<&str>, out: &mut Output) -> Result<Exit, Failure> {
    let url = &place::url(db)?;
    let agent = match args.from {
        Origin::Agent(agent) => agent,
        Origin::Archive(_) if args.dry_run => {
            return Err(Failure::new(Exit::Usage, "an archive cannot be imported with --dry-run"));
        }
        Origin::Archive(path) => {
            return archive::run(path, args.paths, args.output.is_some(), url, out);
        }
    };
    let mut summary = Summary::default();
    let mut search = Sources::default();
    if args.paths.is_empty() {
        search.places(agent.0, &mut summary, out)?;
    }
    // One by one: a path that is wrong does not keep the others from being imported.
    args.paths.iter().for_each(|path| search.look(agent.0, path.clone(), &mut summary, out));
    let Sources { sources, directories, .. } = search;
    directories.iter().flat_map(Searched::lines).for_each(|line| out.talk(&line));
    if args.output.is_some() {
        for line in directories.iter().flat_map(Searched::json) {
            Failure::unless_closed(out.json_line(&line))?;
        }
        Failure::unless_closed(out.flush().map_err(Failure::from))?;
    }
    if sources.is_empty() {
        // No store is made, or even looked for, to put nothing in.
        if !summary.has_failures() {
            let failure = Failure::new(Exit::NotFound, "there are no transcripts to import");
            return Err(failure.hint("name the files or directories that have some"));
        }
        summary.lines().iter().for_each(|line| out.talk(line));
        return Ok(Exit::Partly);
    }
    // Blocking handles: nothing else runs on this thread.
    let store = place::open_if_there(url)?.map(|store| store.for_blocking());
    let mut target = match store {
        store if args.dry_run => Target::Nothing(Rehearsal::new(store)),
        Some(store) => Target::Store(store),
        None => Target::NoStore,
    };
    let result = import_all(&sources, &args, url, &mut target, &mut summary, out);
    summary.lines().iter().for_each(|line| out.talk(line));
    if args.dry_run {
        out.talk(&Line::new().plain("dry run: nothing was written"));
    }
    result?;
    if let Target::Store(store) = target {
        block_on(store.close())?;
    }
    Ok(if summary.is_clean() { Exit::Done } else { Exit::Partly })
}

impl Target {
    fn import(
        &mut self,
        source: &Source,
        url: &str,
        progress: &Progress,
    ) -> Result<Result<Verdict, ImportError>, Failure> {
        let read = &mut |bytes| progress.read(bytes);
        match self {
            Target::Store(store) => Ok(block_on(import(store, source, read))),
            Target::Nothing(rehearsal) => Ok(block_on(rehearsal.import(source, read))),
            Target::NoStore => match block_on(nothing_to_import(source)).transpose() {
                Some(result) => Ok(result),
                None => {
                    let store = place::open(url, true)?.for_blocking();
                    let result = block_on(import(&store, source, read));
                    *self = Target::Store(store);
                    Ok(result)
                }
            },
        }
    }
}

fn import_all(
    sources: &[Source],
    args: &Args,
    url: &str,
    target: &mut Target,
    summary: &mut Summary,
    out: &mut Output,
) -> Result<(), Failure> {
    let mut progress = Progress::new(sources.len(), sources.iter().map(|source| source.bytes).sum(), out);
    let mut table = Table::new(file::HEADER).right_aligned(&file::NUMBERS);
    for source in sources {
        let result = target.import(source, url, &progress)?;
        progress.file_done(source.bytes);
        progress.aside(|| {
            match &result {
                Ok(verdict) => summary.count(source, verdict, out),
                // It would be the same with every file that follows.
                Err(ImportError::Store { source: error, .. }) if is_the_stores_trouble(error) => {}
                Err(error) => summary.fail(error, out),
            }
            match args.output {
                Some(Form::Json) => print(source, &result, args.dry_run, out),
                None => Ok(()),
            }
        })?;
        if args.dry_run {
            file::row(&mut table, source, &result);
        }
        if let Err(ImportError::Store { path, source: error }) = result
            && is_the_stores_trouble(&error)
        {
            return Err(Failure::from(error).at(path.display()));
        }
    }
    drop(progress);
    if args.dry_run && args.output.is_none() {
        Failure::unless_closed(table.print(out).and_then(|()| out.flush()).map_err(Failure::from))?;
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
fn print(
    source: &Source,
    result: &Result<Verdict, ImportError>,
    dry_run: bool,
    out: &mut Output,
) -> Result<(), Failure> {
    let file = FileJson::of(source, result, dry_run);
    Failure::unless_closed(out.json_line(&file).and_then(|()| Ok(out.flush()?)))
}

//! `sessiondb export`: sessions as an archive, or as text to read.

use std::{
    fs::{self, File, OpenOptions},
    io::{self, BufWriter, Write},
    path::{Path, PathBuf},
    process,
};

use pollster::block_on;
use sessiondb::{SessionFilter, Store, blocking};
use sessiondb_export::{Choice, ExportError, Exported, export, markdown};

use crate::{
    argument::key,
    exit::{Exit, Failure},
    output::{Line, Output},
    progress::Progress,
    visible::visible,
};

const ABOUT: &str = "\
Writes sessions as an archive, or as Markdown to read: those named, or else all of the store that match.

An archive (-o jsonl) has everything: all messages, shown or hidden, documents, forks, undone changes and times. \
`import` restores it, in an empty store to an equal one. A fork comes with the messages it inherits. While others \
write, each session is in it as it was at one moment.

Markdown has what the sessions show, and is not read back.

It goes to stdout, or with --to into a new file, which appears only when it is complete. A session that cannot be read is \
named on stderr and left out, and the exit code is 1.";

const EXAMPLES: &str = "\
Examples:
  sessiondb export --to sessions.jsonl
  sessiondb export | sessiondb import - --db copy.db
  sessiondb export 7f2abd2d -o markdown | less";

/// Writes sessions as an archive that `import` restores, or as Markdown to read.
#[derive(Debug, clap::Args)]
#[command(long_about = ABOUT, after_help = EXAMPLES)]
pub struct Args {
    /// The sessions: keys; or, without a ':', how the peer_id of one session begins [default: all that match]
    #[arg(value_name = "KEY")]
    keys: Vec<String>,
    /// Only this agent
    #[arg(long, value_name = "AGENT", conflicts_with = "keys")]
    agent: Option<String>,
    /// Only this family
    #[arg(long, value_name = "FAMILY", conflicts_with = "keys")]
    family: Option<String>,
    /// Only this status; may be given several times
    #[arg(long, value_name = "STATUS", conflicts_with = "keys")]
    status: Vec<String>,
    /// Into this file, which must not exist yet
    #[arg(long, value_name = "FILE")]
    to: Option<PathBuf>,
    /// How to write them
    #[arg(short, long, value_enum, default_value_t = Form::Jsonl)]
    output: Form,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
enum Form {
    /// An archive: one object a line
    Jsonl,
    /// Text to read
    #[value(alias = "md")]
    Markdown,
}

pub fn run(args: Args, store: &Store, out: &mut Output) -> Result<Exit, Failure> {
    if args.to.is_none() && args.output == Form::Jsonl && out.is_terminal() {
        let message = "an archive has texts as they came, some of which a terminal would obey";
        return Err(Failure::new(Exit::Usage, message).hint("name a file with --to, or send it into a pipe"));
    }
    let choice = choice(&args, &blocking::Store::from(store.clone()))?;
    let store = store.for_blocking();
    let result = {
        let progress = Progress::of_sessions(args.to.is_some() || !out.is_terminal(), out);
        let told = &mut |done, total| progress.written(done, total);
        match &args.to {
            Some(path) => into_file(path, |file| write(&store, &choice, args.output, file, told))?,
            None if args.output == Form::Jsonl => write(&store, &choice, args.output, out.verbatim(), told),
            None => write(&store, &choice, args.output, Printed(out), told),
        }
    };
    let exported = result.map_err(|error| match error {
        ExportError::Store(error) => Failure::from(error),
        ExportError::Write(error) => Failure::from(error),
        error => Failure::new(Exit::Partly, error.to_string()),
    })?;
    out.flush()?;
    Ok(told(&exported, out))
}

fn choice(args: &Args, store: &blocking::Store) -> Result<Choice, Failure> {
    if !args.keys.is_empty() {
        let keys = args.keys.iter().map(|text| key::resolve(store, text));
        return Ok(Choice::Keys(keys.collect::<Result<_, _>>()?));
    }
    Ok(Choice::Matching(Box::new(SessionFilter {
        agent_id: args.agent.clone(),
        family: args.family.clone(),
        statuses: args.status.clone(),
        ..SessionFilter::default()
    })))
}

fn write(
    store: &Store,
    choice: &Choice,
    form: Form,
    out: impl Write,
    progress: &mut dyn FnMut(u64, u64),
) -> Result<Exported, ExportError> {
    match form {
        Form::Jsonl => block_on(export(store, choice, out, progress)),
        Form::Markdown => block_on(markdown(store, choice, Visible(out), progress)),
    }
}

/// What came of it, on stderr.
fn told(exported: &Exported, out: &Output) -> Exit {
    for unread in &exported.unread {
        out.failure(&Failure::new(Exit::Partly, format!("session {}: {}", unread.key, unread.error)));
    }
    for key in &exported.unsteady {
        let message =
            format!("session {key} changed while it was exported: its documents may be of several moments");
        out.complain(&Line::new().plain(message));
    }
    let sessions = match exported.sessions {
        1 => "1 session".to_owned(),
        count => format!("{count} sessions"),
    };
    out.talk(&Line::new().plain(format!("exported: {sessions}")));
    if exported.unread.is_empty() && exported.unsteady.is_empty() { Exit::Done } else { Exit::Partly }
}

/// Writes a file that has its name only when it is whole, and never takes another's place.
fn into_file(
    path: &Path,
    write: impl FnOnce(&mut BufWriter<File>) -> Result<Exported, ExportError>,
) -> Result<Result<Exported, ExportError>, Failure> {
    let cannot =
        |error: io::Error| Failure::new(Exit::Partly, format!("cannot write {}: {error}", path.display()));
    let free = || match fs::symlink_metadata(path) {
        Ok(_) => Err(Failure::new(Exit::Usage, format!("{} exists already", path.display()))
            .hint("export never writes over a file: name another, or remove it")),
        Err(_) => Ok(()),
    };
    free()?;
    let name = path.file_name().ok_or_else(|| cannot(io::Error::from(io::ErrorKind::InvalidInput)))?;
    let mut partial = std::ffi::OsString::from(".");
    partial.push(name);
    partial.push(format!(".{}.partial", process::id()));
    let partial = path.with_file_name(partial);
    let mut options = OpenOptions::new();
    options.write(true).create_new(true);
    #[cfg(unix)]
    {
        use std::os::unix::fs::OpenOptionsExt;
        // As the store itself: for the user's own eyes.
        options.mode(0o600);
    }
    let file = options.open(&partial).map_err(cannot)?;
    let mut file = BufWriter::with_capacity(64 << 10, file);
    let result = write(&mut file);
    let finished = match &result {
        Ok(_) => file.flush().and_then(|()| file.get_ref().sync_all()).map_err(cannot),
        Err(_) => Ok(()),
    };
    let named = finished.and_then(|()| match &result {
        Ok(_) => free().and_then(|()| fs::rename(&partial, path).map_err(cannot)),
        Err(_) => Ok(()),
    });
    if named.is_err() || result.is_err() {
        // What remains of it is of no use; if it cannot be removed either, its name says what it is.
        let _ = fs::remove_file(&partial);
    }
    named?;
    match result {
        Err(ExportError::Write(error)) => Err(cannot(error)),
        result => Ok(result),
    }
}

/// Text for people, made harmless. It is given whole lines.
struct Visible<W>(W);

impl<W: Write> Write for Visible<W> {
    fn write(&mut self, text: &[u8]) -> io::Result<usize> {
        self.0.write_all(visible(&String::from_utf8_lossy(text)).as_bytes())?;
        Ok(text.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        self.0.flush()
    }
}

/// Stdout.
struct Printed<'a>(&'a mut Output);

impl Write for Printed<'_> {
    fn write(&mut self, text: &[u8]) -> io::Result<usize> {
        self.0.text(&String::from_utf8_lossy(text))?;
        Ok(text.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        self.0.flush()
    }
}

//! `sessiondb undo`: take back the last change of what a session shows.

use sessiondb::{Commit, SessionKey, ViewChange, ViewChangeKind, Write, blocking::Store};

use crate::{
    argument::key,
    change::{Change, Form},
    exit::{Exit, Failure},
    output::Output,
    transcript,
};

/// Changes of the view read at a time.
const CHANGES_PAGE: usize = 100;

const ABOUT: &str = "\
Takes back the last change of what a session shows: a compact, an uncompact, a reset, a rewind, a pop, a repair. Once \
more takes back the one before.

What was appended since stays. A summary that the change appended is hidden. Appending messages, status and metadata \
are no such changes.";

const EXAMPLES: &str = "\
Examples:
  sessiondb undo main:cli::dm:ann
  sessiondb undo ann -o json | jq -r .undone";

/// Takes back the last change of what a session shows: compact, reset, rewind, pop, …
#[derive(Debug, clap::Args)]
#[command(long_about = ABOUT, after_help = EXAMPLES)]
pub struct Args {
    /// The session's key; or, without a ':', how the peer_id of one session begins
    key: String,
    /// How to print what was done
    #[arg(short, long, value_enum, default_value_t = Form::Text)]
    output: Form,
}

pub fn run(args: Args, store: &Store, out: &mut Output) -> Result<Exit, Failure> {
    let key = key::resolve(store, &args.key)?;
    let undo = || store.commit_one(Commit::new(key.clone()).write(Write::Undo));
    let (receipt, mut change) = Change::of(store, &key, undo)?;
    let undone = if receipt.changed { undone(store, &key, receipt.revision)? } else { None };
    change.changed = receipt.changed;
    change.undone = undone.as_ref().map(|undone| undone.kind.name());
    let sentence = match (&undone, receipt.changed) {
        (_, false) => "nothing to take back".to_owned(),
        (None, true) => format!("took back a change: {}", change.sentence()),
        (Some(undone), true) => {
            let (what, when) = (name(undone.kind), transcript::local(undone.at));
            format!("took back the {what} of {when}: {}", change.sentence())
        }
    };
    change.print(sentence, args.output, out)?;
    Ok(Exit::Done)
}

/// The change that was taken back by this revision.
fn undone(store: &Store, key: &SessionKey, revision: u64) -> Result<Option<ViewChange>, Failure> {
    let mut before = Some(revision);
    loop {
        let changes = store.view_changes(key, before, CHANGES_PAGE)?;
        before = changes.last().map(|change| change.revision);
        let last = changes.len() < CHANGES_PAGE;
        let found = changes.into_iter().find(|change| change.undone == Some(revision));
        if found.is_some() || last {
            return Ok(found);
        }
    }
}

fn name(kind: ViewChangeKind) -> &'static str {
    match kind {
        ViewChangeKind::Compact => "compaction",
        ViewChangeKind::Uncompact => "uncompaction",
        ViewChangeKind::Pop => "pop",
        ViewChangeKind::Rewind => "rewind",
        ViewChangeKind::Reset => "reset",
        ViewChangeKind::Set => "repair or setting of the view",
    }
}

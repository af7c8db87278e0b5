//! `sessiondb optimize`: give back the space of what was deleted.

use sessiondb::blocking::Store;

use crate::{
    exit::{Exit, Failure},
    output::Output,
};

const EXAMPLES: &str = "\
Examples:
  sessiondb rm --yes p9k2 && sessiondb optimize";

/// Gives the space of deleted sessions back to the file system
///
/// Prints how many bytes. Others may use the store meanwhile. The file shrinks at once, unless somebody reads from before it.
#[derive(Debug, clap::Args)]
#[command(after_help = EXAMPLES)]
pub struct Args {}

pub fn run(_: Args, store: &Store, out: &mut Output) -> Result<Exit, Failure> {
    let bytes = store.optimize()?;
    out.text(&format!("{bytes}\n"))?;
    Ok(Exit::Done)
}

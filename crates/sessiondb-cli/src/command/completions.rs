//! `sessiondb completions`: what a shell needs to complete command lines.

use clap::CommandFactory;
use clap_complete::Shell;

use crate::{
    cli::Cli,
    exit::{Exit, Failure},
    output::Output,
};

const EXAMPLES: &str = "\
Examples:
  sessiondb completions bash > ~/.local/share/bash-completion/completions/sessiondb
  sessiondb completions zsh > ~/.zfunc/_sessiondb
  sessiondb completions fish > ~/.config/fish/completions/sessiondb.fish";

/// Prints a script with which a shell completes command lines of this program.
///
/// It needs no store. For zsh, the directory of the file must be in `fpath` before `compinit` is called.
#[derive(Debug, clap::Args)]
#[command(after_help = EXAMPLES)]
pub struct Args {
    /// Which shell
    #[arg(value_enum)]
    shell: Shell,
}

pub fn run(args: Args, out: &mut Output) -> Result<Exit, Failure> {
    let mut script = Vec::new();
    clap_complete::generate(args.shell, &mut Cli::command(), "sessiondb", &mut script);
    out.text(&String::from_utf8_lossy(&script))?;
    Ok(Exit::Done)
}

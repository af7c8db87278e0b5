//! `sessiondb recover`: go on with a store whose write-ahead log is damaged.

use sessiondb::Recovery;

use crate::{
    exit::{Exit, Failure},
    output::Output,
};

const EXAMPLES: &str = "\
Examples:
  sessiondb recover && sessiondb check";

/// Makes a store usable whose write-ahead log is damaged
///
/// Every other command refuses such a store, since SQLite would drop what is behind the damage without a word. The log is
/// copied first, to a file beside the store. Then what the checksums in it prove is put right; a single turned bit is, most
/// often. If that is not all, the store goes on with what comes before the damage, and the rest is in the copy alone. A
/// store whose log is sound is left as it is.
///
/// The exit code is 1 if something had to be left out. Run check afterwards.
#[derive(Debug, clap::Args)]
#[command(after_help = EXAMPLES)]
pub struct Args {
    /// How to print what was done
    #[arg(short, long, value_enum, default_value_t = Form::Text)]
    output: Form,
}

#[derive(Debug, Clone, Copy, clap::ValueEnum)]
enum Form {
    /// Text to read
    Text,
    /// One object: copy, mended, kept, left_out, pages_left_out
    Json,
}

pub fn run(args: Args, url: &str, out: &mut Output) -> Result<Exit, Failure> {
    let recovery = sessiondb::recover(url)?;
    match args.output {
        Form::Text => out.text(&text(&recovery))?,
        Form::Json => out.json_line(&recovery)?,
    }
    if recovery.copy.is_some() {
        out.hint("`sessiondb check` looks at everything that is in the store now");
    }
    Ok(if recovery.left_out == 0 { Exit::Done } else { Exit::Partly })
}

fn text(recovery: &Recovery) -> String {
    let Recovery { copy, mended, kept, left_out, pages_left_out } = recovery;
    let Some(copy) = copy else { return "nothing in the log is damaged\n".into() };
    let mut text = format!("the damaged log is kept as {}\n", copy.display());
    if *mended > 0 {
        text += &format!("damaged places put right: {mended}\n");
    }
    text += &format!("transactions kept: {kept}\n");
    if *left_out > 0 {
        text += &format!("transactions left out: {left_out}, with {pages_left_out} pages\n");
    }
    text
}

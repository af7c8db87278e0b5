//! Printing what clap says: help, the version, and what is wrong with a command line.

use std::{io::Write, process::ExitCode};

use crate::{exit::Exit, visible::visible};

/// Prints it where it belongs, and answers the exit code.
pub fn print(error: &clap::Error) -> ExitCode {
    let text = error.render();
    let plain = text.to_string();
    // The message repeats the user's arguments, which may come from anywhere. If one of them holds what a terminal
    // would obey, the colours go along with it.
    let shown = match visible(&plain) {
        harmless if harmless == plain => text.ansi().to_string(),
        made_harmless => made_harmless.into_owned(),
    };
    // Nobody may be there to read it; that changes nothing.
    let _ = match error.use_stderr() {
        true => anstream::stderr().write_all(shown.as_bytes()),
        false => anstream::stdout().write_all(shown.as_bytes()),
    };
    match error.use_stderr() {
        true => Exit::Usage.into(),
        false => Exit::Done.into(),
    }
}

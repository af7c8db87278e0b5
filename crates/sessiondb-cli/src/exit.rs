//! [`Exit`]: what the exit code says. [`Failure`]: why a command did not do what it was asked.

use std::{
    fmt::{self, Write},
    io,
    process::ExitCode,
};

use sessiondb::{Conflict, Error, ErrorClass};

/// The exit codes, all of them.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[repr(u8)]
pub enum Exit {
    Done = 0,
    Partly = 1,
    Usage = 2,
    NotFound = 3,
    Conflict = 4,
    BadInput = 5,
    Store = 6,
}

impl Exit {
    const ALL: [Exit; 7] =
        [Exit::Done, Exit::Partly, Exit::Usage, Exit::NotFound, Exit::Conflict, Exit::BadInput, Exit::Store];

    fn meaning(self) -> &'static str {
        match self {
            Exit::Done => "done",
            Exit::Partly => {
                "done, but something was found or left out (a finding of check, a bad line, a bad file)"
            }
            Exit::Usage => "wrong usage",
            Exit::NotFound => "not found: no such session, or no transcripts to import",
            Exit::Conflict => {
                "conflict: the session exists, has changed, shows no such message, or the id has other content"
            }
            Exit::BadInput => "bad input: a key, a JSON text or a message that cannot be accepted",
            Exit::Store => {
                "the store cannot be opened or used (busy, full, damaged, stopped, outcome unknown)"
            }
        }
    }

    /// The table of exit codes for `--help`.
    pub fn table() -> String {
        Exit::ALL.into_iter().fold("Exit codes:\n".to_owned(), |mut table, exit| {
            // Writing to a String does not fail.
            let _ = writeln!(table, "  {}  {}", exit as u8, exit.meaning());
            table
        })
    }

    fn of(error: &Error) -> Exit {
        match error.class() {
            ErrorClass::Invalid | ErrorClass::OutOfScope => Exit::BadInput,
            ErrorClass::NotFound => Exit::NotFound,
            ErrorClass::Conflict => Exit::Conflict,
            // Busy, full, stopped, closed, undecodable, unknown, and what a later version may add: the store's trouble.
            _ => Exit::Store,
        }
    }
}

impl From<Exit> for ExitCode {
    fn from(exit: Exit) -> ExitCode {
        ExitCode::from(exit as u8)
    }
}

/// Why a command stopped.
#[derive(Debug)]
pub enum Failure {
    /// Nobody reads the output any more, as in `sessiondb ls | head`. That is no error.
    ClosedPipe,
    /// It went wrong.
    Error {
        /// What the exit code says.
        exit: Exit,
        /// What happened, in one line.
        message: String,
        /// More lines below it.
        details: Vec<String>,
        /// What to do next.
        hint: Option<String>,
    },
}

impl Failure {
    /// A failure without a hint.
    pub fn new(exit: Exit, message: impl Into<String>) -> Failure {
        Failure::Error { exit, message: message.into(), details: Vec::new(), hint: None }
    }

    /// What the caller gave cannot be accepted.
    pub fn bad_input(message: impl Into<String>) -> Failure {
        Failure::new(Exit::BadInput, message)
    }

    /// The result of printing something that matters less than going on: a reader that went away is no failure.
    pub fn unless_closed(printed: Result<(), Failure>) -> Result<(), Failure> {
        match printed {
            Err(Failure::ClosedPipe) => Ok(()),
            printed => printed,
        }
    }

    /// With the next step to take, in place of any other.
    pub fn hint(mut self, text: impl Into<String>) -> Failure {
        if let Failure::Error { hint, .. } = &mut self {
            *hint = Some(text.into());
        }
        self
    }

    /// With the place where it happened before the message.
    pub fn at(mut self, place: impl fmt::Display) -> Failure {
        if let Failure::Error { message, .. } = &mut self {
            *message = format!("{place}: {message}");
        }
        self
    }

    /// With more lines below the message.
    pub fn details(mut self, lines: Vec<String>) -> Failure {
        if let Failure::Error { details, .. } = &mut self {
            *details = lines;
        }
        self
    }

    /// The exit code of the process. A closed pipe is a reader that has seen enough.
    pub fn exit(&self) -> Exit {
        match self {
            Failure::ClosedPipe => Exit::Done,
            Failure::Error { exit, .. } => *exit,
        }
    }
}

impl From<Error> for Failure {
    fn from(error: Error) -> Failure {
        let hint = hint_for(&error).map(str::to_owned);
        Failure::Error { exit: Exit::of(&error), message: error.to_string(), details: Vec::new(), hint }
    }
}

/// The next step to take, in terms of commands where the library speaks of calls.
fn hint_for(error: &Error) -> Option<&'static str> {
    if let Error::Conflict { conflict: Conflict::NotInView { .. }, .. } = error {
        return Some("`sessiondb show KEY --all` shows every message, and says which are hidden");
    }
    match error.class() {
        ErrorClass::NotFound => Some("`sessiondb ls` shows the keys"),
        ErrorClass::Unknown => Some("look whether it happened before you do it again"),
        ErrorClass::Stopped => Some("look after the disk, then run the command again"),
        _ => error.hint(),
    }
}

/// A failure to write the output; what is read has its own messages.
impl From<io::Error> for Failure {
    fn from(error: io::Error) -> Failure {
        match error.kind() {
            io::ErrorKind::BrokenPipe => Failure::ClosedPipe,
            _ => Failure::new(Exit::Partly, format!("cannot write the output: {error}")),
        }
    }
}

#[cfg(test)]
mod tests {
    use sessiondb::SessionKey;

    use super::*;

    #[test]
    fn every_class_of_error_has_its_exit_code() {
        let key = || Box::new(SessionKey::new("a", "b", "c", "d", "e"));
        let text = String::new;
        let cases = [
            (Error::Invalid(text()), 5),
            (Error::NotFound(key()), 3),
            (Error::Conflict { key: key(), conflict: Conflict::Exists { current: 1 } }, 4),
            (Error::Undecodable { row: text(), reason: text() }, 6),
            (Error::Busy(text()), 6),
            (Error::Full(text()), 6),
            (Error::Unknown(text()), 6),
            (Error::Stopped(text()), 6),
            (Error::CannotOpen { location: text(), reason: text() }, 6),
            (Error::Closed, 6),
            (Error::Storage(text()), 6),
        ];
        for (error, code) in cases {
            assert_eq!(Failure::from(error.clone()).exit() as u8, code, "{error:?}");
        }
    }

    #[test]
    fn a_closed_pipe_is_no_error_and_a_full_disk_is_one() {
        assert_eq!(Failure::from(io::Error::from(io::ErrorKind::BrokenPipe)).exit(), Exit::Done);
        assert_eq!(Failure::from(io::Error::from(io::ErrorKind::StorageFull)).exit(), Exit::Partly);
    }
}

//! [`Output`]: all that the program says. Data goes to stdout, talk about it to stderr.
//!
//! Nothing reaches a terminal without passing here, and everything that passes is made harmless first (see
//! [`visible`](crate::visible)). So no command can forget it.

use std::io::{self, BufWriter, IsTerminal, StdoutLock, Write};

use anstream::{AutoStream, ColorChoice};
use owo_colors::{OwoColorize, Style};
use serde::Serialize;

use crate::{
    exit::{Exit, Failure},
    visible::{visible, visible_json, visible_line},
};

/// One line of text in pieces, each with its style. What a piece contains is data: its control characters and line
/// breaks are written out when the line is printed.
#[derive(Debug, Clone, Default)]
pub struct Line {
    pieces: Vec<(Style, String)>,
}

impl Line {
    /// A line that is empty yet.
    pub fn new() -> Line {
        Line::default()
    }

    /// With a piece in the terminal's own style.
    pub fn plain(self, text: impl Into<String>) -> Line {
        self.styled(Style::new(), text)
    }

    /// With a piece in this style.
    pub fn styled(mut self, style: Style, text: impl Into<String>) -> Line {
        self.pieces.push((style, text.into()));
        self
    }

    /// All of it fainter.
    pub fn dimmed(mut self) -> Line {
        self.pieces.iter_mut().for_each(|(style, _)| *style = Style::dimmed(*style));
        self
    }

    /// The text of it, harmless.
    pub fn text(&self, colour: bool) -> String {
        let mut line = String::new();
        for (style, text) in &self.pieces {
            let text = visible_line(text);
            match colour && !text.is_empty() {
                true => line.push_str(&text.style(*style).to_string()),
                false => line.push_str(&text),
            }
        }
        line
    }
}

/// The two streams of the program.
pub struct Output {
    stdout: BufWriter<AutoStream<StdoutLock<'static>>>,
    stdout_colour: bool,
    stderr_colour: bool,
    quiet: bool,
}

impl Output {
    /// The process's streams. Colours go where NO_COLOR, CLICOLOR_FORCE and the kind of the stream allow them.
    pub fn new(quiet: bool) -> Output {
        let choice = AutoStream::choice(&io::stdout());
        let stdout_colour = choice != ColorChoice::Never;
        let stdout = match stdout_colour {
            true => AutoStream::new(io::stdout().lock(), choice),
            // Nothing is styled then, so there is nothing to strip, and the data passes as it is.
            false => AutoStream::always_ansi(io::stdout().lock()),
        };
        Output {
            stdout: BufWriter::with_capacity(64 << 10, stdout),
            stdout_colour,
            stderr_colour: AutoStream::choice(&io::stderr()) != ColorChoice::Never,
            quiet,
        }
    }

    /// Prints a line of text.
    pub fn line(&mut self, line: &Line) -> io::Result<()> {
        writeln!(self.stdout, "{}", line.text(self.stdout_colour))
    }

    /// Prints lines that belong together, set off from what is above them. Without lines, nothing.
    pub fn paragraph(&mut self, lines: &[Line]) -> io::Result<()> {
        if !lines.is_empty() {
            self.text("\n")?;
        }
        lines.iter().try_for_each(|line| self.line(line))
    }

    /// Prints text of several lines as it is: no newline is added.
    pub fn text(&mut self, text: &str) -> io::Result<()> {
        self.stdout.write_all(visible(text).as_bytes())
    }

    /// Prints a value as JSON, on one line without its end.
    pub fn json(&mut self, value: &impl Serialize) -> Result<(), Failure> {
        // What does not serialise is raw JSON that the store holds damaged.
        let json = serde_json::to_string(value)
            .map_err(|error| Failure::new(Exit::Store, format!("stored JSON is damaged: {error}")))?;
        Ok(self.stdout.write_all(visible_json(&json).as_bytes())?)
    }

    /// Prints a value as JSON, on a line of its own.
    pub fn json_line(&mut self, value: &impl Serialize) -> Result<(), Failure> {
        self.json(value)?;
        Ok(self.text("\n")?)
    }

    /// Whether stdout is a terminal.
    pub fn is_terminal(&self) -> bool {
        io::stdout().is_terminal()
    }

    /// Where an archive goes: its bytes pass as they are, for they are to be read back. Not for a terminal, which would
    /// obey some of them.
    pub fn verbatim(&mut self) -> impl Write {
        &mut self.stdout
    }

    /// Hands over what is printed so far.
    pub fn flush(&mut self) -> io::Result<()> {
        self.stdout.flush()
    }

    /// Whether only errors are to be told.
    pub fn is_quiet(&self) -> bool {
        self.quiet
    }

    /// Tells something on stderr, unless quiet.
    pub fn talk(&self, line: &Line) {
        if !self.quiet {
            self.complain(line);
        }
    }

    /// Gives a hint on stderr, unless quiet.
    pub fn hint(&self, text: impl Into<String>) {
        if !self.quiet {
            self.tell_hint(text.into());
        }
    }

    /// Tells on stderr what went wrong, quiet or not.
    pub fn complain(&self, line: &Line) {
        let mut stderr = anstream::stderr().lock();
        // A process whose stderr is gone has nobody left to tell that to.
        let _ = writeln!(stderr, "{}", line.text(self.stderr_colour));
    }

    /// Reports a failure: what happened, then what to do.
    pub fn failure(&self, failure: &Failure) {
        let Failure::Error { message, details, hint, .. } = failure else { return };
        let error = Line::new().styled(Style::new().red().bold(), "error:");
        self.complain(&error.plain(format!(" {message}")));
        details.iter().for_each(|detail| self.complain(&Line::new().plain(format!("  {detail}"))));
        if let Some(hint) = hint {
            self.hint(hint);
        }
    }

    /// Asks on stderr for the user's word on these things, if there is a user: a terminal to show the question on and
    /// to answer it. `None` without one.
    pub fn ask(&self, things: &[Line], question: &str) -> Option<bool> {
        if !io::stdin().is_terminal() || !io::stderr().is_terminal() {
            return None;
        }
        things.iter().for_each(|thing| self.complain(thing));
        let mut stderr = io::stderr().lock();
        let _ = write!(stderr, "{} [y/N] ", visible_line(question));
        let _ = stderr.flush();
        let mut answer = String::new();
        let read = io::stdin().read_line(&mut answer);
        Some(read.is_ok() && is_yes(&answer))
    }

    fn tell_hint(&self, text: String) {
        self.complain(&Line::new().styled(Style::new().cyan().bold(), "hint:").plain(format!(" {text}")));
    }
}

/// Only a clear yes is one.
fn is_yes(answer: &str) -> bool {
    matches!(answer.trim().to_lowercase().as_str(), "y" | "yes")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_a_clear_yes_is_yes() {
        for (answer, yes) in [
            ("y\n", true),
            ("YES\n", true),
            (" yes ", true),
            ("\n", false),
            ("", false),
            ("no\n", false),
            ("yep", false),
        ] {
            assert_eq!(is_yes(answer), yes, "{answer:?}");
        }
    }

    #[test]
    fn a_line_stays_one_line_and_has_no_escapes_but_its_own() {
        let line = Line::new().styled(Style::new().bold(), "who\x1b[0m").plain(" what\nmore");
        assert_eq!(line.text(false), r"who\u{1b}[0m what\nmore");
        assert_eq!(line.text(true), "\x1b[1mwho\\u{1b}[0m\x1b[0m what\\nmore");
    }
}

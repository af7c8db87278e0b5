//! [`Lines`]: messages from a stream of JSON lines, read ahead on a thread of their own.
//!
//! While one commit waits for the disk, the next lines are read and parsed. Whoever takes gets all that wait: from a
//! slow writer one line, at once; from a fast one a batch. Both what waits and how long a line may be are bounded, so
//! a stream of any length is read in little memory.

use std::{
    io::{BufRead, BufReader, Read},
    mem,
    sync::Arc,
    thread,
};

use parking_lot::{Condvar, Mutex};
use sessiondb::{NewMessage, limits};

/// Most lines that wait, and so most in a batch.
const LINES_MAX: usize = 500;
/// No line is read while this many bytes wait.
const BYTES_MAX: usize = 4 << 20;
/// Longest line: a message of the largest size, and as much again for the rest of it and for white space.
const LINE_BYTES_MAX: usize = 2 * limits::MESSAGE_BYTES_MAX;

/// A line that is a message.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Line {
    /// Its number in the stream, from 1.
    pub number: u64,
    /// What it says.
    pub message: NewMessage,
}

/// Why the stream ended before its end.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct BadLine {
    /// The number of the line that was to be read.
    pub number: u64,
    /// What is wrong with it.
    pub reason: String,
}

/// The lines of a stream.
pub struct Lines {
    shared: Arc<Shared>,
}

#[derive(Default)]
struct Shared {
    waiting: Mutex<Waiting>,
    changed: Condvar,
}

#[derive(Default)]
struct Waiting {
    lines: Vec<Line>,
    bytes: usize,
    end: Option<Result<(), BadLine>>,
}

impl Lines {
    /// Starts reading. Lines without anything in them are passed over; reading ends at the first bad one.
    pub fn read(input: impl Read + Send + 'static) -> Lines {
        let shared = Arc::new(Shared::default());
        let reader = Arc::clone(&shared);
        // The thread is never joined: it ends with its stream, or with the process.
        thread::spawn(move || {
            let end = reader.fill(input);
            reader.waiting.lock().end = Some(end);
            reader.changed.notify_all();
        });
        Lines { shared }
    }

    /// All lines that wait, at least one, waiting for it if need be. None at the end of the stream.
    ///
    /// # Errors
    /// The bad line at which the stream ended, after all before it were taken.
    pub fn take(&self) -> Result<Vec<Line>, BadLine> {
        let mut waiting = self.shared.waiting.lock();
        loop {
            if !waiting.lines.is_empty() {
                waiting.bytes = 0;
                self.shared.changed.notify_all();
                return Ok(mem::take(&mut waiting.lines));
            }
            if let Some(end) = &waiting.end {
                return end.clone().map(|()| Vec::new());
            }
            self.shared.changed.wait(&mut waiting);
        }
    }
}

impl Shared {
    fn fill(&self, input: impl Read) -> Result<(), BadLine> {
        let mut input = BufReader::with_capacity(64 << 10, input);
        let mut text = Vec::new();
        for number in 1.. {
            let bad = |reason: String| BadLine { number, reason };
            text.clear();
            let read = input.by_ref().take(LINE_BYTES_MAX as u64 + 1).read_until(b'\n', &mut text);
            let bytes = read.map_err(|error| bad(format!("cannot be read: {error}")))?;
            if bytes == 0 {
                break;
            }
            if bytes > LINE_BYTES_MAX {
                return Err(bad(format!("longer than {LINE_BYTES_MAX} bytes")));
            }
            if text.trim_ascii().is_empty() {
                continue;
            }
            let message = parse(&text).map_err(bad)?;
            self.push(Line { number, message }, bytes);
        }
        Ok(())
    }

    /// Adds a line when there is room for it.
    fn push(&self, line: Line, bytes: usize) {
        let mut waiting = self.waiting.lock();
        while waiting.lines.len() >= LINES_MAX || waiting.bytes >= BYTES_MAX {
            self.changed.wait(&mut waiting);
        }
        waiting.lines.push(line);
        waiting.bytes += bytes;
        self.changed.notify_all();
    }
}

fn parse(line: &[u8]) -> Result<NewMessage, String> {
    let text = str::from_utf8(line)
        .map_err(|error| format!("not UTF-8 from byte {} on", error.valid_up_to() + 1))?;
    // serde would take a list for the fields in their order, too.
    if !text.trim_start().starts_with('{') {
        return Err("not a JSON object; plain text is appended with --content".into());
    }
    serde_json::from_str(text).map_err(|error| {
        // The place that serde_json adds counts lines inside this one; only the column says something.
        let (line, column) = (error.line(), error.column());
        let reason = error.to_string();
        let what = reason.strip_suffix(&format!(" at line {line} column {column}")).unwrap_or(&reason);
        match column {
            0 => what.to_owned(),
            _ => format!("column {column}: {what}"),
        }
    })
}

#[cfg(test)]
mod tests {
    use std::io::Cursor;

    use super::*;

    /// All lines, and how it ended.
    fn read(input: impl Into<Vec<u8>>) -> (Vec<Line>, Result<(), BadLine>) {
        let lines = Lines::read(Cursor::new(input.into()));
        let mut all = Vec::new();
        loop {
            match lines.take() {
                Ok(batch) if batch.is_empty() => return (all, Ok(())),
                Ok(batch) => all.extend(batch),
                Err(bad) => return (all, Err(bad)),
            }
        }
    }

    fn line(n: usize) -> String {
        format!("{{\"role\": \"user\", \"content\": {n}}}\n")
    }

    #[test]
    fn every_line_comes_once_in_order_and_batches_are_bounded() {
        let count = 3 * LINES_MAX + 7;
        let lines = Lines::read(Cursor::new((0..count).map(line).collect::<String>()));
        let mut next = 0;
        loop {
            let batch = lines.take().unwrap();
            if batch.is_empty() {
                break;
            }
            assert!(batch.len() <= LINES_MAX);
            for line in batch {
                assert_eq!(
                    (line.number, line.message.content.get()),
                    (next as u64 + 1, next.to_string().as_str())
                );
                next += 1;
            }
        }
        assert_eq!(next, count);
    }

    #[test]
    fn what_waits_is_bounded_in_bytes() {
        let big = format!("{{\"role\": \"user\", \"content\": \"{}\"}}\n", "x".repeat(1 << 20));
        let bytes = big.len();
        let lines = Lines::read(Cursor::new(big.repeat(12)));
        let mut count = 0;
        loop {
            let batch = lines.take().unwrap();
            if batch.is_empty() {
                break;
            }
            // The line that crosses the bound is the last.
            assert!((batch.len() - 1) * bytes < BYTES_MAX, "{} lines", batch.len());
            count += batch.len();
        }
        assert_eq!(count, 12);
    }

    #[test]
    fn a_bad_line_ends_it_after_those_before() {
        let (good, end) = read(format!("{}\n  \n{}nonsense\n{}", line(1), line(2), line(3)));
        assert_eq!(good.iter().map(|line| line.number).collect::<Vec<_>>(), [1, 4]);
        assert_eq!(
            end.unwrap_err(),
            BadLine { number: 5, reason: "not a JSON object; plain text is appended with --content".into() }
        );
    }

    #[test]
    fn the_reason_says_what_is_wrong() {
        let reason = |text: &[u8]| read(text).1.unwrap_err().reason;
        let unknown = reason(br#"{"role": "user", "content": "x", "colour": 1}"#);
        assert!(
            unknown.starts_with("column 41: unknown field `colour`, expected one of `role`, `content`"),
            "{unknown}"
        );
        assert_eq!(reason(br#"{"role": "user"}"#), "column 16: missing field `content`");
        assert_eq!(reason(br#"{"role": "user", "content": "#), "column 28: EOF while parsing a value");
        assert_eq!(reason(b"{\"role\": \"\xff\"}"), "not UTF-8 from byte 11 on");
        let deep = format!(r#"{{"role": "user", "content": {}{}}}"#, "[".repeat(200), "]".repeat(200));
        assert!(reason(deep.as_bytes()).contains("nested 200 deep"), "{}", reason(deep.as_bytes()));
    }

    #[test]
    fn the_last_line_needs_no_newline_and_a_line_has_a_bound() {
        assert_eq!(read(line(1).trim_end()).0.len(), 1);
        assert_eq!(read("").0.len(), 0);
        let (good, end) = read(vec![b' '; LINE_BYTES_MAX + 1]);
        assert_eq!((good.len(), end.unwrap_err().reason), (0, format!("longer than {LINE_BYTES_MAX} bytes")));
    }
}

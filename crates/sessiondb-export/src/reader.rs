//! [`Reader`]: an archive's lines one after the other, in bounded memory.

use std::io::{self, BufRead, ErrorKind};

use sessiondb::limits;

/// Longest line that is read. The largest message or document of a store makes one that is shorter, also if every
/// byte of it has to be escaped.
pub(crate) const LINE_BYTES_MAX: usize = limits::COMMIT_BYTES_MAX;

/// The lines of an archive.
pub(crate) struct Reader<R> {
    source: R,
    /// The number of the line that was read last, from 1.
    pub number: u64,
    /// How many bytes were read.
    pub bytes: u64,
    /// The line that was read last, without its end.
    pub line: Vec<u8>,
}

/// How a line was read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Reading {
    Whole,
    /// The last one, without a line end: it may be cut.
    Unended,
    /// Longer than [`LINE_BYTES_MAX`], and passed over.
    TooLong,
}

impl<R: BufRead> Reader<R> {
    pub fn new(source: R) -> Reader<R> {
        Reader { source, number: 0, bytes: 0, line: Vec::new() }
    }

    /// Reads the next line; `None` at the end.
    ///
    /// # Errors
    /// What the source says.
    pub fn next(&mut self) -> io::Result<Option<Reading>> {
        self.line.clear();
        let (start, mut ended, mut too_long) = (self.bytes, false, false);
        while !ended {
            let chunk = match self.source.fill_buf() {
                Ok([]) => break,
                Ok(chunk) => chunk,
                Err(error) if error.kind() == ErrorKind::Interrupted => continue,
                Err(error) => return Err(error),
            };
            let newline = chunk.iter().position(|byte| *byte == b'\n');
            ended = newline.is_some();
            let text = &chunk[..newline.unwrap_or(chunk.len())];
            too_long |= self.line.len() + text.len() > LINE_BYTES_MAX;
            match too_long {
                true => self.line.clear(),
                false => self.line.extend_from_slice(text),
            }
            let taken = newline.map_or(chunk.len(), |at| at + 1);
            self.source.consume(taken);
            self.bytes += taken as u64;
        }
        if self.bytes == start {
            return Ok(None);
        }
        self.number += 1;
        Ok(Some(match (too_long, ended) {
            (true, _) => Reading::TooLong,
            (false, true) => Reading::Whole,
            (false, false) => Reading::Unended,
        }))
    }
}

#[cfg(test)]
mod tests {
    use std::io::{BufReader, Read};

    use super::*;

    #[test]
    fn lines_come_one_by_one_whatever_the_buffer() {
        for capacity in [1, 3, 64] {
            let mut reader = Reader::new(BufReader::with_capacity(capacity, &b"one\n\ntwo\r\nthree"[..]));
            let mut lines = Vec::new();
            while let Some(reading) = reader.next().unwrap() {
                lines.push((reader.number, String::from_utf8(reader.line.clone()).unwrap(), reading));
            }
            let expected = [(1, "one"), (2, ""), (3, "two\r"), (4, "three")];
            assert!(lines.iter().map(|(number, line, _)| (*number, line.as_str())).eq(expected));
            assert_eq!(
                lines.iter().map(|line| line.2).collect::<Vec<_>>()[2..],
                [Reading::Whole, Reading::Unended]
            );
            assert_eq!(reader.bytes, 15);
        }
    }

    #[test]
    fn a_line_too_long_is_passed_over_without_being_kept() {
        let long = io::repeat(b'x').take(LINE_BYTES_MAX as u64 + 1);
        let mut reader = Reader::new(BufReader::new(long.chain(&b"\nnext"[..])));
        assert_eq!(reader.next().unwrap(), Some(Reading::TooLong));
        assert!(reader.line.is_empty());
        assert_eq!((reader.next().unwrap(), reader.line.as_slice()), (Some(Reading::Unended), &b"next"[..]));
        assert_eq!(reader.next().unwrap(), None);
    }
}

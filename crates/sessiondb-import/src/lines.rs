//! [`Lines`]: a file's lines one after the other, with their places, in bounded memory.

use std::io::{self, BufRead, ErrorKind};

use sessiondb::limits;
use xxhash_rust::xxh3::Xxh3;

/// Longest line that is read: what fits no document of the store cannot be kept. Longer lines are passed over.
pub(crate) const LINE_BYTES_MAX: usize = limits::DOCUMENT_BYTES_MAX;

/// The lines of a file from some place on.
pub(crate) struct Lines<R> {
    source: R,
    offset: u64,
    number: u64,
}

/// Where a line stands.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Place {
    /// Its number in the file, from 1.
    pub number: u64,
    /// The offset of its first byte.
    pub start: u64,
    /// The offset behind it and its newline.
    pub end: u64,
    /// XXH3 of its bytes, with its newline.
    pub hash: u64,
    /// Whether it has its newline; only the last line of a file may lack it.
    pub terminated: bool,
    /// Whether it is longer than [`LINE_BYTES_MAX`], and so was not read.
    pub too_long: bool,
}

impl<R: BufRead> Lines<R> {
    /// The lines that `source` gives, of which the first begins at `offset` and is the one after line `number`.
    pub fn new(source: R, offset: u64, number: u64) -> Lines<R> {
        Lines { source, offset, number }
    }

    /// Reads the next line into `line`, without its newline; `None` at the end.
    ///
    /// # Errors
    /// What the source says.
    pub fn next(&mut self, line: &mut Vec<u8>) -> io::Result<Option<Place>> {
        line.clear();
        let (start, mut hash) = (self.offset, Xxh3::new());
        let (mut terminated, mut too_long) = (false, false);
        while !terminated {
            let chunk = match self.source.fill_buf() {
                Ok([]) => break,
                Ok(chunk) => chunk,
                Err(error) if error.kind() == ErrorKind::Interrupted => continue,
                Err(error) => return Err(error),
            };
            let newline = chunk.iter().position(|byte| *byte == b'\n');
            terminated = newline.is_some();
            let taken = newline.map_or(chunk.len(), |at| at + 1);
            let text = &chunk[..newline.unwrap_or(taken)];
            too_long |= line.len() + text.len() > LINE_BYTES_MAX;
            if too_long {
                line.clear();
            } else {
                line.extend_from_slice(text);
            }
            hash.update(&chunk[..taken]);
            self.source.consume(taken);
            self.offset += taken as u64;
        }
        if self.offset == start {
            return Ok(None);
        }
        self.number += 1;
        let hash = hash.digest();
        Ok(Some(Place { number: self.number, start, end: self.offset, hash, terminated, too_long }))
    }
}

#[cfg(test)]
mod tests {
    use std::io::{BufReader, Read};

    use xxhash_rust::xxh3::xxh3_64;

    use super::*;

    fn all(source: impl BufRead) -> Vec<(Vec<u8>, Place)> {
        let (mut lines, mut line, mut all) = (Lines::new(source, 0, 0), Vec::new(), Vec::new());
        while let Some(place) = lines.next(&mut line).unwrap() {
            all.push((line.clone(), place));
        }
        all
    }

    #[test]
    fn lines_have_their_places_whatever_the_buffer() {
        let text = b"one\n\ntw\xffo\r\nthree";
        for capacity in [1, 2, 3, 64] {
            let lines = all(BufReader::with_capacity(capacity, &text[..]));
            let texts: Vec<&[u8]> = lines.iter().map(|(line, _)| line.as_slice()).collect();
            assert_eq!(texts, [&b"one"[..], b"", b"tw\xffo\r", b"three"]);
            for (n, (_, place)) in lines.iter().enumerate() {
                let bytes = &text[place.start as usize..place.end as usize];
                assert_eq!(place.hash, xxh3_64(bytes));
                assert_eq!((place.number, place.terminated), (n as u64 + 1, bytes.ends_with(b"\n")));
            }
            assert_eq!(lines.last().unwrap().1.end, text.len() as u64);
        }
        assert!(all(&b""[..]).is_empty());
    }

    #[test]
    fn a_line_too_long_is_passed_over_without_being_kept() {
        let long = io::repeat(b'x').take(LINE_BYTES_MAX as u64 + 1);
        let lines = all(BufReader::new(long.chain(&b"\nnext\n"[..])));
        assert!(lines[0].1.too_long && lines[0].0.is_empty());
        assert_eq!(lines[0].1.end, LINE_BYTES_MAX as u64 + 2);
        assert_eq!((lines[1].0.as_slice(), lines[1].1.number, lines[1].1.too_long), (&b"next"[..], 2, false));
        let longest = io::repeat(b'x').take(LINE_BYTES_MAX as u64);
        assert!(!all(BufReader::new(longest))[0].1.too_long);
    }
}

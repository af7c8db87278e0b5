//! [`Position`]: how far a file has been imported, kept as a document of its session and moved by the same commits
//! that bring the messages.

use std::io::{self, Read, Seek, SeekFrom};

use serde::{Deserialize, Serialize};
use sessiondb::{Expect, Json, NewDocument, Result, SessionKey, Store, Time};
use xxhash_rust::xxh3::Xxh3;

use crate::{facts::Facts, format::Memory, lines::Place};

const COLLECTION: &str = "import";
const ID: &str = "position";

/// How far a file has been imported.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub(crate) struct Position {
    /// Where the file was when it was last read. It may move.
    pub path: String,
    /// The offset behind the last line imported.
    pub offset: u64,
    /// How many lines that were.
    pub lines: u64,
    /// How many of them could not be kept.
    pub bad_lines: u64,
    /// The last line that was not blank, with its newline: by it the file is known again.
    last_line_start: u64,
    last_line_end: u64,
    /// XXH3 in hexadecimal, since JSON's readers do not agree on integers of 64 bits.
    last_line_hash: String,
    /// Whether the session had content before this file was read from its start: that of the file before it was
    /// rewritten. Then what the session has need not stand in the file, before the position or at all.
    pub reread: bool,
    /// The newest time in them.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub newest: Option<Time>,
    /// What they say about the session.
    pub facts: Facts,
    /// What they say about the lines that follow.
    #[serde(default, skip_serializing_if = "Memory::is_empty")]
    pub memory: Memory,
}

/// What is found where the position says that the last line ends.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Footing {
    /// Not the line that was imported: the file is another.
    Lost,
    /// The end of the line.
    LineEnd,
    /// The end of a line that had no newline when it was imported; what follows belongs to it.
    InLine,
}

impl Position {
    /// The start of a file.
    pub fn start(reread: bool) -> Position {
        Position { reread, ..Position::default() }
    }

    /// The session's position and its revision, or none and 0. One that cannot be read, say of a later version of
    /// this crate, is none: reading the file again from its start loses and doubles nothing.
    ///
    /// # Errors
    /// As [`Store::document`].
    pub async fn load(store: &Store, key: &SessionKey) -> Result<(Option<Position>, u64)> {
        let Some(document) = store.document(key, COLLECTION, ID).await? else { return Ok((None, 0)) };
        Ok((document.body.read().ok(), document.revision))
    }

    /// That the position is still at this revision: nobody else has imported meanwhile.
    pub fn expect(revision: u64) -> Expect {
        Expect::Document { collection: COLLECTION.into(), id: ID.into(), revision }
    }

    /// The document that keeps it.
    ///
    /// # Errors
    /// None in practice; see [`Json::from_value`].
    pub fn document(&self) -> Result<NewDocument> {
        Ok(NewDocument::new(COLLECTION, ID, Json::from_value(self)?))
    }

    /// Moves behind a line that was read.
    pub fn pass(&mut self, place: &Place, blank: bool) {
        (self.offset, self.lines) = (place.end, place.number);
        if !blank {
            (self.last_line_start, self.last_line_end) = (place.start, place.end);
            self.last_line_hash = format!("{:016x}", place.hash);
        }
    }

    /// Whether the last line imported still stands in the file. If so, the file is left where the position is.
    ///
    /// # Errors
    /// If the file cannot be read.
    pub fn footing(&self, file: &mut (impl Read + Seek)) -> io::Result<Footing> {
        file.seek(SeekFrom::Start(self.last_line_start))?;
        let mut line = file.by_ref().take(self.last_line_end.saturating_sub(self.last_line_start));
        let (mut hash, mut last, mut chunk) = (Xxh3::new(), b'\n', vec![0; 64 << 10]);
        loop {
            let count = match line.read(&mut chunk) {
                Ok(count) => count,
                Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
                Err(error) => return Err(error),
            };
            let Some(read) = chunk.get(..count).filter(|read| !read.is_empty()) else { break };
            hash.update(read);
            last = read.last().copied().unwrap_or(last);
        }
        // Blank lines may follow it.
        let blank_bytes = self.offset.saturating_sub(self.last_line_end);
        if io::copy(&mut file.take(blank_bytes), &mut io::sink())? < blank_bytes {
            return Ok(Footing::Lost);
        }
        Ok(match self.last_line_end > 0 && format!("{:016x}", hash.digest()) != self.last_line_hash {
            true => Footing::Lost,
            false if last != b'\n' && self.last_line_end == self.offset => Footing::InLine,
            false => Footing::LineEnd,
        })
    }
}

#[cfg(test)]
mod tests {
    use std::io::Cursor;

    use super::*;
    use crate::lines::Lines;

    fn after_all_of(text: &str) -> Position {
        let (mut position, mut line) = (Position::default(), Vec::new());
        let mut lines = Lines::new(text.as_bytes(), 0, 0);
        while let Some(place) = lines.next(&mut line).unwrap() {
            position.pass(&place, line.trim_ascii().is_empty());
        }
        position
    }

    #[test]
    fn a_file_is_known_again_by_its_last_line() {
        let footing =
            |imported: &str, now: &str| after_all_of(imported).footing(&mut Cursor::new(now)).unwrap();
        assert_eq!(footing("a\nb\n", "a\nb\n"), Footing::LineEnd);
        assert_eq!(footing("a\nb\n", "a\nb\nc"), Footing::LineEnd);
        assert_eq!(footing("a\nb\n\r\n", "a\nb\n\r\nc"), Footing::LineEnd);
        assert_eq!(footing("a\nb", "a\nb"), Footing::InLine);
        assert_eq!(footing("a\nb", "a\nb\nc\n"), Footing::InLine);
        assert_eq!(footing("", "x"), Footing::LineEnd);
        for other in ["", "a\n", "a\nB\n", "a\nb", "a\nbc\nd"] {
            assert_eq!(footing("a\nb\n", other), Footing::Lost, "{other:?}");
        }
        // Blank lines are alike everywhere, so the last line that is not blank counts.
        assert_eq!(footing("a\nb\n\n\n", "a\nB\n\n\n"), Footing::Lost);
        assert_eq!(footing("a\nb\n\n\n", "a\nb\n"), Footing::Lost);
    }

    #[test]
    fn a_position_is_read_back() {
        let mut position = after_all_of("a\nb\n");
        position.facts.cwd(Some("/w".into()));
        let document = position.document().unwrap();
        assert_eq!(document.body.read::<Position>().unwrap(), position);
    }
}

//! [`Head`]: a look at the first records of a file, by which its format and its address are known.

use std::{
    io::{self, BufReader, Read},
    path::Path,
};

use crate::{
    content::Content,
    lines::{LINE_BYTES_MAX, Lines},
    original::Reading,
};

/// How many records are looked at: the first ones may be of types that do not say what is looked for.
const RECORDS_MAX: usize = 20;
/// How many bytes are looked at: room for the longest line and some more.
const BYTES_MAX: u64 = 2 * LINE_BYTES_MAX as u64;

/// What was seen at the head of a file.
pub(crate) struct Head<T> {
    /// What was looked for.
    pub found: Option<T>,
    /// Whether there was any record to look at.
    pub is_empty: bool,
}

impl<T> Head<T> {
    /// Shows the first lines of a file that are JSON to `look`, until it finds something.
    ///
    /// # Errors
    /// If the file cannot be read.
    pub fn of(path: &Path, mut look: impl FnMut(&str) -> Option<T>) -> io::Result<Head<T>> {
        let mut lines = Lines::new(BufReader::new(Content::open(path)?.take(BYTES_MAX)), 0, 0);
        let (mut line, mut records) = (Vec::new(), 0);
        while records < RECORDS_MAX
            && let Some(place) = lines.next(&mut line)?
        {
            if let Reading::Line(line) = Reading::of(place.number, &line) {
                records += 1;
                if let Some(found) = look(line.value.get()) {
                    return Ok(Head { found: Some(found), is_empty: false });
                }
            }
        }
        Ok(Head { found: None, is_empty: records == 0 })
    }
}

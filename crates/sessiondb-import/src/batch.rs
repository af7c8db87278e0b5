//! [`Batches`]: a file's lines, read in bounded portions and sorted into what the store keeps of them.

use std::{
    collections::HashSet,
    io::{self, BufReader, Seek, SeekFrom},
    mem,
};

use sessiondb::{NewDocument, NewMessage, Time};

use crate::{
    BadLine,
    content::Content,
    format::{Transcript, Usage},
    lines::{LINE_BYTES_MAX, Lines},
    original::{Line, Reading, restored},
    position::{Footing, Position},
};

/// Most lines in a batch.
pub(crate) const BATCH_LINES_MAX: u64 = 500;
/// The bytes of lines after which a batch is full. The line that fills it may be one of the longest, and a message's
/// usage is kept a second time; both stay far below what the store takes in one call.
const BATCH_BYTES: u64 = 4 << 20;

/// The rest of a file, batch by batch.
pub(crate) struct Batches {
    transcript: &'static dyn Transcript,
    lines: Lines<BufReader<Content>>,
    buffer: Vec<u8>,
    /// The ids of the messages read so far.
    seen: HashSet<String>,
    /// Whether the next bytes are the end of a line that was imported without it.
    in_line: bool,
    ended: bool,
    /// What went wrong behind the lines of the last batch.
    error: Option<io::Error>,
    /// The bytes of the last line if it is not complete.
    pub torn_bytes: u64,
}

/// Some lines, and what they hold.
#[derive(Default)]
pub(crate) struct Batch {
    /// How many lines were read, blank ones too.
    pub lines: u64,
    /// How many lines bear the id of another message.
    pub duplicates: u64,
    pub messages: Vec<MessageLine>,
    pub records: Vec<RecordLine>,
    pub usages: Vec<Usage>,
    pub bad_lines: Vec<BadLine>,
    pub first_at: Option<Time>,
    pub last_at: Option<Time>,
}

/// A line that is a message.
pub(crate) struct MessageLine {
    pub number: u64,
    pub kind: String,
    pub message: NewMessage,
}

/// A line that is kept as it stands.
pub(crate) struct RecordLine {
    pub kind: String,
    pub document: NewDocument,
}

impl Batches {
    /// What comes after this position.
    ///
    /// # Errors
    /// If the file cannot be read.
    pub fn after(
        position: &Position,
        footing: Footing,
        mut file: Content,
        transcript: &'static dyn Transcript,
    ) -> io::Result<Batches> {
        file.seek(SeekFrom::Start(position.offset))?;
        let in_line = footing == Footing::InLine;
        let number = position.lines - u64::from(in_line && position.lines > 0);
        Ok(Batches {
            transcript,
            lines: Lines::new(BufReader::with_capacity(64 << 10, file), position.offset, number),
            buffer: Vec::new(),
            seen: HashSet::new(),
            in_line,
            ended: false,
            error: None,
            torn_bytes: 0,
        })
    }

    /// Reads up to `lines_max` lines and moves the position behind them. At the end of the file the batch has none.
    ///
    /// # Errors
    /// If the file cannot be read, once all lines that stand before have been given.
    pub fn next(&mut self, position: &mut Position, lines_max: u64) -> io::Result<Batch> {
        let (mut batch, start) = (Batch::default(), position.offset);
        while !self.ended && batch.lines < lines_max && position.offset - start < BATCH_BYTES {
            let place = match self.lines.next(&mut self.buffer) {
                Ok(Some(place)) => place,
                Ok(None) => {
                    self.ended = true;
                    break;
                }
                Err(error) => {
                    (self.error, self.ended) = (Some(error), true);
                    break;
                }
            };
            let mut reading = match place.too_long {
                true => Reading::Bad(format!("longer than {LINE_BYTES_MAX} bytes")),
                false => Reading::of(place.number, &self.buffer),
            };
            let continues = mem::take(&mut self.in_line);
            let complete = place.terminated
                || (!continues && matches!(&reading, Reading::Line(line) if line.value.is_object()));
            if !complete {
                (self.torn_bytes, self.ended) = (place.end - place.start, true);
                break;
            }
            if continues {
                if matches!(reading, Reading::Blank) {
                    position.offset = place.end;
                    continue;
                }
                reading = Reading::Bad("text follows the record".into());
            }
            batch.lines += 1;
            position.pass(&place, matches!(reading, Reading::Blank));
            match reading {
                Reading::Blank => {}
                Reading::Line(line) => self.sort(&line, &mut batch, position),
                Reading::Bad(reason) => batch.bad(place.number, reason, position),
            }
        }
        match self.error.take_if(|_| batch.lines == 0) {
            Some(error) => Err(error),
            None => Ok(batch),
        }
    }

    fn sort(&mut self, line: &Line, batch: &mut Batch, position: &mut Position) {
        let record = self.transcript.record(line, &mut position.memory);
        position.facts.learn(record.facts);
        batch.usages.extend(record.usage);
        batch.first_at = batch.first_at.or(record.at);
        batch.last_at = batch.last_at.max(record.at);
        position.newest = position.newest.max(record.at);
        if let Some(mut message) = record.message {
            // Else it would have that of its commit, and so depend on how the file is read in portions.
            message.created_at = message.created_at.or(position.newest);
            if message.message_id.as_ref().is_none_or(|id| self.seen.insert(id.clone())) {
                batch.messages.push(MessageLine { number: line.number, kind: record.kind, message });
                return;
            }
            batch.duplicates += 1;
        }
        match line.document() {
            Some(document) => batch.records.push(RecordLine { kind: record.kind, document }),
            None => batch.bad(line.number, "larger than the store's documents may be".into(), position),
        }
    }
}

impl Batch {
    /// Whether there is anything in it that the store would keep.
    pub fn keeps_nothing(&self) -> bool {
        self.messages.is_empty() && self.records.is_empty()
    }

    /// Takes out the message with this id, if there is one.
    pub fn take_message(&mut self, id: &str) -> Option<MessageLine> {
        let at = self.messages.iter().position(|line| line.message.message_id.as_deref() == Some(id))?;
        Some(self.messages.remove(at))
    }

    fn bad(&mut self, line: u64, reason: String, position: &mut Position) {
        position.bad_lines += 1;
        self.bad_lines.push(BadLine { line, reason });
    }
}

impl MessageLine {
    /// The same line, kept as it stands.
    pub fn into_record(self) -> Option<RecordLine> {
        let line = restored(&self.message.content, self.message.attributes.as_ref()?)?;
        match Reading::of(self.number, line.as_bytes()) {
            Reading::Line(line) => Some(RecordLine { kind: self.kind, document: line.document()? }),
            Reading::Blank | Reading::Bad(_) => None,
        }
    }
}

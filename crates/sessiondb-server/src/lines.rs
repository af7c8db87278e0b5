//! [`Lines`]: a body of lines, a JSON text each, read as it comes.

use axum::body::{Body, BodyDataStream, Bytes};
use futures_util::StreamExt;
use serde::de::DeserializeOwned;

use std::sync::Arc;

use tokio::sync::OwnedSemaphorePermit;

use crate::{
    app::Limits,
    problem::{Kind, Problem},
};

/// Longest line: room for the largest message.
const LINE_BYTES_MAX: usize = 20 << 20;

/// How many bytes of lines are read together at most, but for a line that has more.
const TOGETHER_BYTES: usize = 4 << 20;

/// The lines of a body. Empty ones are passed over, but counted.
pub(crate) struct Lines {
    body: BodyDataStream,
    /// What was read and not handed on: whole lines and the beginning of another.
    rest: Vec<u8>,
    /// How much of it has no line break.
    seen: usize,
    ended: bool,
    number: u64,
    together: usize,
    /// Of whom room is had for what is held in memory, and what of it was given.
    limits: Arc<Limits>,
    room: Vec<OwnedSemaphorePermit>,
}

/// Of each stream so much may be in memory without being counted, and room for more is had in such pieces.
const UNCOUNTED: usize = 64 << 10;
const ROOM: usize = 1 << 20;

impl Lines {
    /// Those of this body, at most so many at a time.
    pub fn of(body: Body, together: usize, limits: Arc<Limits>) -> Lines {
        Lines {
            body: body.into_data_stream(),
            rest: Vec::new(),
            seen: 0,
            ended: false,
            number: 0,
            together,
            limits,
            room: Vec::new(),
        }
    }

    /// The next lines: at least one, and as many more as are there without waiting. None at the end.
    pub async fn next<T: DeserializeOwned>(&mut self) -> Result<Vec<T>, Problem> {
        let mut items = Vec::new();
        // What was handed on before is stored by now.
        if self.rest.len() <= UNCOUNTED {
            self.room.clear();
        }
        loop {
            self.take(&mut items)?;
            if !items.is_empty() || self.ended {
                return Ok(items);
            }
            match self.body.next().await {
                Some(Ok(bytes)) => self.add(&bytes)?,
                Some(Err(error)) => return Err(Problem::invalid(format!("the body broke off: {error}"))),
                None => {
                    self.ended = true;
                    self.rest.push(b'\n');
                }
            }
        }
    }

    fn add(&mut self, bytes: &Bytes) -> Result<(), Problem> {
        self.rest.extend_from_slice(bytes);
        while self.rest.len() > UNCOUNTED + self.room.len() * ROOM {
            self.room.push(self.limits.body(ROOM)?);
        }
        if self.rest.len() > LINE_BYTES_MAX + TOGETHER_BYTES {
            let detail = format!("line {} has more than {LINE_BYTES_MAX} bytes", self.number + 1);
            return Err(Problem::new(Kind::TooLarge, detail));
        }
        Ok(())
    }

    /// Takes whole lines from what was read. A line that cannot be read is told when those before it were handed on.
    fn take<T: DeserializeOwned>(&mut self, items: &mut Vec<T>) -> Result<(), Problem> {
        let mut taken = 0;
        let mut bad = None;
        while items.len() < self.together && taken < TOGETHER_BYTES {
            let from = taken.max(self.seen);
            let Some(length) =
                self.rest[from..].iter().position(|byte| *byte == b'\n').map(|at| from + at - taken)
            else {
                self.seen = self.rest.len();
                break;
            };
            let line = self.rest[taken..taken + length].trim_ascii();
            if !line.is_empty() {
                match serde_json::from_slice(line) {
                    Ok(item) => items.push(item),
                    Err(_) if !items.is_empty() => break,
                    Err(error) => {
                        bad = Some(Problem::invalid(format!("line {}: {error}", self.number + 1)));
                        break;
                    }
                }
            }
            taken += length + 1;
            self.number += 1;
        }
        self.rest.drain(..taken);
        self.seen = self.seen.saturating_sub(taken);
        bad.map_or(Ok(()), Err)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    async fn read(chunks: Vec<&'static str>, together: usize) -> (Vec<Vec<u64>>, Option<String>) {
        let chunks = chunks.into_iter().map(|chunk| Ok::<_, std::io::Error>(Bytes::from(chunk)));
        let limits = Arc::new(Limits::new(&crate::Options::default()));
        let mut lines = Lines::of(Body::from_stream(futures_util::stream::iter(chunks)), together, limits);
        let mut all = Vec::new();
        loop {
            match lines.next::<u64>().await {
                Ok(some) if some.is_empty() => return (all, None),
                Ok(some) => all.push(some),
                Err(problem) => return (all, Some(serde_json::to_string(&problem).unwrap())),
            }
        }
    }

    #[tokio::test]
    async fn lines_are_read_however_they_are_cut() {
        assert_eq!(read(vec!["1\n2\n3"], 10).await.0, [vec![1, 2], vec![3]]);
        assert_eq!(read(vec!["1", "2\n", "\n \n3\r\n", "4\n"], 10).await.0, [vec![12], vec![3], vec![4]]);
        assert_eq!(read(vec!["1\n2\n3\n4\n5\n"], 2).await.0, [vec![1, 2], vec![3, 4], vec![5]]);
        assert_eq!(read(vec![], 2).await.0, [[0; 0]; 0]);
        assert_eq!(read(vec!["", "\n\n"], 2).await.0, [[0; 0]; 0]);
    }

    /// A long line was held in memory whatever else was there.
    #[tokio::test]
    async fn long_lines_take_room_and_give_it_back() {
        let options = crate::Options { body_bytes_max: 3 << 20, ..crate::Options::default() };
        let limits = Arc::new(Limits::new(&options));
        let body = |mib: usize| {
            let chunks = (0..mib).map(|_| Ok::<_, std::io::Error>(Bytes::from(vec![b' '; 1 << 20])));
            let chunks: Vec<_> = chunks.chain([Ok(Bytes::from("1\n2"))]).collect();
            Body::from_stream(futures_util::stream::iter(chunks))
        };
        let mut fits = Lines::of(body(2), 1, Arc::clone(&limits));
        assert_eq!(fits.next::<u64>().await.unwrap(), [1]);
        let refused = Lines::of(body(2), 1, Arc::clone(&limits)).next::<u64>().await.unwrap_err();
        assert!(serde_json::to_string(&refused).unwrap().contains("overloaded"));
        assert_eq!(fits.next::<u64>().await.unwrap(), [2]);
        assert_eq!(Lines::of(body(2), 1, limits).next::<u64>().await.unwrap(), [1]);
    }

    /// What stands before a bad line is handed on first, and the bad one is named by its number.
    #[tokio::test]
    async fn a_bad_line_is_named() {
        let (all, problem) = read(vec!["1\n\n2\nx\n5\n"], 10).await;
        assert_eq!(all, [vec![1, 2]]);
        assert!(problem.unwrap().contains("line 4: "));
    }
}

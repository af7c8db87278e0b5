//! [`Pages`]: a long stretch of a session's messages, read page by page, the oldest first.

use sessiondb::{Error, MessagePage, SessionKey, Window, blocking::Store};

use crate::exit::{Exit, Failure};

/// Messages read at a time: few enough to hold even if they are large.
const PAGE: u64 = 50;

/// Where the stretch lies.
#[derive(Debug, Clone, Copy)]
pub enum Place {
    /// It ends with the newest message.
    Newest,
    /// It ends right before this message.
    Before(u64),
    /// It begins right after this message.
    After(u64),
}

/// The messages asked for. Only one page is held, or two.
///
/// A page of the store may be shorter than asked for although there are more messages, and longer if it would else cut
/// a tool call from its result. So this goes on by what the pages say and not by their length, and ends before a page
/// that would bring more than was asked for, unless it is the only one.
pub struct Pages<'a> {
    store: &'a Store,
    key: SessionKey,
    /// What to read, the next page last.
    ahead: Vec<Ahead>,
    shown: Shown,
}

enum Ahead {
    /// The page at the end, read already.
    Read(MessagePage),
    /// A page to be read again, with its first and last message.
    Again { window: Window, first: u64, last: u64 },
    /// So many messages that the session shows, after this one.
    Forward { after: u64, left: u64, begun: bool },
    /// The messages of the log after the first number, up to the last and with it.
    Log { after: u64, last: u64 },
}

/// What lies around the messages that were handed out.
#[derive(Default)]
struct Shown {
    begun: bool,
    first: Option<u64>,
    last: Option<u64>,
    has_earlier: bool,
    has_later: bool,
}

impl<'a> Pages<'a> {
    /// At most `count` of the messages that the session shows.
    pub fn shown(store: &'a Store, key: SessionKey, place: Place, count: u64) -> Result<Pages<'a>, Failure> {
        let mut pages = Pages { store, key, ahead: Vec::new(), shown: Shown::default() };
        match place {
            Place::After(after) => pages.ahead.push(Ahead::Forward { after, left: count, begun: false }),
            Place::Before(seq) => pages.go_back(Window::before(seq, bounded(count)), count)?,
            Place::Newest => pages.go_back(Window::last(bounded(count)), count)?,
        }
        Ok(pages)
    }

    /// At most `count` of all messages that the session ever had, in the order of their numbers, of which the last is
    /// `head`.
    pub fn log(store: &'a Store, key: SessionKey, head: u64, place: Place, count: u64) -> Pages<'a> {
        let (after, last) = match place {
            Place::After(seq) => (seq, seq.saturating_add(count).min(head)),
            Place::Before(seq) => back(seq.saturating_sub(1).min(head), count),
            Place::Newest => back(head, count),
        };
        let shown = Shown { has_earlier: after.min(head) > 0, has_later: last < head, ..Shown::default() };
        Pages { store, key, ahead: vec![Ahead::Log { after, last }], shown }
    }

    /// Finds where `count` messages that end with this window begin, and notes the way back. Messages never change, so
    /// the pages on it are the same when they are read again, unless the session shows others by then.
    fn go_back(&mut self, end: Window, count: u64) -> Result<(), Failure> {
        let page = self.store.message_window(&self.key, end)?;
        let mut left = count.saturating_sub(length(&page));
        let mut earlier = page.messages.first().map(|first| first.seq).filter(|_| page.has_earlier);
        self.ahead.push(Ahead::Read(page));
        while let Some(seq) = earlier
            && left > 0
        {
            let window = Window::before(seq, bounded(left));
            let page = self.read_on(window)?;
            let (Some(first), Some(last)) = (page.messages.first(), page.messages.last()) else { break };
            if length(&page) > left {
                break;
            }
            left -= length(&page);
            earlier = Some(first.seq).filter(|_| page.has_earlier);
            self.ahead.push(Ahead::Again { window, first: first.seq, last: last.seq });
        }
        Ok(())
    }

    /// The next page.
    pub fn next(&mut self) -> Result<Option<MessagePage>, Failure> {
        let Some(ahead) = self.ahead.pop() else { return Ok(None) };
        let page = match ahead {
            Ahead::Read(page) => page,
            Ahead::Again { window, first, last } => {
                let page = self.read_on(window)?;
                let ends = |page: &MessagePage| Some((page.messages.first()?.seq, page.messages.last()?.seq));
                if ends(&page) != Some((first, last)) {
                    return Err(self.changed());
                }
                page
            }
            Ahead::Forward { after, left, begun } => {
                let window = Window::after(after, bounded(left));
                let page = if begun {
                    self.read_on(window)?
                } else {
                    self.store.message_window(&self.key, window)?
                };
                if begun && length(&page) > left {
                    return Ok(None);
                }
                let left = left.saturating_sub(length(&page));
                if let Some(last) = page.messages.last()
                    && page.has_later
                    && left > 0
                {
                    self.ahead.push(Ahead::Forward { after: last.seq, left, begun: true });
                }
                page
            }
            Ahead::Log { after, last } => return self.next_of_log(after, last),
        };
        let seq_of_last = page.messages.last().map(|message| message.seq);
        if !self.shown.begun {
            self.shown.first = page.messages.first().map(|message| message.seq);
            self.shown.has_earlier = page.has_earlier;
        }
        self.shown.begun = true;
        (self.shown.last, self.shown.has_later) = (seq_of_last.or(self.shown.last), page.has_later);
        Ok(Some(page))
    }

    fn next_of_log(&mut self, after: u64, last: u64) -> Result<Option<MessagePage>, Failure> {
        if after >= last {
            return Ok(None);
        }
        let mut page = self.store.message_window(&self.key, Window::log(after, bounded(last - after)))?;
        // Numbers are dense, but a row can be deleted by hand.
        page.messages.retain(|message| message.seq <= last);
        let Some(end) = page.messages.last().map(|message| message.seq) else { return Ok(None) };
        self.ahead.push(Ahead::Log { after: end, last });
        self.shown.first = self.shown.first.or(page.messages.first().map(|message| message.seq));
        self.shown.last = Some(end);
        Ok(Some(page))
    }

    /// Reads a window that lies at a message which was read before.
    fn read_on(&self, window: Window) -> Result<MessagePage, Failure> {
        self.store.message_window(&self.key, window).map_err(|error| match error {
            Error::Conflict { .. } => self.changed(),
            error => error.into(),
        })
    }

    fn changed(&self) -> Failure {
        let message = format!("session {}: what it shows was changed while it was read", self.key);
        Failure::new(Exit::Conflict, message).hint("run the command again")
    }

    /// Whether there are messages before the first page.
    pub fn has_earlier(&self) -> bool {
        self.shown.has_earlier
    }

    /// Whether there are messages after the page that was handed out last.
    pub fn has_later(&self) -> bool {
        self.shown.has_later
    }

    /// Before which message there are more.
    pub fn earlier(&self) -> Option<u64> {
        self.shown.first.filter(|_| self.shown.has_earlier)
    }

    /// After which message there are more.
    pub fn later(&self) -> Option<u64> {
        self.shown.last.filter(|_| self.shown.has_later)
    }
}

/// So many messages, but at most a page.
fn bounded(count: u64) -> usize {
    count.min(PAGE) as usize
}

fn length(page: &MessagePage) -> u64 {
    page.messages.len() as u64
}

/// The `count` numbers up to `last`.
fn back(last: u64, count: u64) -> (u64, u64) {
    (last.saturating_sub(count), last)
}

#[cfg(test)]
mod tests {
    use sessiondb::{NewMessage, blocking};

    use super::*;

    fn key() -> SessionKey {
        SessionKey::new("main", "cli", "", "dm", "ann")
    }

    /// A call and its result are `reach` messages apart, one pair after the other.
    fn store(pairs: usize, reach: usize) -> Store {
        let store = blocking::open("memory:").unwrap();
        let mut messages = Vec::new();
        for pair in 0..pairs {
            let id = vec![format!("c{pair}")];
            messages.push(NewMessage { opens: id.clone(), ..NewMessage::new("assistant", "call") });
            messages.extend((1..reach).map(|_| NewMessage::new("assistant", "between")));
            messages.push(NewMessage { closes: id, ..NewMessage::new("tool", "result") });
        }
        for messages in messages.chunks(1_000) {
            store.append(&key(), messages.to_vec()).unwrap();
        }
        store
    }

    fn read(mut pages: Pages) -> (Vec<u64>, bool, bool) {
        let mut seqs = Vec::new();
        while let Some(page) = pages.next().unwrap() {
            assert!(page.unpaired.is_empty(), "{:?}", page.unpaired);
            seqs.extend(page.messages.iter().map(|message| message.seq));
        }
        (seqs, pages.has_earlier(), pages.has_later())
    }

    #[test]
    fn nothing_is_skipped_or_doubled_where_pages_are_shorter_or_longer() {
        for reach in [1, 2, 6, 49, 50, 51, 120] {
            let store = store(7, reach);
            let end = 7 * (reach as u64 + 1);
            let pair = reach as u64 + 1;
            for count in [1, 2, 49, 50, 51, 99, 100, 101, 130, end - 1, end, end + 1, u64::MAX] {
                // As many whole pairs as are asked for, and one if that is too many.
                let wanted = (count / pair).max(1).saturating_mul(pair).min(end);
                let case = format!("reach {reach}, count {count}");
                let pages = |place| read(Pages::shown(&store, key(), place, count).unwrap());
                let (first, more) = (end - wanted + 1, wanted < end);
                assert_eq!(pages(Place::Newest), ((first..=end).collect(), more, false), "{case}");
                assert_eq!(pages(Place::After(0)), ((1..=wanted).collect(), false, more), "{case}");
                let wanted = wanted.min(end - pair);
                let last = end - pair;
                let (first, more) = (last - wanted + 1, wanted < last);
                let expected = ((first..=last).collect(), more, true);
                assert_eq!(pages(Place::Before(last + 1)), expected, "{case}");
            }
        }
    }

    #[test]
    fn the_log_is_read_whatever_is_shown() {
        let store = store(60, 1);
        store.rewind(&key(), 10).unwrap();
        let pages = |place, count| read_log(&store, place, count);
        assert_eq!(pages(Place::After(0), u64::MAX), ((1..=120).collect(), false, false));
        assert_eq!(pages(Place::Newest, 101), ((20..=120).collect(), true, false));
        assert_eq!(pages(Place::Before(6), 3), (vec![3, 4, 5], true, true));
        assert_eq!(pages(Place::Before(1), 3), (vec![], false, true));
        assert_eq!(pages(Place::Before(0), 3), (vec![], false, true));
        assert_eq!(pages(Place::Before(u64::MAX), 2), (vec![119, 120], true, false));
        assert_eq!(pages(Place::After(118), 9), (vec![119, 120], true, false));
        assert_eq!(pages(Place::After(120), 9), (vec![], true, false));
    }

    fn read_log(store: &Store, place: Place, count: u64) -> (Vec<u64>, bool, bool) {
        let mut pages = Pages::log(store, key(), 120, place, count);
        let mut seqs = Vec::new();
        while let Some(page) = pages.next().unwrap() {
            seqs.extend(page.messages.iter().map(|message| message.seq));
        }
        (seqs, pages.has_earlier(), pages.has_later())
    }

    #[test]
    fn a_change_while_it_is_read_is_told() {
        let store = store(60, 1);
        let mut pages = Pages::shown(&store, key(), Place::Newest, u64::MAX).unwrap();
        pages.next().unwrap();
        store.compact(&key(), 4, None).unwrap();
        assert_eq!(pages.next().unwrap_err().exit(), Exit::Conflict);
        store.undo(&key()).unwrap();
        // The place where the next page ends is shown still, but the page is another.
        let mut pages = Pages::shown(&store, key(), Place::Newest, u64::MAX).unwrap();
        pages.next().unwrap();
        store.compact(&key(), 60, None).unwrap();
        assert_eq!(pages.next().unwrap_err().exit(), Exit::Conflict);
        store.undo(&key()).unwrap();
        let mut pages = Pages::shown(&store, key(), Place::After(0), u64::MAX).unwrap();
        store.append(&key(), vec![NewMessage::new("user", "more"); 100]).unwrap();
        pages.next().unwrap();
        store.reset(&key()).unwrap();
        assert_eq!(pages.next().unwrap_err().exit(), Exit::Conflict);
    }
}

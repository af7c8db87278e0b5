//! Compaction: showing less of a history. Nothing is destroyed, no tool call is separated from its result, and each
//! compaction can be taken back.

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};
use sessiondb::{Commit, Conflict, ViewChange, ViewChangeKind, Window, Write, limits};

use crate::{
    Error, HistoryCursor, HistoryQuery, Result, SessionKey, SessionStatus, SessionStore,
    error::invalid,
    store::{ATTEMPTS, busy},
    truncation,
    writes::{self, Plan},
};

/// What to hide of a history. In JSON: `{"strategy": "sliding_window", "max_messages": 50}`.
///
/// Where a tool call would be cut from its result, a little more is hidden or a little less. A summary given earlier is
/// a message like all others: it goes when its turn comes, and stays in the [`CompactionRecord`].
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(tag = "strategy", rename_all = "snake_case")]
pub enum CompactionStrategy {
    /// Hides nothing.
    #[default]
    None,
    /// Shows the newest messages, and behind a summary if one is given.
    SlidingWindow {
        /// About how many.
        max_messages: usize,
    },
    /// Shows the newest messages behind a summary of the others, which must be given. Issue 068 calls it `Summary`,
    /// which is read too.
    #[serde(alias = "summary")]
    Summarize {
        /// About how many messages stay beside the summary.
        #[serde(default)]
        keep_recent: usize,
    },
    /// As `Summarize`, but what stays is chosen by its weight: many short messages, or few long ones. Issue 068 has only
    /// the name; this is what it means here.
    AdaptiveChunking {
        /// About how many tokens stay beside the summary.
        keep_tokens: u64,
    },
    /// Shows the newest messages and no summary: the way out when nothing else is possible.
    HardClear {
        /// About how many.
        keep_recent: usize,
    },
    /// Shows all messages, but long tool results by their beginnings. A message that brings some stays as it is in the
    /// log, and a shortened copy is shown in its place. Text is shortened; a result of other JSON becomes text.
    ToolResultTruncation {
        /// How many characters of a result, or of each of its texts, are shown at most.
        max_chars: usize,
    },
}

impl CompactionStrategy {
    /// # Errors
    /// [`Invalid`](sessiondb::Error::Invalid) if the summary is missing, or cannot be shown.
    fn validate(&self, summary: Option<&str>) -> Result<()> {
        use CompactionStrategy::{
            AdaptiveChunking, HardClear, None, SlidingWindow, Summarize, ToolResultTruncation,
        };
        let name = match self {
            SlidingWindow { .. } => return Ok(()),
            Summarize { .. } => "Summarize",
            AdaptiveChunking { .. } => "AdaptiveChunking",
            HardClear { .. } => "HardClear",
            ToolResultTruncation { .. } => "ToolResultTruncation",
            None => "None",
        };
        match (self, summary.is_some()) {
            (Summarize { .. } | AdaptiveChunking { .. }, false) => {
                Err(invalid(format!("the compaction strategy {name} needs a summary, and none was given")))
            }
            (HardClear { .. } | ToolResultTruncation { .. } | None, true) => {
                Err(invalid(format!("the compaction strategy {name} shows no summary, and one was given")))
            }
            _ => Ok(()),
        }
    }
}

/// The compactions of a session that are in force: made since its last reset, and not taken back. It is read from what
/// SessionDB keeps of every change of what a session shows, so it cannot differ from it. A fork has a record of its own.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct CompactionRecord {
    /// How many.
    pub compaction_count: u64,
    /// When the last of them happened.
    pub last_compacted_at: Option<DateTime<Utc>>,
    /// The last summary that one of them gave.
    pub summary: Option<String>,
}

/// The changes of what a session shows that matter here.
struct Compactions {
    /// Those that are in force, the newest first.
    in_force: Vec<ViewChange>,
    /// Whether the newest of them is also the newest change that was not taken back.
    newest_is_last: bool,
}

/// What became of a change of what a session shows.
enum Shown {
    /// It was made, or there was nothing to change.
    Done(bool),
    /// Not yet: messages were appended meanwhile, the last with this number.
    Appended(u64),
    /// Not yet: the session was changed meanwhile, so that it has to be decided anew.
    Changed,
}

impl SessionStore {
    /// Compacts what the session shows now; [`compact_as_of`](SessionStore::compact_as_of) its newest message. If the
    /// summary was made of what was read before, use that one, with the last message that was read.
    ///
    /// # Errors
    /// As [`compact_as_of`](SessionStore::compact_as_of).
    pub fn compact(
        &self,
        key: &SessionKey,
        strategy: &CompactionStrategy,
        summary: Option<&str>,
    ) -> Result<bool> {
        self.existing(key)?;
        strategy.validate(summary)?;
        match self.store.message_window(key, Window::last(1))?.messages.last() {
            Some(last) => self.compact_as_of(key, last.seq, strategy, summary),
            None => Ok(false),
        }
    }

    /// Compacts the history up to message `seq` ([`StoredMessage::seq`](crate::StoredMessage::seq)) as if it were the
    /// newest. What comes after it stays shown, and counts for no limit of the strategy: a message appended while the
    /// summary was being written is neither hidden nor forgotten.
    ///
    /// The summary becomes a message of the role `system`, in front of what stays. With the compaction, all or nothing,
    /// the session's status becomes `compacted`. Answers `false`, and has changed nothing, if there was nothing to hide.
    ///
    /// # Errors
    /// [`Invalid`](sessiondb::Error::Invalid) if the strategy needs a summary that is missing, or shows none and one is
    /// given, or if more than about 3,000 tool results would be shortened at once (do it in parts, with a smaller `seq`);
    /// [`NotFound`](sessiondb::Error::NotFound); a [`NotInView`](sessiondb::Conflict::NotInView) if the session does not
    /// show message `seq`, as after somebody else's compaction: read it anew; otherwise as
    /// [`patch`](SessionStore::patch).
    pub fn compact_as_of(
        &self,
        key: &SessionKey,
        seq: u64,
        strategy: &CompactionStrategy,
        summary: Option<&str>,
    ) -> Result<bool> {
        self.existing(key)?;
        strategy.validate(summary)?;
        for _ in 0..ATTEMPTS {
            let mut session = self.existing(key)?;
            let plan = match self.plan(&session, seq, strategy, summary) {
                // Something that it had read was hidden meanwhile.
                Err(Error::Store(sessiondb::Error::Conflict { .. }))
                    if self.existing(key)?.revision != session.revision =>
                {
                    continue;
                }
                plan => plan?,
            };
            let Some(plan) = plan else { return Ok(false) };
            for _ in 0..ATTEMPTS {
                match self.show(&session, writes::compacting(&session, &plan))? {
                    Shown::Done(changed) => return Ok(changed),
                    // The plan holds: messages that were read do not change.
                    Shown::Appended(head) => session.head = head,
                    Shown::Changed => break,
                }
            }
        }
        Err(busy(key))
    }

    /// Takes the last compaction that is in force back: what it hid is shown again, and its summary or its shortened
    /// results are not. What was appended since stays. If it was the only one, the status `compacted` becomes `active`.
    ///
    /// Answers `false`, and has changed nothing, if there is none; and if it shortened tool results and something else
    /// about what is shown was changed since (a rewind, a pop): take that back first, by `undo` of
    /// [`sessiondb`](SessionStore::sessiondb).
    ///
    /// # Errors
    /// As [`patch`](SessionStore::patch).
    pub fn uncompact(&self, key: &SessionKey) -> Result<bool> {
        for _ in 0..ATTEMPTS {
            let session = self.existing(key)?;
            let compactions = self.compactions(key)?;
            let write = match compactions.in_force.first() {
                Some(_) if compactions.newest_is_last => Write::Undo,
                Some(last) if last.kind == ViewChangeKind::Compact => Write::Uncompact,
                _ => return Ok(false),
            };
            let status = writes::status(&session)?;
            let status = match compactions.in_force.len() {
                1 if status == SessionStatus::Compacted => SessionStatus::Active,
                _ => status,
            };
            if let Shown::Done(changed) =
                self.show(&session, writes::showing(&session, vec![write], status))?
            {
                return Ok(changed);
            }
        }
        Err(busy(key))
    }

    /// What was compacted, as it is now: what was taken back does not count.
    ///
    /// # Errors
    /// [`NotFound`](sessiondb::Error::NotFound) if there is no such session; otherwise as [`get`](SessionStore::get).
    pub fn get_compaction_record(&self, key: &SessionKey) -> Result<CompactionRecord> {
        self.existing(key)?;
        let compactions = self.compactions(key)?.in_force;
        let summary = match compactions.iter().find_map(|change| change.summary) {
            Some((first, _)) => self.store.message_window(key, Window::log(first - 1, 1))?.messages.pop(),
            None => None,
        };
        Ok(CompactionRecord {
            compaction_count: compactions.len() as u64,
            last_compacted_at: compactions.first().map(|change| change.at),
            summary: summary
                .map(|message| message.content.read().unwrap_or_else(|_| message.content.get().to_owned())),
        })
    }

    /// How to compact the session as it was read; `None` if there is nothing to hide.
    fn plan(
        &self,
        session: &sessiondb::Session,
        seq: u64,
        strategy: &CompactionStrategy,
        summary: Option<&str>,
    ) -> Result<Option<Plan>> {
        let through = match strategy {
            CompactionStrategy::None => None,
            CompactionStrategy::ToolResultTruncation { max_chars } => {
                return self.shorten(session, seq, *max_chars);
            }
            CompactionStrategy::SlidingWindow { max_messages: keep }
            | CompactionStrategy::Summarize { keep_recent: keep }
            | CompactionStrategy::HardClear { keep_recent: keep } => self.last_but(session, seq, *keep)?,
            CompactionStrategy::AdaptiveChunking { keep_tokens } => {
                self.last_but_tokens(session, seq, *keep_tokens)?
            }
        };
        through.map(|through| Plan::hide(through, summary)).transpose()
    }

    fn compactions(&self, key: &SessionKey) -> Result<Compactions> {
        let (mut in_force, mut last, mut before) = (Vec::new(), None, None);
        loop {
            let changes = self.store.view_changes(key, before, limits::PAGE_MAX)?;
            before = changes.last().map(|change| change.revision);
            for change in changes.into_iter().filter(|change| change.undone.is_none()) {
                let last = *last.get_or_insert(change.revision);
                let compacted = match change.kind {
                    ViewChangeKind::Compact => true,
                    // A view set for another reason (a repair) counts for nothing.
                    ViewChangeKind::Set if change.head_before < change.head_after => {
                        let first = self.store.message_window(key, Window::log(change.head_before, 1))?;
                        first.messages.first().is_some_and(truncation::is_shortened)
                    }
                    ViewChangeKind::Reset => {
                        return Ok(Compactions { newest_is_last: newest_is(&in_force, last), in_force });
                    }
                    _ => false,
                };
                if compacted {
                    in_force.push(change);
                }
            }
            if before.is_none() {
                let newest_is_last = last.is_some_and(|last| newest_is(&in_force, last));
                return Ok(Compactions { newest_is_last, in_force });
            }
        }
    }

    /// Commits what [`writes::showing`] made.
    fn show(&self, session: &sessiondb::Session, commits: Vec<Commit>) -> Result<Shown> {
        let conflict = match self.store.commit(commits) {
            Ok(receipts) => return Ok(Shown::Done(receipts.iter().any(|receipt| receipt.changed))),
            Err(sessiondb::Error::Conflict { key, conflict }) => (key, conflict),
            Err(error) => return Err(error.into()),
        };
        match conflict {
            (_, conflict) if writes::changed_nothing(session, &conflict) => Ok(Shown::Done(false)),
            (_, Conflict::State { .. }) => Ok(Shown::Changed),
            (_, Conflict::Head { current, .. }) => Ok(Shown::Appended(current)),
            (key, conflict) => Err(sessiondb::Error::Conflict { key, conflict }.into()),
        }
    }

    /// The last message to hide so that of those up to `seq` about the newest `keep` stay; `None` for none.
    fn last_but(&self, session: &sessiondb::Session, seq: u64, keep: usize) -> Result<Option<u64>> {
        if keep == 0 {
            return Ok(Some(seq));
        }
        let cursor = Some(self.behind(session, seq)?);
        let (pages, next) =
            self.pages(&session.key, &HistoryQuery { cursor, ..HistoryQuery::newest(keep) })?;
        let first = pages.last().and_then(|page| page.messages.first()).filter(|_| next.is_some());
        let Some(first) = first else { return Ok(None) };
        let hidden = self.store.message_window(&session.key, Window::before(first.seq, 1))?;
        Ok(hidden.messages.last().map(|message| message.seq))
    }

    /// The last message to hide so that of those up to `seq` the newest that weigh `keep` tokens stay; `None` for none.
    fn last_but_tokens(&self, session: &sessiondb::Session, seq: u64, keep: u64) -> Result<Option<u64>> {
        let (mut left, mut cursor) = (keep, Some(self.behind(session, seq)?));
        while cursor.is_some() {
            let query = HistoryQuery { cursor, ..HistoryQuery::newest(limits::PAGE_MAX) };
            let (pages, next) = self.pages(&session.key, &query)?;
            for message in pages.iter().flat_map(|page| page.messages.iter().rev()) {
                match left.checked_sub(message.weight().tokens) {
                    Some(rest) => left = rest,
                    None => return Ok(Some(message.seq)),
                }
            }
            cursor = next;
        }
        Ok(None)
    }

    /// The place behind message `seq`, which stays the same when messages are appended.
    fn behind(&self, session: &sessiondb::Session, seq: u64) -> Result<HistoryCursor> {
        let page = self.store.message_window(&session.key, Window::after(seq, 1))?;
        let next = page.messages.first().map_or(session.head + 1, |message| message.seq);
        Ok(HistoryCursor::before(next))
    }

    /// Shortened copies in the place of messages up to `seq` with long results; `None` if there are none.
    fn shorten(&self, session: &sessiondb::Session, seq: u64, max: usize) -> Result<Option<Plan>> {
        let behind = self.behind(session, seq)?;
        let (mut copies, mut copied, mut cursor) = (Vec::new(), Vec::new(), Some(behind));
        while cursor.is_some() {
            let query = HistoryQuery { cursor, ..HistoryQuery::newest(limits::PAGE_MAX) };
            let (pages, next) = self.pages(&session.key, &query)?;
            for message in pages.iter().flat_map(|page| page.messages.iter().rev()) {
                if let Some(copy) = truncation::shortened(&session.key, message, max)? {
                    copies.push(copy);
                    copied.push(message.seq);
                }
            }
            cursor = next;
        }
        copies.reverse();
        copied.reverse();
        if copies.is_empty() {
            return Ok(None);
        }
        Ok(Some(Plan::Shorten { copies, copied }))
    }
}

fn newest_is(compactions: &[ViewChange], revision: u64) -> bool {
    compactions.first().is_some_and(|newest| newest.revision == revision)
}

//! [`Store`] methods that change what a session shows: compaction, rewinding, forks, repair. None of them destroys a
//! message, and each can be taken back.

use std::collections::HashMap;

use crate::{
    Commit, Conflict, Error, Expect, Fork, Lineage, Message, NewMessage, Receipt, Result, Session,
    SessionKey, Store, ViewChange, Window, Write, calls, limits::PAGE_MAX, window::validate_limit,
};

/// How often a change that was decided on what was read is decided anew because somebody else was faster.
const ATTEMPTS: u32 = 100;

impl Store {
    /// Hides the older messages behind a summary and leaves about the newest `keep`: the same ones that
    /// `Window::last(keep)` answers, so no tool call is cut from its result. With `keep` 0, all are hidden. Without a
    /// summary they are just hidden. Answers `false` if there was nothing to hide.
    ///
    /// What is appended while this runs stays. To compact up to the very message that a summary was made of, whatever
    /// happened meanwhile, commit [`Write::Compact`].
    ///
    /// # Errors
    /// [`Error::NotFound`]; a [`Conflict::NotInView`] if somebody else compacted or rewound the session meanwhile;
    /// otherwise as [`commit`](Store::commit).
    pub async fn compact(&self, key: &SessionKey, keep: usize, summary: Option<NewMessage>) -> Result<bool> {
        let Some(through) = self.compact_through(key, keep).await? else { return Ok(false) };
        let write = Write::Compact { through, summary: summary.into_iter().collect() };
        Ok(self.commit_one(Commit::new(key.clone()).write(write)).await?.changed)
    }

    /// The last message that [`compact`](Store::compact) would hide now, if about the newest `keep` are to stay; `None` if
    /// nothing would be hidden.
    ///
    /// # Errors
    /// As [`message_window`](Store::message_window).
    pub async fn compact_through(&self, key: &SessionKey, keep: usize) -> Result<Option<u64>> {
        let page = self.message_window(key, Window::last(keep.max(1))).await?;
        let last = match page.messages.first() {
            Some(first) if keep > 0 => {
                let before = self.message_window(key, Window::before(first.seq, 1)).await?;
                before.messages.last().map(|message| message.seq)
            }
            _ => page.messages.last().map(|message| message.seq),
        };
        Ok(last)
    }

    /// Shows what the last compaction hid, in the place of its summary. Answers `false` if there is nothing to show:
    /// no compaction since the last reset that was not taken back.
    ///
    /// # Errors
    /// [`Error::NotFound`]; otherwise as [`commit`](Store::commit).
    pub async fn uncompact(&self, key: &SessionKey) -> Result<bool> {
        Ok(self.commit_one(Commit::new(key.clone()).write(Write::Uncompact)).await?.changed)
    }

    /// Hides all messages: the session begins anew, and its numbers go on. Answers `false` if there was none.
    ///
    /// # Errors
    /// [`Error::NotFound`]; otherwise as [`commit`](Store::commit).
    pub async fn reset(&self, key: &SessionKey) -> Result<bool> {
        self.rewind(key, 0).await
    }

    /// Hides the messages after message `seq`; after 0, all. Answers `false` if there was none.
    ///
    /// # Errors
    /// [`Error::NotFound`]; a [`Conflict::NotInView`] if the session does not show message `seq`; otherwise as
    /// [`commit`](Store::commit).
    pub async fn rewind(&self, key: &SessionKey, seq: u64) -> Result<bool> {
        Ok(self.commit_one(Commit::new(key.clone()).write(Write::Rewind { seq })).await?.changed)
    }

    /// Hides the newest message and answers it; `None` if there is none. Of callers that pop at the same time, each gets
    /// another message.
    ///
    /// # Errors
    /// [`Error::NotFound`]; otherwise as [`commit`](Store::commit).
    pub async fn pop(&self, key: &SessionKey) -> Result<Option<Message>> {
        let receipt = self.commit_one(Commit::new(key.clone()).write(Write::Pop { count: 1 })).await?;
        match receipt.seqs.first() {
            None => Ok(None),
            Some(seq) => Ok(self.message_window(key, Window::log(seq - 1, 1)).await?.messages.pop()),
        }
    }

    /// Puts other messages in the place of the newest ones, if the session still ends with those: `expected` are their
    /// numbers, oldest first, at most [`PAGE_MAX`](crate::limits::PAGE_MAX). All or nothing.
    ///
    /// # Errors
    /// A [`Conflict::Tail`] if the session ends with other messages; [`Error::Invalid`] if none are expected;
    /// [`Error::NotFound`]; otherwise as [`commit`](Store::commit).
    pub async fn replace_suffix(
        &self,
        key: &SessionKey,
        expected: &[u64],
        replacement: Vec<NewMessage>,
    ) -> Result<Receipt> {
        let commit = Commit::new(key.clone())
            .expect(Expect::Tail(expected.to_vec()))
            .write(Write::Pop { count: expected.len() })
            .write(Write::Append(replacement));
        self.commit_one(commit).await
    }

    /// Takes back the last change of what the session shows: a compaction, an uncompaction, a reset, a rewind, a pop.
    /// Once more takes back the one before. Answers `false` if there is none.
    ///
    /// # Errors
    /// [`Error::NotFound`]; otherwise as [`commit`](Store::commit).
    pub async fn undo(&self, key: &SessionKey) -> Result<bool> {
        Ok(self.commit_one(Commit::new(key.clone()).write(Write::Undo)).await?.changed)
    }

    /// Makes a new session that shows the same history, up to message `at` and with it, or all of it. Nothing is copied,
    /// however long it is; what is appended to either session is seen in that one alone.
    ///
    /// # Errors
    /// [`Error::NotFound`] if there is no such session; a [`Conflict::Exists`] if `new_key` is taken; a
    /// [`Conflict::NotInView`] if the session does not show message `at`; otherwise as [`commit`](Store::commit).
    pub async fn fork(&self, key: &SessionKey, new_key: &SessionKey, at: Option<u64>) -> Result<Session> {
        let fork = Fork { parent: key.clone(), at, status: None, metadata: None };
        self.commit_one(Commit::new(new_key.clone()).write(Write::Fork(fork))).await?;
        let session = self.session(new_key).await?;
        session.ok_or_else(|| Error::NotFound(Box::new(new_key.clone())))
    }

    /// Closes the tool calls that have no result, so that a model accepts the history again: behind each message with
    /// such calls a message of the role `tool` that says they were interrupted. Results whose call is not shown are
    /// hidden. Answers the numbers of the messages that it appended. [`undo`](Store::undo) takes it back.
    ///
    /// A call that is still running has no result either: repair a session only when nobody works in it. The whole history
    /// is read.
    ///
    /// # Errors
    /// [`Error::NotFound`]; [`Error::Invalid`] if so much is amiss that one commit cannot mend it (some 3,000 places);
    /// otherwise as [`commit`](Store::commit).
    pub async fn repair(&self, key: &SessionKey) -> Result<Vec<u64>> {
        let interrupted = |_: &Message, calls: &[String]| {
            let content = "The tool call was interrupted: it has no result.";
            NewMessage { closes: calls.to_vec(), ..NewMessage::new("tool", content) }
        };
        self.repair_with(key, interrupted).await
    }

    /// As [`repair`](Store::repair), with a result in the form that the session's model needs: `result` is given a
    /// message and those of its calls that have no result.
    ///
    /// # Errors
    /// As [`repair`](Store::repair).
    pub async fn repair_with(
        &self,
        key: &SessionKey,
        result: impl Fn(&Message, &[String]) -> NewMessage + Send + Sync,
    ) -> Result<Vec<u64>> {
        for _ in 0..ATTEMPTS {
            let session = self.session(key).await?;
            let session = session.ok_or_else(|| Error::NotFound(Box::new(key.clone())))?;
            let Some((view, results)) = self.repaired(key, session.head, &result).await? else {
                return Ok(Vec::new());
            };
            let commit = Commit::new(key.clone())
                .expect(Expect::State(session.revision))
                .expect(Expect::Head(session.head))
                .write(Write::Append(results))
                .write(Write::SetView(view));
            match self.commit_one(commit).await {
                Err(Error::Conflict { conflict: Conflict::State { .. } | Conflict::Head { .. }, .. }) => {}
                answer => return answer.map(|receipt| receipt.seqs),
            }
        }
        Err(Error::Busy(format!("session {key} is written to all the time, and cannot be repaired")))
    }

    /// What a repaired session shows, and the results to append after `head`; `None` if nothing is amiss.
    async fn repaired(
        &self,
        key: &SessionKey,
        head: u64,
        result: &(dyn Fn(&Message, &[String]) -> NewMessage + Send + Sync),
    ) -> Result<Option<(Vec<(u64, u64)>, Vec<NewMessage>)>> {
        let (mut outline, mut after) = (Vec::new(), 0);
        loop {
            let page = self.message_window(key, Window::after(after, PAGE_MAX)).await?;
            after = page.messages.last().map_or(after, |message| message.seq);
            outline.extend(page.messages.iter().map(|m| (m.seq, m.opens.clone(), m.closes.clone())));
            if !page.has_later {
                break;
            }
        }
        let calls = outline.iter().map(|(_, opens, closes)| (opens.as_slice(), closes.as_slice()));
        let (mut open, mut lonely) = (Vec::<(usize, Vec<String>)>::new(), HashMap::new());
        for half in calls::unpaired(calls) {
            match open.last_mut() {
                _ if half.result => *lonely.entry(half.at).or_insert(0_usize) += 1,
                Some((at, ids)) if *at == half.at => ids.push(half.id.to_owned()),
                _ => open.push((half.at, vec![half.id.to_owned()])),
            }
        }
        // A message that makes calls, or brings other results too, has to stay.
        lonely.retain(|at, alone| {
            let (_, opens, closes) = &outline[*at];
            opens.is_empty() && closes.len() == *alone
        });
        if open.is_empty() && lonely.is_empty() {
            return Ok(None);
        }
        let (mut view, mut results, mut next) = (Vec::<(u64, u64)>::new(), Vec::new(), 0);
        let mut show = |seq: u64| match view.last_mut() {
            Some((_, last)) if *last + 1 == seq => *last = seq,
            _ => view.push((seq, seq)),
        };
        for (at, (seq, _, _)) in outline.iter().enumerate() {
            if !lonely.contains_key(&at) {
                show(*seq);
            }
            if let Some((_, ids)) = open.get(next).filter(|(open, _)| *open == at) {
                next += 1;
                let page = self.message_window(key, Window::range(*seq, *seq)).await?;
                let Some(message) = page.messages.first() else { continue };
                results.push(result(message, ids));
                show(head + results.len() as u64);
            }
        }
        Ok(Some((view, results)))
    }

    /// Where the session's history comes from. Keys outside this handle's scope are left out.
    ///
    /// # Errors
    /// [`Error::NotFound`] if there is no such session; otherwise as [`session`](Store::session).
    pub async fn lineage(&self, key: &SessionKey) -> Result<Lineage> {
        self.admit(key)?;
        let lineage = self.backend().lineage(key).await?;
        let mut lineage = lineage.ok_or_else(|| Error::NotFound(Box::new(key.clone())))?;
        let all = self.scope().parts().is_empty();
        let admitted = |key: &SessionKey| self.scope().contains(key) || (all && key.is_reserved());
        if let Some(parent) = &mut lineage.forked_from {
            parent.key = parent.key.take().filter(admitted);
        }
        for inherited in &mut lineage.inherited {
            inherited.key = inherited.key.take().filter(admitted);
        }
        Ok(lineage)
    }

    /// How the session's view changed, the newest change first: at most `limit` (1 to
    /// [`PAGE_MAX`](crate::limits::PAGE_MAX)) changes before this revision, or the newest ones.
    ///
    /// # Errors
    /// [`Error::NotFound`] if there is no such session; otherwise as [`session_list`](Store::session_list).
    pub async fn view_changes(
        &self,
        key: &SessionKey,
        before: Option<u64>,
        limit: usize,
    ) -> Result<Vec<ViewChange>> {
        self.admit(key)?;
        validate_limit(limit)?;
        let changes = self.backend().view_changes(key, before, limit).await?;
        changes.ok_or_else(|| Error::NotFound(Box::new(key.clone())))
    }
}

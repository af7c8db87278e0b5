//! Changes of a view.

use std::sync::Arc;

use super::{State, apply::Done};
use crate::{
    Conflict, Error, Message, NewMessage, Result, SessionKey, View, ViewChange, ViewChangeKind,
    calls::{self, Outline},
    resolve,
    restore::to_new,
};

impl State {
    pub(super) fn compact(
        &mut self,
        key: &SessionKey,
        through: u64,
        summary: Vec<NewMessage>,
        done: &mut Done,
    ) -> Result<()> {
        let Some(entry) = self.sessions.get(key) else { return Ok(()) };
        let session = entry.session.clone();
        let Some((hidden, _)) = session.view.split_after(through).filter(|_| through <= session.head) else {
            return Err(Error::conflict(key, Conflict::NotInView { seq: through }));
        };
        let all = self.visible(&session.view);
        let outlines: Vec<Outline> = all.iter().map(|message| Outline::from(message.as_ref())).collect();
        let place = calls::cut_before(&outlines, self.visible(&hidden).len()).unwrap_or(0);
        let Some(through) = place.checked_sub(1).and_then(|at| all.get(at)).map(|message| message.seq) else {
            return Ok(());
        };
        let first = session.head + 1;
        let mut seqs = Vec::new();
        for message in summary {
            if let Some(id) = &message.message_id
                && let Some(stored) = self.shown_with_id(&session, id)
            {
                let conflict = Conflict::MessageId { id: id.clone(), seq: stored.seq };
                return Err(Error::conflict(key, conflict));
            }
            self.has_numbers(&session)?;
            seqs.push(self.push(key, message, done.at));
        }
        done.seqs.extend(&seqs);
        let head_now = seqs.last().copied().unwrap_or(session.head);
        let view = session.view.compacted(through, session.log, session.head, head_now);
        let summary = seqs.last().map(|last| (first, *last));
        self.change(key, ViewChangeKind::Compact, view.unwrap_or(session.view), done);
        if let Some(change) = self.sessions.get_mut(key).and_then(|entry| entry.changes.last_mut()) {
            (change.through, change.summary) = (Some(through), summary);
        }
        Ok(())
    }

    pub(super) fn uncompact(&mut self, key: &SessionKey, done: &mut Done) {
        let Some(entry) = self.sessions.get_mut(key) else { return };
        let session = entry.session.clone();
        let ends = |change: &&mut ViewChange| {
            change.undone.is_none() && matches!(change.kind, ViewChangeKind::Compact | ViewChangeKind::Reset)
        };
        let Some(last) = entry.changes.iter_mut().rev().find(ends) else { return };
        let Some(hidden) = last.through.and_then(|through| last.before.split_after(through)) else { return };
        let hidden = hidden.0;
        if hidden.overlaps(&session.view) {
            return;
        }
        last.undone = Some(done.revision);
        let (reverses, summary) = (last.revision, last.summary);
        let view = session.view.uncompacted(&hidden, summary, session.log, session.head);
        self.change(key, ViewChangeKind::Uncompact, view, done);
        if let Some(change) = self.sessions.get_mut(key).and_then(|entry| entry.changes.last_mut()) {
            change.reverses = Some(reverses);
        }
    }

    pub(super) fn pop(&mut self, key: &SessionKey, count: usize, done: &mut Done) {
        let Some(entry) = self.sessions.get(key) else { return };
        let session = entry.session.clone();
        let all = self.visible(&session.view);
        let popped = &all[all.len().saturating_sub(count)..];
        let first = popped.first().map(|message| message.seq);
        let view = first.and_then(|first| session.view.without_suffix(first, session.log, session.head));
        if let Some(view) = view {
            done.seqs.extend(popped.iter().map(|message| message.seq));
            self.change(key, ViewChangeKind::Pop, view, done);
        }
    }

    pub(super) fn rewind(&mut self, key: &SessionKey, seq: u64, done: &mut Done) -> Result<()> {
        let Some(entry) = self.sessions.get(key) else { return Ok(()) };
        let session = entry.session.clone();
        let view = session.view.rewound(seq, session.log, session.head).filter(|_| seq <= session.head);
        let Some(view) = view else { return Err(Error::conflict(key, Conflict::NotInView { seq })) };
        if self.visible(&view).len() as u64 != session.message_count {
            let kind = if seq == 0 { ViewChangeKind::Reset } else { ViewChangeKind::Rewind };
            self.change(key, kind, view, done);
        }
        Ok(())
    }

    pub(super) fn undo_view(&mut self, key: &SessionKey, done: &mut Done) {
        let Some(entry) = self.sessions.get_mut(key) else { return };
        let Some(last) = entry.changes.iter_mut().rev().find(|change| change.undone.is_none()) else {
            return;
        };
        last.undone = Some(done.revision);
        let last = last.clone();
        if let Some(again) = entry.changes.iter_mut().find(|change| Some(change.revision) == last.reverses) {
            again.undone = None;
        }
        let session = &entry.session;
        let view =
            session.view.undone(&last.before, last.head_before, last.head_after, session.log, session.head);
        self.show(key, view);
        done.state("view");
    }

    pub(super) fn set_view(
        &mut self,
        key: &SessionKey,
        stretches: &[(u64, u64)],
        done: &mut Done,
    ) -> Result<()> {
        let Some(entry) = self.sessions.get(key) else { return Ok(()) };
        let session = &entry.session;
        let mut spans = Vec::new();
        for stretch in stretches {
            let resolved = resolve(*stretch, &entry.ancestors, session.log, session.log_first, session.head);
            let unknown = Conflict::NotInView { seq: stretch.1 };
            spans.extend(resolved.ok_or_else(|| Error::conflict(key, unknown))?);
        }
        let view = View::of(spans, session.log, session.head);
        view.validate_rewrite(session.head)?;
        // What the commit appended is shown by this change, and goes when it is taken back.
        if view != session.view || session.head > done.head_before {
            self.change(key, ViewChangeKind::Set, view, done);
        }
        Ok(())
    }

    /// Shows another view, and notes what was before.
    fn change(&mut self, key: &SessionKey, kind: ViewChangeKind, view: View, done: &mut Done) {
        if let Some(entry) = self.sessions.get_mut(key) {
            entry.changes.push(ViewChange {
                revision: done.revision,
                at: done.at,
                kind,
                before: entry.session.view.clone(),
                head_before: done.head_before,
                // The commit may append more: it is set when the commit is done.
                head_after: entry.session.head,
                through: None,
                summary: None,
                reverses: None,
                undone: None,
            });
        }
        self.show(key, view);
        self.keep_view_short(key);
        done.state("view");
    }

    fn show(&mut self, key: &SessionKey, view: View) {
        let count = self.visible(&view).len() as u64;
        if let Some(entry) = self.sessions.get_mut(key) {
            entry.session.view = view;
            entry.session.message_count = count;
        }
    }

    /// Rewrites a view that has too many spans: see [`View::overflow`].
    pub(super) fn keep_view_short(&mut self, key: &SessionKey) {
        let Some(entry) = self.sessions.get(key) else { return };
        let session = entry.session.clone();
        let Some((front, copied, back)) = session.view.overflow(session.head) else { return };
        let copied: Vec<Arc<Message>> = self.visible(&copied);
        let mut head_now = session.head;
        for message in copied {
            head_now = self.push(key, to_new(&message), message.created_at);
        }
        self.show(key, View::rewritten(front, &back, session.log, session.head, head_now));
    }
}

//! Restoring a session from an archive.

use std::sync::Arc;

use super::{Extent, State, apply::Done};
use crate::{
    Ancestor, Conflict, Document, Error, Json, LogId, Message, Restore, RestoredChange, RestoredSession,
    RestoredState, Result, STATUS_DEFAULT, Session, SessionKey, View, ViewChange, resolve, time,
};

impl State {
    pub(super) fn restore(&mut self, key: &SessionKey, restore: Restore, done: &mut Done) -> Result<()> {
        done.restored = true;
        if let Restore::Session(session) = restore {
            return self.restore_session(key, *session, done);
        }
        if self.extent(key).is_none() {
            return Err(Error::NotFound(Box::new(key.clone())));
        }
        match restore {
            Restore::Session(_) => Ok(()),
            Restore::Documents(_) | Restore::State(_) if key.is_reserved() => Err(only_messages(key)),
            Restore::Messages(messages) => {
                messages.into_iter().try_for_each(|message| self.restore_message(key, message, done))
            }
            Restore::Gap { first, last } => self.restore_gap(key, first, last, done),
            Restore::Documents(documents) => {
                documents.into_iter().try_for_each(|document| self.restore_document(key, document, done))
            }
            Restore::State(state) => self.restore_state(key, *state, done),
        }
    }

    fn restore_session(&mut self, key: &SessionKey, new: RestoredSession, done: &mut Done) -> Result<()> {
        let differs = |what: &str| Err(Error::conflict(key, Conflict::Restored { what: what.into() }));
        let created_at = time::truncate(new.created_at);
        let mut ancestors = Vec::new();
        for ancestor in &new.ancestors {
            let extent = self.extent(&ancestor.key);
            let extent = extent.ok_or_else(|| Error::NotFound(Box::new(ancestor.key.clone())))?;
            if ancestor.first < extent.first || ancestor.last > extent.head {
                return Err(ancestor.lacking());
            }
            ancestors.push(Ancestor { log: extent.log, first: ancestor.first, last: ancestor.last });
        }
        // A parent that is gone without a trace is nobody.
        let log_of = |key: &SessionKey| self.extent(key).map_or(LogId(0), |extent| extent.log);
        let forked_from = new.forked_from.as_ref().map(|(parent, at)| (log_of(parent), *at));
        if key.is_reserved() {
            if !self.kept.contains_key(key) {
                let log = self.new_log();
                self.logs.insert(log, Vec::new());
                let extent = Extent { log, first: new.log_first, head: new.log_first - 1 };
                self.kept.insert(key.clone(), extent);
                done.changed("open");
            }
            return Ok(());
        }
        if let Some(entry) = self.sessions.get(key) {
            let session = &entry.session;
            return match () {
                () if session.family != new.family => differs("family"),
                () if session.created_at != created_at => differs("time of creation"),
                () if entry.ancestors != ancestors || session.log_first != new.log_first => {
                    differs("ancestry")
                }
                () => Ok(()),
            };
        }
        let log = self.new_log();
        let head = new.log_first - 1;
        let session = Session {
            log,
            key: key.clone(),
            family: new.family,
            status: STATUS_DEFAULT.into(),
            metadata: Json::object(),
            message_count: 0,
            log_count: 0,
            token_usage: 0,
            created_at,
            updated_at: created_at,
            revision: 0,
            head,
            log_first: new.log_first,
            view: View::of([], log, head),
        };
        self.insert(session, ancestors, forked_from);
        done.changed("open");
        Ok(())
    }

    fn restore_message(&mut self, key: &SessionKey, message: Message, done: &mut Done) -> Result<()> {
        let Some(Extent { log, head, .. }) = self.extent(key) else { return Ok(()) };
        let differs =
            || Error::conflict(key, Conflict::Restored { what: format!("message {}", message.seq) });
        let new = Message { id: 0, created_at: time::truncate(message.created_at), ..message.clone() };
        if let [stored] = self.stretch(log, new.seq, new.seq) {
            let stored = Message { id: 0, ..Message::clone(stored) };
            return if stored == new { Ok(()) } else { Err(differs()) };
        }
        if new.seq <= head {
            return Err(differs());
        }
        if new.seq != head + 1 {
            return Err(Error::Invalid(format!(
                "session {key}: message {} does not follow message {head}",
                new.seq
            )));
        }
        self.unfinished(key)?;
        self.last_message += 1;
        let id = self.last_message;
        self.logs.entry(log).or_default().push(Arc::new(Message { id, ..new }));
        self.set_head(key, message.seq);
        if let Some(entry) = self.sessions.get_mut(key) {
            entry.session.log_count += 1;
            entry.session.message_count += 1;
        }
        done.changed("restore");
        Ok(())
    }

    fn restore_gap(&mut self, key: &SessionKey, first: u64, last: u64, done: &mut Done) -> Result<()> {
        let Some(Extent { log, head, .. }) = self.extent(key) else { return Ok(()) };
        if first > head + 1 {
            return Err(Error::Invalid(format!(
                "session {key}: message {first}, which is gone, does not follow message {head}"
            )));
        }
        if let Some(stored) = self.stretch(log, first, last).first() {
            return Err(Error::conflict(key, Conflict::Restored { what: format!("message {}", stored.seq) }));
        }
        if last > head {
            self.unfinished(key)?;
            self.set_head(key, last);
            done.changed("restore");
        }
        Ok(())
    }

    /// Nothing is added to a session whose state is restored, or that was written to otherwise.
    fn unfinished(&self, key: &SessionKey) -> Result<()> {
        match self.sessions.get(key) {
            Some(entry) if !entry.session.is_begun() => {
                Err(Error::conflict(key, Conflict::Restored { what: "state".into() }))
            }
            _ => Ok(()),
        }
    }

    fn set_head(&mut self, key: &SessionKey, head: u64) {
        if let Some(entry) = self.sessions.get_mut(key) {
            entry.session.head = head;
        } else if let Some(kept) = self.kept.get_mut(key) {
            kept.head = head;
        }
    }

    fn restore_document(&mut self, key: &SessionKey, document: Document, done: &mut Done) -> Result<()> {
        let Some(entry) = self.sessions.get_mut(key) else { return Ok(()) };
        let new = Document { updated_at: time::truncate(document.updated_at), ..document };
        let address = (new.collection.clone(), new.id.clone());
        match entry.documents.get(&address) {
            Some(stored) if **stored == new => Ok(()),
            Some(_) => {
                let what = format!("document {}/{}", new.collection, new.id);
                Err(Error::conflict(key, Conflict::Restored { what }))
            }
            None if !entry.session.is_begun() => {
                Err(Error::conflict(key, Conflict::Restored { what: "state".into() }))
            }
            None => {
                entry.documents.insert(address, Arc::new(new));
                done.changed("restore");
                Ok(())
            }
        }
    }

    fn restore_state(&mut self, key: &SessionKey, new: RestoredState, done: &mut Done) -> Result<()> {
        let Some(entry) = self.sessions.get_mut(key) else { return Ok(()) };
        let session = entry.session.clone();
        let differs = |what: &str| Error::conflict(key, Conflict::Restored { what: what.into() });
        if session.head != new.head {
            return Err(differs("last message"));
        }
        let view_of = |stretches: &[(u64, u64)], head: u64| {
            let mut spans = Vec::new();
            for stretch in stretches {
                let found = resolve(*stretch, &entry.ancestors, session.log, session.log_first, new.head);
                spans.extend(found.ok_or_else(|| differs("history than its view shows"))?);
            }
            Ok(View::of(spans, session.log, head))
        };
        let view = view_of(&new.view, new.head)?;
        let mut changes = Vec::new();
        for change in &new.changes {
            changes.push(restored_change(change, view_of(&change.before, change.head_before)?));
        }
        let restored = Session {
            status: new.status,
            metadata: new.metadata,
            token_usage: new.token_usage,
            updated_at: time::truncate(new.updated_at),
            revision: new.revision,
            view,
            ..session.clone()
        };
        let equal = Session { message_count: session.message_count, ..restored.clone() } == session;
        if equal && entry.changes == changes {
            return Ok(());
        }
        if !session.is_begun() || !entry.changes.is_empty() {
            return Err(differs("state"));
        }
        if entry.documents.values().any(|document| document.revision > restored.revision) {
            return Err(differs("revision"));
        }
        (entry.session, entry.changes) = (restored.clone(), changes);
        let count = self.visible(&restored.view).len() as u64;
        if let Some(entry) = self.sessions.get_mut(key) {
            entry.session.message_count = count;
        }
        done.changed("restore");
        Ok(())
    }
}

fn only_messages(key: &SessionKey) -> Error {
    Error::Invalid(format!("{key} is an address of the store's own and holds nothing but messages"))
}

fn restored_change(change: &RestoredChange, before: View) -> ViewChange {
    ViewChange {
        revision: change.revision,
        at: time::truncate(change.at),
        kind: change.kind,
        before,
        head_before: change.head_before,
        head_after: change.head_after,
        through: change.through,
        summary: change.summary,
        reverses: change.reverses,
        undone: change.undone,
    }
}

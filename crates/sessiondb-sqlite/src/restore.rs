//! Restoring a session from an archive, inside a commit.

use rusqlite::params;
use sessiondb_core::{
    Ancestor, Conflict, Document, Error, Json, LogId, Message, Restore, RestoredSession, RestoredState,
    STATUS_DEFAULT, Session, SessionKey, View, ViewChange, resolve, time,
};

use crate::{
    apply::{self, Applied, Change, conflict},
    history, query,
    row::{self, MESSAGE_COLUMNS},
};

impl Change<'_> {
    pub fn restore(&mut self, restore: &Restore) -> Applied<()> {
        self.restored = true;
        if let Restore::Session(session) = restore {
            return self.restore_session(session);
        }
        if self.session.is_none() {
            return Err(Error::NotFound(Box::new(self.key.clone())).into());
        }
        match restore {
            Restore::Session(_) => Ok(()),
            Restore::Messages(messages) => {
                messages.iter().try_for_each(|message| self.restore_message(message))
            }
            Restore::Gap { first, last } => self.restore_gap(*first, *last),
            Restore::Documents(_) | Restore::State(_) if self.key.is_reserved() => {
                let message =
                    format!("{} is an address of the store's own and holds nothing but messages", self.key);
                Err(Error::Invalid(message).into())
            }
            Restore::Documents(documents) => {
                documents.iter().try_for_each(|document| self.restore_document(document))
            }
            Restore::State(state) => self.restore_state(state),
        }
    }

    fn differs(&self, what: impl Into<String>) -> crate::error::Failure {
        conflict(self.key, Conflict::Restored { what: what.into() })
    }

    fn log_of(&self, key: &SessionKey) -> Applied<Option<LogId>> {
        query::session_id(self.conn, key)
    }

    fn restore_session(&mut self, new: &RestoredSession) -> Applied<()> {
        let mut ancestors = Vec::new();
        for ancestor in &new.ancestors {
            let session = query::session(self.conn, &ancestor.key)?;
            let session = session.ok_or_else(|| Error::NotFound(Box::new(ancestor.key.clone())))?;
            // Rows may be gone among them.
            if ancestor.first < session.log_first || ancestor.last > session.head {
                return Err(ancestor.lacking().into());
            }
            ancestors.push(Ancestor { log: session.log, first: ancestor.first, last: ancestor.last });
        }
        // A parent that is gone without a trace is nobody.
        let forked_from = match &new.forked_from {
            None => None,
            Some((parent, at)) => Some((self.log_of(parent)?.unwrap_or(LogId(0)), *at)),
        };
        let created_at = time::truncate(new.created_at);
        if let Some(session) = &self.session {
            return match () {
                () if self.key.is_reserved() => Ok(()),
                () if session.family != new.family => Err(self.differs("family")),
                () if session.created_at != created_at => Err(self.differs("time of creation")),
                () if session.log_first != new.log_first => Err(self.differs("ancestry")),
                () if query::ancestors(self.conn, session.log)? != ancestors => Err(self.differs("ancestry")),
                () => Ok(()),
            };
        }
        let head = new.log_first - 1;
        let session = Session {
            log: LogId(0),
            key: self.key.clone(),
            family: new.family.clone(),
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
            view: View::whole(LogId(0)),
        };
        // What is kept for forks reads nothing itself: else what it inherited would be kept for it.
        let ancestors = if self.key.is_reserved() { Vec::new() } else { ancestors };
        self.insert_session(session, &ancestors, forked_from)?;
        self.update_view()?;
        self.logged = true;
        self.changed("open");
        Ok(())
    }

    fn restore_message(&mut self, message: &Message) -> Applied<()> {
        let Some(session) = &mut self.session else { return Ok(()) };
        let new = Message { id: 0, created_at: time::truncate(message.created_at), ..message.clone() };
        let sql = format!("SELECT {MESSAGE_COLUMNS} FROM messages WHERE session_id = ?1 AND seq = ?2");
        let mut statement = self.conn.prepare_cached(&sql)?;
        let stored =
            query::first(&mut statement, params![session.log.0, new.seq.cast_signed()], row::message)?;
        match stored.map(|stored| Message { id: 0, ..stored }) {
            Some(stored) if stored == new => return Ok(()),
            None if new.seq == session.head + 1 => {}
            None if new.seq > session.head => {
                let (key, head) = (&self.key, session.head);
                let message = format!("session {key}: message {} does not follow message {head}", new.seq);
                return Err(Error::Invalid(message).into());
            }
            _ => return Err(self.differs(format!("message {}", new.seq))),
        }
        if !self.key.is_reserved() && !session.is_begun() {
            return Err(self.differs("state"));
        }
        let log = session.log;
        session.head = new.seq;
        session.log_count += 1;
        session.message_count += 1;
        self.insert(log, &new)?;
        self.logged = true;
        self.changed("restore");
        Ok(())
    }

    fn restore_gap(&mut self, first: u64, last: u64) -> Applied<()> {
        let Some(session) = &mut self.session else { return Ok(()) };
        let head = session.head;
        if first > head + 1 {
            let key = &self.key;
            let message =
                format!("session {key}: message {first}, which is gone, does not follow message {head}");
            return Err(Error::Invalid(message).into());
        }
        let stands = "SELECT min(seq) FROM messages WHERE session_id = ?1 AND seq BETWEEN ?2 AND ?3";
        let stands: Option<i64> = self
            .conn
            .prepare_cached(stands)?
            .query_row(params![session.log.0, first.cast_signed(), last.cast_signed()], |row| row.get(0))?;
        if let Some(seq) = stands {
            return Err(self.differs(format!("message {seq}")));
        }
        if last > head {
            // Nothing is added to a session whose state is restored, or that was written to otherwise.
            if !self.key.is_reserved() && !session.is_begun() {
                return Err(self.differs("state"));
            }
            session.head = last;
            self.logged = true;
            self.changed("restore");
        }
        Ok(())
    }

    fn restore_document(&mut self, document: &Document) -> Applied<()> {
        let Some(session) = &self.session else { return Ok(()) };
        let new = Document { updated_at: time::truncate(document.updated_at), ..document.clone() };
        match query::document(self.conn, session.log, &new.collection, &new.id)? {
            Some(stored) if stored == new => Ok(()),
            Some(_) => Err(self.differs(format!("document {}/{}", new.collection, new.id))),
            None if !session.is_begun() => Err(self.differs("state")),
            None => {
                apply::put_document(self.conn, session.log, &new)?;
                self.changed("restore");
                Ok(())
            }
        }
    }

    fn restore_state(&mut self, new: &RestoredState) -> Applied<()> {
        let Some(session) = self.session.clone() else { return Ok(()) };
        if session.head != new.head {
            return Err(self.differs("last message"));
        }
        let ancestors = query::ancestors(self.conn, session.log)?;
        let view_of = |stretches: &[(u64, u64)], head: u64| {
            let mut spans = Vec::new();
            for stretch in stretches {
                let found = resolve(*stretch, &ancestors, session.log, session.log_first, new.head);
                spans.extend(found.ok_or_else(|| self.differs("history than its view shows"))?);
            }
            Ok::<_, crate::error::Failure>(View::of(spans, session.log, head))
        };
        let view = view_of(&new.view, new.head)?;
        let mut changes = Vec::new();
        for change in &new.changes {
            changes.push(ViewChange {
                revision: change.revision,
                at: time::truncate(change.at),
                kind: change.kind,
                before: view_of(&change.before, change.head_before)?,
                head_before: change.head_before,
                head_after: change.head_after,
                through: change.through,
                summary: change.summary,
                reverses: change.reverses,
                undone: change.undone,
            });
        }
        let restored = Session {
            status: new.status.clone(),
            metadata: new.metadata.clone(),
            token_usage: new.token_usage,
            updated_at: time::truncate(new.updated_at),
            revision: new.revision,
            view,
            ..session.clone()
        };
        let mut there = query::view_changes(self.conn, session.log, None, changes.len() + 1)?;
        there.reverse();
        if restored == session && there == changes {
            return Ok(());
        }
        if !session.is_begun() || !there.is_empty() {
            return Err(self.differs("state"));
        }
        let newer = "SELECT 1 FROM documents WHERE session_id = ?1 AND revision > ?2";
        if self.conn.prepare_cached(newer)?.exists(params![session.log.0, restored.revision.cast_signed()])? {
            return Err(self.differs("revision"));
        }
        for change in &changes {
            history::insert_change(self.conn, session.log, change)?;
        }
        let view = restored.view.clone();
        self.session = Some(restored);
        self.show(view)?;
        self.write_restored()?;
        self.changed("restore");
        Ok(())
    }

    /// Writes everything about the session, its revision and times as they are.
    fn write_restored(&self) -> Applied<()> {
        let Some(session) = &self.session else { return Ok(()) };
        self.conn
            .prepare_cached(
                "UPDATE sessions SET status = ?2, metadata = ?3, state_revision = ?4, token_usage = ?5, \
                                     message_count = ?6, updated_at = ?7, view = ?8 \
                 WHERE id = ?1",
            )?
            .execute(params![
                session.log.0,
                session.status,
                session.metadata.get(),
                session.revision.cast_signed(),
                session.token_usage.cast_signed(),
                session.message_count.cast_signed(),
                time::to_text(session.updated_at),
                apply::view_text(session),
            ])?;
        Ok(())
    }
}

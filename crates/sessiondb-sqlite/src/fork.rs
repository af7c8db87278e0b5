//! Forks, and what stays of a deleted session for them.

use rusqlite::{Connection, OptionalExtension, params};
use sessiondb_core::{
    Ancestor, Conflict, Error, Fork, KEPT, LogId, Session, SessionKey, View, ancestors_of_fork, time,
};

use crate::{
    apply::{Applied, Change, conflict, view_text},
    index, query,
};

impl Change<'_> {
    /// Opens the session as a fork of another. No message is read or written.
    pub fn fork(&mut self, fork: &Fork) -> Applied<()> {
        if let Some(session) = &self.session {
            return Err(conflict(self.key, Conflict::Exists { current: session.revision }));
        }
        let Some(parent) = query::session(self.conn, &fork.parent)? else {
            return Err(Error::NotFound(Box::new(fork.parent.clone())).into());
        };
        let shown = match fork.at {
            None => Some(parent.view.clone()),
            Some(seq) if seq <= parent.head => parent.view.split_after(seq).map(|(shown, _)| shown),
            Some(_) => None,
        };
        let Some(shown) = shown.map(|shown| shown.closed(parent.head)) else {
            return Err(conflict(&fork.parent, Conflict::NotInView { seq: fork.at.unwrap_or(0) }));
        };
        let last = shown.greatest(parent.head);
        let ancestors = query::ancestors(self.conn, parent.log)?;
        let ancestors = ancestors_of_fork(&ancestors, parent.log, parent.log_first, parent.head, last);
        let session = Session {
            log: LogId(0),
            key: self.key.clone(),
            family: parent.family,
            status: fork.status.clone().unwrap_or(parent.status),
            metadata: fork.metadata.clone().unwrap_or(parent.metadata),
            message_count: 0,
            log_count: 0,
            token_usage: 0,
            created_at: self.at,
            updated_at: self.at,
            revision: 0,
            head: last,
            log_first: last + 1,
            view: View::whole(LogId(0)),
        };
        let at = fork.at.or(shown.last()).unwrap_or(0);
        let log = self.insert_session(session, &ancestors, Some((parent.log, at)))?;
        self.show(View::of(shown.spans().iter().copied(), log, last))?;
        self.keep_view_short()?;
        // What was copied belongs to what the fork begins with.
        self.head_before = self.session.as_ref().map_or(last, |session| session.head);
        self.update_view()?;
        self.logged = true;
        self.changed("fork");
        Ok(())
    }

    /// Makes the row of a session that inherits, and of its ancestors.
    pub fn insert_session(
        &mut self,
        session: Session,
        ancestors: &[Ancestor],
        forked_from: Option<(LogId, u64)>,
    ) -> Applied<LogId> {
        let [agent_id, channel, account_id, peer_kind, peer_id] = session.key.parts();
        let log = self
            .conn
            .prepare_cached(
                "INSERT INTO sessions (agent_id, channel, account_id, peer_kind, peer_id, family, status, metadata, \
                                       created_at, updated_at, log_first, forked_from, forked_at) \
                 VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?9, ?10, ?11, ?12)",
            )?
            .insert(params![
                agent_id,
                channel,
                account_id,
                peer_kind,
                peer_id,
                session.family,
                session.status,
                session.metadata.get(),
                time::to_text(session.created_at),
                session.log_first.cast_signed(),
                forked_from.map(|(log, _)| log.0),
                forked_from.map(|(_, at)| at.cast_signed()),
            ])?;
        for ancestor in ancestors {
            self.conn
                .prepare_cached(
                    "INSERT INTO ancestors (session_id, log_id, first_seq, last_seq) VALUES (?1, ?2, ?3, ?4)",
                )?
                .execute(params![
                    log,
                    ancestor.log.0,
                    ancestor.first.cast_signed(),
                    ancestor.last.cast_signed()
                ])?;
        }
        let log = LogId(log);
        let view = View::of([], log, session.head);
        self.latest = None;
        self.session = Some(Session { log, view, ..session });
        Ok(log)
    }

    /// Writes the session's view, which the common update of a session's row leaves alone.
    pub fn update_view(&self) -> Applied<()> {
        if let Some(session) = &self.session {
            self.conn
                .prepare_cached("UPDATE sessions SET view = ?2 WHERE id = ?1")?
                .execute(params![session.log.0, view_text(session)])?;
        }
        Ok(())
    }

    /// Removes the session. While a fork reads its log, that stays, under an address of the store's own and as far as it
    /// is read; and what had been kept of others for this session alone goes.
    pub fn delete(&self) -> Applied<()> {
        let Some(session) = &self.session else { return Ok(()) };
        let ancestors = query::ancestors(self.conn, session.log)?;
        let read = "SELECT 1 FROM ancestors WHERE log_id = ?1";
        if self.conn.prepare_cached(read)?.exists([session.log.0])? {
            keep(self.conn, session)?;
            let_go(self.conn, session.log)?;
        } else {
            remove(self.conn, session.log)?;
        }
        ancestors.iter().try_for_each(|ancestor| let_go(self.conn, ancestor.log))
    }
}

/// Removes a session with all that it has.
fn remove(conn: &Connection, log: LogId) -> Applied<()> {
    index::forget(conn, log, 0)?;
    conn.prepare_cached("DELETE FROM sessions WHERE id = ?1")?.execute([log.0])?;
    Ok(())
}

/// Takes a session's key and everything else but its messages from it.
fn keep(conn: &Connection, session: &Session) -> Applied<()> {
    let mut name = SessionKey::kept(&session.key, session.log);
    // One from another store may have this name already.
    while query::session_id(conn, &name)?.is_some() {
        name = SessionKey::kept(&name, session.log);
    }
    let [agent_id, channel, account_id, peer_kind, peer_id] = name.parts();
    conn.prepare_cached(
        "UPDATE sessions SET agent_id = ?2, channel = ?3, account_id = ?4, peer_kind = ?5, peer_id = ?6, \
                             metadata = '{}', token_usage = 0, state_revision = 0, view = NULL, \
                             message_count = log_count, forked_from = NULL, forked_at = NULL \
         WHERE id = ?1",
    )?
    .execute(params![session.log.0, agent_id, channel, account_id, peer_kind, peer_id])?;
    for table in ["documents", "view_changes", "ancestors"] {
        conn.prepare_cached(&format!("DELETE FROM {table} WHERE session_id = ?1"))?
            .execute([session.log.0])?;
    }
    Ok(())
}

/// Shortens a deleted session to what forks read of it, which may be nothing.
fn let_go(conn: &Connection, log: LogId) -> Applied<()> {
    let kept = "SELECT 1 FROM sessions WHERE id = ?1 AND agent_id = ?2";
    if !conn.prepare_cached(kept)?.exists(params![log.0, KEPT])? {
        return Ok(());
    }
    let last: Option<i64> = conn
        .prepare_cached("SELECT max(last_seq) FROM ancestors WHERE log_id = ?1")?
        .query_row([log.0], |row| row.get(0))
        .optional()?
        .flatten();
    match last {
        None => {
            remove(conn, log)?;
        }
        Some(last) => {
            index::forget(conn, log, last)?;
            let gone = conn
                .prepare_cached("DELETE FROM messages WHERE session_id = ?1 AND seq > ?2")?
                .execute(params![log.0, last])?;
            conn.prepare_cached(
                "UPDATE sessions SET next_seq = min(next_seq, ?2), log_count = log_count - ?3, \
                                     message_count = message_count - ?3 \
                 WHERE id = ?1",
            )?
            .execute(params![log.0, last + 1, gone as i64])?;
        }
    }
    Ok(())
}

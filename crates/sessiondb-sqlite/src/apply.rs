//! From a [`Commit`] to rows: what a commit expects, what it writes, and the receipt. Runs inside the writer's
//! transaction, which takes it all back if it fails.

use rusqlite::{Connection, OptionalExtension, params};
use sessiondb_core::{
    Commit, CommitId, Conflict, Document, Error, Expect, FAMILY_DEFAULT, Json, LogId, Message, NewDocument,
    NewMessage, Opening, Receipt, STATUS_DEFAULT, Session, SessionKey, Time, View, ViewChange, Write, limits,
    time,
};

use crate::{error::Failure, history, query, row::Latest, window};

pub(crate) type Applied<T> = Result<T, Failure>;

/// Applies one commit. `now` is its time if it does not bring one.
pub(crate) fn commit(conn: &Connection, commit: &Commit, now: Time) -> Applied<Receipt> {
    let found = query::session_and_latest(conn, &commit.key)?;
    let (session, latest) = found.map_or((None, None), |(session, latest)| (Some(session), latest));
    let digest = commit.id.as_ref().map(|_| commit.digest());
    if let Some(receipt) = answered_before(conn, commit, digest, session.as_ref())? {
        return Ok(receipt);
    }
    for expect in &commit.expect {
        expected(conn, expect, &commit.key, session.as_ref())?;
    }
    let at = commit
        .at
        .map_or_else(|| session.as_ref().map_or(now, |session| session.updated_at.max(now)), time::truncate);
    let head_before = session.as_ref().map_or(0, |session| session.head);
    let mut change = Change {
        conn,
        key: &commit.key,
        id: commit.id.as_ref(),
        digest,
        at,
        session,
        latest,
        seqs: Vec::new(),
        what: Vec::new(),
        logged: false,
        state: false,
        restored: false,
        head_before,
        view_change: None,
    };
    for write in &commit.writes {
        change.write(write)?;
    }
    change.finish()
}

/// The receipt of the commit with this id, if there was one.
fn answered_before(
    conn: &Connection,
    commit: &Commit,
    digest: Option<[u8; 17]>,
    session: Option<&Session>,
) -> Applied<Option<Receipt>> {
    let (Some(id), Some(digest)) = (&commit.id, digest) else { return Ok(None) };
    let noted: Option<(Vec<u8>, i64, Option<String>, bool)> = match session {
        Some(session) => conn
            .prepare_cached(
                "SELECT digest, revision, seqs, what <> '' FROM commits WHERE commit_id = ?1 AND session_id = ?2",
            )?
            .query_row(params![id, session.log.0], |row| {
                Ok((row.get(0)?, row.get(1)?, row.get(2)?, row.get(3)?))
            })
            .optional()?,
        // The session may be gone because this very commit deleted it. Its digest has the key in it. Sessions that had
        // this key one after the other may each have been deleted by it: the last of them counts.
        None if commit.writes == [Write::Delete] => conn
            .prepare_cached(
                "SELECT digest, revision, seqs, what <> '' FROM commits WHERE commit_id = ?1 AND digest = ?2 \
                 ORDER BY session_id DESC LIMIT 1",
            )?
            .query_row(params![id, digest], |row| {
                Ok((row.get(0)?, row.get(1)?, row.get(2)?, row.get(3)?))
            })
            .optional()?,
        None => None,
    };
    let Some((noted_digest, revision, seqs, changed)) = noted else { return Ok(None) };
    if noted_digest != digest {
        return Err(conflict(&commit.key, Conflict::CommitId { id: id.clone() }));
    }
    Ok(Some(Receipt {
        key: commit.key.clone(),
        revision: revision.cast_unsigned(),
        seqs: seqs_from_text(seqs.as_deref().unwrap_or("")).map_err(|reason| Error::Undecodable {
            row: format!("commit '{id}' of session {}", commit.key),
            reason: format!("column seqs: {reason}"),
        })?,
        changed,
        replayed: true,
    }))
}

/// An absent session has revision 0, head 0 and no documents.
fn expected(conn: &Connection, expect: &Expect, key: &SessionKey, session: Option<&Session>) -> Applied<()> {
    match expect {
        Expect::Absent => match session {
            Some(session) => Err(conflict(key, Conflict::Exists { current: session.revision })),
            None => Ok(()),
        },
        Expect::State(expected) => match session.map_or(0, |session| session.revision) {
            current if current == *expected => Ok(()),
            current => Err(conflict(key, Conflict::State { expected: *expected, current })),
        },
        Expect::Head(expected) => match session.map_or(0, |session| session.head) {
            current if current == *expected => Ok(()),
            current => Err(conflict(key, Conflict::Head { expected: *expected, current })),
        },
        Expect::Log(expected) => match session.map(|session| session.log) {
            Some(current) if current == *expected => Ok(()),
            current => Err(conflict(key, Conflict::Log { expected: *expected, current })),
        },
        Expect::Tail(expected) => {
            let limit = expected.len().max(1);
            let current: Vec<u64> = match session {
                Some(session) => {
                    let tail = window::newest_outlines(conn, &window::stretches(&session.view), limit)?;
                    tail.iter().map(|outline| outline.seq).collect()
                }
                None => Vec::new(),
            };
            if current == *expected {
                return Ok(());
            }
            let expected = expected.clone();
            Err(conflict(key, Conflict::Tail { expected, current }))
        }
        Expect::Document { collection, id, revision: expected } => {
            let revision = match session {
                Some(session) => query::document_revision(conn, session.log, collection, id)?,
                None => 0,
            };
            match revision {
                current if current == *expected => Ok(()),
                current => {
                    let (collection, id, expected) = (collection.clone(), id.clone(), *expected);
                    Err(conflict(key, Conflict::Document { collection, id, expected, current }))
                }
            }
        }
    }
}

/// A commit half way: the session as it will be, and what was written beside it.
pub(crate) struct Change<'a> {
    pub conn: &'a Connection,
    pub key: &'a SessionKey,
    id: Option<&'a CommitId>,
    /// Of a commit that bears an id.
    digest: Option<[u8; 17]>,
    pub at: Time,
    pub session: Option<Session>,
    /// The message of its log that has the latest time.
    pub latest: Option<Latest>,
    pub seqs: Vec<u64>,
    /// Which kinds of writes changed something, for the feed.
    what: Vec<&'static str>,
    /// Whether the log or the count of tokens grew.
    pub logged: bool,
    /// Whether the state changed, which counts the revision up.
    state: bool,
    /// Whether times and revision stay as they are, because they are restored.
    pub restored: bool,
    /// The last message before the commit.
    pub head_before: u64,
    /// How the view changed, to be noted when it is known what else the commit appended.
    pub view_change: Option<ViewChange>,
}

impl Change<'_> {
    fn write(&mut self, write: &Write) -> Applied<()> {
        match write {
            Write::Open(opening) => return self.open(opening),
            Write::Fork(fork) => return self.fork(fork),
            Write::Restore(restore) => return self.restore(restore),
            _ => {}
        }
        let Some(session) = &mut self.session else {
            return Err(Error::NotFound(Box::new(self.key.clone())).into());
        };
        let log = session.log;
        match write {
            // These are done where the session may be absent.
            Write::Open(_) | Write::Fork(_) | Write::Restore(_) => {}
            Write::Compact { through, summary } => self.compact(*through, summary)?,
            Write::Uncompact => self.uncompact()?,
            Write::Pop { count } => self.pop(*count)?,
            Write::Rewind { seq } => self.rewind(*seq)?,
            Write::Undo => self.undo()?,
            Write::SetView(stretches) => self.set_view(stretches)?,
            Write::Append(messages) => messages.iter().try_for_each(|message| self.append(message))?,
            Write::SetStatus(status) => {
                session.status.clone_from(status);
                self.changed_state("status");
            }
            Write::SetMetadata(metadata) => {
                session.metadata.clone_from(metadata);
                self.changed_state("metadata");
            }
            Write::SetTokens(tokens) => {
                session.token_usage = *tokens;
                self.changed_state("tokens");
            }
            Write::AddTokens(tokens) => {
                let sum = session.token_usage.saturating_add(*tokens);
                if sum > limits::COUNT_MAX {
                    let message = format!("session {}: its tokens would exceed 63 bits", session.key);
                    return Err(Error::Invalid(message).into());
                }
                session.token_usage = sum;
                self.logged = true;
                self.changed("tokens");
            }
            Write::PutDocument(document) => self.put(log, document.clone())?,
            Write::PatchDocument { collection, id, patch } => {
                let old = query::document(self.conn, log, collection, id)?;
                let (body, blob) =
                    old.map_or((Json::object(), None), |Document { body, blob, .. }| (body, blob));
                let body = body.merge_patch(patch)?;
                let (collection, id) = (collection.clone(), id.clone());
                let patched = NewDocument { collection, id, body, blob };
                patched.validate()?;
                self.put(log, patched)?;
            }
            Write::RemoveDocument { collection, id } => {
                let mut statement = self.conn.prepare_cached(
                    "DELETE FROM documents WHERE session_id = ?1 AND collection = ?2 AND id = ?3",
                )?;
                if statement.execute(params![log.0, collection, id])? > 0 {
                    self.changed_state("document");
                }
            }
            Write::Delete => {
                self.delete()?;
                self.changed("delete");
            }
        }
        Ok(())
    }

    fn open(&mut self, opening: &Opening) -> Applied<()> {
        if let Some(session) = &self.session {
            return match &opening.family {
                Some(expected) if *expected != session.family => {
                    let (expected, current) = (expected.clone(), session.family.clone());
                    Err(conflict(self.key, Conflict::Family { expected, current }))
                }
                _ => Ok(()),
            };
        }
        let family = opening.family.clone().unwrap_or_else(|| FAMILY_DEFAULT.into());
        let status = opening.status.clone().unwrap_or_else(|| STATUS_DEFAULT.into());
        let metadata = opening.metadata.clone().unwrap_or_else(Json::object);
        let [agent_id, channel, account_id, peer_kind, peer_id] = self.key.parts();
        let at = time::to_text(self.at);
        let log = LogId(
            self.conn
                .prepare_cached(
                    "INSERT INTO sessions (agent_id, channel, account_id, peer_kind, peer_id, family, status, metadata, \
                                           created_at, updated_at) \
                     VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?9)",
                )?
                .insert(params![agent_id, channel, account_id, peer_kind, peer_id, family, status, metadata.get(), at])?,
        );
        self.latest = None;
        self.session = Some(Session {
            log,
            key: self.key.clone(),
            family,
            status,
            metadata,
            message_count: 0,
            log_count: 0,
            token_usage: 0,
            created_at: self.at,
            updated_at: self.at,
            revision: 0,
            head: 0,
            log_first: 1,
            view: View::whole(log),
        });
        self.changed("open");
        Ok(())
    }

    fn append(&mut self, new: &NewMessage) -> Applied<()> {
        let Some(session) = &mut self.session else { return Ok(()) };
        if let Some(id) = &new.message_id
            && let Some(stored) = window::message_by_id(self.conn, session, id)?
        {
            if !new.is_same_as(&stored) {
                let conflicting = Conflict::MessageId { id: id.clone(), seq: stored.seq };
                return Err(conflict(&session.key, conflicting));
            }
            self.seqs.push(stored.seq);
            return Ok(());
        }
        self.logged = true;
        self.changed("append");
        let seq = self.push(new)?;
        self.seqs.push(seq);
        Ok(())
    }

    /// Puts a message at the end of the session's log, and answers its number.
    pub fn push(&mut self, new: &NewMessage) -> Applied<u64> {
        let Some(session) = &mut self.session else { return Ok(0) };
        // Only by hand or by a restore can a session come to the end of the numbers.
        let seq = session.head + 1;
        if seq >= limits::COUNT_MAX {
            let message = format!("session {}: no number is left for another message", session.key);
            return Err(Error::Invalid(message).into());
        }
        let message = Message {
            id: 0,
            seq,
            role: new.role.clone(),
            content: new.content.clone(),
            tool_calls: new.tool_calls.clone(),
            created_at: new.created_at.map_or(self.at, time::truncate),
            message_id: new.message_id.clone(),
            opens: new.opens.clone(),
            closes: new.closes.clone(),
            token_count: new.token_count,
            attributes: new.attributes.clone(),
        };
        let log = session.log;
        session.head += 1;
        session.log_count += 1;
        session.message_count += 1;
        self.insert(log, &message)?;
        Ok(seq)
    }

    /// Inserts a message into the session's log. One that is earlier than another before it is marked: whoever looks for
    /// times finds it by its index, and all others by their numbers.
    pub fn insert(&mut self, log: LogId, message: &Message) -> Applied<()> {
        let later = self.latest.filter(|latest| message.created_at < latest.at);
        if later.is_none() {
            self.latest = Some(Latest { at: message.created_at, seq: message.seq });
        }
        insert(self.conn, log, message, later.map(|latest| latest.seq))
    }

    fn put(&mut self, log: LogId, document: NewDocument) -> Applied<()> {
        let NewDocument { collection, id, body, blob } = document;
        let revision = self.session.as_ref().map_or(0, |session| session.revision) + 1;
        let document = Document { collection, id, body, blob, revision, updated_at: self.at };
        put_document(self.conn, log, &document)?;
        self.changed_state("document");
        Ok(())
    }

    pub fn changed(&mut self, what: &'static str) {
        if self.what.last() != Some(&what) && !self.what.contains(&what) {
            self.what.push(what);
        }
    }

    pub fn changed_state(&mut self, what: &'static str) {
        self.state = true;
        self.changed(what);
    }

    /// Writes the session's own row and the feed's, and answers.
    fn finish(self) -> Applied<Receipt> {
        let key = self.key.clone();
        let Some(mut session) = self.session else {
            // Nothing was written to a session that does not exist: expectations alone.
            let changed = !self.what.is_empty();
            return Ok(Receipt { key, revision: 0, seqs: Vec::new(), changed, replayed: false });
        };
        session.revision += u64::from(self.state);
        if !self.restored {
            session.updated_at = session.updated_at.max(self.at);
        }
        if let Some(mut change) = self.view_change {
            change.head_after = session.head;
            history::insert_change(self.conn, session.log, &change)?;
        }
        let updated_at = time::to_text(session.updated_at);
        let latest_at = self.latest.map(|latest| time::to_text(latest.at));
        let latest_seq = self.latest.map(|latest| latest.seq.cast_signed());
        if self.state {
            self.conn
                .prepare_cached(
                    "UPDATE sessions SET status = ?2, metadata = ?3, state_revision = ?4, token_usage = ?5, \
                                         next_seq = ?6, log_count = ?7, message_count = ?8, updated_at = ?9, \
                                         view = ?10, latest_at = ?11, latest_seq = ?12 \
                     WHERE id = ?1",
                )?
                .execute(params![
                    session.log.0,
                    session.status,
                    session.metadata.get(),
                    session.revision.cast_signed(),
                    session.token_usage.cast_signed(),
                    session.head.cast_signed() + 1,
                    session.log_count.cast_signed(),
                    session.message_count.cast_signed(),
                    updated_at,
                    view_text(&session),
                    latest_at,
                    latest_seq,
                ])?;
        } else if self.logged {
            // The commoner case, which spares the index on status.
            self.conn
                .prepare_cached(
                    "UPDATE sessions SET token_usage = ?2, next_seq = ?3, log_count = ?4, message_count = ?5, \
                                         updated_at = ?6, latest_at = ?7, latest_seq = ?8 \
                     WHERE id = ?1",
                )?
                .execute(params![
                    session.log.0,
                    session.token_usage.cast_signed(),
                    session.head.cast_signed() + 1,
                    session.log_count.cast_signed(),
                    session.message_count.cast_signed(),
                    updated_at,
                    latest_at,
                    latest_seq,
                ])?;
        }
        if !self.what.is_empty() || self.id.is_some() {
            let seqs = (!self.seqs.is_empty()).then(|| seqs_to_text(&self.seqs));
            let begins_or_ends = self.what.iter().any(|what| matches!(*what, "open" | "fork" | "delete"));
            self.conn
                .prepare_cached(
                    "INSERT INTO commits (session_id, revision, at, what, seqs, commit_id, digest, key) \
                     VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8)",
                )?
                .execute(params![
                    session.log.0,
                    session.revision.cast_signed(),
                    time::to_text(self.at),
                    self.what.join(" "),
                    seqs,
                    self.id,
                    self.digest,
                    begins_or_ends.then(|| key.to_string()),
                ])?;
        }
        let changed = !self.what.is_empty();
        Ok(Receipt { key, revision: session.revision, seqs: self.seqs, changed, replayed: false })
    }
}

/// A view as it is stored: a session's whole own log is NULL.
pub(crate) fn view_text(session: &Session) -> Option<String> {
    (session.view != View::whole(session.log)).then(|| session.view.to_text())
}

/// Puts a document, new or in place of the one that is there.
pub(crate) fn put_document(conn: &Connection, log: LogId, document: &Document) -> Applied<()> {
    conn.prepare_cached(
            "INSERT INTO documents (session_id, collection, id, revision, updated_at, checksum, body, blob) \
             VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8) \
             ON CONFLICT DO UPDATE SET revision = excluded.revision, updated_at = excluded.updated_at, \
                                       checksum = excluded.checksum, body = excluded.body, blob = excluded.blob",
        )?
        .execute(params![
            log.0,
            document.collection,
            document.id,
            document.revision.cast_signed(),
            time::to_text(document.updated_at),
            document.checksum(),
            document.body.get(),
            document.blob,
        ])?;
    Ok(())
}

fn insert(conn: &Connection, log: LogId, message: &Message, later: Option<u64>) -> Applied<()> {
    let calls = |calls: &[String]| {
        if calls.is_empty() { Ok(None) } else { Json::from_value(calls).map(|json| Some(json.to_string())) }
    };
    conn.prepare_cached(
        "INSERT INTO messages (session_id, role, content, tool_calls, created_at, seq, message_id, opens, closes, \
                               token_count, attributes, checksum, later_seq) \
         VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12, ?13)",
    )?
    .execute(params![
        log.0,
        message.role,
        message.content.get(),
        message.tool_calls.as_ref().map(Json::get),
        time::to_text(message.created_at),
        message.seq.cast_signed(),
        message.message_id,
        calls(&message.opens)?,
        calls(&message.closes)?,
        message.token_count.map(u64::cast_signed),
        message.attributes.as_ref().map(Json::get),
        message.checksum(),
        later.map(u64::cast_signed),
    ])?;
    Ok(())
}

pub(crate) fn conflict(key: &SessionKey, conflict: Conflict) -> Failure {
    Error::Conflict { key: Box::new(key.clone()), conflict }.into()
}

/// `5-9,12`: runs of numbers that follow each other, in the order given.
fn seqs_to_text(seqs: &[u64]) -> String {
    let runs = seqs.chunk_by(|a, b| a + 1 == *b).map(|run| match run {
        [one] => one.to_string(),
        [first, .., last] => format!("{first}-{last}"),
        [] => String::new(),
    });
    runs.collect::<Vec<_>>().join(",")
}

pub(crate) fn seqs_from_text(text: &str) -> Result<Vec<u64>, String> {
    let number = |n: &str| n.parse::<u64>().map_err(|_| format!("'{text}' is not a list of numbers"));
    let mut seqs = Vec::new();
    for run in text.split(',').filter(|run| !run.is_empty()) {
        let (first, last) = run.split_once('-').unwrap_or((run, run));
        let (first, last) = (number(first)?, number(last)?);
        if last < first || (last - first) as usize >= limits::COMMIT_WRITES_MAX + limits::PAGE_MAX {
            return Err(format!("'{text}' has a run of impossible length"));
        }
        seqs.extend(first..=last);
    }
    Ok(seqs)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn message_numbers_are_kept_in_runs_and_in_order() {
        for (seqs, text) in [
            (vec![], ""),
            (vec![7], "7"),
            (vec![5, 6, 7, 8, 9], "5-9"),
            (vec![9, 3, 10, 11], "9,3,10-11"),
            (vec![2, 2], "2,2"),
        ] {
            assert_eq!(seqs_to_text(&seqs), text);
            assert_eq!(seqs_from_text(text).unwrap(), seqs);
        }
        for bad in ["x", "1-", "3-1", "1-99999999"] {
            assert!(seqs_from_text(bad).is_err(), "{bad}");
        }
    }
}

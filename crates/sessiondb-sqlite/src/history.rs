//! Changes of a view, inside a commit.

use rusqlite::{Connection, OptionalExtension, params};
use sessiondb_core::{
    Conflict, LogId, Message, NewMessage, Session, View, ViewChange, ViewChangeKind, calls,
    limits::CALL_REACH, resolve, time,
};

use crate::{
    apply::{Applied, Change, conflict},
    query,
    row::{self, MESSAGE_COLUMNS, VIEW_CHANGE_COLUMNS},
    window::{self, Stretch},
};

impl Change<'_> {
    pub fn compact(&mut self, through: u64, summary: &[NewMessage]) -> Applied<()> {
        let Some(session) = self.session.clone() else { return Ok(()) };
        let Some((hidden, kept)) = session.view.split_after(through).filter(|_| through <= session.head)
        else {
            return Err(conflict(self.key, Conflict::NotInView { seq: through }));
        };
        // What can matter for a cut that lies at most one reach before the wanted one.
        let (hidden, kept) = (window::stretches(&hidden), window::stretches(&kept));
        let mut run = window::newest_outlines(self.conn, &hidden, 2 * CALL_REACH)?;
        let wanted = run.len();
        run.append(&mut window::oldest_outlines(self.conn, &kept, CALL_REACH)?);
        let place = calls::cut_before(&run, wanted).and_then(|place| place.checked_sub(1));
        let Some(last) = place.and_then(|last| run.get(last)) else { return Ok(()) };
        let through = last.seq;
        let mut summary_seqs = None;
        for message in summary {
            if let Some(id) = &message.message_id
                && let Some(stored) = window::message_by_id(self.conn, &session, id)?
            {
                let taken = Conflict::MessageId { id: id.clone(), seq: stored.seq };
                return Err(conflict(self.key, taken));
            }
            let seq = self.push(message)?;
            self.seqs.push(seq);
            summary_seqs = Some((summary_seqs.map_or(seq, |(first, _)| first), seq));
        }
        let head_now = summary_seqs.map_or(session.head, |(_, last)| last);
        let view = session.view.compacted(through, session.log, session.head, head_now);
        self.change_view(ViewChangeKind::Compact, view.unwrap_or(session.view))?;
        if let Some(change) = &mut self.view_change {
            (change.through, change.summary) = (Some(through), summary_seqs);
        }
        Ok(())
    }

    pub fn uncompact(&mut self) -> Applied<()> {
        let Some(session) = self.session.clone() else { return Ok(()) };
        let last = newest_change(self.conn, session.log, "undone IS NULL AND kind IN ('compact', 'reset')")?;
        let hidden = last.and_then(|last| {
            let hidden = last.before.split_after(last.through?)?.0;
            Some((last, hidden))
        });
        let Some((last, hidden)) = hidden.filter(|(_, hidden)| !hidden.overlaps(&session.view)) else {
            return Ok(());
        };
        set_undone(self.conn, session.log, last.revision, Some(session.revision + 1))?;
        let view = session.view.uncompacted(&hidden, last.summary, session.log, session.head);
        self.change_view(ViewChangeKind::Uncompact, view)?;
        if let Some(change) = &mut self.view_change {
            change.reverses = Some(last.revision);
        }
        Ok(())
    }

    pub fn pop(&mut self, count: usize) -> Applied<()> {
        let Some(session) = &self.session else { return Ok(()) };
        let popped = window::newest_outlines(self.conn, &window::stretches(&session.view), count)?;
        let first = popped.first().map(|outline| outline.seq);
        let view = first.and_then(|first| session.view.without_suffix(first, session.log, session.head));
        if let Some(view) = view {
            self.seqs.extend(popped.iter().map(|outline| outline.seq));
            self.change_view(ViewChangeKind::Pop, view)?;
        }
        Ok(())
    }

    pub fn rewind(&mut self, seq: u64) -> Applied<()> {
        let Some(session) = &self.session else { return Ok(()) };
        let hidden = session.view.split_after(seq).filter(|_| seq <= session.head).map(|(_, hidden)| hidden);
        let Some(hidden) = hidden else { return Err(conflict(self.key, Conflict::NotInView { seq })) };
        let view = session.view.rewound(seq, session.log, session.head);
        if let Some(view) = view
            && window::any(self.conn, &window::stretches(&hidden))?
        {
            let kind = if seq == 0 { ViewChangeKind::Reset } else { ViewChangeKind::Rewind };
            self.change_view(kind, view)?;
        }
        Ok(())
    }

    pub fn undo(&mut self) -> Applied<()> {
        let Some(session) = &self.session else { return Ok(()) };
        let Some(last) = newest_change(self.conn, session.log, "undone IS NULL")? else { return Ok(()) };
        set_undone(self.conn, session.log, last.revision, Some(session.revision + 1))?;
        if let Some(again) = last.reverses {
            set_undone(self.conn, session.log, again, None)?;
        }
        let (before, after) = (last.head_before, last.head_after);
        let view = session.view.undone(&last.before, before, after, session.log, session.head);
        self.show(view)?;
        self.changed_state("view");
        Ok(())
    }

    pub fn set_view(&mut self, stretches: &[(u64, u64)]) -> Applied<()> {
        let Some(session) = &self.session else { return Ok(()) };
        let ancestors = query::ancestors(self.conn, session.log)?;
        let mut spans = Vec::new();
        for stretch in stretches {
            let found = resolve(*stretch, &ancestors, session.log, session.log_first, session.head);
            let unknown = Conflict::NotInView { seq: stretch.1 };
            spans.extend(found.ok_or_else(|| conflict(self.key, unknown))?);
        }
        let view = View::of(spans, session.log, session.head);
        view.validate_rewrite(session.head)?;
        // What the commit appended is shown by this change, and goes when it is taken back.
        if view != session.view || session.head > self.head_before {
            self.change_view(ViewChangeKind::Set, view)?;
        }
        Ok(())
    }

    /// Shows another view, and remembers what was before.
    fn change_view(&mut self, kind: ViewChangeKind, view: View) -> Applied<()> {
        let Some(session) = &self.session else { return Ok(()) };
        self.view_change = Some(ViewChange {
            revision: session.revision + 1,
            at: self.at,
            kind,
            before: session.view.clone(),
            head_before: self.head_before,
            // The commit may append more: it is set when the commit is done.
            head_after: session.head,
            through: None,
            summary: None,
            reverses: None,
            undone: None,
        });
        self.show(view)?;
        self.keep_view_short()?;
        self.changed_state("view");
        Ok(())
    }

    pub fn show(&mut self, view: View) -> Applied<()> {
        if let Some(session) = &mut self.session {
            session.view = view;
            session.message_count = shown(self.conn, session)?;
        }
        Ok(())
    }

    /// Rewrites a view that has too many spans: see [`View::overflow`].
    pub fn keep_view_short(&mut self) -> Applied<()> {
        let Some(session) = self.session.clone() else { return Ok(()) };
        let Some((front, copied, back)) = session.view.overflow(session.head) else { return Ok(()) };
        let mut head_now = session.head;
        let sql = format!(
            "SELECT {MESSAGE_COLUMNS} FROM messages WHERE session_id = ?1 AND seq BETWEEN ?2 AND ?3 ORDER BY seq"
        );
        for span in window::stretches(&copied) {
            let mut statement = self.conn.prepare_cached(&sql)?;
            let mut rows = statement.query(params![span.log, span.first, span.last])?;
            while let Some(row) = rows.next()? {
                let message = row::message(row)?;
                head_now = self.push(&copy(message))?;
            }
        }
        self.show(View::rewritten(front, &back, session.log, session.head, head_now))
    }
}

/// A message to append that says what this one says.
fn copy(message: Message) -> NewMessage {
    NewMessage {
        role: message.role,
        content: message.content,
        tool_calls: message.tool_calls,
        created_at: Some(message.created_at),
        message_id: message.message_id,
        opens: message.opens,
        closes: message.closes,
        token_count: message.token_count,
        attributes: message.attributes,
    }
}

/// How many messages a session shows. A log without gaps is counted by its numbers, however long it is; only one from
/// which rows were deleted by hand has to be read.
pub(crate) fn shown(conn: &Connection, session: &Session) -> Applied<u64> {
    let mut count = 0;
    for Stretch { log, first, last } in window::stretches(&session.view.closed(session.head)) {
        let dense = if log == session.log.0 {
            session.log_count + session.log_first == session.head + 1
        } else {
            let mut statement =
                conn.prepare_cached("SELECT log_count = next_seq - log_first FROM sessions WHERE id = ?1")?;
            statement.query_row([log], |row| row.get(0)).optional()?.unwrap_or(false)
        };
        count += if dense {
            last - first + 1
        } else {
            conn.prepare_cached(
                "SELECT count(*) FROM messages WHERE session_id = ?1 AND seq BETWEEN ?2 AND ?3",
            )?
            .query_row(params![log, first, last], |row| row.get(0))?
        };
    }
    Ok(count.cast_unsigned())
}

/// The newest change of a view for which this holds.
fn newest_change(conn: &Connection, log: LogId, condition: &str) -> Applied<Option<ViewChange>> {
    let sql = format!(
        "SELECT {VIEW_CHANGE_COLUMNS} FROM view_changes \
         WHERE session_id = ?1 AND {condition} ORDER BY revision DESC LIMIT 1"
    );
    query::first(&mut conn.prepare_cached(&sql)?, [log.0], row::view_change)
}

fn set_undone(conn: &Connection, log: LogId, revision: u64, by: Option<u64>) -> Applied<()> {
    conn.prepare_cached("UPDATE view_changes SET undone = ?3 WHERE session_id = ?1 AND revision = ?2")?
        .execute(params![log.0, revision.cast_signed(), by.map(u64::cast_signed)])?;
    Ok(())
}

pub(crate) fn insert_change(conn: &Connection, log: LogId, change: &ViewChange) -> Applied<()> {
    conn.prepare_cached(
        "INSERT INTO view_changes (session_id, revision, at, kind, before, head_before, head_after, through, \
                                   summary_first, summary_last, reverses, undone) \
         VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12)",
    )?
    .execute(params![
        log.0,
        change.revision.cast_signed(),
        time::to_text(change.at),
        change.kind.name(),
        change.before.to_text(),
        change.head_before.cast_signed(),
        change.head_after.cast_signed(),
        change.through.map(u64::cast_signed),
        change.summary.map(|(first, _)| first.cast_signed()),
        change.summary.map(|(_, last)| last.cast_signed()),
        change.reverses.map(u64::cast_signed),
        change.undone.map(u64::cast_signed),
    ])?;
    Ok(())
}

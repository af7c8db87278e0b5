//! What an index is there for: a read that goes another way without it.

use rusqlite::{Connection, ToSql};

use super::super::{
    load::{SESSIONS, mix},
    sample::Sample,
};
use crate::Outcome;

/// A read of whole rows, as the engine writes it where it has such a read.
#[derive(Debug, Clone, Copy)]
pub(super) struct Read {
    /// What is read, in words.
    pub what: &'static str,
    /// Its first column is a number. It may name `:agent`, `:channel`, `:account` and `:peer` of a session, and `:long`, the row
    /// of the long session.
    pub sql: &'static str,
}

impl Read {
    /// Reads for the `n`th time, and answers the sum of the first column.
    pub fn run(&self, conn: &Connection, sample: &Sample, seed: u64, n: u64) -> Outcome<u64> {
        let random = mix(seed ^ n);
        let [agent, channel, account, _, peer] = sample.keys[(random % SESSIONS) as usize].parts();
        let mut statement = conn.prepare_cached(self.sql)?;
        for (name, value) in [
            (":agent", &agent as &dyn ToSql),
            (":channel", &channel),
            (":account", &account),
            (":peer", &peer),
            // It was made after all others.
            (":long", &(SESSIONS.cast_signed() + 1)),
        ] {
            if let Some(place) = statement.parameter_index(name)? {
                statement.raw_bind_parameter(place, value)?;
            }
        }
        let (mut rows, mut sum) = (statement.raw_query(), 0_u64);
        while let Some(row) = rows.next()? {
            sum = sum.wrapping_add(row.get::<_, i64>(0)?.cast_unsigned());
        }
        Ok(sum)
    }
}

pub(super) const MESSAGE_BY_ITS_ID: Read = Read {
    what: "a message by its writer's id, not there, of a session of 10,000",
    sql: "SELECT * FROM messages WHERE session_id = :long AND message_id = 'none'",
};

pub(super) const AGENTS_BY_CREATION: Read = Read {
    what: "50 of an agent's 100 sessions, the last opened first",
    sql: "SELECT * FROM sessions WHERE agent_id = :agent ORDER BY created_at DESC, id DESC LIMIT 50",
};

pub(super) const ALL_BY_UPDATE: Read = Read {
    what: "50 of all 10,000 sessions, the last changed first",
    sql: "SELECT * FROM sessions ORDER BY updated_at DESC, id DESC LIMIT 50",
};

pub(super) const ALL_BY_CREATION: Read = Read {
    what: "50 of all 10,000 sessions, the last opened first",
    sql: "SELECT * FROM sessions ORDER BY created_at DESC, id DESC LIMIT 50",
};

pub(super) const ACCOUNTS_BY_CREATION: Read = Read {
    what: "50 of an agent's 100 sessions in one account, the last opened first",
    sql: "SELECT * FROM sessions WHERE channel = :channel AND account_id = :account AND agent_id = :agent \
          ORDER BY created_at DESC, id DESC LIMIT 50",
};

pub(super) const PEERS_BY_CREATION: Read = Read {
    what: "an agent's sessions with one peer, the last opened first",
    sql: "SELECT * FROM sessions WHERE peer_id = :peer AND agent_id = :agent \
          ORDER BY created_at DESC, id DESC LIMIT 50",
};

pub(super) const BY_STATUS: Read = Read {
    what: "sessions of a status that none of 10,000 has",
    sql: "SELECT * FROM sessions WHERE status = 'none' LIMIT 50",
};

//! What is in a session.

use serde::Serialize;
use sessiondb::{Lineage, Message, Session, blocking::Store};

use super::calls::{Calls, CallsJson};
use crate::{
    exit::Failure,
    header,
    hidden::{self, Hidden},
    json::{HiddenJson, LineageJson, SessionJson},
    output::Output,
    pages::{Pages, Place},
    table::Table,
    tally::Tally,
};

/// The counts of a session.
pub struct SessionStats {
    session: Session,
    lineage: Lineage,
    hidden: Vec<Hidden>,
    roles: Tally<String, Counts>,
    all: Counts,
    /// How many of the messages shown have no count of tokens from their writer.
    estimated: u64,
    calls: CallsJson,
}

#[derive(Default, Clone, Copy, Serialize)]
struct Counts {
    /// Messages that the session shows.
    shown: u64,
    /// All that it ever had, its own and inherited.
    log: u64,
    /// What the messages shown weigh, in tokens.
    weight: u64,
}

pub fn count(store: &Store, session: Session) -> Result<SessionStats, Failure> {
    let (mut roles, mut all) = (Tally::<String, Counts>::new(), Counts::default());
    let (mut calls, mut estimated) = (Calls::default(), 0);
    let hidden = hidden::of(store, &session)?;
    let mut pages = Pages::shown(store, session.key.clone(), Place::After(0), u64::MAX)?;
    while let Some(page) = pages.next()? {
        for message in &page.messages {
            let weight = message.weight();
            estimated += u64::from(weight.estimated);
            for counts in [&mut all, roles.of(message.role.clone())] {
                counts.shown += 1;
                counts.log += 1;
                counts.weight = counts.weight.saturating_add(weight.tokens);
            }
        }
        calls.read(&page.messages);
    }
    for hidden in &hidden {
        let (before, count) = (hidden.stretch.last + 1, hidden.stretch.len());
        let mut pages = Pages::log(store, session.key.clone(), session.head, Place::Before(before), count);
        while let Some(page) = pages.next()? {
            for Message { role, .. } in page.messages {
                all.log += 1;
                roles.of(role).log += 1;
            }
        }
    }
    let lineage = store.lineage(&session.key)?;
    Ok(SessionStats { session, lineage, hidden, roles, all, estimated, calls: calls.end() })
}

impl SessionStats {
    pub fn print(&self, out: &mut Output) -> Result<(), Failure> {
        let header = header::lines(&self.session, &self.lineage, &self.hidden);
        header.iter().try_for_each(|line| out.line(line))?;
        out.text("\n")?;
        let mut roles = Table::new(["ROLE", "SHOWN", "LOG", "WEIGHT"]).right_aligned(&[1, 2, 3]);
        let rows = self.roles.rows().map(|(role, counts)| (role.map_or("(others)", String::as_str), counts));
        for (role, counts) in rows.chain([("(all)", &self.all)]) {
            let [shown, log, weight] =
                [counts.shown, counts.log, counts.weight].map(|count| count.to_string());
            roles.row([role, &shown, &log, &weight]);
        }
        roles.print(out)?;
        out.text("\n")?;
        let mut calls =
            Table::new(["TOOL CALLS", "WITHOUT RESULT", "RESULTS WITHOUT CALL"]).right_aligned(&[0, 1, 2]);
        let CallsJson { made, without_result, results_without_call } = self.calls;
        let [made, open, lonely] =
            [made, without_result, results_without_call].map(|count| count.to_string());
        calls.row([&made, &open, &lonely]);
        Ok(calls.print(out)?)
    }

    pub fn json(&self) -> SessionStatsJson<'_> {
        let roles = self
            .roles
            .rows()
            .map(|(role, counts)| RoleJson { role: role.map(String::as_str), counts: *counts });
        SessionStatsJson {
            session: SessionJson::from(&self.session),
            lineage: LineageJson::from(&self.lineage),
            hidden: self.hidden.iter().map(HiddenJson::from).collect(),
            counts: self.all,
            estimated: self.estimated,
            roles: roles.collect(),
            calls: self.calls,
        }
    }
}

/// The counts as JSON. Roles that were too many to be counted apart are one without a name.
#[derive(Serialize)]
pub struct SessionStatsJson<'a> {
    session: SessionJson<'a>,
    lineage: LineageJson,
    hidden: Vec<HiddenJson>,
    #[serde(flatten)]
    counts: Counts,
    estimated: u64,
    roles: Vec<RoleJson<'a>>,
    calls: CallsJson,
}

#[derive(Serialize)]
struct RoleJson<'a> {
    role: Option<&'a str>,
    #[serde(flatten)]
    counts: Counts,
}

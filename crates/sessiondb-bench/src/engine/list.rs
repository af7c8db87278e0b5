//! Lists of 50 of an agent's sessions, the last changed first: at the beginning, in the middle and at the end.

use sessiondb::{Cursor, LogId, SessionFilter, SessionOrder, blocking, sqlite::Durability, time};

use super::{
    Plan,
    by_hand::{Cache, Schema, Seed001, SessionDb, connect},
    fill::{self, Content, at},
    load::{AGENTS, agent, mix},
    ours,
    report::Report,
    sqlx::{Sqlx, SqlxReader},
    turns::{Call, measure, timed},
};
use crate::{Outcome, sample::settle};

/// Sessions in a list.
pub(super) const LIMIT: usize = 50;

pub(super) const OURS: &str = "SessionDB, blocking";
const RAW: &str = "raw SQLite";
const SEED_001: &str = "raw SQLite, seed 001's schema";

/// Where in an agent's sessions a list begins.
#[derive(Clone, Copy)]
pub(super) enum Depth {
    First,
    Middle,
    End,
}

impl Depth {
    pub const ALL: [Depth; 3] = [Depth::First, Depth::Middle, Depth::End];

    pub fn workload(self) -> &'static str {
        match self {
            Depth::First => "list of 50 sessions, first page, 1 caller",
            Depth::Middle => "list of 50 sessions, in the middle, 1 caller",
            Depth::End => "list of 50 sessions, last page, 1 caller",
        }
    }

    pub fn place(self) -> &'static str {
        match self {
            Depth::First => "first page",
            Depth::Middle => "in the middle",
            Depth::End => "last page",
        }
    }

    /// The session after which it begins, of an agent that has so many. Sessions are listed from the last to the first.
    fn after(self, agent: u64, sessions: u64) -> Option<u64> {
        let nth = match self {
            Depth::First => return None,
            Depth::Middle => sessions / 2,
            Depth::End => LIMIT as u64,
        };
        Some(nth * AGENTS + agent)
    }
}

pub(super) fn run(plan: &Plan, sessions: u64, times: u64, report: &mut Report) -> Outcome<()> {
    let content = Content { sessions, messages: 0, seed: plan.seed };
    let (file, seed_file) = (plan.dir.join("list.db"), plan.dir.join("list-seed001.db"));
    fill::session_db(&file, &plan.sample, content)?;
    fill::seed_001(&seed_file, &plan.sample, content)?;
    settle()?;
    fill::read_into_memory(&file)?;
    fill::read_into_memory(&seed_file)?;
    let raw = connect(&file, Durability::Full, Cache::Reader)?;
    let seed = connect(&seed_file, Durability::Full, Cache::Reader)?;
    let store = blocking::Store::from(ours::open(&file, Durability::Full)?);
    let mut sqlx = SqlxReader::start(&plan.peer, &seed_file)?;
    for depth in Depth::ALL {
        let agent_of = |n: u64| mix(plan.seed ^ n) % AGENTS;
        let after = |n: u64| depth.after(agent_of(n), sessions / AGENTS);
        let by_hand = |conn, schema: &dyn Schema, n| {
            let (time, row) = place(after(n));
            let sessions = schema.list(conn, &agent(agent_of(n)), (&time, row), LIMIT)?;
            Ok(sessions.iter().map(|session| session.id.cast_unsigned()).sum())
        };
        let mut candidates: Vec<Call<'_>> = vec![
            (RAW, Box::new(|n| timed(|| by_hand(&raw, &SessionDb::Whole, n)))),
            (OURS, Box::new(|n| timed(|| session_list(&store, agent_of(n), after(n))))),
            (SEED_001, Box::new(|n| timed(|| by_hand(&seed, &Seed001, n)))),
            (
                Sqlx::ONE,
                Box::new(|n| {
                    let (time, row) = place(after(n));
                    sqlx.list(&agent(agent_of(n)), (&time, row), LIMIT)
                }),
            ),
        ];
        measure(report, depth.workload(), plan.rounds, times, &mut candidates)?;
    }
    sqlx.end()
}

/// The time and the row of a session; what no session comes before, if there is none.
fn place(after: Option<u64>) -> (String, i64) {
    after.map_or_else(|| ("~".to_owned(), i64::MAX), |n| (time::to_text(at(n)), n.cast_signed() + 1))
}

fn session_list(store: &blocking::Store, of: u64, after: Option<u64>) -> Outcome<u64> {
    let order = SessionOrder::UpdatedNewest;
    let after = after.map(|n| Cursor { order, time: at(n), log: LogId(n.cast_signed() + 1) });
    let filter =
        SessionFilter { agent_id: Some(agent(of)), order, after, limit: LIMIT, ..SessionFilter::default() };
    let page = store.session_list(&filter)?;
    Ok(page.sessions.iter().map(|session| session.log.0.cast_unsigned()).sum())
}

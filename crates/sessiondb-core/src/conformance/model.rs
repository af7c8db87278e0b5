//! The model test: random calls, made to an engine and to [`MemoryBackend`], must be answered alike and leave stores
//! that look alike.
//!
//! A case is a sequence of 1 to 30 calls of 1 to 4 commits over four keys ([`draft`]). After each call the answers are
//! compared, and then everything that can be read, in pages of random size and through random filters ([`look`]). What
//! happened is counted ([`tally`]), because a test that never makes an engine refuse anything proves little.

mod draft;
mod look;
mod tally;

use std::{
    cell::RefCell,
    collections::hash_map::RandomState,
    env, fmt,
    hash::{BuildHasher, Hasher},
    sync::Arc,
};

use pollster::block_on;
use proptest::test_runner::{Config, RngSeed, TestCaseError, TestError, TestRunner};

use self::{draft::Step, look::look_alike, tally::Tally};
use crate::{Change, Commit, Error, LogId, MemoryBackend, Receipt, Result, Store, Time, limits::PAGE_MAX};

/// Makes random calls to a store and to one in memory, `cases` times with fresh stores, and panics at the first
/// difference: with the shortest sequence of calls that shows it, and the seed to repeat the run with
/// (`PROPTEST_RNG_SEED=… cargo test …`).
///
/// The environment may ask for another number of cases, with `SESSIONDB_MODEL_CASES`.
///
/// At the end it prints how often each kind of write, expectation and answer occurred. From 200 cases on, it also
/// panics if one of them made up less than a two-hundredth of its category: then the test has grown blind.
pub fn random_commits_agree<G>(make: impl Fn() -> (Store, G), cases: u32) {
    run(&make, None, cases);
}

/// The same, and now and then the store is closed and opened again between two calls. `reopen` is given what `make`
/// answered beside the store; it is called when the store was closed and its handle dropped.
pub fn random_commits_agree_when_reopened<G>(
    make: impl Fn() -> (Store, G),
    reopen: impl Fn(&G) -> Store,
    cases: u32,
) {
    run(&make, Some(&reopen), cases);
}

/// The fewest cases after which the tally must have no gaps. Each kind makes up 1 % or more of what is expected, so
/// with some 3,000 calls to count, half of that is hardly ever missed by chance.
const CASES_THAT_MUST_SHOW_EVERYTHING: u32 = 200;

fn run<G>(make: &dyn Fn() -> (Store, G), reopen: Option<&dyn Fn(&G) -> Store>, cases: u32) {
    let cases = env::var("SESSIONDB_MODEL_CASES").map_or(cases, |number| number.parse().unwrap());
    let mut config =
        Config { cases, failure_persistence: None, max_shrink_iters: 4_000, ..Config::default() };
    // A seed that was asked for by the environment stays.
    if config.rng_seed == RngSeed::Random {
        config.rng_seed = RngSeed::Fixed(RandomState::new().build_hasher().finish());
    }
    let seed = config.rng_seed;
    let tally = RefCell::new(Tally::default());
    let outcome = TestRunner::new(config).run(&draft::steps(), |steps| {
        let case = Case { make, reopen, tally: &tally };
        case.run(&steps).map_err(TestCaseError::fail)
    });
    match outcome {
        Ok(()) => tally.borrow().report(cases >= CASES_THAT_MUST_SHOW_EVERYTHING),
        Err(TestError::Fail(difference, _)) => {
            panic!("the engines differ, with PROPTEST_RNG_SEED={seed}: {difference}")
        }
        Err(TestError::Abort(reason)) => panic!("the test was given up: {reason}"),
    }
}

struct Case<'a, G> {
    make: &'a dyn Fn() -> (Store, G),
    reopen: Option<&'a dyn Fn(&G) -> Store>,
    tally: &'a RefCell<Tally>,
}

/// What was done so far in a case.
struct Told {
    reopened: bool,
    call: Vec<Commit>,
    answer: Result<Vec<Receipt>>,
}

impl<G> Case<'_, G> {
    /// Answers with the difference, if there is one, and what led to it.
    fn run(&self, steps: &[Step]) -> Result<(), String> {
        let mut story = Vec::new();
        block_on(self.tell(steps, &mut story)).map_err(|difference| {
            let told: String = story.iter().map(Told::to_string).collect();
            format!("{difference}\n\nafter these calls, with the right answers:\n{told}")
        })
    }

    async fn tell(&self, steps: &[Step], story: &mut Vec<Told>) -> Result<(), String> {
        let right = Store::new(Arc::new(MemoryBackend::new()));
        let (mut tried, guard) = (self.make)();
        self.tally.borrow_mut().begin();
        let mut read = (0, 0);
        for step in steps {
            let reopen = self.reopen.filter(|_| step.reopen);
            if let Some(reopen) = reopen {
                tried.close().await.map_err(|error| format!("the store cannot be closed: {error}"))?;
                drop(tried);
                tried = reopen(&guard);
            }
            if step.optimize {
                tried.optimize().await.map_err(|error| format!("the store cannot be optimized: {error}"))?;
            }
            let call = step.resolve(&right, story).await;
            let right_answer = right.commit(call.clone()).await;
            let answer = tried.commit(call.clone()).await;
            self.tally.borrow_mut().count(&call, &right_answer);
            story.push(Told { reopened: reopen.is_some(), call, answer: right_answer.clone() });
            agree("the last call", right_answer, answer)?;
            feeds_agree(&mut read, &right, &tried).await?;
            look_alike(&step.look, &right, &tried).await?;
            let found =
                right.search(&step.look.search).await.map_err(|error| format!("the search: {error}"))?;
            self.tally.borrow_mut().count_search(&found);
        }
        for key in (0..draft::KEYS.len()).map(draft::key) {
            if let Ok(changes) = right.view_changes(&key, None, 1_000).await {
                self.tally.borrow_mut().count_changes(&changes);
            }
        }
        let (right, tried) = (right.check().await.map_err(said)?, tried.check().await.map_err(said)?);
        agree("the check", right, tried)
    }
}

/// Whether both feeds tell the same after where they were read to. Their places may differ, the times of commits that
/// gave none, and the numbers of logs, of which an engine may pass over some.
async fn feeds_agree(read: &mut (u64, u64), right: &Store, tried: &Store) -> Result<(), String> {
    let all = async |store: &Store, read: &mut u64| -> Result<Vec<Change>, String> {
        let page =
            store.changes(Some(*read), PAGE_MAX).await.map_err(|error| format!("the feed: {error}"))?;
        let places = page.changes.iter().map(|change| change.id);
        if !std::iter::once(*read).chain(places).is_sorted_by(|a, b| a < b) || page.more {
            return Err(format!("the feed after {read} is {page:?}"));
        }
        *read = page.last;
        Ok(page
            .changes
            .into_iter()
            .map(|change| Change { id: 0, log: LogId(0), at: Time::UNIX_EPOCH, ..change })
            .collect())
    };
    agree("the feed", all(right, &mut read.0).await?, all(tried, &mut read.1).await?)
}

impl fmt::Display for Told {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.reopened {
            writeln!(f, "closed and opened again")?;
        }
        writeln!(f, "commit")?;
        for Commit { key, id, at, expect, writes } in &self.call {
            writeln!(f, "   {key}, id {id:?}, at {at:?}, expects {expect:?}, writes {writes:?}")?;
        }
        writeln!(f, "=> {:?}", self.answer)
    }
}

fn said(error: Error) -> String {
    format!("cannot be checked: {error}")
}

/// Whether both stores said the same.
fn agree<T: PartialEq + fmt::Debug>(about: &str, right: T, tried: T) -> Result<(), String> {
    if right == tried {
        return Ok(());
    }
    Err(format!("about {about}\nright is    {right:?}\nanswered is {tried:?}"))
}

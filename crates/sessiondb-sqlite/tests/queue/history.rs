//! What callers did and what was written, with the rules that must hold between the two in every order of the threads.

use std::{
    collections::HashMap,
    sync::{Arc, Mutex, MutexGuard},
};

use sessiondb_core::{Commit, Error, Expect, Json, Receipt, Result, SessionKey, Write};
use shuttle::thread;

use crate::{
    options::{BATCH_BYTES_MAX, BATCH_CALLS_MAX, BATCH_CHANGES_MAX},
    queue::{Answer, Writer},
    sync::Condvar,
};

/// Shared by the callers and the writer. Its lock is no point at which threads change: a history only watches.
#[derive(Clone, Default)]
pub struct History(Arc<Mutex<Events>>);

#[derive(Default)]
pub struct Events {
    now: u64,
    calls: HashMap<String, Call>,
    pub groups: Vec<Group>,
    /// When somebody began to close the queue, and when that had been done.
    closing: Option<u64>,
    closed: Option<u64>,
    stopped: bool,
    writer_closed: bool,
}

/// One call of `commit`, and when what happened.
#[derive(Default)]
struct Call {
    begun: u64,
    /// It is in the queue, or done.
    accepted: Option<u64>,
    answer: Option<Answer>,
}

/// What was written in one transaction.
pub struct Group {
    pub calls: Vec<String>,
    changes: usize,
    bytes: usize,
    /// The queue's own thread wrote it, and not a caller for itself.
    by_the_thread: bool,
    panicked: bool,
}

impl History {
    fn events(&self) -> MutexGuard<'_, Events> {
        self.0.lock().unwrap()
    }

    fn note<T>(&self, what: impl FnOnce(&mut Events, u64) -> T) -> T {
        let mut events = self.events();
        events.now += 1;
        let now = events.now;
        what(&mut events, now)
    }

    pub fn begun(&self, name: &str) {
        self.note(|events, now| {
            let before = events.calls.insert(name.to_owned(), Call { begun: now, ..Call::default() });
            assert!(before.is_none(), "two calls of the name {name}");
        });
    }

    pub fn accepted(&self, name: &str) {
        self.note(|events, now| events.calls.get_mut(name).unwrap().accepted = Some(now));
    }

    pub fn answered(&self, name: &str, answer: Answer) {
        self.note(|events, now| {
            if answer == Err(Error::Closed) {
                assert!(events.closing.is_some(), "{name} was refused before anybody closed");
            }
            let call = events.calls.get_mut(name).unwrap();
            if answer != Err(Error::Closed) {
                call.accepted.get_or_insert(now);
            }
            call.answer = Some(answer);
        });
    }

    pub fn closing(&self) {
        self.note(|events, now| _ = events.closing.get_or_insert(now));
    }

    pub fn closed(&self) {
        self.note(|events, now| _ = events.closed.get_or_insert(now));
    }

    /// The names of the calls, a transaction each.
    pub fn groups(&self) -> Vec<Vec<String>> {
        self.events().groups.iter().map(|group| group.calls.clone()).collect()
    }

    pub fn answer(&self, name: &str) -> Option<Answer> {
        self.events().calls[name].answer.clone()
    }

    pub fn stopped(&self) -> bool {
        self.events().stopped
    }

    /// Holds what was seen to the rules.
    pub fn judge(&self) {
        let events = self.events();
        let written: Vec<&String> = events.groups.iter().flat_map(|group| &group.calls).collect();
        let place = |name: &String| written.iter().position(|other| *other == name);
        for (name, call) in &events.calls {
            let times = written.iter().filter(|other| **other == name).count();
            assert_eq!(times, usize::from(call.accepted.is_some()), "how often {name} was written");
            match &call.answer {
                Some(Err(Error::Closed)) => assert_eq!(call.accepted, None, "{name} was accepted"),
                Some(Err(Error::Unknown(_))) => {
                    let mut groups = events.groups.iter();
                    let group = groups.find(|group| group.calls.contains(name)).unwrap();
                    assert!(group.panicked, "the answer to {name} was lost");
                }
                Some(answer) => {
                    assert_eq!(*answer, answer_to(name), "the answer to {name}");
                    assert!(events.closed.is_none_or(|closed| call.begun < closed), "{name} came too late");
                }
                // Nobody waited for it.
                None => {}
            }
            // What was handed over before another call began is written before that.
            for (later, other) in &events.calls {
                if let Some(accepted) = call.accepted
                    && accepted < other.begun
                    && let Some(place_of_later) = place(later)
                {
                    assert!(place(name).unwrap() < place_of_later, "{later} overtook {name}: {written:?}");
                }
            }
        }
        assert_eq!(events.writer_closed, events.closed.is_some(), "whether the writer was closed");
        let mut crowded = false;
        for group in &events.groups {
            let names = &group.calls;
            assert!(names.len() <= BATCH_CALLS_MAX, "too many in a transaction: {names:?}");
            let fits = group.changes <= BATCH_CHANGES_MAX && group.bytes <= BATCH_BYTES_MAX;
            assert!(names.len() == 1 || fits, "too large together: {names:?}");
            assert!(group.by_the_thread || names.len() == 1, "a caller wrote for others: {names:?}");
            assert!(group.by_the_thread || !crowded, "{names:?} was written alone, with many callers");
            crowded = names.len() > 1;
        }
    }
}

/// A call by its name. What is called `large` or `long` is more than half of what a transaction takes, what is called `huge`
/// more than all; what is called `refused` is answered with an error; what is called `panic` makes the writer panic.
pub fn commits(name: &str) -> Vec<Commit> {
    let expectations = match name {
        name if name.contains("huge") => BATCH_CHANGES_MAX + 1,
        name if name.contains("large") => BATCH_CHANGES_MAX / 2 + 1,
        _ => 1,
    };
    let status = if name.contains("long") { "x".repeat(BATCH_BYTES_MAX / 2) } else { String::new() };
    let metadata = Json::from_value(&[status]).unwrap();
    let commit = Commit::new(SessionKey::new("a", "c", "", "dm", name)).write(Write::SetMetadata(metadata));
    vec![(1..expectations).fold(commit, |commit, _| commit.expect(Expect::Absent))]
}

fn answer_to(name: &str) -> Answer {
    if name.contains("refused") {
        return Err(Error::Invalid(name.to_owned()));
    }
    let key = SessionKey::new("a", "c", "", "dm", name);
    Ok(vec![Receipt { key, revision: 1, seqs: Vec::new(), changed: true, replayed: false }])
}

/// A writer that writes into a history.
pub struct Recorder {
    pub history: History,
    /// A checkpoint is due after every transaction.
    pub due: bool,
    /// What a checkpoint does beside its work.
    pub at_checkpoint: AtCheckpoint,
    pub stopped: bool,
}

pub enum AtCheckpoint {
    Nothing,
    Panic,
    Tell(Arc<(crate::sync::Mutex<bool>, Condvar)>),
}

impl Recorder {
    pub fn new(history: &History) -> Recorder {
        Recorder {
            history: history.clone(),
            due: false,
            at_checkpoint: AtCheckpoint::Nothing,
            stopped: false,
        }
    }
}

/// A panic that is expected, and of which nothing is printed.
fn panic() -> ! {
    std::panic::resume_unwind(Box::new("expected"))
}

impl Writer for Recorder {
    fn write(&mut self, calls: Vec<Vec<Commit>>) -> Vec<Answer> {
        let names: Vec<String> = calls.iter().map(|commits| commits[0].key.peer_id.clone()).collect();
        let panicked = self.stopped || names.iter().any(|name| name.contains("panic"));
        self.history.note(|events, _| {
            events.groups.push(Group {
                calls: names.clone(),
                changes: calls.iter().flatten().map(Commit::changes).sum(),
                bytes: calls.iter().flatten().map(Commit::bytes).sum(),
                by_the_thread: thread::current().name() == Some("sessiondb-writer"),
                panicked,
            });
        });
        // The others go on while the disk is waited for.
        thread::yield_now();
        if self.stopped {
            return vec![Err(Error::Unknown("stopped".into())); names.len()];
        }
        if panicked {
            panic();
        }
        self.due = true;
        names.iter().map(|name| answer_to(name)).collect()
    }

    fn checkpoint_is_due(&self) -> bool {
        self.due
    }

    fn checkpoint_if_due(&mut self) {
        if !self.due {
            return;
        }
        thread::yield_now();
        self.due = false;
        match &self.at_checkpoint {
            AtCheckpoint::Nothing => {}
            AtCheckpoint::Panic => panic(),
            AtCheckpoint::Tell(done) => {
                *done.0.lock() = true;
                done.1.notify_all();
            }
        }
    }

    fn stop(&mut self, reason: &str) {
        assert_eq!(reason, "the writer panicked");
        self.stopped = true;
        self.history.events().stopped = true;
    }

    fn close(self) -> Result<()> {
        self.history.events().writer_closed = true;
        Ok(())
    }
}

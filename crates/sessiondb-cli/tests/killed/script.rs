//! The script: thousands of steps that a seed makes, each with the step's number in the same call of `commit`, so that the
//! store itself says how far it has come.

use std::{
    fs,
    path::{Path, PathBuf},
    sync::Arc,
};

use ait42_session::{
    ChatMessage, DbPool, DualWrite, SessionRepository, SqliteSessionRepository, WorktreeSession,
    migration::cut_over,
};
use pollster::block_on;
use sessiondb::{Commit, Fork, Json, NewDocument, NewMessage, SessionKey, Store, Time, Window, Write};

use crate::random::Random;

const PEERS: u64 = 12;
const WORKSPACES: [&str; 2] = ["abc", "def"];

/// What a step does.
enum Step {
    /// One call of `commit`.
    Commits { commits: Vec<Commit>, repeatable: bool },
    /// Gives space back.
    Optimize,
    /// Closes the store and opens it again.
    Reopen,
    /// Imports a transcript of its own.
    Import,
    /// A change of a coding session, whose workspace's file follows.
    Code(Change),
}

enum Change {
    Create,
    Say,
}

/// Where the script is played: in a directory, or the same in memory.
pub struct Stage {
    dir: PathBuf,
    seed: u64,
    pub store: Store,
    pub in_memory: bool,
}

pub fn key(peer: impl ToString) -> SessionKey {
    SessionKey::new("a", "c", "", "dm", peer.to_string())
}

fn clerk() -> SessionKey {
    key("clerk")
}

fn open(dir: &Path) -> Store {
    block_on(sessiondb::open(&dir.join("s.db").display().to_string())).unwrap().for_blocking()
}

impl Stage {
    /// A store in this directory, as it is found or new.
    pub fn on_disk(dir: &Path, seed: u64) -> Stage {
        Stage { dir: dir.into(), seed, store: open(dir), in_memory: false }
    }

    /// The same in memory. Transcripts lie in this directory.
    pub fn in_memory(dir: &Path, seed: u64) -> Stage {
        let store = block_on(sessiondb::open("memory:")).unwrap();
        Stage { dir: dir.into(), seed, store, in_memory: true }
    }

    /// The workspaces, of which the store is the authority from the beginning.
    pub fn prepare(&self) {
        fs::create_dir(self.sessions()).unwrap();
        let moved = block_on(cut_over(&self.coding(), self.sessions())).unwrap();
        assert!(moved.changed);
        for workspace in WORKSPACES {
            let session =
                WorktreeSession::new("base".into(), workspace.into(), "debate".into(), "Base".into());
            block_on(self.dual().create_session(session)).unwrap();
        }
    }

    pub fn sessions(&self) -> PathBuf {
        self.dir.join("sessions")
    }

    pub fn coding(&self) -> SqliteSessionRepository {
        SqliteSessionRepository::from_pool(Arc::new(DbPool::from(self.store.clone())))
    }

    pub fn dual(&self) -> DualWrite {
        block_on(DualWrite::open(self.coding(), self.sessions())).unwrap()
    }

    /// The number of the last step that was done.
    pub fn position(&self) -> u64 {
        let document = block_on(self.store.document(&clerk(), "script", "position"));
        match document {
            Ok(Some(document)) => document.body.get().parse().unwrap(),
            Ok(None) | Err(sessiondb::Error::NotFound(_)) => 0,
            Err(error) => panic!("{error}"),
        }
    }

    pub fn play(&mut self, n: u64) {
        match self.step(n) {
            Step::Commits { commits, .. } => self.commit(n, commits),
            Step::Optimize => {
                block_on(self.store.optimize()).unwrap();
                self.commit(n, Vec::new());
            }
            Step::Reopen => {
                if !self.in_memory {
                    block_on(self.store.close()).unwrap();
                    self.store = open(&self.dir);
                }
                self.commit(n, Vec::new());
            }
            Step::Import => {
                self.import(n);
                self.commit(n, Vec::new());
            }
            Step::Code(change) => {
                if !self.in_memory {
                    self.code(n, &change);
                }
                self.commit(n, Vec::new());
            }
        }
    }

    /// Does a step again that was done, as somebody does who did not hear the answer. Only the last one, and of those that
    /// do not look at the store first.
    pub fn repeat(&self, n: u64) {
        if let Step::Commits { commits, repeatable: true } = self.step(n) {
            let receipts = block_on(self.store.commit(with_position(n, commits))).unwrap();
            assert!(receipts.iter().all(|receipt| receipt.replayed), "step {n} again: {receipts:?}");
        }
    }

    /// Whether the step is done in several commits, of which some may be there without its number.
    pub fn is_import(&self, n: u64) -> bool {
        matches!(self.step(n), Step::Import)
    }

    /// The id of what a step added to a coding session or the session that it created, and its workspace.
    pub fn coded(&self, n: u64) -> Option<(&'static str, String)> {
        matches!(self.step(n), Step::Code(_)).then(|| (workspace(n), format!("x{n}")))
    }

    fn commit(&self, n: u64, commits: Vec<Commit>) {
        block_on(self.store.commit(with_position(n, commits))).unwrap();
    }

    fn step(&self, n: u64) -> Step {
        let random = &mut Random(self.seed ^ n.wrapping_mul(0x9E37_79B9_7F4A_7C15));
        let peer = random.below(PEERS);
        let one = |write: Write| Step::Commits {
            commits: vec![commit(n, 0, key(peer)).write(write)],
            repeatable: true,
        };
        let unlooked = |commits: Vec<Commit>| Step::Commits { commits, repeatable: false };
        let exists = |key: &SessionKey| block_on(self.store.session(key)).unwrap().is_some();
        match random.below(100) {
            0..=33 => {
                let many = 1 + random.below(5);
                one(Write::Append((0..many).map(|i| message(n, i)).collect()))
            }
            34..=49 => {
                let batch = (0..2 + random.below(2)).map(|i| {
                    commit(n, i, key((peer + i) % PEERS))
                        .write(Write::Append(vec![message(n, i)]))
                        .write(Write::AddTokens(random.below(100)))
                        .write(Write::PutDocument(document(random.below(4), n)))
                        .write(Write::SetStatus(format!("at {n}")))
                });
                Step::Commits { commits: batch.collect(), repeatable: true }
            }
            50..=55 => one(Write::PutDocument(document(random.below(4), n))),
            56..=58 => one(Write::PatchDocument {
                collection: "notes".into(),
                id: random.below(4).to_string(),
                patch: json(&format!("{{\"patched\":{n}}}")),
            }),
            59..=61 => {
                let id = random.below(4).to_string();
                one(Write::RemoveDocument { collection: "notes".into(), id })
            }
            62..=69 => {
                let page = block_on(self.store.message_window(&key(peer), Window::last(20)));
                let through = page.ok().and_then(|page| page.messages.get(5).map(|message| message.seq));
                let summary = vec![NewMessage::new("system", format!("summary {n}"))];
                let compact =
                    through.map(|through| commit(n, 0, key(peer)).write(Write::Compact { through, summary }));
                unlooked(compact.into_iter().collect())
            }
            70..=71 => one(Write::Uncompact),
            72..=73 => one(Write::Undo),
            74..=77 => one(Write::Pop { count: 1 + random.below(3) as usize }),
            78..=80 => one(Write::Rewind { seq: 0 }),
            81..=84 => {
                let fork = Fork { parent: key(peer), at: None, status: None, metadata: None };
                let again = |write| Commit::new(key(format!("fork {}", n % 20))).at(at(n)).write(write);
                let anew = [Write::open(), Write::Delete, Write::Fork(fork)].map(again).into();
                unlooked(if exists(&key(peer)) { anew } else { Vec::new() })
            }
            85..=87 => {
                let delete = Commit::new(key(peer)).at(at(n)).write(Write::Delete);
                unlooked(if exists(&key(peer)) { vec![delete] } else { Vec::new() })
            }
            88 => {
                let large = NewMessage::new("tool", "large ".repeat(10_000)).message_id(format!("{n} large"));
                one(Write::Append(vec![large]))
            }
            89..=90 => Step::Optimize,
            91..=93 => Step::Reopen,
            94..=95 => Step::Import,
            96 => Step::Code(Change::Create),
            _ => Step::Code(Change::Say),
        }
    }

    fn import(&self, n: u64) {
        let project = self.dir.join("projects/-w");
        fs::create_dir_all(&project).unwrap();
        let path = project.join(format!("{n}.jsonl"));
        fs::write(&path, transcript(n)).unwrap();
        let found = sessiondb_import::find(None, &[path]).unwrap();
        block_on(sessiondb_import::import(&self.store, &found.sources[0], &mut |_| {})).unwrap();
    }

    fn code(&self, n: u64, change: &Change) {
        let (dual, workspace, id) = (self.dual(), workspace(n), format!("x{n}"));
        match change {
            Change::Create => {
                if block_on(dual.get_session(workspace, &id)).is_err() {
                    let session = WorktreeSession::new(id, workspace.into(), "debate".into(), "Task".into());
                    block_on(dual.create_session(session)).unwrap();
                }
            }
            Change::Say => {
                let message = ChatMessage {
                    session_id: "base".into(),
                    role: "user".into(),
                    content: id.clone(),
                    timestamp: "2026-11-20T12:00:00Z".into(),
                    instance_id: None,
                    id,
                };
                block_on(dual.add_chat_message_in(workspace, "base", message)).unwrap();
            }
        }
    }
}

fn workspace(n: u64) -> &'static str {
    WORKSPACES[n as usize % WORKSPACES.len()]
}

fn at(n: u64) -> Time {
    Time::from_timestamp(1_795_132_800 + n as i64, 0).unwrap()
}

fn commit(n: u64, i: u64, key: SessionKey) -> Commit {
    Commit::new(key).id(format!("{n}.{i}")).at(at(n)).write(Write::open())
}

fn with_position(n: u64, mut commits: Vec<Commit>) -> Vec<Commit> {
    let position = NewDocument::new("script", "position", json(&n.to_string()));
    commits.push(commit(n, 0, clerk()).write(Write::PutDocument(position)));
    commits
}

fn json(text: &str) -> Json {
    Json::parse(text).unwrap()
}

fn message(n: u64, i: u64) -> NewMessage {
    NewMessage::new("user", format!("message {i} of step {n}")).message_id(format!("{n}.{i}"))
}

fn document(id: u64, n: u64) -> NewDocument {
    NewDocument::new("notes", id.to_string(), json(&format!("{{\"step\":{n}}}")))
}

/// As Claude Code writes them, with some records that are no messages.
fn transcript(n: u64) -> String {
    let line = |i: u64| match i % 4 {
        3 => format!("{{\"type\":\"summary\",\"summary\":\"part {i}\",\"leafUuid\":\"{n}-{i}\"}}\n"),
        _ => format!(
            "{{\"type\":\"user\",\"uuid\":\"{n}-{i}\",\"timestamp\":\"2026-11-20T12:00:00Z\",\
              \"message\":{{\"role\":\"user\",\"content\":\"line {i} of {n}\"}}}}\n"
        ),
    };
    (0..20).map(line).collect()
}

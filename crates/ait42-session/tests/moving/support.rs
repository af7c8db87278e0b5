//! A directory of files and a store beside it, and sessions as AIT42 writes them.

use std::{
    fs,
    path::{Path, PathBuf},
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicU64, Ordering},
    },
    thread::{self, JoinHandle},
};

use ait42_session::{
    ChatMessage, DualWrite, SqliteSessionRepository,
    migration::{Comparison, FileVerdict, ImportReport, OnConflict, compare, import},
};
use serde_json::{Value, json};
use tempfile::TempDir;

pub struct Place {
    temp: TempDir,
    pub store: SqliteSessionRepository,
}

impl Place {
    /// An empty directory and an empty store.
    pub async fn new() -> Place {
        let temp = tempfile::tempdir().unwrap();
        fs::create_dir(temp.path().join("sessions")).unwrap();
        let store = open(temp.path()).await;
        Place { temp, store }
    }

    /// The same with a store in memory.
    pub fn with(store: SqliteSessionRepository) -> Place {
        let temp = tempfile::tempdir().unwrap();
        fs::create_dir(temp.path().join("sessions")).unwrap();
        Place { temp, store }
    }

    pub fn root(&self) -> &Path {
        self.temp.path()
    }

    pub fn dir(&self) -> PathBuf {
        self.root().join("sessions")
    }

    pub fn path(&self, hash: &str) -> PathBuf {
        self.dir().join(format!("{hash}.json"))
    }

    /// Writes a file as AIT42 does.
    pub fn put(&self, hash: &str, sessions: &[Value]) {
        fs::write(self.path(hash), serde_json::to_string_pretty(sessions).unwrap()).unwrap();
    }

    pub fn file(&self, hash: &str) -> Value {
        serde_json::from_slice(&fs::read(self.path(hash)).unwrap()).unwrap()
    }

    pub async fn import(&self) -> ImportReport {
        import(&self.store, self.dir(), OnConflict::Keep, &mut |_| {}).await.unwrap()
    }

    /// What came of the only file.
    pub async fn verdict(&self) -> FileVerdict {
        let report = self.import().await;
        assert_eq!(report.files.len(), 1, "{report:?}");
        report.files.into_iter().next().unwrap()
    }

    pub async fn overwrite(&self) -> FileVerdict {
        let report = import(&self.store, self.dir(), OnConflict::Overwrite, &mut |_| {}).await.unwrap();
        report.files.into_iter().next().unwrap()
    }

    pub async fn compare(&self) -> Comparison {
        compare(self.dir(), &self.store).await.unwrap()
    }

    pub async fn differences(&self) -> Vec<String> {
        self.compare().await.differences.iter().map(ToString::to_string).collect()
    }

    pub async fn dual(&self) -> DualWrite {
        DualWrite::open(self.store.clone(), self.dir()).await.unwrap()
    }
}

pub async fn open(root: &Path) -> SqliteSessionRepository {
    SqliteSessionRepository::new(&root.join("store.db").display().to_string()).await.unwrap()
}

/// Counts of a verdict: new, changed, unchanged, removed.
pub fn counts(verdict: &FileVerdict) -> [u64; 4] {
    [verdict.new, verdict.changed, verdict.unchanged, verdict.removed]
}

/// A session as AIT42 writes it, no two alike.
pub fn session(number: usize) -> Value {
    let statuses = ["running", "completed", "failed", "paused"];
    let instance = |id: usize| {
        json!({
            "instanceId": id, "worktreePath": format!("/work/{number}/{id}"), "branch": format!("try-{id}"),
            "agentName": (["claude", "codex", "gemini"][id % 3]), "status": "running",
            "tmuxSessionId": format!("t-{number}-{id}"), "output": format!("line {number}\n").repeat(number % 7),
            "startTime": "2025-01-13T10:00:00.5Z", "filesChanged": number, "testsPassed": id,
            "codeComplexity": 1.0 / (number + 1) as f64
        })
    };
    let message = |n: usize| {
        json!({
            "id": format!("msg-{n}"), "role": (["user", "assistant", "tool"][n % 3]),
            "content": format!("message {n} of {number}: “…” \u{1f980} \\ \" \n"),
            "timestamp": format!("2025-01-13T10:00:{:02}.{:03}Z", n % 60, number % 1000), "instanceId": n % 2 + 1
        })
    };
    json!({
        "id": format!("comp-{number}"), "type": (["competition", "ensemble", "debate"][number % 3]),
        "task": format!("Task {number}"), "status": statuses[number % 4],
        "createdAt": format!("2025-01-13T09:{:02}:{:02}.123Z", number / 60 % 60, number % 60),
        "updatedAt": format!("2025-01-13T10:{:02}:{:02}.123456789+00:00", number / 60 % 60, number % 60),
        "instances": (1..=2 + number % 2).map(instance).collect::<Vec<_>>(),
        "chatHistory": (0..number % 5).map(message).collect::<Vec<_>>(),
        "preserveWorktrees": number.is_multiple_of(2), "runtimeMix": ["claude", "codex"], "winnerId": 1,
        "evaluation": {"score": number as f64 / 7.0, "notes": [null, {"by": "judge"}]}
    })
}

pub fn sessions(numbers: std::ops::Range<usize>) -> Vec<Value> {
    numbers.map(session).collect()
}

/// The session with another value in it.
pub fn with(mut session: Value, pointer: &str, value: Value) -> Value {
    *session.pointer_mut(pointer).unwrap() = value;
    session
}

pub fn message(id: &str, content: &str) -> ChatMessage {
    ChatMessage {
        id: id.into(),
        session_id: String::new(),
        role: "user".into(),
        content: content.into(),
        timestamp: "2025-02-01T00:00:00Z".into(),
        instance_id: None,
    }
}

/// Reads every session file all the time, as AIT42 may, and fails if one is not whole.
pub struct Watcher {
    stop: Arc<AtomicBool>,
    read: Arc<AtomicU64>,
    thread: JoinHandle<()>,
}

impl Watcher {
    pub fn of(dir: PathBuf) -> Watcher {
        let (stop, read) = (Arc::new(AtomicBool::new(false)), Arc::new(AtomicU64::new(0)));
        let thread = thread::spawn({
            let (stop, read) = (Arc::clone(&stop), Arc::clone(&read));
            move || {
                while !stop.load(Ordering::Relaxed) {
                    for entry in fs::read_dir(&dir).unwrap() {
                        let path = entry.unwrap().path();
                        if path.extension().is_some_and(|extension| extension == "json") {
                            let bytes = fs::read(&path).unwrap();
                            let list: Result<Vec<serde::de::IgnoredAny>, _> = serde_json::from_slice(&bytes);
                            assert!(list.is_ok(), "{}: {list:?}", path.display());
                            read.fetch_add(1, Ordering::Relaxed);
                        }
                    }
                }
            }
        });
        Watcher { stop, read, thread }
    }

    /// How often a file was read; each was whole.
    pub fn finish(self) -> u64 {
        self.stop.store(true, Ordering::Relaxed);
        self.thread.join().unwrap();
        self.read.load(Ordering::Relaxed)
    }
}

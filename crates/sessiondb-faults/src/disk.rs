//! [`Disk`]: a simulated disk that writes down what is done to it, and fails when it is told to.

use std::{fmt, sync::Arc};

use parking_lot::Mutex;

use crate::{
    fault::{Fault, FaultKind, Lasting, Op},
    vfs::Registered,
};

/// A file's name without its directory.
pub type FileName = Arc<str>;

/// What was done to the disk, in the order in which it was done.
#[derive(Clone, PartialEq, Eq)]
pub enum Event {
    /// A file was opened; `created` if it was not there before.
    Open {
        /// Which file.
        file: FileName,
        /// Whether it was made by this.
        created: bool,
    },
    /// Bytes were written: into the page cache, not onto the medium.
    Write {
        /// Which file.
        file: FileName,
        /// Where the bytes begin.
        offset: u64,
        /// The bytes.
        bytes: Arc<[u8]>,
    },
    /// A file was cut or extended.
    Truncate {
        /// Which file.
        file: FileName,
        /// Its size from now on.
        size: u64,
    },
    /// What was written to a file before is on the medium.
    Sync {
        /// Which file.
        file: FileName,
    },
    /// A sync failed: whether what was written before is on the medium stays unknown, also after a later sync, for
    /// the page cache calls it clean.
    SyncFailed {
        /// Which file.
        file: FileName,
    },
    /// The directory was synced: which files there are is on the medium.
    SyncDirectory,
    /// A file was deleted; `dir_synced` if the directory was synced right away.
    Delete {
        /// Which file.
        file: FileName,
        /// Whether it is on the medium that it is gone.
        dir_synced: bool,
    },
    /// Another file, whose bytes are on the medium, was given this one's name.
    Replace {
        /// Which file.
        file: FileName,
        /// The bytes of the other one.
        bytes: Arc<[u8]>,
    },
    /// The workload was given the answer to its call of this number.
    Acknowledged(u64),
    /// The workload says what it does next.
    Mark(String),
}

/// Bytes by their count.
impl fmt::Debug for Event {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Event::Open { file, created } => {
                write!(f, "Open {file}{}", if *created { " (made)" } else { "" })
            }
            Event::Write { file, offset, bytes } => write!(f, "Write {file} {offset}+{}", bytes.len()),
            Event::Truncate { file, size } => write!(f, "Truncate {file} {size}"),
            Event::Sync { file } => write!(f, "Sync {file}"),
            Event::SyncFailed { file } => write!(f, "SyncFailed {file}"),
            Event::SyncDirectory => write!(f, "SyncDirectory"),
            Event::Delete { file, dir_synced } => {
                write!(f, "Delete {file}{}", if *dir_synced { " (synced)" } else { "" })
            }
            Event::Replace { file, bytes } => write!(f, "Replace {file} {}", bytes.len()),
            Event::Acknowledged(call) => write!(f, "Acknowledged {call}"),
            Event::Mark(text) => write!(f, "Mark {text}"),
        }
    }
}

/// A disk, which SQLite reaches as a VFS of its own name over the unix VFS.
///
/// The files are real ones. A sync is noted and not made: what survives a power cut is computed from the log and not
/// tried out on the machine, so no test waits for its medium.
///
/// ```
/// use sessiondb_faults::{Disk, Event};
///
/// let (dir, disk) = (tempfile::tempdir().unwrap(), Disk::new().unwrap());
/// disk.record();
/// let path = dir.path().join("s.db");
/// pollster::block_on(async {
///     let store = sessiondb::open(&format!("sqlite:{}?vfs={}", path.display(), disk.vfs())).await?;
///     store.close().await
/// }).unwrap();
/// assert!(disk.take().contains(&Event::Sync { file: "s.db-wal".into() }));
/// ```
pub struct Disk {
    shared: Arc<Shared>,
    registered: Registered,
}

/// What the VFS's functions see of a disk.
#[derive(Default)]
pub(crate) struct Shared(Mutex<State>);

#[derive(Default)]
pub(crate) struct State {
    /// Whether events are kept.
    recording: bool,
    log: Vec<Event>,
    counts: [u64; Op::ALL.len()],
    /// The fault, and how often its operation was done since it was set.
    fault: Option<(Fault, u64)>,
    /// The file of which every sync fails.
    unsyncable: Option<&'static str>,
    struck: u64,
}

impl Disk {
    /// A new disk, which records nothing yet and works well.
    ///
    /// # Errors
    /// If SQLite has no unix VFS or does not take another one.
    pub fn new() -> Result<Disk, String> {
        let shared = Arc::<Shared>::default();
        Ok(Disk { registered: Registered::new(Arc::clone(&shared))?, shared })
    }

    /// The name of the VFS, for `Options::vfs` and `sqlite:…?vfs=NAME`.
    pub fn vfs(&self) -> &str {
        self.registered.name()
    }

    /// Keeps what is done from now on.
    pub fn record(&self) {
        self.shared.0.lock().recording = true;
    }

    /// The events so far. They are taken out, and recording ends.
    pub fn take(&self) -> Vec<Event> {
        let mut state = self.shared.0.lock();
        state.recording = false;
        std::mem::take(&mut state.log)
    }

    /// How many events were kept so far.
    pub fn recorded(&self) -> usize {
        self.shared.0.lock().log.len()
    }

    /// The workload was given the answer to its call `number`.
    pub fn acknowledged(&self, number: u64) {
        self.shared.0.lock().note(|| Event::Acknowledged(number));
    }

    /// Something else than SQLite has put a file with these bytes, which is on the medium, in this one's place.
    pub fn written_again(&self, file: &str, bytes: Vec<u8>) {
        let mut state = self.shared.0.lock();
        state.note(|| Event::Replace { file: file.into(), bytes: bytes.into() });
        state.note(|| Event::SyncDirectory);
    }

    /// The workload says what it does next.
    pub fn mark(&self, text: impl Into<String>) {
        self.shared.0.lock().note(|| Event::Mark(text.into()));
    }

    /// Sets the fault that will strike, in place of the one before.
    pub fn fail(&self, fault: Fault) {
        let mut state = self.shared.0.lock();
        (state.fault, state.struck) = (Some((fault, 0)), 0);
    }

    /// From now on every sync of this file fails, whoever makes it.
    pub fn fail_syncs_of(&self, file: &'static str) {
        let mut state = self.shared.0.lock();
        (state.unsyncable, state.struck) = (Some(file), 0);
    }

    /// Takes the faults away.
    pub fn heal(&self) {
        let mut state = self.shared.0.lock();
        (state.fault, state.unsyncable) = (None, None);
    }

    /// How often the fault that was last set struck.
    pub fn struck(&self) -> u64 {
        self.shared.0.lock().struck
    }

    /// How often this was done since the disk was made, well or not.
    pub fn count(&self, op: Op) -> u64 {
        self.shared.0.lock().counts[op as usize]
    }
}

impl Shared {
    /// The disk's state. What is done and what is noted of it happens under this one lock, so that the log's order is
    /// the disk's.
    pub(crate) fn lock(&self) -> parking_lot::MutexGuard<'_, State> {
        self.0.lock()
    }
}

impl State {
    /// Keeps an event if events are kept.
    pub(crate) fn note(&mut self, event: impl FnOnce() -> Event) {
        if self.recording {
            self.log.push(event());
        }
    }

    /// Counts an operation, and says with what it fails if it does.
    pub(crate) fn count(&mut self, op: Op) -> Option<FaultKind> {
        self.counts[op as usize] += 1;
        let (fault, done) = self.fault.as_mut().filter(|(fault, _)| fault.op == op)?;
        *done += 1;
        let strikes = match fault.lasting {
            Lasting::Once => *done == fault.nth,
            Lasting::Sticky => *done >= fault.nth,
        };
        self.struck += u64::from(strikes);
        strikes.then_some(fault.kind)
    }

    /// As [`count`](State::count), for a sync of this file.
    pub(crate) fn count_sync(&mut self, file: Option<&str>) -> Option<FaultKind> {
        let fault = self.count(Op::Sync);
        if self.unsyncable.is_none() || self.unsyncable != file {
            return fault;
        }
        self.struck += 1;
        Some(FaultKind::Eio)
    }
}

//! [`Medium`]: what a power cut may leave, as a pure function of what was done before it.
//!
//! # The model
//!
//! It is that of POSIX, as SQLite relies on it (<https://www.sqlite.org/atomiccommit.html>,
//! <https://www.sqlite.org/psow.html>, `os_unix.c`):
//!
//! - What was written to a file before its last successful sync is on the medium. Of what was written since, any part may
//!   be there, in any order: see [`Damage`]. The unit is a sector of 512 bytes, which holds what it held at some moment
//!   since the sync; the bytes outside a write are not harmed (powersafe overwrite).
//! - Cuts and extensions of a file are changes like writes: without a sync they may have happened or not. A file may have
//!   grown before what was written there arrived; it reads as zeros then.
//! - Which files there are is on the medium when the directory was synced. Until then a file that was made may be missing,
//!   and one that was deleted may be there as it was; one that was renamed over another is there, or the other. SQLite syncs the directory with the first sync of a new log or
//!   journal ([`Event::SyncDirectory`]). The database file itself is made and synced with its directory by the engine,
//!   before SQLite opens it: it is among the files to start with.
//! - After a sync that failed, what was written before it may be missing for ever, also after later syncs, since the page
//!   cache calls it clean; only what is written there again is safe (<https://www.usenix.org/conference/atc20/presentation/rebello>).
//!
//! The index of the log in shared memory (`-shm`) does not survive a power cut: SQLite makes it anew.

use std::{
    collections::{BTreeMap, BTreeSet},
    io,
    os::unix::fs::FileExt,
    path::Path,
    sync::Arc,
};

use fastrand::Rng;

use crate::disk::{Event, FileName};

/// What becomes of that which was not synced.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Damage {
    /// Nothing of it arrived.
    Nothing,
    /// All of it arrived.
    Everything,
    /// Of each file the first so many changes arrived.
    Prefix,
    /// Each change arrived or did not.
    Subset,
    /// Each sector holds what it held at some moment, whatever the others hold.
    Torn,
    /// As [`Damage::Torn`], and what did not arrive may be garbage.
    Garbage,
}

impl Damage {
    /// All of them.
    pub const ALL: [Damage; 6] =
        [Damage::Nothing, Damage::Everything, Damage::Prefix, Damage::Subset, Damage::Torn, Damage::Garbage];
}

const SECTOR: u64 = 512;

/// A change of a file's bytes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Change {
    Write { offset: u64, bytes: Arc<[u8]> },
    Truncate(u64),
}

/// Files as they are on the medium and in the page cache, while a log is played.
#[derive(Debug, Clone, Default)]
pub struct Medium {
    files: Vec<File>,
    /// Which file a name leads to on the medium, and in the cache.
    synced_names: BTreeMap<FileName, usize>,
    names: BTreeMap<FileName, usize>,
}

#[derive(Debug, Clone, Default)]
struct File {
    /// Its bytes on the medium; `None` for one whose bytes at the start lie elsewhere.
    base: Option<Vec<u8>>,
    /// Whether it was renamed to the place of another, so that the name leads to one of the two at any moment.
    in_place: bool,
    /// Changes of `base` that are not in it: those that are in doubt for ever, and what followed them.
    settled: Vec<(Change, Certainty)>,
    /// What came since the last sync.
    pending: Vec<Change>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Certainty {
    Certain,
    /// A sync of it failed.
    InDoubt,
}

/// A file of an image: bytes and what to change in them.
pub(crate) struct Imaged<'a> {
    base: Option<&'a [u8]>,
    pub(crate) changes: Vec<Change>,
}

impl Medium {
    /// A medium with these files on it.
    pub fn new(files: impl IntoIterator<Item = (FileName, Vec<u8>)>) -> Medium {
        let mut medium = Medium::default();
        for (name, bytes) in files {
            medium.add(name, Some(bytes));
        }
        medium
    }

    /// A medium with a file whose bytes are not looked at: its images are what has changed in it.
    pub fn of_changes(name: FileName) -> Medium {
        let mut medium = Medium::default();
        medium.add(name, None);
        medium
    }

    fn add(&mut self, name: FileName, base: Option<Vec<u8>>) {
        self.synced_names.insert(Arc::clone(&name), self.files.len());
        self.names.insert(name, self.files.len());
        self.files.push(File { base, ..File::default() });
    }

    /// Plays one event.
    pub fn play(&mut self, event: &Event) {
        match event {
            Event::Open { file, .. } => {
                if !self.names.contains_key(file) {
                    self.names.insert(Arc::clone(file), self.files.len());
                    self.files.push(File { base: Some(Vec::new()), ..File::default() });
                }
            }
            Event::Write { file, offset, bytes } => {
                self.change(file, Change::Write { offset: *offset, bytes: Arc::clone(bytes) });
            }
            Event::Truncate { file, size } => self.change(file, Change::Truncate(*size)),
            Event::Sync { file } => self.settle(file, Certainty::Certain),
            Event::SyncFailed { file } => self.settle(file, Certainty::InDoubt),
            Event::SyncDirectory => self.synced_names = self.names.clone(),
            Event::Delete { file, dir_synced } => {
                self.names.remove(file);
                if *dir_synced {
                    self.synced_names = self.names.clone();
                }
            }
            Event::Replace { file, bytes } => {
                self.names.insert(Arc::clone(file), self.files.len());
                self.files.push(File { base: Some(bytes.to_vec()), in_place: true, ..File::default() });
            }
            Event::Acknowledged(_) | Event::Mark(_) => {}
        }
    }

    fn change(&mut self, name: &str, change: Change) {
        if let Some(file) = self.names.get(name) {
            self.files[*file].pending.push(change);
        }
    }

    fn settle(&mut self, name: &str, certainty: Certainty) {
        let Some(file) = self.names.get(name) else { return };
        let file = &mut self.files[*file];
        for change in file.pending.drain(..) {
            match &mut file.base {
                Some(base) if file.settled.is_empty() && certainty == Certainty::Certain => {
                    change.apply(base);
                }
                _ => file.settled.push((change, certainty)),
            }
        }
    }

    /// Whether nothing is unsynced, so that every damage leaves the same.
    pub fn is_settled(&self) -> bool {
        self.names == self.synced_names
            && self.names.values().all(|file| self.files[*file].pending.is_empty())
    }

    /// What a power cut now leaves.
    pub(crate) fn image(&self, damage: Damage, rng: &mut Rng) -> BTreeMap<FileName, Imaged<'_>> {
        let mut image = BTreeMap::new();
        let names: BTreeSet<&FileName> = self.synced_names.keys().chain(self.names.keys()).collect();
        for name in names {
            let (synced, cached) = (self.synced_names.get(name), self.names.get(name));
            let file = match damage {
                Damage::Nothing => synced,
                Damage::Everything => cached,
                _ if rng.bool() => synced,
                _ => cached,
            };
            // The name of a file that was deleted and made anew may also lead nowhere.
            let apart = cached.is_some_and(|file| !self.files[*file].in_place);
            let both = synced.is_some() && apart && synced != cached;
            let gone = both && !matches!(damage, Damage::Nothing | Damage::Everything) && rng.u8(..3) == 0;
            if let Some(file) = file.filter(|_| !gone) {
                image.insert(Arc::clone(name), self.files[*file].image(damage, rng));
            }
        }
        image
    }

    /// Makes the files that a power cut now leaves, in an empty directory.
    ///
    /// # Errors
    /// If they cannot be written.
    pub fn cut(&self, damage: Damage, rng: &mut Rng, directory: &Path) -> io::Result<()> {
        self.image(damage, rng).iter().try_for_each(|(name, file)| file.write(&directory.join(&**name)))
    }

    /// As [`cut`](Medium::cut), as bytes.
    pub fn cut_bytes(&self, damage: Damage, rng: &mut Rng) -> BTreeMap<FileName, Vec<u8>> {
        let bytes = |file: Imaged<'_>| {
            let mut bytes = file.base.unwrap_or_default().to_vec();
            file.changes.iter().for_each(|change| change.apply(&mut bytes));
            bytes
        };
        self.image(damage, rng).into_iter().map(|(name, file)| (name, bytes(file))).collect()
    }
}

impl File {
    fn image(&self, damage: Damage, rng: &mut Rng) -> Imaged<'_> {
        let mut changes = Vec::new();
        for run in self.settled.chunk_by(|a, b| a.1 == b.1) {
            let of_run: Vec<Change> = run.iter().map(|(change, _)| change.clone()).collect();
            match run[0].1 {
                Certainty::Certain => changes.extend(of_run),
                Certainty::InDoubt => arrive(&of_run, damage, rng, &mut changes),
            }
        }
        arrive(&self.pending, damage, rng, &mut changes);
        Imaged { base: self.base.as_deref(), changes }
    }
}

/// What of these changes arrives.
fn arrive(sent: &[Change], damage: Damage, rng: &mut Rng, arrived: &mut Vec<Change>) {
    match damage {
        Damage::Nothing => {}
        Damage::Everything => arrived.extend_from_slice(sent),
        Damage::Prefix => arrived.extend_from_slice(&sent[..rng.usize(..=sent.len())]),
        Damage::Subset => arrived.extend(sent.iter().filter(|_| rng.bool()).cloned()),
        Damage::Torn => torn(sent, NotArrived::Old, rng, arrived),
        Damage::Garbage => torn(sent, NotArrived::OldOrGarbage, rng, arrived),
    }
}

/// What bytes in flight are that did not arrive.
#[derive(Clone, Copy, PartialEq, Eq)]
enum NotArrived {
    Old,
    OldOrGarbage,
}

fn torn(sent: &[Change], not_arrived: NotArrived, rng: &mut Rng, arrived: &mut Vec<Change>) {
    // The pieces of each sector in the order in which they were written.
    let mut sectors = BTreeMap::<u64, Vec<(u64, &[u8])>>::new();
    let mut end = 0;
    for change in sent {
        match change {
            Change::Write { offset, bytes } => {
                end = end.max(offset + bytes.len() as u64);
                let (mut at, mut rest) = (*offset, &**bytes);
                while !rest.is_empty() {
                    let room = usize::try_from(SECTOR - at % SECTOR).unwrap_or(rest.len());
                    let (piece, others) = rest.split_at(room.min(rest.len()));
                    sectors.entry(at / SECTOR).or_default().push((at, piece));
                    (at, rest) = (at + piece.len() as u64, others);
                }
            }
            Change::Truncate(size) if rng.bool() => {
                flush(&mut sectors, not_arrived, rng, arrived);
                arrived.push(Change::Truncate(*size));
                end = 0;
            }
            Change::Truncate(_) => {}
        }
    }
    flush(&mut sectors, not_arrived, rng, arrived);
    // The file may have grown before its bytes arrived: writing nothing at its end makes it that long.
    if end > 0 && rng.bool() {
        arrived.push(Change::Write { offset: end, bytes: Arc::from([]) });
    }
}

fn flush(
    sectors: &mut BTreeMap<u64, Vec<(u64, &[u8])>>,
    not_arrived: NotArrived,
    rng: &mut Rng,
    arrived: &mut Vec<Change>,
) {
    for pieces in std::mem::take(sectors).into_values() {
        let moment = rng.usize(..=pieces.len());
        for (number, (offset, bytes)) in pieces.into_iter().enumerate() {
            if number < moment {
                arrived.push(Change::Write { offset, bytes: bytes.into() });
            } else if not_arrived == NotArrived::OldOrGarbage && rng.bool() {
                let garbage = bytes.iter().map(|_| rng.u8(..)).collect();
                arrived.push(Change::Write { offset, bytes: garbage });
            }
        }
    }
}

impl Change {
    fn apply(&self, file: &mut Vec<u8>) {
        match self {
            Change::Write { offset, bytes } => {
                let first = *offset as usize;
                let end = first + bytes.len();
                if file.len() < end {
                    file.resize(end, 0);
                }
                file[first..end].copy_from_slice(bytes);
            }
            Change::Truncate(size) => file.resize(*size as usize, 0),
        }
    }
}

impl Imaged<'_> {
    /// Writes the file: its bytes at the start if they are known, and then the changes.
    pub(crate) fn write(&self, path: &Path) -> io::Result<()> {
        let file = std::fs::OpenOptions::new().write(true).create(true).truncate(false).open(path)?;
        if let Some(base) = self.base {
            file.write_all_at(base, 0)?;
        }
        let mut size = file.metadata()?.len();
        for change in &self.changes {
            match change {
                Change::Write { offset, bytes } => {
                    let end = offset + bytes.len() as u64;
                    file.write_all_at(bytes, *offset)?;
                    if bytes.is_empty() && end > size {
                        file.set_len(end)?;
                    }
                    size = size.max(end);
                }
                Change::Truncate(new) => {
                    file.set_len(*new)?;
                    size = *new;
                }
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::indexing_slicing, reason = "a panic is how a test fails")]

    use super::*;

    fn write(offset: u64, bytes: &[u8]) -> Event {
        Event::Write { file: "f".into(), offset, bytes: bytes.into() }
    }

    fn sync() -> Event {
        Event::Sync { file: "f".into() }
    }

    /// Everything that a file may be after these events, in a hundred cuts of each kind.
    fn outcomes(start: &[u8], events: &[Event]) -> BTreeMap<Damage, BTreeSet<Option<Vec<u8>>>> {
        let mut medium = Medium::new([("f".into(), start.to_vec())]);
        events.iter().for_each(|event| medium.play(event));
        let mut rng = Rng::with_seed(1);
        let cuts = |damage| {
            let cut = |_| medium.cut_bytes(damage, &mut rng).remove("f");
            (damage, (0..100).map(cut).collect())
        };
        Damage::ALL.into_iter().map(cuts).collect()
    }

    fn all(outcomes: &BTreeMap<Damage, BTreeSet<Option<Vec<u8>>>>) -> BTreeSet<Option<Vec<u8>>> {
        outcomes.values().flatten().cloned().collect()
    }

    #[test]
    fn what_was_synced_is_certain() {
        let outcomes = outcomes(b"old", &[write(0, b"new"), write(3, b"er"), sync()]);
        assert_eq!(all(&outcomes), BTreeSet::from([Some(b"newer".to_vec())]));
    }

    #[test]
    fn what_was_not_synced_arrives_as_the_damage_says() {
        let (a, b) = ([b'a'; 512], [b'b'; 512]);
        let outcomes = outcomes(&[0; 1024], &[write(0, &a), write(512, &b), write(0, &b)]);
        let first_and_second = |damage: Damage| -> BTreeSet<(u8, u8)> {
            outcomes[&damage].iter().flatten().map(|bytes| (bytes[0], bytes[512])).collect()
        };
        assert_eq!(first_and_second(Damage::Nothing), [(0, 0)].into());
        assert_eq!(first_and_second(Damage::Everything), [(b'b', b'b')].into());
        assert_eq!(first_and_second(Damage::Prefix), [(0, 0), (b'a', 0), (b'a', b'b'), (b'b', b'b')].into());
        let every: BTreeSet<_> = [0, b'a', b'b'].iter().flat_map(|x| [(*x, 0), (*x, b'b')]).collect();
        assert_eq!(first_and_second(Damage::Subset), every);
        assert_eq!(first_and_second(Damage::Torn), every);
        assert!(first_and_second(Damage::Garbage).len() > 50);
    }

    #[test]
    fn bytes_outside_a_write_are_not_harmed() {
        let outcomes = outcomes(&[7; 1024], &[write(100, &[1; 700])]);
        for bytes in all(&outcomes).into_iter().flatten() {
            assert!(bytes[..100].iter().chain(&bytes[800..]).all(|byte| *byte == 7));
        }
        let torn = outcomes[&Damage::Torn].iter().flatten().map(|bytes| (bytes[100], bytes[511], bytes[512]));
        assert_eq!(torn.collect::<BTreeSet<_>>(), [(7, 7, 7), (1, 1, 7), (7, 7, 1), (1, 1, 1)].into());
    }

    #[test]
    fn a_file_may_grow_before_its_bytes_arrive() {
        let outcomes = outcomes(b"", &[write(512, &[1; 512])]);
        let sizes = |damage: Damage| outcomes[&damage].iter().flatten().cloned().collect::<BTreeSet<_>>();
        let written = [[0; 512], [1; 512]].concat();
        assert_eq!(sizes(Damage::Torn), [Vec::new(), vec![0; 1024], written].into());
    }

    #[test]
    fn a_cut_of_a_file_without_a_sync_may_not_have_happened() {
        let outcomes = outcomes(b"abc", &[Event::Truncate { file: "f".into(), size: 1 }]);
        assert_eq!(all(&outcomes), [Some(b"abc".to_vec()), Some(b"a".to_vec())].into());
        assert_eq!(outcomes[&Damage::Torn].len(), 2);
    }

    #[test]
    fn names_are_certain_when_the_directory_was_synced() {
        let (delete, make) = (
            Event::Delete { file: "f".into(), dir_synced: false },
            Event::Open { file: "f".into(), created: true },
        );
        let deleted = outcomes(b"x", std::slice::from_ref(&delete));
        assert_eq!(all(&deleted), [None, Some(b"x".to_vec())].into());
        let synced = outcomes(b"x", &[delete.clone(), Event::SyncDirectory]);
        assert_eq!(all(&synced), [None].into());
        let anew = [delete, make, write(0, b"y"), sync()];
        assert_eq!(all(&outcomes(b"x", &anew)), [None, Some(b"x".to_vec()), Some(b"y".to_vec())].into());
    }

    #[test]
    fn after_a_failed_sync_only_what_is_written_again_is_certain() {
        let failed = Event::SyncFailed { file: "f".into() };
        let doubt = outcomes(b"--", &[write(0, b"aa"), failed.clone(), sync()]);
        assert_eq!(doubt[&Damage::Torn], [Some(b"--".to_vec()), Some(b"aa".to_vec())].into());
        let again = outcomes(b"--", &[write(0, b"aa"), failed, write(0, b"bb"), sync()]);
        assert_eq!(all(&again), [Some(b"bb".to_vec())].into());
    }
}

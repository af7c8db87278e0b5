//! A damaged write-ahead log, and one that could not be synced: what opening does, what is kept and what is told.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a panic is how a test fails")]

use std::{
    fs,
    os::unix::fs::{MetadataExt, PermissionsExt},
    path::{Path, PathBuf},
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
};

use rusqlite::Connection;
use sessiondb_core::{Error, NewMessage, SessionKey, Store, Window};
use sessiondb_sqlite::{Durability, Options, Recovery, SqliteBackend, recover};

/// A frame of our logs: its header and a page.
const FRAME: usize = 24 + 4096;

fn open(path: &Path) -> Result<Store, Error> {
    open_with(Options::new(path))
}

fn open_with(options: Options) -> Result<Store, Error> {
    SqliteBackend::open(options).map(|backend| Store::new(Arc::new(backend)).for_blocking())
}

fn key() -> SessionKey {
    SessionKey::new("a", "c", "", "dm", "p")
}

fn append(store: &Store, text: &str) {
    pollster::block_on(store.append(&key(), vec![NewMessage::new("user", text)])).unwrap();
}

fn texts(store: &Store) -> Vec<String> {
    let page = pollster::block_on(store.message_window(&key(), Window::last(200))).unwrap();
    page.messages.iter().map(|message| message.content.get().to_owned()).collect()
}

fn beside(path: &Path, suffix: &str) -> PathBuf {
    PathBuf::from(format!("{}{suffix}", path.display()))
}

/// A directory with a store as a power cut leaves it: the log is there, and no process has it open.
struct Left {
    _dir: tempfile::TempDir,
    path: PathBuf,
}

impl Left {
    fn with(messages: usize) -> Left {
        let dir = tempfile::tempdir().unwrap();
        let (live, path) = (dir.path().join("live.db"), dir.path().join("s.db"));
        let store = open(&live).unwrap();
        (0..messages).for_each(|i| append(&store, &i.to_string()));
        fs::copy(&live, &path).unwrap();
        fs::copy(beside(&live, "-wal"), beside(&path, "-wal")).unwrap();
        Left { _dir: dir, path }
    }

    fn log(&self) -> Vec<u8> {
        fs::read(beside(&self.path, "-wal")).unwrap()
    }

    fn damage(&self, damage: impl FnOnce(&mut Vec<u8>)) -> Vec<u8> {
        let mut log = self.log();
        damage(&mut log);
        fs::write(beside(&self.path, "-wal"), &log).unwrap();
        log
    }

    /// Two sectors of a frame at three quarters of the log, which no checksum can bring back.
    fn lose_sectors(&self, to: u8) -> Vec<u8> {
        self.damage(|log| {
            let frame = 32 + log.len() / FRAME * 3 / 4 * FRAME;
            log[frame..frame + 1_024].fill(to);
        })
    }

    fn messages(&self) -> usize {
        texts(&open(&self.path).unwrap()).len()
    }
}

fn refusal(path: &Path) -> String {
    match open(path).err() {
        Some(Error::CannotOpen { location, reason }) => {
            assert_eq!(Path::new(&location), path);
            reason
        }
        other => panic!("{other:?}"),
    }
}

/// 500 appends were acknowledged, a bit in the log turned, and 123 of them were there when the store was opened again, with
/// an integrity check that said "ok".
#[test]
fn a_damaged_log_is_told_at_open_and_nothing_is_changed() {
    let left = Left::with(40);
    let database = fs::read(&left.path).unwrap();
    let log = left.damage(|log| log[32 + 20 * FRAME + 1_000] ^= 1);
    for _ in 0..2 {
        let reason = refusal(&left.path);
        assert!(reason.contains("its write-ahead log is damaged: frame 21 of "), "{reason}");
        assert!(
            reason.contains("behind it would be lost") && reason.contains("`sessiondb recover`"),
            "{reason}"
        );
        assert!(left.log() == log && fs::read(&left.path).unwrap() == database);
    }
    assert!(open_with(Options::new(&left.path).existing()).is_err());
    assert!(sessiondb_sqlite::open_connection(&left.path).is_err());
    assert!(left.log() == log && fs::read(&left.path).unwrap() == database);
}

#[test]
fn a_turned_bit_is_put_right_and_nothing_is_lost() {
    // In a page, a page's number, a commit mark, a salt, a checksum, and in the log's own header.
    let frame = 32 + 20 * FRAME;
    for at in [frame + 1_000, frame + 1, frame + 5, frame + 9, frame + 20, 2, 5, 10, 18, 25] {
        let left = Left::with(40);
        let whole = left.log();
        let log = left.damage(|log| log[at] ^= 1);
        refusal(&left.path);
        let recovery = recover(Options::new(&left.path)).unwrap();
        let copy = recovery.copy.clone().unwrap();
        assert_eq!(copy, beside(&left.path, "-wal-damaged-1"));
        assert!(fs::read(&copy).unwrap() == log && left.log() == whole, "at {at}");
        assert_eq!(fs::metadata(&copy).unwrap().permissions().mode() & 0o777, 0o600);
        assert_eq!((recovery.mended, recovery.left_out, recovery.pages_left_out), (1, 0, 0));
        assert_eq!(left.messages(), 40, "at {at}");
        assert_eq!(recover(Options::new(&left.path)).unwrap(), Recovery::default());
    }
}

#[test]
fn what_comes_before_damage_is_kept_where_it_cannot_be_put_right() {
    let left = Left::with(40);
    let log = left.lose_sectors(7);
    refusal(&left.path);
    let recovery = recover(Options::new(&left.path)).unwrap();
    assert!(fs::read(recovery.copy.unwrap()).unwrap() == log);
    assert!(
        recovery.mended == 0 && recovery.kept > 0 && recovery.left_out > 2 && recovery.pages_left_out > 4
    );
    let store = open(&left.path).unwrap();
    let kept = texts(&store);
    assert!(!kept.is_empty() && kept.len() < 40);
    assert!(kept.iter().enumerate().all(|(i, text)| *text == format!("\"{i}\"")));
    assert!(pollster::block_on(store.check()).unwrap().is_clean());
    // What was behind the damage must not be met again behind what is written now.
    append(&store, "more");
    let (again, log) = (left.path.with_file_name("again.db"), fs::read(beside(&left.path, "-wal")).unwrap());
    fs::copy(&left.path, &again).unwrap();
    fs::write(beside(&again, "-wal"), log).unwrap();
    assert_eq!(texts(&open(&again).unwrap()).len(), kept.len() + 1);
}

/// A copy is never written over.
#[test]
fn each_damaged_log_has_its_own_copy() {
    let left = Left::with(30);
    fs::write(beside(&left.path, "-wal-damaged-1"), "an older one").unwrap();
    left.damage(|log| log[32 + 10 * FRAME + 1_000] ^= 1);
    let recovery = recover(Options::new(&left.path)).unwrap();
    assert_eq!(recovery.copy.unwrap(), beside(&left.path, "-wal-damaged-2"));
    assert_eq!(fs::read_to_string(beside(&left.path, "-wal-damaged-1")).unwrap(), "an older one");
}

#[test]
fn several_damaged_frames_are_put_right_one_after_the_other() {
    let left = Left::with(40);
    let whole = left.log();
    left.damage(|log| {
        [2, 32 + 5 * FRAME + 900, 32 + 30 * FRAME + 12].into_iter().for_each(|at| log[at] ^= 4)
    });
    assert_eq!(recover(Options::new(&left.path)).unwrap().mended, 3);
    assert!(left.log() == whole);
    assert_eq!(left.messages(), 40);
}

/// At `Normal` a power cut may tear several transactions, which looks like damage; a store that is refused after a power
/// cut would be worse. What is behind the gap is kept in a copy all the same.
#[test]
fn a_store_that_promises_consistency_alone_opens_and_keeps_a_copy() {
    let left = Left::with(40);
    let log = left.lose_sectors(0);
    let normal = || open_with(Options::new(&left.path).durability(Durability::Normal)).unwrap();
    let kept = texts(&normal()).len();
    assert!(kept > 0 && kept < 40);
    assert!(fs::read(beside(&left.path, "-wal-damaged-1")).unwrap() == log);
    assert_eq!(texts(&normal()).len(), kept);
    assert!(!beside(&left.path, "-wal-damaged-2").exists());
    assert_eq!(left.messages(), kept);
}

/// What lives on in another process's index of the log is not lost, so it is not cut off under it.
#[test]
fn a_log_that_somebody_has_open_is_not_cut() {
    let left = Left::with(40);
    let live = Connection::open(&left.path).unwrap();
    let rows = || live.query_row("SELECT count(*) FROM messages", [], |row| row.get::<_, i64>(0)).unwrap();
    assert_eq!(rows(), 40);
    let log = left.lose_sectors(0);
    let error = recover(Options::new(&left.path)).unwrap_err();
    assert!(error.to_string().contains("another program has it open"), "{error}");
    assert!(left.log() == log);
    assert_eq!(rows(), 40);
}

#[test]
fn what_is_no_store_of_ours_is_not_recovered() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("s.db");
    assert!(recover(Options::new(&path)).is_err() && !path.exists());
    let theirs = Connection::open(&path).unwrap();
    theirs.execute_batch("PRAGMA journal_mode = WAL; PRAGMA page_size = 4096; CREATE TABLE t (a)").unwrap();
    (0..20).for_each(|_| drop(theirs.execute("INSERT INTO t VALUES (randomblob(9000))", [])));
    let other = dir.path().join("other.db");
    let mut log = fs::read(beside(&path, "-wal")).unwrap();
    log[32 + 20 * FRAME..][..1_024].fill(0);
    fs::copy(&path, &other).unwrap();
    fs::write(beside(&other, "-wal"), &log).unwrap();
    assert!(recover(Options::new(&other)).is_err());
    assert!(fs::read(beside(&other, "-wal")).unwrap() == log);
    // Whoever opens it is told whose it is, and not to recover it.
    for options in [Options::new(&other), Options::new(&other).durability(Durability::Normal)] {
        let error = open_with(options).err().unwrap().to_string();
        assert!(error.contains("not a SessionDB store") && !error.contains("recover"), "{error}");
    }
    assert!(fs::read(beside(&other, "-wal")).unwrap() == log);
}

impl Left {
    /// As after a checkpoint that came to the end of the log, which was not begun anew yet.
    fn copied(messages: usize) -> Left {
        let left = Left::with(messages);
        let log = left.log();
        let conn = Connection::open(&left.path).unwrap();
        conn.execute_batch("PRAGMA wal_checkpoint(PASSIVE)").unwrap();
        conn.close().unwrap();
        fs::write(beside(&left.path, "-wal"), log).unwrap();
        left
    }
}

/// What comes before the damage was copied once more over what the database had already, all of it, and what it shares a
/// page with went with what was left out.
#[test]
fn nothing_is_lost_with_a_damaged_log_that_was_copied_before() {
    let left = Left::copied(40);
    left.lose_sectors(0);
    let refused = refusal(&left.path);
    assert!(refused.contains("is damaged"), "{refused}");
    let recovery = recover(Options::new(&left.path)).unwrap();
    assert_eq!((recovery.left_out, recovery.pages_left_out), (0, 0), "{recovery:?}");
    assert!(recovery.kept > 40 && recovery.copy.is_some(), "{recovery:?}");
    let store = open(&left.path).unwrap();
    assert_eq!(texts(&store).len(), 40);
    assert!(pollster::block_on(store.check()).unwrap().is_clean());
}

#[test]
fn a_damaged_log_that_was_copied_in_part_is_left_as_it_is() {
    let (whole, left) = (Left::copied(40), Left::with(40));
    let mut database = fs::read(&left.path).unwrap();
    let copied = fs::read(&whole.path).unwrap();
    // The page that the newest message is in.
    let page = copied.chunks(4096).position(|page| page.windows(4).any(|text| text == b"\"39\"")).unwrap();
    database.resize(copied.len(), 0);
    let page = page * 4096..(page + 1) * 4096;
    database[page.clone()].copy_from_slice(&copied[page]);
    fs::write(&left.path, &database).unwrap();
    fs::copy(beside(&whole.path, "-wal"), beside(&left.path, "-wal")).unwrap();
    let log = left.lose_sectors(0);
    let error = recover(Options::new(&left.path)).unwrap_err().to_string();
    assert!(error.contains("a part of what is behind the damage"), "{error}");
    assert!(left.log() == log && fs::read(&left.path).unwrap() == database);
}

/// Frames are written, and the log is begun anew, while others open the store and read the log.
#[test]
fn a_log_in_use_is_never_called_damaged() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("s.db");
    let (store, done) = (open(&path).unwrap(), AtomicBool::new(false));
    append(&store, "first");
    std::thread::scope(|scope| {
        scope.spawn(|| {
            // Another program's connection, which takes no side lock and begins the log anew again and again.
            let conn = sessiondb_sqlite::open_connection(&path).unwrap();
            conn.execute_batch("PRAGMA wal_autocheckpoint = 12; PRAGMA synchronous = NORMAL").unwrap();
            while !done.load(Ordering::Relaxed) {
                conn.execute("UPDATE sessions SET metadata = json_object('a', hex(randomblob(9000)))", [])
                    .unwrap();
            }
        });
        scope.spawn(|| {
            while !done.load(Ordering::Relaxed) {
                append(&store, "more");
            }
        });
        for _ in 0..300 {
            if let Err(error) = open(&path) {
                done.store(true, Ordering::Relaxed);
                panic!("{error}");
            }
        }
        done.store(true, Ordering::Relaxed);
    });
}

/// A process that meets a failed sync leaves a mark; here it was left by hand, since a test cannot make a disk fail.
/// `sessiondb-faults` does.
#[test]
fn a_log_that_could_not_be_synced_is_written_again_before_it_is_used() {
    let left = Left::with(5);
    let (log, lock) = (beside(&left.path, "-wal"), beside(&left.path, "-lock"));
    let number = || fs::metadata(&log).unwrap().ino();
    let (first, bytes) = (number(), left.log());

    let store = open(&left.path).unwrap();
    assert_eq!(texts(&store).len(), 5);
    assert_eq!(number(), first, "without a mark nothing is written");
    fs::write(&lock, [0]).unwrap();
    assert!(refusal(&left.path).contains("another program has it open"));
    pollster::block_on(store.close()).unwrap();
    assert!(number() == first && left.log() == bytes, "the log stays when a marked store is closed");
    // What somebody left who was killed while writing it.
    fs::write(beside(&log, "-again"), "half of it").unwrap();
    let second = open(&left.path).unwrap();
    assert!(number() != first && left.log() == bytes && !beside(&log, "-again").exists());
    assert_eq!(fs::metadata(&log).unwrap().mode() & 0o777, 0o600);
    let written = number();
    assert_eq!(fs::metadata(&lock).unwrap().len(), 0);
    let third = open(&left.path).unwrap();
    assert_eq!(number(), written, "once is enough");
    append(&third, "5");
    assert_eq!(texts(&second).len(), 6);
    [second, third].into_iter().for_each(|store| pollster::block_on(store.close()).unwrap());
    // A mark without a log has nothing to say.
    fs::write(&lock, [0]).unwrap();
    assert_eq!(left.messages(), 6);
    assert_eq!(fs::metadata(&lock).unwrap().len(), 0);
}

/// The log that all of them write is in doubt then, and what one of them copies may be its last copy.
#[test]
fn when_the_disk_fails_under_one_program_the_others_stop_too() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("s.db");
    let store = open(&path).unwrap();
    append(&store, "0");
    fs::write(beside(&path, "-lock"), [0]).unwrap();
    for _ in 0..2 {
        let refused = pollster::block_on(store.append(&key(), vec![NewMessage::new("user", "1")]));
        let Err(Error::Stopped(reason)) = refused else { panic!("{refused:?}") };
        assert!(reason.contains("under another program"), "{reason}");
    }
    assert_eq!(texts(&store).len(), 1);
    pollster::block_on(store.close()).unwrap();
    assert!(fs::metadata(beside(&path, "-wal")).unwrap().len() > 0, "what is in the log was copied");
    let store = open(&path).unwrap();
    append(&store, "1");
    assert_eq!(texts(&store).len(), 2);
}

//! [`SessionFiles`]: a directory of AIT42's session files, `{workspace_hash}.json`, each a list of sessions.
//!
//! AIT42 reads these files whenever it likes, and takes no lock. So a file is written beside its place and renamed: at
//! every moment it is whole. Against other writers of this crate there is a lock beside each file, and one for the
//! directory. AIT42 itself writes over its files as they lie; what it does between a read and a write of ours is lost,
//! which is why there is one authority at a time.
//!
//! What touches files is done on a thread of its own, for each call: this crate knows no runtime whose threads it could
//! borrow, and waiting for a lock on one would keep the lock's holder from going on.

use std::{
    collections::BTreeSet,
    fs::{self, File, OpenOptions},
    io::{self, Write as _},
    path::{Path, PathBuf},
    sync::Arc,
    thread,
    time::Duration,
};

use futures_channel::oneshot;
use serde::{Deserialize, Serialize, Serializer};
use serde_json::value::RawValue;

use crate::{
    RepositoryError,
    record::{Record, sha256},
};

/// How many symbolic links are followed from one to the next.
const LINKS_MAX: usize = 40;
/// How often a file that may be about to be written is read, and how long to wait between two times.
const READINGS_MAX: u32 = 5;
const BETWEEN_READINGS: Duration = Duration::from_millis(10);

/// A directory of session files. Cheap to clone.
#[derive(Debug, Clone)]
pub(crate) struct SessionFiles {
    dir: Arc<Path>,
}

/// What lies in a directory of session files.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(crate) struct Listing {
    /// The workspaces that have a file, sorted.
    pub hashes: Vec<String>,
    /// The names of what is no session file, sorted. Hidden files are not named.
    pub ignored: Vec<String>,
}

/// A session file as it was read.
#[derive(Debug)]
pub(crate) struct SessionFile {
    /// Its sessions in their order, and what is no session.
    pub entries: Vec<Entry>,
    /// SHA-256 of its bytes; `None` if there is no file.
    pub digest: Option<String>,
    /// Whether nothing is in it, not even an empty list, or it is not there at all. It reads as no sessions, but may
    /// as well be a file that is being written.
    pub blank: bool,
}

/// An item of a file's list.
#[derive(Debug)]
pub(crate) enum Entry {
    /// A session.
    Session(Box<Record>),
    /// Something that cannot be taken for one. It stays in the file as it is.
    Refused(Refused),
}

/// An item that cannot be taken for a session.
#[derive(Debug)]
pub(crate) struct Refused {
    /// Its text.
    pub raw: Box<RawValue>,
    /// Its position, from 0.
    pub index: usize,
    /// Its id, if it has one.
    pub id: Option<String>,
    /// What is wrong with it.
    pub reason: String,
}

/// Held until it is dropped, or the process ends.
#[derive(Debug)]
pub(crate) struct Lock {
    _file: File,
}

/// Does something with files on a thread of its own. If the caller goes away it is done all the same.
pub(crate) async fn on_thread<T: Send + 'static>(
    work: impl FnOnce() -> Result<T, RepositoryError> + Send + 'static,
) -> Result<T, RepositoryError> {
    let (sender, receiver) = oneshot::channel();
    let thread = thread::Builder::new().name("ait42-files".into()).spawn(move || {
        // Nobody may be waiting any more.
        let _ = sender.send(work());
    });
    thread.map_err(|error| RepositoryError::Internal(format!("no thread for files: {error}")))?;
    let ended = |_| Err(RepositoryError::Internal("the thread for files ended without an answer".into()));
    receiver.await.unwrap_or_else(ended)
}

impl SessionFiles {
    pub(crate) fn new(dir: impl Into<PathBuf>) -> SessionFiles {
        SessionFiles { dir: dir.into().into() }
    }

    pub(crate) fn dir(&self) -> &Path {
        &self.dir
    }

    /// Makes the directory if it is not there, for its owner alone.
    pub(crate) fn make(&self) -> Result<(), RepositoryError> {
        let mut builder = fs::DirBuilder::new();
        builder.recursive(true);
        #[cfg(unix)]
        {
            use std::os::unix::fs::DirBuilderExt as _;
            builder.mode(0o700);
        }
        builder.create(&self.dir).map_err(|error| cannot("make the directory", &self.dir, &error))
    }

    /// What is in the directory; if it is not there, nothing.
    ///
    /// # Errors
    /// [`RepositoryError::Internal`] if it cannot be read.
    pub(crate) fn list_if_any(&self) -> Result<Listing, RepositoryError> {
        match fs::exists(&self.dir) {
            Ok(false) => Ok(Listing::default()),
            _ => self.list(),
        }
    }

    /// What is in the directory.
    ///
    /// # Errors
    /// [`RepositoryError::Internal`] if it is not there or cannot be read.
    pub(crate) fn list(&self) -> Result<Listing, RepositoryError> {
        let failed = |error: io::Error| cannot("read the directory", &self.dir, &error);
        let mut listing = Listing::default();
        for entry in fs::read_dir(&self.dir).map_err(failed)? {
            let entry = entry.map_err(failed)?;
            let name = entry.file_name();
            let name = name.to_string_lossy();
            if name.starts_with('.') {
                continue;
            }
            match name.strip_suffix(".json").filter(|hash| is_file_name(hash)) {
                Some(hash) if !entry.path().is_dir() => listing.hashes.push(hash.to_owned()),
                _ => listing.ignored.push(name.into_owned()),
            }
        }
        listing.hashes.sort_unstable();
        listing.ignored.sort_unstable();
        Ok(listing)
    }

    /// Where the file of a workspace is.
    ///
    /// # Errors
    /// [`RepositoryError::Validation`] if the hash cannot be the name of a file.
    pub(crate) fn path(&self, hash: &str) -> Result<PathBuf, RepositoryError> {
        if !is_file_name(hash) {
            return Err(RepositoryError::Validation(format!(
                "workspace_hash '{}' cannot be the name of a file: letters, digits, '_', '-' and '.' can, up to 200, \
                 the first not a '.'",
                hash.escape_debug()
            )));
        }
        Ok(self.dir.join(format!("{hash}.json")))
    }

    /// The file of a workspace; one that is not there has no sessions. AIT42 writes over a file as it lies: one that is
    /// blank or no whole list is read again, a few times, before it is taken for what it is.
    ///
    /// # Errors
    /// [`RepositoryError::Internal`] if it cannot be read or is no list. An item that is no session is no error of the
    /// file.
    pub(crate) fn read(&self, hash: &str) -> Result<SessionFile, RepositoryError> {
        let path = self.path(hash)?;
        let mut readings = 1;
        loop {
            let Some(bytes) = self.bytes(hash)? else {
                return Ok(SessionFile { entries: Vec::new(), digest: None, blank: true });
            };
            let read = SessionFile::parse(hash, &bytes);
            if readings == READINGS_MAX || read.as_ref().is_ok_and(|file| !file.blank) {
                let unreadable = |reason| RepositoryError::Internal(format!("{}: {reason}", path.display()));
                return read.map_err(unreadable);
            }
            readings += 1;
            thread::sleep(BETWEEN_READINGS);
        }
    }

    /// Whether there is nothing in a workspace's file, not even an empty list, or it is not there. One that is perhaps
    /// about to be written is looked at a few times.
    pub(crate) fn is_blank(&self, hash: &str) -> Result<bool, RepositoryError> {
        for reading in 1..=READINGS_MAX {
            match self.bytes(hash)? {
                None => break,
                Some(bytes) if !bytes.trim_ascii().is_empty() => return Ok(false),
                Some(_) if reading < READINGS_MAX => thread::sleep(BETWEEN_READINGS),
                Some(_) => {}
            }
        }
        Ok(true)
    }

    /// The bytes of a workspace's file, if it is there.
    pub(crate) fn bytes(&self, hash: &str) -> Result<Option<Vec<u8>>, RepositoryError> {
        let path = self.path(hash)?;
        match fs::read(&path) {
            Ok(bytes) => Ok(Some(bytes)),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
            Err(error) => Err(cannot("read", &path, &error)),
        }
    }

    /// Puts these bytes in the place of a workspace's file, whole and durably; only with its lock. What reads the file
    /// meanwhile reads the old one or the new one. Its permissions stay; a new one is for its owner alone. Of a symbolic
    /// link what it leads to is replaced.
    ///
    /// # Errors
    /// [`RepositoryError::Internal`]. The old file is as it was then, unless the new one is in its place and it is not
    /// sure that a power cut would leave it there.
    pub(crate) fn write(&self, hash: &str, bytes: &[u8]) -> Result<(), RepositoryError> {
        let path = self.path(hash)?;
        replace(&path, bytes).map_err(|error| cannot("write", &path, &error))
    }

    /// Keeps a copy of a workspace's file beside it, as `{hash}.json.replaced-N`, and answers its name.
    pub(crate) fn keep_replaced(&self, hash: &str, bytes: &[u8]) -> Result<String, RepositoryError> {
        let path = self.path(hash)?;
        for number in 1..=u32::MAX {
            let name = format!("{hash}.json.replaced-{number}");
            let kept = self.dir.join(&name);
            let written = new_file(&kept)
                .and_then(|mut file| file.write_all(bytes).and_then(|()| file.sync_all()))
                .and_then(|()| sync_dir(&kept));
            match written {
                Ok(()) => return Ok(name),
                Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {}
                Err(error) => return Err(cannot("keep what is replaced of", &path, &error)),
            }
        }
        Err(RepositoryError::Internal(format!("{}: every name for a kept copy is taken", path.display())))
    }

    /// Waits until no other writer of this crate has the file of this workspace.
    pub(crate) fn lock(&self, hash: &str) -> Result<Lock, RepositoryError> {
        let path = self.path(hash)?;
        let locked = target(&path).and_then(|target| {
            let file = lock_file(&target.with_file_name(format!(".{}.lock", stem(&target))))?;
            file.lock()?;
            Ok(Lock { _file: file })
        });
        locked.map_err(|error| cannot("lock", &path, &error))
    }

    /// Waits until nobody moves the authority of this directory, and keeps it where it is; others may do the same.
    pub(crate) fn hold_authority(&self) -> Result<Lock, RepositoryError> {
        self.lock_directory(File::lock_shared)
    }

    /// Waits until nobody relies on the authority of this directory, and keeps others from it.
    pub(crate) fn move_authority(&self) -> Result<Lock, RepositoryError> {
        self.lock_directory(File::lock)
    }

    /// Through a gate, so that those who rely on the authority, and may be many and one after the other, do not keep
    /// the one who moves it waiting for ever. Their names do not end as those beside a file do, whatever it is called.
    fn lock_directory(&self, lock: impl Fn(&File) -> io::Result<()>) -> Result<Lock, RepositoryError> {
        let locked = lock_file(&self.dir.join(".sessiondb.gate")).and_then(|gate| {
            gate.lock()?;
            let file = lock_file(&self.dir.join(".sessiondb.authority"))?;
            lock(&file)?;
            Ok(Lock { _file: file })
        });
        locked.map_err(|error| cannot("lock the directory", &self.dir, &error))
    }
}

impl SessionFile {
    /// Reads a file's bytes.
    ///
    /// # Errors
    /// If they are no JSON list.
    pub(crate) fn parse(hash: &str, bytes: &[u8]) -> Result<SessionFile, String> {
        let blank = bytes.trim_ascii().is_empty();
        let items: Vec<Box<RawValue>> = match blank {
            true => Vec::new(),
            false => serde_json::from_slice(bytes)
                .map_err(|error| format!("it is no list of sessions: {error}"))?,
        };
        let mut ids = BTreeSet::new();
        let entries = items.into_iter().enumerate().map(|(index, raw)| {
            let record = Record::from_json(hash, raw.get()).and_then(|record| {
                match ids.insert(record.session.id.clone()) {
                    true => Ok(record),
                    false => Err("there is another session of this id before it".to_owned()),
                }
            });
            match record {
                Ok(record) => Entry::Session(Box::new(record)),
                Err(reason) => {
                    let id = serde_json::from_str(raw.get()).ok().and_then(|item: Item| item.id);
                    Entry::Refused(Refused { raw, index, id, reason })
                }
            }
        });
        Ok(SessionFile { entries: entries.collect(), digest: Some(sha256(bytes)), blank })
    }

    /// The sessions that can be read.
    pub(crate) fn records(&self) -> impl Iterator<Item = &Record> {
        self.entries.iter().filter_map(|entry| match entry {
            Entry::Session(record) => Some(record.as_ref()),
            Entry::Refused(_) => None,
        })
    }

    /// What cannot be taken for a session.
    pub(crate) fn refused(&self) -> impl Iterator<Item = &Refused> {
        self.entries.iter().filter_map(|entry| match entry {
            Entry::Session(_) => None,
            Entry::Refused(refused) => Some(refused),
        })
    }
}

impl Entry {
    /// The id of the session, or of what cannot be taken for one.
    pub(crate) fn id(&self) -> Option<&str> {
        match self {
            Entry::Session(record) => Some(&record.session.id),
            Entry::Refused(refused) => refused.id.as_deref(),
        }
    }
}

/// The text of a file with these entries, as AIT42 writes it.
///
/// # Errors
/// [`RepositoryError::Internal`]; not met with records that were read.
pub(crate) fn file_text(entries: &[Entry]) -> Result<Vec<u8>, RepositoryError> {
    serde_json::to_vec_pretty(entries)
        .map_err(|error| RepositoryError::Internal(format!("sessions cannot be written as JSON: {error}")))
}

#[derive(Deserialize)]
struct Item {
    id: Option<String>,
}

impl Refused {
    /// Which it is: `session 3 (s1)`.
    pub(crate) fn name(&self) -> String {
        match &self.id {
            Some(id) => format!("session {} ({id})", self.index),
            None => format!("session {}", self.index),
        }
    }
}

impl Serialize for Entry {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match self {
            Entry::Session(record) => record.serialize(serializer),
            Entry::Refused(refused) => refused.raw.serialize(serializer),
        }
    }
}

/// Whether `{hash}.json` is a name that leads nowhere else and is not hidden.
fn is_file_name(hash: &str) -> bool {
    let legal = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b'-' | b'.');
    (1..=200).contains(&hash.len()) && !hash.starts_with('.') && hash.bytes().all(legal)
}

pub(crate) fn cannot(what: &str, path: &Path, error: &io::Error) -> RepositoryError {
    RepositoryError::Internal(format!("cannot {what} {}: {error}", path.display()))
}

fn stem(path: &Path) -> String {
    path.file_stem().unwrap_or_default().to_string_lossy().into_owned()
}

/// Where symbolic links lead from here, whether something is there or not.
fn target(path: &Path) -> io::Result<PathBuf> {
    let mut path = path.to_owned();
    for _ in 0..LINKS_MAX {
        match fs::read_link(&path) {
            Ok(next) => path = path.parent().unwrap_or(Path::new("")).join(next),
            // It is no link, or not there.
            Err(error) if matches!(error.kind(), io::ErrorKind::InvalidInput | io::ErrorKind::NotFound) => {
                return Ok(path);
            }
            Err(error) => return Err(error),
        }
    }
    Err(io::Error::other("too many symbolic links"))
}

fn replace(path: &Path, bytes: &[u8]) -> io::Result<()> {
    let path = target(path)?;
    let temporary = path.with_file_name(format!(".{}.tmp", stem(&path)));
    // Of a writer that was killed; there is only one at a time.
    match fs::remove_file(&temporary) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
        _ => {}
    }
    let written = new_file(&temporary).and_then(|mut file| {
        file.write_all(bytes)?;
        match fs::metadata(&path) {
            Ok(old) => file.set_permissions(old.permissions())?,
            Err(error) if error.kind() == io::ErrorKind::NotFound => {}
            Err(error) => return Err(error),
        }
        file.sync_all()?;
        fs::rename(&temporary, &path)
    });
    if written.is_err() {
        // It is of no use; if it cannot be removed, the next writer does.
        let _ = fs::remove_file(&temporary);
    }
    written.and_then(|()| sync_dir(&path))
}

/// A file that was not there, for its owner alone.
fn new_file(path: &Path) -> io::Result<File> {
    private(OpenOptions::new().write(true).create_new(true)).open(path)
}

/// The file of a lock. One that is there need not be writable.
fn lock_file(path: &Path) -> io::Result<File> {
    match File::open(path) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => {
            private(OpenOptions::new().read(true).write(true).create(true).truncate(false)).open(path)
        }
        opened => opened,
    }
}

fn private(options: &mut OpenOptions) -> &mut OpenOptions {
    #[cfg(unix)]
    {
        use std::os::unix::fs::OpenOptionsExt as _;
        options.mode(0o600);
    }
    options
}

/// Makes a new name durable.
fn sync_dir(path: &Path) -> io::Result<()> {
    let dir = path.parent().filter(|dir| !dir.as_os_str().is_empty()).unwrap_or(Path::new("."));
    File::open(dir)?.sync_all()
}

#[cfg(test)]
mod tests {
    use std::{os::unix::fs::PermissionsExt as _, sync::mpsc};

    use super::*;

    const SESSION: &str =
        r#"{"id":"s1","type":"debate","task":"","status":"failed","createdAt":"","updatedAt":""}"#;

    fn files() -> (tempfile::TempDir, SessionFiles) {
        let dir = tempfile::tempdir().unwrap();
        let files = SessionFiles::new(dir.path());
        (dir, files)
    }

    #[test]
    fn only_session_files_are_listed_and_others_are_named() {
        let (dir, files) = files();
        for name in [
            "b.json",
            "a-1_x.y.json",
            "notes.txt",
            "a b.json",
            ".hidden.json",
            ".b.lock",
            "b.json.replaced-1",
        ] {
            fs::write(dir.path().join(name), "[]").unwrap();
        }
        fs::create_dir(dir.path().join("dir.json")).unwrap();
        let listing = files.list().unwrap();
        assert_eq!(listing.hashes, ["a-1_x.y", "b"]);
        assert_eq!(listing.ignored, ["a b.json", "b.json.replaced-1", "dir.json", "notes.txt"]);
        let missing = SessionFiles::new(dir.path().join("none")).list().unwrap_err().to_string();
        assert!(missing.contains("cannot read the directory") && missing.contains("none"), "{missing}");
    }

    #[test]
    fn a_hash_that_leads_elsewhere_is_refused() {
        let (_dir, files) = files();
        for hash in ["", "../x", "a/b", ".x", "a\0", "é", &"x".repeat(201)] {
            assert!(matches!(files.path(hash), Err(RepositoryError::Validation(_))), "{hash}");
        }
    }

    /// Defect 19, its second half: one session that could not be read made every session of the workspace unreadable.
    #[test]
    fn defect_19_a_bad_session_leaves_the_others_readable() {
        let text = format!(r#"[{SESSION}, {{"id":"s2"}}, 7, {SESSION}, {{"n":1e999}}]"#);
        let file = SessionFile::parse("w", text.as_bytes()).unwrap();
        assert_eq!(file.records().map(|record| record.session.id.as_str()).collect::<Vec<_>>(), ["s1"]);
        let refused: Vec<_> = file.refused().map(|one| format!("{}: {}", one.name(), one.reason)).collect();
        assert_eq!(
            refused[..3],
            [
                "session 1 (s2): type: it is missing",
                "session 2: an object is needed, and it is 7",
                "session 3 (s1): there is another session of this id before it"
            ]
        );
        assert!(refused[3].starts_with("session 4: not JSON: number out of range"), "{refused:?}");
        // They stay where they are, as they are.
        let written = file_text(&file.entries).unwrap();
        let again = SessionFile::parse("w", &written).unwrap();
        assert_eq!(
            again.refused().map(|one| one.raw.get()).collect::<Vec<_>>()[..2],
            [r#"{"id":"s2"}"#, "7"]
        );
        assert_eq!(again.entries.len(), 5);
    }

    #[test]
    fn a_blank_file_has_no_sessions() {
        for text in ["", " \n"] {
            let file = SessionFile::parse("w", text.as_bytes()).unwrap();
            assert!(file.entries.is_empty() && file.blank && file.digest.is_some());
        }
        assert!(!SessionFile::parse("w", b"[]").unwrap().blank);
        assert!(files().1.read("w").unwrap().blank);
    }

    #[test]
    fn what_is_no_list_is_an_error_that_names_the_file() {
        let (dir, files) = files();
        fs::write(dir.path().join("w.json"), &SESSION[..20]).unwrap();
        let error = files.read("w").unwrap_err().to_string();
        assert!(error.contains("w.json: it is no list of sessions: "), "{error}");
    }

    #[test]
    fn writing_keeps_permissions_and_leaves_nothing_beside() {
        let (dir, files) = files();
        let path = dir.path().join("w.json");
        let mode = || fs::metadata(&path).unwrap().permissions().mode() & 0o777;
        files.write("w", b"[]").unwrap();
        assert_eq!(mode(), 0o600);
        fs::set_permissions(&path, fs::Permissions::from_mode(0o640)).unwrap();
        fs::write(dir.path().join(".w.tmp"), "of a writer that was killed").unwrap();
        files.write("w", b"[1]").unwrap();
        assert_eq!((mode(), fs::read(&path).unwrap().as_slice()), (0o640, &b"[1]"[..]));
        assert_eq!(fs::read_dir(dir.path()).unwrap().count(), 1);
    }

    #[test]
    fn a_symbolic_link_stays_one() {
        let (dir, files) = files();
        let elsewhere = tempfile::tempdir().unwrap();
        let real = elsewhere.path().join("real.json");
        std::os::unix::fs::symlink(&real, dir.path().join("w.json")).unwrap();
        // Even while nothing is there yet.
        for text in ["[]", "[2]"] {
            let _lock = files.lock("w").unwrap();
            files.write("w", text.as_bytes()).unwrap();
            assert_eq!(fs::read_to_string(&real).unwrap(), text);
        }
        assert!(fs::symlink_metadata(dir.path().join("w.json")).unwrap().is_symlink());
        assert!(elsewhere.path().join(".real.lock").exists());
        std::os::unix::fs::symlink("loop.json", dir.path().join("loop.json")).unwrap();
        assert!(files.write("loop", b"[]").unwrap_err().to_string().contains("symbolic links"));
    }

    #[test]
    fn a_failed_write_leaves_the_old_file() {
        let (dir, files) = files();
        fs::create_dir_all(dir.path().join("w.json/in it")).unwrap();
        let error = files.write("w", b"[]").unwrap_err().to_string();
        assert!(error.starts_with("Internal error: cannot write ") && error.contains("w.json"), "{error}");
        assert!(dir.path().join("w.json/in it").is_dir());
        assert!(!dir.path().join(".w.tmp").exists());
    }

    #[test]
    fn what_is_replaced_is_kept_under_a_name_of_its_own() {
        let (dir, files) = files();
        assert_eq!(files.keep_replaced("w", b"1").unwrap(), "w.json.replaced-1");
        assert_eq!(files.keep_replaced("w", b"2").unwrap(), "w.json.replaced-2");
        assert_eq!(fs::read(dir.path().join("w.json.replaced-1")).unwrap(), b"1");
    }

    /// Whoever changes a session holds the directory's lock and the file's: they must not be one.
    #[test]
    fn no_workspace_has_the_lock_of_the_directory() {
        let (dir, files) = files();
        drop(files.move_authority().unwrap());
        for entry in fs::read_dir(dir.path()).unwrap() {
            let name = entry.unwrap().file_name().into_string().unwrap();
            let of_a_file = name
                .strip_prefix('.')
                .and_then(|name| name.strip_suffix(".lock").or_else(|| name.strip_suffix(".tmp")));
            assert_eq!(of_a_file.filter(|hash| is_file_name(hash)), None);
        }
        let _held = files.hold_authority().unwrap();
        drop(files.lock("sessiondb").unwrap());
    }

    #[test]
    fn a_lock_keeps_others_out_until_it_is_dropped() {
        let (_dir, files) = files();
        let lock = files.lock("w").unwrap();
        let other = files.lock("other").unwrap();
        let (sender, receiver) = mpsc::channel();
        let waiting = {
            let files = files.clone();
            thread::spawn(move || {
                let lock = files.lock("w").unwrap();
                sender.send(()).unwrap();
                lock
            })
        };
        assert!(receiver.try_recv().is_err());
        drop((lock, other));
        receiver.recv().unwrap();
        drop(waiting.join().unwrap());
        // Many may hold the authority; one moves it.
        let (one, two) = (files.hold_authority().unwrap(), files.hold_authority().unwrap());
        let moving = {
            let files = files.clone();
            thread::spawn(move || files.move_authority().map(drop))
        };
        drop((one, two));
        moving.join().unwrap().unwrap();
    }
}

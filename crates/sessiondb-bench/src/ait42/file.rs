//! A workspace as AIT42 keeps it without a database: one file, an array of sessions, read and written whole.

use std::{
    fs::{self, File},
    io::Write,
    path::{Path, PathBuf},
    time::Duration,
};

use ait42_session::{ChatMessage, WorktreeSession};

use super::timed;
use crate::Outcome;

pub(super) struct JsonFile {
    path: PathBuf,
    /// Whether it is replaced as a whole and synced, or written in place as AIT42 does, which a crash may cut off.
    synced: bool,
}

impl JsonFile {
    /// A file without sessions.
    pub fn create(path: &Path, synced: bool) -> Outcome<Self> {
        let file = Self { path: path.to_owned(), synced };
        file.write(&[])?;
        Ok(file)
    }

    pub fn extend(&mut self, by: impl Iterator<Item = WorktreeSession>) -> Outcome<()> {
        let mut sessions = self.read()?;
        sessions.extend(by);
        self.write(&sessions)
    }

    /// Answers how long it took.
    pub fn add(&mut self, session: &str, message: ChatMessage) -> Outcome<Duration> {
        let (time, added) = timed(|| {
            let mut sessions = self.read()?;
            let session = sessions.iter_mut().find(|at| at.id == session).ok_or("no such session")?;
            session.updated_at.clone_from(&message.timestamp);
            session.chat_history.push(message);
            self.write(&sessions)
        });
        added.map(|()| time)
    }

    /// Answers how long it took, and how many sessions there are.
    pub fn get_all(&mut self) -> Outcome<(Duration, usize)> {
        let (time, sessions) = timed(|| self.read());
        Ok((time, sessions?.len()))
    }

    fn read(&self) -> Outcome<Vec<WorktreeSession>> {
        Ok(serde_json::from_str(&fs::read_to_string(&self.path)?)?)
    }

    fn write(&self, sessions: &[WorktreeSession]) -> Outcome<()> {
        let json = serde_json::to_string_pretty(sessions)?;
        if !self.synced {
            return Ok(fs::write(&self.path, json)?);
        }
        let new = self.path.with_extension("new");
        let mut file = File::create(&new)?;
        file.write_all(json.as_bytes())?;
        file.sync_all()?;
        fs::rename(&new, &self.path)?;
        let dir = self.path.parent().ok_or("a file without a folder")?;
        Ok(File::open(dir)?.sync_all()?)
    }
}

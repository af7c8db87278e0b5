//! One life of a store in a sweep: what is done, and what must hold of every answer while the disk fails.

use std::{
    collections::BTreeSet,
    fs,
    path::{Path, PathBuf},
    sync::Arc,
};

use anyhow::{Context as _, Result, bail, ensure};
use pollster::block_on;
use sessiondb_core::{
    Commit, DocumentFilter, Error, Fork, Json, NewDocument, NewMessage, SessionFilter, SessionKey, Store,
    Window, Write,
};
use sessiondb_sqlite::{Options, SqliteBackend};

use super::{Case, End, Script, Seen};
use crate::{
    calls::{Answers, Calls},
    disk::{Disk, Event},
    fault::{Fault, FaultKind, Op},
    rewritten,
    workload::NAME,
};

pub(super) struct Life<'a> {
    pub case: Case,
    disk: &'a Arc<Disk>,
    pub calls: Arc<Calls>,
    /// Where its directories are, one for each process that was killed.
    place: PathBuf,
    pub path: PathBuf,
    /// What was done to the disk until now.
    pub log: Vec<Event>,
    store: Option<Store>,
    pub seen: BTreeSet<Seen>,
    ids: u64,
    /// Up to which call those that failed were sent again.
    seen_to: usize,
    pub written_again: u64,
}

fn key(name: &str) -> SessionKey {
    SessionKey::new("main", "cli", "", "dm", name)
}

fn text(text: &str) -> Vec<NewMessage> {
    vec![NewMessage::new("user", text)]
}

impl<'a> Life<'a> {
    /// A life that is to be lived in this place.
    pub fn new(case: Case, disk: &'a Arc<Disk>, place: &Path) -> Life<'a> {
        Life {
            case,
            disk,
            calls: Calls::new(Arc::clone(disk), Answers::WhenAnswered, 0),
            place: place.to_owned(),
            path: PathBuf::new(),
            log: Vec::new(),
            store: None,
            seen: BTreeSet::new(),
            ids: 0,
            seen_to: 0,
            written_again: 0,
        }
    }

    pub fn live(&mut self) -> Result<()> {
        let first = self.place.join("0");
        fs::create_dir(&first)?;
        self.path = first.join(NAME);
        self.disk.record();
        self.disk.fail(self.case.fault);
        self.open()?;
        match self.case.script {
            Script::Short => {
                self.write("ann", vec![Write::Append(text("one"))])?;
                self.close()?;
                self.open()?;
                self.read()?;
            }
            Script::Whole => self.whole()?,
        }
        self.disk_is_well()?;
        let report = block_on(self.store()?.check())?;
        ensure!(report.is_clean(), "{report:?}");
        self.log.extend(self.disk.take());
        // The medium is judged as it is now, before anything is tidied up.
        let place = self.place.join("last");
        copy(&self.path, &place)?;
        self.forget()?;
        self.path = place.join(NAME);
        Ok(())
    }

    /// The store of a process that is no more is closed, unseen, over files that are looked at no more. That it is dropped
    /// would not be enough: one of its threads may be the last to do so, when the next process is seen already.
    fn forget(&mut self) -> Result<()> {
        let _ = block_on(self.store.take().context("the store is not open")?.close());
        Ok(())
    }

    fn whole(&mut self) -> Result<()> {
        let document = |id: &str, bytes: usize| {
            let blob = Some(vec![7; bytes]);
            Write::PutDocument(NewDocument { blob, ..NewDocument::new("notes", id, Json::object()) })
        };
        self.write("ann", vec![Write::Append(text("one"))])?;
        self.write("ann", vec![Write::Append(text(&"a long one ".repeat(900)))])?;
        let batch = vec![
            self.commit("bob", vec![Write::Append(text("b"))]),
            self.commit("ann", vec![document("first", 10)]),
        ];
        self.send(batch)?;
        let patch = Json::parse(r#"{"a":1}"#)?;
        self.write(
            "ann",
            vec![Write::PatchDocument { collection: "notes".into(), id: "first".into(), patch }],
        )?;
        let metadata = Json::parse(r#"{"title":"t"}"#)?;
        let state = vec![Write::SetStatus("idle".into()), Write::SetMetadata(metadata), Write::AddTokens(3)];
        self.write("bob", state)?;
        self.write("carl", vec![document("large", 150_000), Write::Append(text("c"))])?;
        self.crowd()?;
        self.optimize()?;
        self.read()?;
        self.write("ann", vec![Write::Compact { through: 2, summary: text("a summary") }])?;
        let fork = Fork { parent: key("ann"), at: None, status: None, metadata: None };
        let id = self.id();
        self.send(vec![Commit::new(key("fork")).id(id).write(Write::Fork(fork))])?;
        self.write("bob", vec![Write::Pop { count: 1 }])?;
        self.write("bob", vec![Write::Undo])?;
        self.close()?;
        self.open()?;
        self.read()?;
        self.write("ann", vec![document("second", 30_000), Write::Append(text("after opening"))])?;
        self.write("ann", vec![Write::Uncompact])?;
        self.write("carl", vec![Write::Delete])?;
        self.optimize()?;
        self.crowd()?;
        self.write("ann", vec![Write::RemoveDocument { collection: "notes".into(), id: "first".into() }])?;
        self.write("fork", vec![Write::Append(text("in the fork"))])?;
        self.optimize()?;
        self.write("bob", vec![Write::SetTokens(9), Write::Rewind { seq: 1 }])?;
        self.read()
    }

    fn store(&self) -> Result<&Store> {
        self.store.as_ref().context("the store is not open")
    }

    fn id(&mut self) -> String {
        self.ids += 1;
        format!("id-{}", self.ids)
    }

    /// Every commit has an id, so that it can be sent again, and opens its session, so that none needs another's success.
    fn commit(&mut self, name: &str, writes: Vec<Write>) -> Commit {
        let opened = if writes == [Write::Delete] { Vec::new() } else { vec![Write::open()] };
        Commit { writes: [opened, writes].concat(), ..Commit::new(key(name)).id(self.id()) }
    }

    fn write(&mut self, name: &str, writes: Vec<Write>) -> Result<()> {
        let commit = self.commit(name, writes);
        self.send(vec![commit])
    }

    fn send(&mut self, call: Vec<Commit>) -> Result<()> {
        match block_on(self.store()?.commit(call)) {
            Ok(_) => Ok(()),
            Err(error) => self.failed(&error),
        }
    }

    /// Several callers at once, so that calls share transactions.
    fn crowd(&mut self) -> Result<()> {
        let mut calls = Vec::new();
        for name in ["ann", "bob", "dora", "emil"] {
            calls.push(vec![self.commit(name, vec![Write::Append(text("at once"))])]);
        }
        let store = self.store()?;
        let errors = std::thread::scope(|scope| {
            let threads: Vec<_> =
                calls.into_iter().map(|call| scope.spawn(|| block_on(store.commit(call)).err())).collect();
            threads
                .into_iter()
                .map(|thread| thread.join().map_err(|_| anyhow::anyhow!("a caller panicked")))
                .collect::<Result<Vec<_>>>()
        })?;
        // The first cause before what followed from it.
        let mut errors: Vec<Error> = errors.into_iter().flatten().collect();
        errors.sort_by_key(|error| matches!(error, Error::Stopped(_)));
        self.seen.extend(errors.iter().filter_map(Seen::of));
        errors.first().map_or(Ok(()), |error| self.failed(error))
    }

    fn optimize(&mut self) -> Result<()> {
        match block_on(self.store()?.optimize()) {
            Ok(_) => Ok(()),
            Err(error) => self.failed(&error),
        }
    }

    fn reading(&self) -> Result<(), Error> {
        let store = self.store.as_ref().ok_or(Error::Closed)?;
        block_on(async {
            let sessions = store.session_list(&SessionFilter::default()).await?;
            for session in &sessions.sessions {
                store.message_window(&session.key, Window::last(20)).await?;
                store.document_list(&session.key, &DocumentFilter::default()).await?;
            }
            Ok(())
        })
    }

    fn read(&mut self) -> Result<()> {
        match self.reading() {
            Ok(()) => Ok(()),
            Err(error) => self.failed(&error),
        }
    }

    /// Opens the store. If the disk fails just then, it says so, and can be opened when the disk is well.
    fn open(&mut self) -> Result<()> {
        let options = Options::new(&self.path).vfs(self.disk.vfs());
        let backend = match SqliteBackend::open(options.clone()) {
            Ok(backend) => backend,
            Err(error) => {
                ensure!(self.disk.struck() > 0, "opened without a fault: {error}");
                ensure!(matches!(error, Error::CannotOpen { .. }), "opening is answered {error:?}");
                self.seen.insert(Seen::CannotOpen);
                self.disk.heal();
                self.see_what_is_written_again()?;
                SqliteBackend::open(options).context("opened again")?
            }
        };
        let store = Store::new(self.calls.note(Arc::new(backend)));
        // A caller who blocks commits on its own thread.
        self.store = Some(if self.case.fault.nth.is_multiple_of(2) { store.for_blocking() } else { store });
        Ok(())
    }

    fn close(&mut self) -> Result<()> {
        let store = self.store.take().context("the store is not open")?;
        if let Err(error) = block_on(store.close()) {
            ensure!(self.disk.struck() > 0, "closed without a fault: {error}");
            self.seen.insert(Seen::AtClose);
            self.disk.heal();
        }
        Ok(())
    }

    /// A call was answered with an error: it must be the right one, and the store must go on as it says.
    fn failed(&mut self, error: &Error) -> Result<()> {
        let Fault { op, kind, .. } = self.case.fault;
        ensure!(self.disk.struck() > 0, "without a fault: {error}");
        self.seen.insert(Seen::of(error).with_context(|| format!("answered {error:?}"))?);
        let no_room = op == Op::Write && matches!(kind, FaultKind::Enospc | FaultKind::ShortWrite);
        ensure!(!no_room || matches!(error, Error::Full(_)), "without room: {error:?}");
        // What only writes need has no part in reading.
        if matches!(op, Op::Write | Op::Sync | Op::Truncate | Op::Delete) {
            self.reading().with_context(|| format!("reads do not go on after {error:?}"))?;
        }
        let another = self.commit("ann", vec![Write::Append(text("after an error"))]);
        match error {
            Error::Unknown(_) if op != Op::ShmMap => {
                let answer = block_on(self.store()?.commit(vec![another]));
                ensure!(matches!(answer, Err(Error::Stopped(_))), "after {error:?}: {answer:?}");
            }
            _ => {}
        }
        self.disk_is_well()
    }

    /// The disk works again. The store goes on by itself if it did not say that it stopped, else it is opened again; then
    /// what failed is sent again.
    fn disk_is_well(&mut self) -> Result<()> {
        self.disk.heal();
        let another = self.commit("ann", vec![Write::Append(text("the disk is well"))]);
        let mut answer = block_on(self.store()?.commit(vec![another.clone()]));
        // A log that could only be opened for reading is met by the first who writes, and opened again like any other.
        if matches!(answer, Err(Error::Storage(_))) && self.case.fault.kind == FaultKind::Erofs {
            self.seen.insert(Seen::Storage);
            answer = block_on(self.store()?.commit(vec![another]));
        }
        match answer {
            Ok(_) => {}
            Err(error @ Error::Stopped(_)) => {
                let Fault { op, kind, .. } = self.case.fault;
                let full = matches!(kind, FaultKind::Enospc | FaultKind::ShortWrite);
                ensure!(!full || !matches!(op, Op::Write | Op::ShmMap), "a full disk stopped it: {error}");
                self.seen.insert(Seen::Stopped);
                self.reopen()?;
            }
            Err(error) => bail!("the disk is well again: {error:?}"),
        }
        self.send_again()
    }

    fn send_again(&mut self) -> Result<()> {
        let calls = self.calls.list();
        let failed = calls[self.seen_to..].iter().filter_map(|call| match &call.answer {
            // The very same call, which is the one in the feed if it is there.
            Some(Err(Error::Unknown(_))) => Some(call.commits.clone()),
            // It must not be there: another one with the same id.
            Some(Err(_)) => {
                Some(call.commits.iter().map(|commit| Commit { at: None, ..commit.clone() }).collect())
            }
            _ => None,
        });
        for call in failed {
            let ids: Vec<_> = call.iter().map(|commit| commit.id.clone()).collect();
            block_on(self.store()?.commit(call)).with_context(|| format!("{ids:?} sent again"))?;
        }
        self.seen_to = self.calls.list().len();
        Ok(())
    }

    /// Ends the process that has the store open, and opens it again.
    fn reopen(&mut self) -> Result<()> {
        match self.case.end {
            End::Closed => drop(block_on(self.store.take().context("the store is not open")?.close())),
            End::Killed => {
                self.log.extend(self.disk.take());
                let place = self.place.join(self.log.len().to_string());
                copy(&self.path, &place)?;
                self.forget()?;
                self.path = place.join(NAME);
                self.disk.record();
            }
        }
        self.see_what_is_written_again()?;
        self.open()
    }

    fn see_what_is_written_again(&mut self) -> Result<()> {
        self.written_again += u64::from(rewritten::before_opening(&self.path, self.disk)?);
        Ok(())
    }
}

/// The files of a store as another process finds them whose one was killed.
fn copy(path: &Path, place: &Path) -> Result<()> {
    fs::create_dir(place)?;
    for suffix in ["", "-wal", "-journal", "-lock"] {
        let from = path.with_file_name(format!("{NAME}{suffix}"));
        if from.exists() {
            fs::copy(&from, place.join(format!("{NAME}{suffix}")))?;
        }
    }
    Ok(())
}

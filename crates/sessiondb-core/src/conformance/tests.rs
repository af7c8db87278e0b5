//! The memory engine keeps the promises, and the model test finds the engines that do not.

use std::{panic, sync::Arc};

use async_trait::async_trait;

use crate::{
    Backend, ChangePage, CheckReport, Commit, Document, DocumentFilter, DocumentPage, HitPage, Json, Lineage,
    MemoryBackend, MessagePage, Parts, PartsPage, Receipt, Result, Search, Session, SessionFilter,
    SessionKey, SessionPage, SessionParts, Store, ViewChange, Window, Write, limits,
};

fn fresh() -> (Store, ()) {
    (Store::new(Arc::new(MemoryBackend::new())), ())
}

crate::conformance_tests!(fresh);

#[test]
fn random_commits_agree() {
    super::random_commits_agree(fresh, 500);
}

/// What one engine does wrong.
#[derive(Debug, Clone, Copy, PartialEq)]
enum Fault {
    None,
    /// Commits of one call are applied one by one, so those before a refused one stay.
    OneByOne,
    /// Commit ids are ignored: a retry happens again.
    NoCommitIds,
    /// Only the first expectation of a commit is asked.
    OneExpectation,
    /// Sessions of one moment are listed the wrong way round.
    Ties,
    /// The last page of a list is said to be followed by another.
    OnePageMore,
    /// A bound of time is included.
    BoundIncluded,
    /// A window never says that there are earlier messages.
    NothingEarlier,
    /// A read of a document drops the white space in its body.
    Compacted,
    /// An empty blob is taken for none.
    EmptyBlob,
    /// A fork shows all of its parent's history.
    ForksAll,
    /// A compaction has no summary.
    NoSummary,
    /// A pop takes one message, however many were wanted.
    PopsOne,
    /// Undo takes back nothing but compactions.
    UndoesNothing,
    /// A window begins with a result.
    CutsCalls,
    /// The log is shown as the view shows it.
    HidesTheHidden,
    /// A search finds nothing that no view shows.
    HidesFromSearch,
    /// A search looks everywhere, whatever its scope.
    SearchesEverywhere,
    /// Nobody knows who reads a log.
    NoReaders,
    /// A closed and re-opened store has lost its last session.
    Lost,
}

/// The memory engine but for one fault.
struct Faulty(MemoryBackend, Fault);

#[async_trait]
impl Backend for Faulty {
    async fn commit(&self, mut commits: Vec<Commit>) -> Result<Vec<Receipt>> {
        match self.1 {
            Fault::NoCommitIds => commits.iter_mut().for_each(|commit| commit.id = None),
            Fault::OneExpectation => commits.iter_mut().for_each(|commit| commit.expect.truncate(1)),
            _ => {}
        }
        for write in commits.iter_mut().flat_map(|commit| &mut commit.writes) {
            match (self.1, write) {
                (Fault::ForksAll, Write::Fork(fork)) => fork.at = None,
                (Fault::NoSummary, Write::Compact { summary, .. }) => summary.clear(),
                (Fault::PopsOne, Write::Pop { count }) => *count = 1,
                (Fault::UndoesNothing, write @ Write::Undo) => *write = Write::Uncompact,
                _ => {}
            }
        }
        if self.1 != Fault::OneByOne {
            return self.0.commit(commits).await;
        }
        let mut receipts = Vec::new();
        for commit in commits {
            receipts.extend(self.0.commit(vec![commit]).await?);
        }
        Ok(receipts)
    }

    async fn session(&self, key: &SessionKey) -> Result<Option<Session>> {
        self.0.session(key).await
    }

    async fn session_list(&self, filter: &SessionFilter) -> Result<SessionPage> {
        let mut filter = filter.clone();
        if self.1 == Fault::BoundIncluded {
            filter.updated_after =
                filter.updated_after.map(|bound| bound - chrono::TimeDelta::microseconds(1));
        }
        let mut page = self.0.session_list(&filter).await?;
        let by = |session: &Session| filter.order.time_of(session);
        if self.1 == Fault::Ties && page.sessions.len() == 2 && by(&page.sessions[0]) == by(&page.sessions[1])
        {
            page.sessions.swap(0, 1);
        }
        if self.1 == Fault::OnePageMore && page.sessions.len() == filter.limit && page.next.is_none() {
            page.next = page.sessions.last().map(|last| crate::Cursor::after(last, filter.order));
        }
        Ok(page)
    }

    async fn session_list_parts(&self, filter: &SessionFilter, parts: &Parts) -> Result<PartsPage> {
        self.0.session_list_parts(filter, parts).await
    }

    async fn session_parts(&self, keys: &[SessionKey], parts: &Parts) -> Result<Vec<Option<SessionParts>>> {
        self.0.session_parts(keys, parts).await
    }

    async fn message_window(&self, key: &SessionKey, window: Window) -> Result<Option<MessagePage>> {
        let window = match (self.1, window) {
            // It reads as many as were asked for, and never mind the calls.
            (Fault::CutsCalls, Window::Last { limit }) => {
                let page = self.0.message_window(key, Window::last(limits::PAGE_MAX)).await?;
                return Ok(page.map(|page| {
                    let cut = page.messages.len().saturating_sub(limit);
                    MessagePage::new(page.messages[cut..].to_vec(), page.has_earlier || cut > 0, false, false)
                }));
            }
            (Fault::HidesTheHidden, Window::Log { seq, limit }) => Window::After { seq, limit },
            (_, window) => window,
        };
        let page = self.0.message_window(key, window).await?;
        Ok(page.map(|page| MessagePage {
            has_earlier: page.has_earlier && self.1 != Fault::NothingEarlier,
            ..page
        }))
    }

    async fn lineage(&self, key: &SessionKey) -> Result<Option<Lineage>> {
        let lineage = self.0.lineage(key).await?;
        Ok(lineage.map(|lineage| match self.1 {
            Fault::NoReaders => Lineage { readers: 0, ..lineage },
            _ => lineage,
        }))
    }

    async fn view_changes(
        &self,
        key: &SessionKey,
        before: Option<u64>,
        limit: usize,
    ) -> Result<Option<Vec<ViewChange>>> {
        self.0.view_changes(key, before, limit).await
    }

    async fn document(&self, key: &SessionKey, collection: &str, id: &str) -> Result<Option<Document>> {
        let mut document = self.0.document(key, collection, id).await?;
        if let Some(document) = &mut document {
            match self.1 {
                Fault::Compacted => document.body = Json::from_stored(document.body.get().replace(' ', "")),
                Fault::EmptyBlob => document.blob = document.blob.take().filter(|blob| !blob.is_empty()),
                _ => {}
            }
        }
        Ok(document)
    }

    async fn document_list(&self, key: &SessionKey, filter: &DocumentFilter) -> Result<Option<DocumentPage>> {
        self.0.document_list(key, filter).await
    }

    async fn changes(&self, after: Option<u64>, limit: usize) -> Result<ChangePage> {
        self.0.changes(after, limit).await
    }

    async fn search(&self, search: &Search) -> Result<HitPage> {
        let mut search = search.clone();
        if self.1 == Fault::SearchesEverywhere {
            search.scope = crate::Scope::all();
        }
        let mut page = self.0.search(&search).await?;
        if self.1 == Fault::HidesFromSearch {
            page.hits.retain(|hit| hit.shown);
        }
        Ok(page)
    }

    async fn check(&self) -> Result<CheckReport> {
        self.0.check().await
    }

    async fn optimize(&self) -> Result<u64> {
        self.0.optimize().await
    }

    async fn status(&self) -> Result<crate::Status> {
        self.0.status().await
    }

    async fn close(&self) -> Result<()> {
        // The memory engine would really be closed; what is "opened again" is the same one.
        Ok(())
    }

    fn blocking(&self) -> Arc<dyn Backend> {
        Arc::new(Faulty(self.0.clone(), self.1))
    }
}

/// The model test of an engine with this fault, closed and opened again now and then.
fn hold_against_memory(fault: Fault) {
    let store = |engine: &MemoryBackend| Store::new(Arc::new(Faulty(engine.clone(), fault)));
    let make = || {
        let engine = MemoryBackend::new();
        (store(&engine), engine)
    };
    let reopen = |engine: &MemoryBackend| {
        let store = store(engine);
        if fault == Fault::Lost {
            let listed = pollster::block_on(store.session_list(&SessionFilter::default())).unwrap();
            listed.sessions.first().map(|last| pollster::block_on(store.session_delete(&last.key)));
        }
        store
    };
    super::random_commits_agree_when_reopened(make, reopen, 100);
}

#[test]
fn the_model_test_passes_an_engine_without_fault() {
    hold_against_memory(Fault::None);
}

#[test]
fn the_model_test_finds_each_fault() {
    for fault in [
        Fault::OneByOne,
        Fault::NoCommitIds,
        Fault::OneExpectation,
        Fault::Ties,
        Fault::OnePageMore,
        Fault::BoundIncluded,
        Fault::NothingEarlier,
        Fault::Compacted,
        Fault::EmptyBlob,
        Fault::ForksAll,
        Fault::NoSummary,
        Fault::PopsOne,
        Fault::UndoesNothing,
        Fault::CutsCalls,
        Fault::HidesTheHidden,
        Fault::HidesFromSearch,
        Fault::SearchesEverywhere,
        Fault::NoReaders,
        Fault::Lost,
    ] {
        let found = panic::catch_unwind(|| hold_against_memory(fault)).expect_err("a fault was not found");
        let story = found.downcast_ref::<String>().expect("a panic with a text");
        assert!(story.contains("the engines differ, with PROPTEST_RNG_SEED="), "{fault:?}: {story}");
    }
}

//! Committing what was read, in batches; and leaving out what cannot be restored.

use std::mem;

use sessiondb::{Commit, Error, Expect, KEPT, Restore, SessionKey, Write};

use crate::{
    FailedSession,
    run::{Refusal, Run, is_about_the_session, refuse},
};

/// Changes that wait to be committed together.
pub(crate) const BATCH_CHANGES: usize = 2_000;
/// The bytes after which a batch is full. What fills it may be one of the largest messages.
pub(crate) const BATCH_BYTES: usize = 4 << 20;

/// What was read and is not committed yet, of one session or one stretch of a log.
pub(crate) struct Pending {
    pub key: SessionKey,
    pub line: u64,
    pub ancestors: Vec<SessionKey>,
    pub parts: Vec<Restore>,
    pub messages: u64,
    pub documents: u64,
    /// Whether its last part is the session's last.
    pub complete: bool,
    pub progress: Progress,
}

/// How far a session is.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Progress {
    /// Whether it was not there before.
    pub fresh: bool,
    /// Whether parts of it are in the store.
    pub committed: bool,
    /// Whether that changed anything.
    pub changed: bool,
}

impl Run<'_> {
    /// Whether all that a session inherits from came before it. What the store has under these keys besides is not what
    /// is meant.
    pub(crate) fn inherits(&self, ancestors: &[SessionKey]) -> Result<(), Refusal> {
        for ancestor in ancestors {
            if self.failed.contains(ancestor) {
                return refuse(format!("it inherits from {ancestor}, which was not restored"));
            }
            if !self.seen.contains(ancestor) {
                return refuse(format!(
                    "it inherits from {ancestor}, which the archive does not have before it"
                ));
            }
        }
        Ok(())
    }

    /// What of the current session is not committed yet.
    pub(crate) fn open_pending(&mut self) -> &mut Pending {
        let (key, line, ancestors, progress) = match &self.current {
            Some(current) => (current.key.clone(), current.line, current.ancestors.clone(), current.progress),
            None => (nobody(), 0, Vec::new(), Progress::default()),
        };
        let open = self.pending.last().is_some_and(|last| !last.complete && last.line == line);
        if !open {
            let (parts, messages, documents, complete) = (Vec::new(), 0, 0, false);
            self.pending_before = (self.pending_changes, self.pending_bytes);
            self.pending.push(Pending {
                key,
                line,
                ancestors,
                parts,
                messages,
                documents,
                complete,
                progress,
            });
        }
        let last = self.pending.len() - 1;
        &mut self.pending[last]
    }

    pub(crate) fn push(&mut self, part: Restore, changes: usize, bytes: usize) {
        self.open_pending().parts.push(part);
        self.pending_changes += changes;
        self.pending_bytes += bytes;
    }

    /// Leaves a session out, and takes back what of it was written.
    pub(crate) async fn fail(
        &mut self,
        key: SessionKey,
        line: u64,
        progress: Progress,
        reason: Option<String>,
    ) -> Result<(), Error> {
        self.failed.insert(key.clone());
        self.restored.failed.extend(reason.map(|reason| FailedSession { line, key: key.clone(), reason }));
        if !progress.fresh || !progress.committed {
            return Ok(());
        }
        // Nobody else has written to it, or it stays.
        let delete = Commit::new(key).expect(Expect::State(0)).write(Write::Delete);
        match self.store.commit_one(delete).await {
            Ok(_) => Ok(()),
            Err(error) if is_about_the_session(&error) => Ok(()),
            Err(error) => Err(error),
        }
    }

    /// Takes out what has only begun, and what is kept for it, unless that fills a batch alone: so whatever happens, a
    /// session that fits into one is in the store wholly or not at all.
    fn hold_back(&mut self) -> Vec<Pending> {
        let (changes, bytes) = self.pending_before;
        let own = (self.pending_changes.saturating_sub(changes), self.pending_bytes.saturating_sub(bytes));
        let begun = self.pending.last().is_some_and(|last| !last.complete && !last.progress.committed);
        let mut from = self.pending.len();
        if begun && own.0 < BATCH_CHANGES && own.1 < BATCH_BYTES {
            let kept = self.pending.iter().rev().skip(1).take_while(|kept| kept.is_kept() && kept.complete);
            from -= 1 + kept.count();
        }
        // If nothing else waits, it goes.
        let from = if from == 0 { self.pending.len() } else { from };
        let held = self.pending.split_off(from);
        (self.pending_changes, self.pending_bytes) = if held.is_empty() { (0, 0) } else { own };
        self.pending_before = (0, 0);
        held
    }

    /// Commits what waits: together, and if one of the sessions is refused, one by one.
    pub(crate) async fn flush(&mut self) -> Result<(), Error> {
        let held = self.hold_back();
        self.flush_rest().await?;
        self.pending.extend(held);
        Ok(())
    }

    async fn flush_rest(&mut self) -> Result<(), Error> {
        let pending = mem::take(&mut self.pending);
        let commits = pending.iter().map(Pending::commit).collect();
        match self.store.commit(commits).await {
            Ok(receipts) => {
                for (pending, receipt) in pending.into_iter().zip(receipts) {
                    self.committed(pending, receipt.changed);
                }
                return Ok(());
            }
            Err(error) if !is_about_the_session(&error) => return Err(error),
            Err(_) => {}
        }
        let mut kept = Vec::new();
        for pending in pending {
            if self.failed.contains(&pending.key) {
                continue;
            }
            // What is kept goes together with the fork that reads it, or nobody would.
            if pending.is_kept() && pending.complete {
                kept.push(pending);
                continue;
            }
            self.flush_one(mem::take(&mut kept), pending).await?;
        }
        self.pending = kept;
        Ok(())
    }

    /// Commits a session with what is kept for it.
    async fn flush_one(&mut self, kept: Vec<Pending>, pending: Pending) -> Result<(), Error> {
        let mut reads: Vec<_> = pending.ancestors.clone();
        reads.extend(kept.iter().map(|kept| kept.key.clone()));
        let mut group = Vec::new();
        for kept in self.take_deferred(&reads).into_iter().chain(kept) {
            match self.inherits(&kept.ancestors) {
                Ok(()) => group.push(kept),
                Err(Refusal::Fatal(error)) => return Err(error),
                Err(Refusal::Because(reason)) => {
                    self.fail(kept.key, kept.line, kept.progress, Some(reason)).await?;
                }
            }
        }
        let commits = group.iter().chain([&pending]).map(Pending::commit).collect();
        let result = match self.inherits(&pending.ancestors) {
            Ok(()) => self.store.commit(commits).await.map_err(Refusal::from),
            Err(refusal) => Err(refusal),
        };
        let reason = match result {
            Ok(receipts) => {
                for (pending, receipt) in group.into_iter().chain([pending]).zip(receipts) {
                    self.committed(pending, receipt.changed);
                }
                return Ok(());
            }
            Err(Refusal::Fatal(error)) => return Err(error),
            Err(Refusal::Because(reason)) => reason,
        };
        self.deferred.extend(group);
        if self.current.as_ref().is_some_and(|current| current.line == pending.line) {
            (self.current, self.passing) = (None, true);
        }
        self.fail(pending.key, pending.line, pending.progress, Some(reason)).await
    }

    /// What of these was not committed because the forks that came with it were refused.
    pub(crate) fn take_deferred(&mut self, keys: &[SessionKey]) -> Vec<Pending> {
        let (wanted, rest) =
            mem::take(&mut self.deferred).into_iter().partition(|kept| keys.contains(&kept.key));
        self.deferred = rest;
        wanted
    }

    fn committed(&mut self, pending: Pending, changed: bool) {
        let mut progress = pending.progress;
        (progress.committed, progress.changed) = (true, progress.changed || changed);
        if changed {
            self.restored.messages += pending.messages;
            self.restored.documents += pending.documents;
        }
        if let Some(current) = &mut self.current
            && current.line == pending.line
        {
            current.progress = progress;
        }
        if pending.complete && !pending.is_kept() {
            match progress.changed {
                true => self.restored.sessions += 1,
                false => self.restored.unchanged += 1,
            }
        }
    }
}

impl Pending {
    pub(crate) fn is_kept(&self) -> bool {
        self.key.agent_id == KEPT
    }

    fn commit(&self) -> Commit {
        let writes = self.parts.iter().cloned().map(Write::Restore).collect();
        Commit { writes, ..Commit::new(self.key.clone()) }
    }
}

/// The parent of a fork whose parent is not in the store: an address at which nothing ever is.
pub(crate) fn nobody() -> SessionKey {
    SessionKey::new(KEPT, "", "", "", "")
}

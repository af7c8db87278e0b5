//! What occurred in all cases: a model test that never met a conflict would agree with anything.

use std::collections::{BTreeMap, HashMap};

use crate::{
    Commit, Conflict, Error, Expect, HitPage, Receipt, Restore, Result, SessionKey, ViewChange, Write,
};

/// What may occur, in six categories. Within each, every kind must make up a two-hundredth or more:
/// - writes that were carried out;
/// - the messages of the appends among them;
/// - the views that were changed by the end of a case, and the changes that were taken back;
/// - expectations: those that held in calls that were carried out, and the one that a refused call failed at. (Of the
///   others it is not known whether they were asked.)
/// - searches: what was found on the first page;
/// - calls, by their answer. A call in which a commit was replayed is a replay.
const KINDS: [(&str, &[&str]); 6] = [
    (
        "writes",
        &[
            "Open: new",
            "Open: there",
            "Append",
            "SetStatus",
            "SetMetadata",
            "SetTokens",
            "AddTokens",
            "PutDocument",
            "PatchDocument",
            "RemoveDocument",
            "Fork",
            "Compact",
            "Uncompact",
            "Pop",
            "Rewind",
            "Undo",
            "SetView",
            "Restore",
            "Delete",
        ],
    ),
    ("messages", &["appended", "there already"]),
    ("views", &["compact", "uncompact", "pop", "rewind", "reset", "set", "undone"]),
    (
        "expectations",
        &[
            "Absent: held",
            "Absent: failed",
            "State: held",
            "State: failed",
            "Head: held",
            "Head: failed",
            "Tail: held",
            "Tail: failed",
            "Document: held",
            "Document: failed",
        ],
    ),
    ("searches", &["nothing", "all on a page", "more than a page", "something hidden"]),
    (
        "calls",
        &[
            "done",
            "replayed",
            "NotFound",
            "Invalid",
            "Conflict: Exists",
            "Conflict: Family",
            "Conflict: State",
            "Conflict: Head",
            "Conflict: Tail",
            "Conflict: NotInView",
            "Conflict: Restored",
            "Conflict: Document",
            "Conflict: CommitId",
            "Conflict: MessageId",
        ],
    ),
];

/// What makes up less of its category is too rare.
const PERCENT_MIN: f64 = 0.5;

#[derive(Default)]
pub(super) struct Tally {
    counts: BTreeMap<(&'static str, &'static str), u64>,
    /// The sessions that are there in this case, with their last message.
    heads: HashMap<SessionKey, u64>,
}

impl Tally {
    /// A case begins, with an empty store.
    pub(super) fn begin(&mut self) {
        self.heads.clear();
    }

    /// Counts a call and its right answer.
    pub(super) fn count(&mut self, call: &[Commit], answer: &Result<Vec<Receipt>>) {
        let receipts = match answer {
            Ok(receipts) => receipts,
            Err(error) => return self.count_refusal(error),
        };
        let replayed = receipts.iter().any(|receipt| receipt.replayed);
        self.add("calls", if replayed { "replayed" } else { "done" });
        for (commit, receipt) in call.iter().zip(receipts).filter(|(_, receipt)| !receipt.replayed) {
            commit.expect.iter().for_each(|expect| self.add("expectations", held(expect)));
            commit.writes.iter().for_each(|write| self.count_write(&commit.key, write));
            for seq in &receipt.seqs {
                let head = self.heads.entry(commit.key.clone()).or_default();
                let new = *seq > *head;
                *head = (*head).max(*seq);
                self.add("messages", if new { "appended" } else { "there already" });
            }
        }
    }

    fn count_write(&mut self, key: &SessionKey, write: &Write) {
        let kind = match write {
            Write::Open(_) if self.heads.contains_key(key) => "Open: there",
            Write::Open(_) => {
                self.heads.insert(key.clone(), 0);
                "Open: new"
            }
            Write::Append(_) => "Append",
            Write::SetStatus(_) => "SetStatus",
            Write::SetMetadata(_) => "SetMetadata",
            Write::SetTokens(_) => "SetTokens",
            Write::AddTokens(_) => "AddTokens",
            Write::PutDocument(_) => "PutDocument",
            Write::PatchDocument { .. } => "PatchDocument",
            Write::RemoveDocument { .. } => "RemoveDocument",
            Write::Fork(_) => {
                self.heads.insert(key.clone(), 0);
                "Fork"
            }
            Write::Compact { .. } => "Compact",
            Write::Uncompact => "Uncompact",
            Write::Pop { .. } => "Pop",
            Write::Rewind { .. } => "Rewind",
            Write::Undo => "Undo",
            Write::SetView(_) => "SetView",
            Write::Restore(restore) => {
                match restore {
                    Restore::Session(_) => _ = self.heads.entry(key.clone()).or_default(),
                    Restore::State(state) => _ = self.heads.insert(key.clone(), state.head),
                    Restore::Messages(_) | Restore::Gap { .. } | Restore::Documents(_) => {}
                }
                "Restore"
            }
            Write::Delete => {
                self.heads.remove(key);
                "Delete"
            }
        };
        self.add("writes", kind);
    }

    /// Counts how views were changed, when a case is over.
    pub(super) fn count_changes(&mut self, changes: &[ViewChange]) {
        for change in changes {
            self.add("views", change.kind.name());
            if change.undone.is_some() {
                self.add("views", "undone");
            }
        }
    }

    /// Counts what a search found.
    pub(super) fn count_search(&mut self, page: &HitPage) {
        self.add(
            "searches",
            match page.hits.is_empty() {
                true => "nothing",
                false if page.next.is_some() => "more than a page",
                false => "all on a page",
            },
        );
        if page.hits.iter().any(|hit| !hit.shown) {
            self.add("searches", "something hidden");
        }
    }

    fn count_refusal(&mut self, error: &Error) {
        let (kind, failed) = match error {
            Error::NotFound(_) => ("NotFound", None),
            Error::Invalid(_) => ("Invalid", None),
            Error::Conflict { conflict, .. } => match conflict {
                Conflict::Exists { .. } => ("Conflict: Exists", Some("Absent: failed")),
                Conflict::Family { .. } => ("Conflict: Family", None),
                Conflict::State { .. } => ("Conflict: State", Some("State: failed")),
                Conflict::Head { .. } => ("Conflict: Head", Some("Head: failed")),
                Conflict::Log { .. } => {
                    panic!("the numbers of logs are each store's own, and none is expected here")
                }
                Conflict::Tail { .. } => ("Conflict: Tail", Some("Tail: failed")),
                Conflict::NotInView { .. } => ("Conflict: NotInView", None),
                Conflict::Restored { .. } => ("Conflict: Restored", None),
                Conflict::Document { .. } => ("Conflict: Document", Some("Document: failed")),
                Conflict::CommitId { .. } => ("Conflict: CommitId", None),
                Conflict::MessageId { .. } => ("Conflict: MessageId", None),
            },
            other => panic!("the memory engine never fails with {other:?}"),
        };
        self.add("calls", kind);
        if let Some(failed) = failed {
            self.add("expectations", failed);
        }
    }

    fn add(&mut self, category: &'static str, kind: &'static str) {
        *self.counts.entry((category, kind)).or_default() += 1;
    }

    /// Prints the table. With `demand`, nothing may be rarer than a two-hundredth.
    #[expect(clippy::print_stdout, reason = "a test's output, shown when it fails or is asked for")]
    pub(super) fn report(&self, demand: bool) {
        let mut rare = Vec::new();
        for (category, kinds) in KINDS {
            let count = |kind: &'static str| self.counts.get(&(category, kind)).copied().unwrap_or_default();
            let total: u64 = kinds.iter().map(|kind| count(kind)).sum();
            println!("{category}: {total}");
            for kind in kinds {
                let percent = 100.0 * count(kind) as f64 / total.max(1) as f64;
                println!("  {kind:20} {:7} {percent:5.1} %", count(kind));
                if percent < PERCENT_MIN {
                    rare.push(format!("{category}: {kind}"));
                }
            }
        }
        assert!(rare.is_empty() || !demand, "too rare to prove anything: {rare:?}");
    }
}

fn held(expect: &Expect) -> &'static str {
    match expect {
        Expect::Absent => "Absent: held",
        Expect::State(_) => "State: held",
        Expect::Head(_) => "Head: held",
        Expect::Tail(_) => "Tail: held",
        Expect::Log(_) => "Log: held",
        Expect::Document { .. } => "Document: held",
    }
}

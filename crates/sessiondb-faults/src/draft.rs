//! Random commits of every kind, in terms of what the store holds when they are drafted.

use fastrand::Rng;
use sessiondb_core::{
    Commit, Document, Expect, Fork, Json, Message, NewDocument, NewMessage, Opening, Restore,
    RestoredSession, RestoredState, SessionKey, Store, Time, Window, Write, limits::PAGE_MAX,
};

use crate::operation::Operation;

/// Which of a workload's sessions; some are made only by forks and restores.
pub(crate) const KEYS: u32 = 6;
const STATUSES: [&str; 3] = ["active", "idle", "done"];

/// Drafts commits for a store.
pub(crate) struct Drafts<'a> {
    pub rng: &'a mut Rng,
    pub store: &'a Store,
    /// How many ids were given out, so that none comes twice.
    pub ids: &'a mut u64,
}

/// The sessions that are opened, written to and deleted.
pub(crate) fn key(number: u32) -> SessionKey {
    SessionKey::new(if number < 4 { "main" } else { "other" }, "cli", "", "dm", format!("peer {number}"))
}

impl Drafts<'_> {
    /// A call that does this at least once, with others before it that it may need.
    pub async fn calls(&mut self, operation: Operation) -> Vec<Vec<Commit>> {
        let key = key(self.rng.u32(..KEYS));
        let commit = |writes: Vec<Write>| Commit { writes, ..Commit::new(key.clone()) };
        match operation {
            // Something to take back.
            Operation::Uncompact | Operation::Undo => {
                let begun = vec![Write::open(), self.append()];
                let through = self.store.session(&key).await.ok().flatten().map_or(1, |s| s.head + 1);
                let hidden = vec![Write::Compact { through, summary: vec![self.message()] }];
                let back = if operation == Operation::Undo { Write::Undo } else { Write::Uncompact };
                vec![vec![commit(begun)], vec![commit(hidden)], vec![commit(vec![back])]]
            }
            Operation::RemoveDocument => {
                let document = self.document();
                let (collection, id) = (document.collection.clone(), document.id.clone());
                let gone = Write::RemoveDocument { collection, id };
                vec![
                    vec![commit(vec![Write::open(), Write::PutDocument(document)])],
                    vec![commit(vec![gone])],
                ]
            }
            Operation::Delete => {
                vec![vec![commit(vec![Write::open(), self.append()])], vec![commit(vec![Write::Delete])]]
            }
            Operation::Fork => {
                let new = SessionKey::new("main", "fork", "", "dm", self.id());
                let shown = self.shown(&key).await;
                let at = self.rng.bool().then(|| self.choice(&shown).unwrap_or(0));
                let fork = Fork { parent: key.clone(), at, status: None, metadata: None };
                let begun = commit(vec![Write::open(), self.append()]);
                let forked = Commit::new(new).write(Write::Fork(fork)).write(self.append());
                vec![vec![begun], vec![forked]]
            }
            Operation::Restore => vec![vec![self.restore()]],
            _ => {
                let mut writes = vec![Write::open()];
                for _ in 0..self.rng.u32(..3) {
                    let other = self.plain();
                    writes.extend(self.write(other, &key).await);
                }
                if self.shown(&key).await.is_empty() {
                    writes.push(self.append());
                }
                writes.extend(self.write(operation, &key).await);
                let mut commit = commit(writes);
                if self.rng.u8(..4) == 0 {
                    commit.id = Some(self.id());
                }
                vec![vec![commit]]
            }
        }
    }

    /// A call of several commits, all for different sessions.
    pub async fn batch(&mut self) -> Vec<Commit> {
        let mut numbers: Vec<u32> = (0..KEYS).collect();
        self.rng.shuffle(&mut numbers);
        let mut call = Vec::new();
        for number in &numbers[..self.rng.usize(2..=4)] {
            let key = key(*number);
            let plain = self.plain();
            let mut commit = Commit::new(key.clone()).write(Write::open()).write(self.append());
            commit.writes.extend(self.write(plain, &key).await);
            commit.id = self.rng.bool().then(|| self.id());
            call.push(commit);
        }
        call
    }

    /// A call that must be refused as a whole, although most of it could be done.
    pub async fn refused(&mut self) -> Vec<Commit> {
        let mut call = self.batch().await;
        let wrong = match self.rng.u8(..3) {
            0 => Commit::new(SessionKey::new("main", "", "", "", "nobody")).write(self.append()),
            1 => Commit::new(key(0)).write(Write::open()).expect(Expect::State(u64::from(u32::MAX))),
            _ => Commit::new(key(1)).write(self.append()).expect(Expect::Head(u64::from(u32::MAX))),
        };
        call.push(wrong);
        call
    }

    /// A write that needs nothing but the session.
    fn plain(&mut self) -> Operation {
        let plain = [
            Operation::Append,
            Operation::SetStatus,
            Operation::SetMetadata,
            Operation::SetTokens,
            Operation::AddTokens,
            Operation::PutDocument,
            Operation::PatchDocument,
        ];
        plain[self.rng.usize(..plain.len())]
    }

    /// A write of this kind; none of the kinds that [`calls`](Drafts::calls) makes itself.
    async fn write(&mut self, operation: Operation, key: &SessionKey) -> Option<Write> {
        let shown = self.shown(key).await;
        // A message that is shown, or the first, which may be appended by the same commit.
        let seq = self.choice(&shown).unwrap_or(1);
        Some(match operation {
            Operation::Open => Write::Open(Opening { status: Some("new".into()), ..Opening::default() }),
            Operation::Append => self.append(),
            Operation::SetStatus => Write::SetStatus(STATUSES[self.rng.usize(..STATUSES.len())].into()),
            Operation::SetMetadata => Write::SetMetadata(self.object(200)),
            Operation::SetTokens => Write::SetTokens(self.rng.u64(..1000)),
            Operation::AddTokens => Write::AddTokens(self.rng.u64(1..1000)),
            Operation::PutDocument => Write::PutDocument(self.document()),
            Operation::PatchDocument => {
                let NewDocument { collection, id, .. } = self.document();
                Write::PatchDocument { collection, id, patch: self.object(80) }
            }
            Operation::Compact => {
                let summary = (0..self.rng.usize(..=2)).map(|_| self.message()).collect();
                Write::Compact { through: seq, summary }
            }
            Operation::Pop => Write::Pop { count: self.rng.usize(1..=3) },
            Operation::Rewind => Write::Rewind { seq: if self.rng.bool() { seq } else { 0 } },
            Operation::SetView => {
                let head = shown.last().copied().unwrap_or(1);
                Write::SetView(if self.rng.bool() { vec![(1, seq)] } else { vec![(seq, head.max(seq))] })
            }
            _ => return None,
        })
    }

    fn restore(&mut self) -> Commit {
        let at = |second: i64| Time::from_timestamp(1_700_000_000 + second, 0).unwrap_or_default();
        let session = RestoredSession {
            family: "chat".into(),
            created_at: at(0),
            log_first: 1,
            ancestors: Vec::new(),
            forked_from: None,
        };
        let count = self.rng.u64(2..6);
        let message = |drafts: &mut Self, seq: u64| {
            let new = drafts.message();
            Message {
                id: 0,
                seq,
                role: new.role,
                content: new.content,
                tool_calls: new.tool_calls,
                created_at: at(seq as i64),
                message_id: new.message_id,
                opens: new.opens,
                closes: new.closes,
                token_count: new.token_count,
                attributes: new.attributes,
            }
        };
        let messages: Vec<Message> = (1..=count).map(|seq| message(self, seq)).collect();
        let last = message(self, count + 3);
        let NewDocument { collection, id, body, blob } = self.document();
        let document = Document { collection, id, body, blob, revision: 2, updated_at: at(9) };
        let state = RestoredState {
            status: "idle".into(),
            metadata: self.object(100),
            token_usage: 7,
            updated_at: at(10),
            revision: 2,
            head: count + 3,
            view: vec![(1, count), (count + 3, count + 3)],
            changes: Vec::new(),
        };
        let parts = [
            Restore::Session(Box::new(session)),
            Restore::Messages(messages),
            Restore::Gap { first: count + 1, last: count + 2 },
            Restore::Messages(vec![last]),
            Restore::Documents(vec![document]),
            Restore::State(Box::new(state)),
        ];
        let new = Commit::new(SessionKey::new("main", "archive", "", "dm", self.id()));
        parts.into_iter().map(Write::Restore).fold(new, Commit::write)
    }

    fn append(&mut self) -> Write {
        Write::Append((0..self.rng.usize(1..=3)).map(|_| self.message()).collect())
    }

    /// A message; one in twelve is longer than a page or several.
    pub fn message(&mut self) -> NewMessage {
        let length =
            if self.rng.u8(..12) == 0 { self.rng.usize(4_000..30_000) } else { self.rng.usize(..300) };
        let mut message = NewMessage::new("user", self.text(length).as_str());
        if self.rng.u8(..3) == 0 {
            message = message.message_id(self.id());
        }
        if self.rng.u8(..4) == 0 {
            message.tool_calls = Some(self.object(60));
            message.opens = vec![self.id()];
            message.token_count = Some(self.rng.u64(..100));
        }
        message.attributes = self.rng.bool().then(|| self.object(40));
        message
    }

    fn document(&mut self) -> NewDocument {
        let length = if self.rng.u8(..6) == 0 { 20_000 } else { 600 };
        let id = format!("document {}", self.rng.u8(..5));
        let mut document = NewDocument::new("state", id, self.object(length));
        if self.rng.bool() {
            let size = self.rng.usize(..length);
            document.blob = Some((0..size).map(|_| self.rng.u8(..)).collect());
        }
        document
    }

    fn object(&mut self, length: usize) -> Json {
        let length = self.rng.usize(..length);
        let (name, text) = (self.rng.u8(..4), self.text(length));
        Json::parse(format!("{{\"member {name}\":\"{text}\"}}")).unwrap_or_else(|_| Json::object())
    }

    fn text(&mut self, length: usize) -> String {
        (0..length).map(|_| self.rng.alphanumeric()).collect()
    }

    fn id(&mut self) -> String {
        *self.ids += 1;
        format!("id-{}", self.ids)
    }

    async fn shown(&mut self, key: &SessionKey) -> Vec<u64> {
        let page = self.store.message_window(key, Window::after(0, PAGE_MAX)).await;
        page.map_or(Vec::new(), |page| page.messages.iter().map(|message| message.seq).collect())
    }

    fn choice(&mut self, of: &[u64]) -> Option<u64> {
        if of.is_empty() { None } else { Some(of[self.rng.usize(..of.len())]) }
    }
}

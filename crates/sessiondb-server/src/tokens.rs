//! [`Tokens`]: which tokens there are, kept in the store itself.
//!
//! Each is a document of the session `~system:tokens:::`, which no token can reach. A look-up is kept for a few seconds, so
//! that a token is not read at every request and one that is revoked, by whichever process, still ends soon.

use std::{
    collections::HashMap,
    sync::Arc,
    time::{Duration, Instant},
};

use parking_lot::Mutex;
use serde::{Deserialize, Serialize};
use sessiondb::{
    Commit, Document, DocumentFilter, Error, Expect, Json, NewDocument, Result, SYSTEM, Scope, SessionKey,
    Store, Time, Write, limits, time,
};
use utoipa::ToSchema;

use crate::{
    right::{Right, Rights},
    token::{Hash, Token},
};

/// How long what was looked up is believed. A revoked token ends at the latest then.
const BELIEVED: Duration = Duration::from_secs(3);
/// How many look-ups are kept.
const KEPT_MAX: usize = 10_000;
const COLLECTION: &str = "tokens";

/// A token but for its secret.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct TokenInfo {
    /// What names it.
    #[schema(example = "4vJ8cQ2LrTz0")]
    pub id: String,
    /// What it is for, in words.
    #[schema(example = "the Slack bot")]
    pub name: String,
    /// What it may do.
    pub rights: Vec<Right>,
    /// The leading parts of the keys that it may see, as `support:slack:*`; `*` is everything.
    #[schema(example = "support:*")]
    pub scope: String,
    /// When it was made.
    #[serde(with = "time::text")]
    #[schema(value_type = String, format = DateTime)]
    pub created_at: Time,
    /// From when on it is not accepted any more; none for never.
    #[serde(with = "time::text_opt")]
    #[schema(value_type = Option<String>, format = DateTime)]
    pub expires_at: Option<Time>,
    /// When it was revoked.
    #[serde(with = "time::text_opt")]
    #[schema(value_type = Option<String>, format = DateTime)]
    pub revoked_at: Option<Time>,
}

/// What a new token is to be.
#[derive(Debug, Clone)]
pub struct NewToken {
    /// What it is for, in words.
    pub name: String,
    /// What it may do.
    pub rights: Rights,
    /// What it may see.
    pub scope: Scope,
    /// From when on it is not accepted any more.
    pub expires_at: Option<Time>,
}

/// A token as it is stored.
#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Stored {
    name: String,
    hash: String,
    rights: Vec<Right>,
    scope: Vec<String>,
    #[serde(with = "time::text")]
    created_at: Time,
    #[serde(with = "time::text_opt")]
    expires_at: Option<Time>,
    #[serde(with = "time::text_opt")]
    revoked_at: Option<Time>,
}

/// Who calls: what an accepted token stands for.
#[derive(Debug, Clone)]
pub(crate) struct Caller {
    /// The token's id, or `none` where no token is asked for.
    pub token: Arc<str>,
    pub rights: Rights,
    pub scope: Scope,
    /// When the token ends.
    pub expires_at: Option<Time>,
}

/// Why a token is not accepted.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) enum Refused {
    /// There is no token of this id.
    Unknown,
    /// There is, with another secret. The caller is told the same.
    WrongSecret,
    Expired,
    Revoked,
}

/// The tokens of a store.
#[derive(Clone)]
pub struct Tokens {
    system: Store,
    known: Arc<Mutex<LookedUp>>,
}

/// What was found of an id, and when.
type LookedUp = HashMap<String, (Instant, Option<Known>)>;

#[derive(Clone)]
struct Known {
    hash: Hash,
    caller: Caller,
    revoked: bool,
}

impl Known {
    fn has_expired(&self) -> bool {
        self.caller.expires_at.is_some_and(|end| end <= time::now())
    }
}

impl Tokens {
    /// Those of this store.
    ///
    /// # Errors
    /// [`Error::Invalid`] for a scoped handle.
    pub fn of(store: &Store) -> Result<Tokens> {
        Ok(Tokens { system: store.system()?, known: Arc::default() })
    }

    /// Makes a token. Its text is in the answer and nowhere else.
    ///
    /// # Errors
    /// As [`Store::commit`].
    pub async fn create(&self, new: NewToken) -> Result<(Token, TokenInfo)> {
        self.create_noted(new, None).await
    }

    /// The same, and a note of it in the same transaction.
    pub(crate) async fn create_noted(
        &self,
        new: NewToken,
        note: Option<Commit>,
    ) -> Result<(Token, TokenInfo)> {
        let token =
            Token::generate().map_err(|e| Error::Storage(format!("the system has no random bytes: {e}")))?;
        let stored = Stored {
            name: new.name,
            hash: token.hash().to_text(),
            rights: new.rights.iter().collect(),
            scope: new.scope.parts().to_vec(),
            created_at: time::now(),
            expires_at: new.expires_at,
            revoked_at: None,
        };
        let document = NewDocument::new(COLLECTION, token.id(), Json::from_value(&stored)?);
        let expect = Expect::Document { collection: COLLECTION.into(), id: token.id().into(), revision: 0 };
        let commit =
            Commit::new(key()).write(Write::open_family("system")).write(Write::PutDocument(document));
        self.system.commit([commit.expect(expect)].into_iter().chain(note).collect()).await?;
        Ok((token.clone(), stored.info(token.id())))
    }

    /// All of them, by their ids.
    ///
    /// # Errors
    /// As [`Store::document_list`].
    pub async fn list(&self) -> Result<Vec<TokenInfo>> {
        let (mut tokens, mut after) = (Vec::new(), None);
        loop {
            let filter =
                DocumentFilter { after, limit: limits::PAGE_MAX, ..DocumentFilter::collection(COLLECTION) };
            let page = match self.system.document_list(&key(), &filter).await {
                Err(Error::NotFound(_)) => return Ok(tokens),
                page => page?,
            };
            for document in &page.documents {
                tokens.push(read(document)?.info(&document.id));
            }
            after = page.next;
            if after.is_none() {
                return Ok(tokens);
            }
        }
    }

    /// Revokes a token; answers what it was, or `None` if there is none of this id. One that is revoked already stays as it is.
    ///
    /// # Errors
    /// As [`Store::commit`].
    pub async fn revoke(&self, id: &str) -> Result<Option<TokenInfo>> {
        self.revoke_noted(id, None).await
    }

    /// The same, and a note of it in the same transaction, if it was not revoked before.
    pub(crate) async fn revoke_noted(&self, id: &str, note: Option<Commit>) -> Result<Option<TokenInfo>> {
        let Some(document) = self.system.document(&key(), COLLECTION, id).await? else { return Ok(None) };
        let mut stored = read(&document)?;
        if stored.revoked_at.is_none() {
            stored.revoked_at = Some(time::now());
            let patch = Json::from_value(&serde_json::json!({ "revoked_at": time::to_text(time::now()) }))?;
            let write = Write::PatchDocument { collection: COLLECTION.into(), id: id.into(), patch };
            let commit = Commit::new(key()).write(write);
            self.system.commit([commit].into_iter().chain(note).collect()).await?;
        }
        self.known.lock().remove(id);
        Ok(Some(stored.info(id)))
    }

    /// Who shows this token.
    pub(crate) async fn accept(&self, token: &Token) -> Result<Result<Caller, Refused>> {
        let known = self.look_up(token.id()).await?;
        // Compared in any case, so that an unknown id takes as long as a wrong secret.
        let hash = known.as_ref().map_or(Hash::NONE, |known| known.hash);
        let right = hash.is(&token.hash());
        Ok(match known {
            None => Err(Refused::Unknown),
            Some(_) if !right => Err(Refused::WrongSecret),
            Some(known) if known.revoked => Err(Refused::Revoked),
            Some(known) if known.has_expired() => Err(Refused::Expired),
            Some(known) => Ok(known.caller),
        })
    }

    /// Whether what a caller showed is accepted still: for streams, which go on for longer than a request.
    pub(crate) async fn accepts_still(&self, caller: &Caller) -> bool {
        let ended = |known: &Known| known.revoked || known.has_expired();
        // What cannot be looked up is no reason to end a stream.
        self.look_up(&caller.token).await.map_or(true, |known| known.is_some_and(|known| !ended(&known)))
    }

    async fn look_up(&self, id: &str) -> Result<Option<Known>> {
        if let Some((at, known)) = self.known.lock().get(id)
            && at.elapsed() < BELIEVED
        {
            return Ok(known.clone());
        }
        let at = Instant::now();
        let document = self.system.document(&key(), COLLECTION, id).await?;
        let known = document.map(|document| Known::read(&document)).transpose()?;
        let mut all = self.known.lock();
        if all.len() >= KEPT_MAX {
            all.retain(|_, (at, _)| at.elapsed() < BELIEVED);
        }
        if all.len() < KEPT_MAX {
            all.insert(id.to_owned(), (at, known.clone()));
        }
        Ok(known)
    }
}

impl Known {
    fn read(document: &Document) -> Result<Known> {
        let stored = read(document)?;
        let hash = Hash::from_text(&stored.hash).ok_or_else(|| damaged(document, "hash"))?;
        let rights = stored.rights.iter().copied().collect();
        let (scope, expires_at) = (stored.scope(), stored.expires_at);
        let caller = Caller { token: document.id.as_str().into(), rights, scope, expires_at };
        Ok(Known { hash, caller, revoked: stored.revoked_at.is_some() })
    }
}

impl Stored {
    fn scope(&self) -> Scope {
        self.scope.iter().fold(Scope::all(), |scope, part| scope.narrow(part.as_str()))
    }

    fn info(&self, id: &str) -> TokenInfo {
        TokenInfo {
            id: id.to_owned(),
            name: self.name.clone(),
            rights: self.rights.clone(),
            scope: self.scope().to_string(),
            created_at: self.created_at,
            expires_at: self.expires_at,
            revoked_at: self.revoked_at,
        }
    }
}

fn key() -> SessionKey {
    SessionKey::new(SYSTEM, "tokens", "", "", "")
}

fn read(document: &Document) -> Result<Stored> {
    document.body.read().map_err(|_| damaged(document, "body"))
}

fn damaged(document: &Document, what: &str) -> Error {
    Error::Undecodable {
        row: format!("the token {}", document.id),
        reason: format!("its {what} is not one of a token"),
    }
}

//! State that belongs to more than one session: of an agent, of a user of it, of a workspace, of everything.
//!
//! A scope's state are documents of the collection [`STATE`], by their names, at an address of the scope
//! ([`SessionKey::of_scope`]). It has no messages. So it is read, put, patched, expected and followed as any document, and changes
//! together with sessions in one call of [`commit`](Store::commit). Of a scope of five parts, which is one session, the
//! state are that session's own documents of the collection.

use crate::{
    Commit, Document, DocumentFilter, DocumentPage, Error, FAMILY_SCOPE, Json, NewDocument, Receipt, Restore,
    Result, Scope, SessionKey, Store, Write,
};

/// The collection of the documents that are a scope's state.
pub const STATE: &str = "state";

impl Store {
    /// What is in a scope's state under this name.
    ///
    /// ```
    /// # use std::sync::Arc;
    /// # use sessiondb_core::{Json, MemoryBackend, Scope, Store};
    /// # pollster::block_on(async {
    /// # let store = Store::new(Arc::new(MemoryBackend::new()));
    /// // Of the agent `shop`, on its web channel, of one user.
    /// let user = Scope::agent("shop").narrow("web").narrow("ann");
    /// store.state_put(&user, "theme", Json::string("dark")).await?;
    /// let theme = store.state(&user, "theme").await?.unwrap();
    /// assert_eq!(theme.body.get(), "\"dark\"");
    /// # Ok::<(), sessiondb_core::Error>(())
    /// # }).unwrap();
    /// ```
    ///
    /// # Errors
    /// [`Error::OutOfScope`] if the scope is not within this handle's; otherwise as [`document`](Store::document).
    pub async fn state(&self, scope: &Scope, name: &str) -> Result<Option<Document>> {
        self.document(&SessionKey::of_scope(scope), STATE, name).await
    }

    /// A page of a scope's state, by name; nothing if it never had any. Go on after the name of the last one.
    ///
    /// # Errors
    /// As [`document_list`](Store::document_list), but that there is nothing is none.
    pub async fn state_list(
        &self,
        scope: &Scope,
        after: Option<String>,
        limit: usize,
    ) -> Result<DocumentPage> {
        let after = after.map(|name| (STATE.to_owned(), name));
        let filter = DocumentFilter { collection: Some(STATE.into()), after, limit };
        match self.document_list(&SessionKey::of_scope(scope), &filter).await {
            Err(Error::NotFound(_)) => Ok(DocumentPage { documents: Vec::new(), next: None }),
            page => page,
        }
    }

    /// Puts this into a scope's state, in place of what has the name.
    ///
    /// # Errors
    /// As [`commit`](Store::commit).
    pub async fn state_put(&self, scope: &Scope, name: &str, value: Json) -> Result<Receipt> {
        self.commit_one(
            Commit::of_scope(scope).write(Write::PutDocument(NewDocument::new(STATE, name, value))),
        )
        .await
    }

    /// Changes what has this name by a merge patch (RFC 7396); what is not there is made of it.
    ///
    /// # Errors
    /// As [`commit`](Store::commit).
    pub async fn state_patch(&self, scope: &Scope, name: &str, patch: Json) -> Result<Receipt> {
        let write = Write::PatchDocument { collection: STATE.into(), id: name.into(), patch };
        self.commit_one(Commit::of_scope(scope).write(write)).await
    }

    /// Removes what has this name; answers whether there was something.
    ///
    /// # Errors
    /// As [`commit`](Store::commit).
    pub async fn state_remove(&self, scope: &Scope, name: &str) -> Result<bool> {
        let write = Write::RemoveDocument { collection: STATE.into(), id: name.into() };
        match self.commit_one(Commit::new(SessionKey::of_scope(scope)).write(write)).await {
            Ok(receipt) => Ok(receipt.changed),
            Err(Error::NotFound(_)) => Ok(false),
            Err(error) => Err(error),
        }
    }
}

impl Commit {
    /// A commit to a scope's state, which is opened if it has none yet. Of a scope of five parts it is a commit to that session, as
    /// it is.
    ///
    /// ```
    /// use sessiondb_core::{Commit, Json, NewDocument, STATE, Scope, Write};
    ///
    /// let theme = NewDocument::new(STATE, "theme", Json::string("dark"));
    /// let commit = Commit::of_scope(&Scope::agent("shop")).write(Write::PutDocument(theme));
    /// ```
    pub fn of_scope(scope: &Scope) -> Commit {
        let commit = Commit::new(SessionKey::of_scope(scope));
        match commit.key.is_of_scope() {
            true => commit.write(Write::open_family(FAMILY_SCOPE)),
            false => commit,
        }
    }

    /// Whether it may be written where it is to be: at the address of a scope stands state and nothing else, and no session is
    /// of the family that says so.
    pub(crate) fn validate_place(&self) -> Result<()> {
        let of_scope = self.key.is_of_scope();
        for write in &self.writes {
            let fits = match write {
                Write::Open(opening) => (opening.family.as_deref() == Some(FAMILY_SCOPE)) == of_scope,
                Write::Restore(Restore::Session(session)) => {
                    let bare = session.ancestors.is_empty()
                        && session.forked_from.is_none()
                        && session.log_first == 1;
                    (session.family == FAMILY_SCOPE) == of_scope && (bare || !of_scope)
                }
                Write::Restore(Restore::State(state)) => {
                    !of_scope || (state.head == 0 && state.view.is_empty())
                }
                Write::Restore(Restore::Documents(_))
                | Write::PutDocument(_)
                | Write::PatchDocument { .. }
                | Write::RemoveDocument { .. }
                | Write::Delete => true,
                Write::Fork(fork) => !of_scope && !fork.parent.is_of_scope(),
                _ => !of_scope,
            };
            if !fits && of_scope {
                return Err(Error::Invalid(format!(
                    "{} is where a scope's state is; it takes documents, and is opened with the family '{FAMILY_SCOPE}'",
                    self.key
                )));
            }
            if !fits {
                return Err(Error::Invalid(format!(
                    "session {}: the family '{FAMILY_SCOPE}' is of the state of scopes, which cannot be forked",
                    self.key
                )));
            }
        }
        Ok(())
    }
}

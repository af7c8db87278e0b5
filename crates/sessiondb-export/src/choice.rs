//! [`Choice`]: which sessions to export.

use sessiondb::{Error, FAMILY_SCOPE, LogId, Scope, SessionFilter, SessionKey, SessionOrder, Store};

/// Sessions read at a time: their metadata may be large.
const PAGE: usize = 100;

/// Which sessions to export.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Choice {
    /// All that match, and the state of scopes that match; the default filter matches every session. Its order, its cursor and its limit do not count.
    Matching(Box<SessionFilter>),
    /// These, each once however often it is named.
    Keys(Vec<SessionKey>),
}

impl Choice {
    /// Every session.
    pub fn all() -> Choice {
        Choice::Matching(Box::default())
    }

    /// The logs of these sessions and their keys, in the order in which the sessions were made. That is also the order
    /// of their numbers, so a fork comes after all that it inherits from.
    pub(crate) async fn sessions(&self, store: &Store) -> Result<Vec<(LogId, SessionKey)>, Error> {
        if *store.scope() != Scope::all() {
            let message =
                format!("an export follows forks anywhere in the store; this handle sees {}", store.scope());
            return Err(Error::Invalid(message));
        }
        let mut sessions = Vec::new();
        match self {
            Choice::Keys(keys) => {
                for key in keys {
                    let session = store.session(key).await?;
                    let session = session.ok_or_else(|| Error::NotFound(Box::new(key.clone())))?;
                    sessions.push((session.log, session.key));
                }
            }
            Choice::Matching(filter) => {
                // A list by creation keeps its order while others write, so no session is passed over.
                let order = SessionOrder::CreatedOldest;
                let asked = SessionFilter { order, after: None, limit: PAGE, ..(**filter).clone() };
                // The state of scopes is listed where it is asked for, and belongs to whatever is not of one family.
                let of_scopes = SessionFilter { family: Some(FAMILY_SCOPE.into()), ..asked.clone() };
                let scopes = asked.family.is_none().then_some(of_scopes);
                for mut filter in [asked].into_iter().chain(scopes) {
                    loop {
                        let page = store.session_list(&filter).await?;
                        sessions.extend(page.sessions.into_iter().map(|session| (session.log, session.key)));
                        filter.after = page.next;
                        if filter.after.is_none() {
                            break;
                        }
                    }
                }
            }
        }
        sessions.sort_unstable_by_key(|(log, _)| *log);
        sessions.dedup_by_key(|(log, _)| *log);
        Ok(sessions)
    }
}

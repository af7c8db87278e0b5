//! [`Ledger`]: what the model's answers cost, each counted once.
//!
//! Several lines may speak of one answer, in one run or in several, and a later one may know of more tokens. So the
//! session has a document for each answer, and its sum of tokens grows only by what that document did not say yet.

use std::collections::{BTreeMap, HashMap};

use sessiondb::{NewDocument, Result, SessionKey, Store};

use crate::format::{Transcript, Usage};

const COLLECTION: &str = "usage";

/// The tokens counted for each answer that this run has met.
pub(crate) struct Ledger {
    counted: HashMap<String, u64>,
    /// Whether the store may know more than this run.
    stored: bool,
}

/// What must be written for some usages.
#[derive(Default)]
pub(crate) struct Charge {
    pub documents: Vec<NewDocument>,
    pub tokens: u64,
}

impl Ledger {
    /// A ledger of a session, which is `stored` already or else has none.
    pub fn new(stored: bool) -> Ledger {
        Ledger { counted: HashMap::new(), stored }
    }

    /// Counts what these usages say beyond what is known.
    ///
    /// # Errors
    /// As [`Store::document`].
    pub async fn count(
        &mut self,
        store: &Store,
        key: &SessionKey,
        transcript: &dyn Transcript,
        usages: Vec<Usage>,
    ) -> Result<Charge> {
        let (mut documents, mut tokens) = (BTreeMap::new(), 0);
        for Usage { id, body, tokens: says } in usages {
            let known = match self.counted.get(&id) {
                Some(known) => Some(*known),
                None if self.stored => {
                    let document = store.document(key, COLLECTION, &id).await?;
                    document.map(|document| transcript.tokens(&document.body))
                }
                None => None,
            };
            self.counted.insert(id.clone(), known.unwrap_or(0).max(says));
            if known.is_none_or(|known| says > known) {
                tokens += says - known.unwrap_or(0);
                documents.insert(id.clone(), NewDocument::new(COLLECTION, id, body));
            }
        }
        Ok(Charge { documents: documents.into_values().collect(), tokens })
    }
}

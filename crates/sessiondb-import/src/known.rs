//! [`Known`]: the messages that a session has, also those that it hides.
//!
//! The store knows a message again by its id only while the session shows it. What was compacted or taken back since it was
//! imported would come a second time, so the importer has to look for itself.

use std::collections::HashMap;

use sessiondb::{Conflict, Error, Json, Message, NewMessage, Result, Session, Store, Window};
use xxhash_rust::xxh3::Xxh3;

/// How many messages of a store are looked at at a time.
pub(crate) const PAGE: usize = 100;
/// How the content of a message begins of which only a digest is kept.
const DIGEST: &str = "sessiondb:digest:";

/// The messages that a session has, without what they say.
pub(crate) struct Known {
    session: Session,
    by_id: HashMap<String, Vec<Message>>,
}

impl Known {
    /// What this session has; `None` if it shows all of that, since the store knows it again then.
    ///
    /// # Errors
    /// As [`Store::message_window`].
    pub async fn of(store: &Store, session: &Session) -> Result<Option<Known>> {
        if session.message_count >= session.head {
            return Ok(None);
        }
        let (mut by_id, mut seq) = (HashMap::<_, Vec<_>>::new(), 0);
        loop {
            let page = store.message_window(&session.key, Window::log(seq, PAGE)).await?;
            let Some(last) = page.messages.last() else { break };
            seq = last.seq;
            for message in page.messages {
                if let Some(id) = message.message_id.clone() {
                    by_id.entry(id).or_default().push(digested_as_stored(message));
                }
            }
        }
        Ok(Some(Known { session: session.clone(), by_id }))
    }

    /// Whether the session has this message.
    ///
    /// # Errors
    /// [`Conflict::MessageId`] if it has another one with its id.
    pub fn has(&self, message: &NewMessage) -> Result<bool> {
        let with_id = message.message_id.as_ref().and_then(|id| Some((id, self.by_id.get(id)?)));
        let Some((id, stored)) = with_id else { return Ok(false) };
        let message = digested(message.clone());
        match stored.last() {
            _ if stored.iter().any(|stored| message.is_same_as(stored)) => Ok(true),
            Some(last) => Err(Error::Conflict {
                key: Box::new(self.session.key.clone()),
                conflict: Conflict::MessageId { id: id.clone(), seq: last.seq },
            }),
            None => Ok(false),
        }
    }
}

/// The message with a digest of what it says for its content: two that differ still differ. One that is such a message
/// already stays as it is.
pub(crate) fn digested(message: NewMessage) -> NewMessage {
    if message.content.get().strip_prefix('"').is_some_and(|content| content.starts_with(DIGEST)) {
        return message;
    }
    let NewMessage {
        role,
        content,
        tool_calls,
        created_at,
        message_id,
        opens,
        closes,
        token_count,
        attributes,
    } = message;
    let mut digest = Xxh3::new();
    let mut part = |text: Option<&str>| {
        digest.update(&text.map_or(u64::MAX, |text| text.len() as u64).to_le_bytes());
        digest.update(text.unwrap_or_default().as_bytes());
    };
    part(Some(content.get()));
    part(tool_calls.as_ref().map(Json::get));
    part(attributes.as_ref().map(Json::get));
    for ids in [&opens, &closes] {
        part(Some(&ids.len().to_string()));
        ids.iter().for_each(|id| part(Some(id)));
    }
    let digest = format!("{DIGEST}{:032x}", digest.digest128());
    NewMessage { created_at, message_id, token_count, ..NewMessage::new(role, digest) }
}

/// The same of a message that a store has.
pub(crate) fn digested_as_stored(message: Message) -> Message {
    let new = digested(NewMessage {
        role: message.role,
        content: message.content,
        tool_calls: message.tool_calls,
        created_at: Some(message.created_at),
        message_id: message.message_id,
        opens: message.opens,
        closes: message.closes,
        token_count: message.token_count,
        attributes: message.attributes,
    });
    Message {
        id: message.id,
        seq: message.seq,
        created_at: message.created_at,
        role: new.role,
        content: new.content,
        tool_calls: new.tool_calls,
        message_id: new.message_id,
        opens: new.opens,
        closes: new.closes,
        token_count: new.token_count,
        attributes: new.attributes,
    }
}

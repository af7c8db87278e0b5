//! [`observe`]: everything that can be read from a store, as lines of text that can be compared and shown.

use anyhow::Result;
use sessiondb_core::{
    Document, DocumentFilter, Json, Message, SessionFilter, SessionKey, SessionOrder, Store, Window,
    limits::PAGE_MAX,
};
use xxhash_rust::xxh3::{Xxh3, xxh3_64};

/// Content beyond this many bytes is told by its length and hash.
const TOLD_BYTES_MAX: usize = 400;

/// The sessions of this agent, or of all, each with its whole log, what it shows of it, its documents, how its view changed
/// and where it comes from.
///
/// # Errors
/// If something cannot be read.
pub async fn observe(store: &Store, agent_id: Option<&str>) -> Result<Vec<String>> {
    let mut lines = Vec::new();
    let mut filter = SessionFilter {
        order: SessionOrder::CreatedOldest,
        agent_id: agent_id.map(str::to_owned),
        limit: PAGE_MAX,
        ..SessionFilter::default()
    };
    loop {
        let page = store.session_list(&filter).await?;
        for session in &page.sessions {
            let key = &session.key;
            lines.push(format!("{session:?}"));
            let log = messages(store, key, |from| Window::log(from, PAGE_MAX)).await?;
            lines.extend(log.iter().map(|message| format!("{key} {}", told(message))));
            let shown = messages(store, key, |from| Window::after(from, PAGE_MAX)).await?;
            let shown: Vec<(u64, i64)> = shown.iter().map(|message| (message.seq, message.id)).collect();
            lines.push(format!("{key} shows {shown:?}"));
            documents(store, key, &mut lines).await?;
            view_changes(store, key, &mut lines).await?;
            lines.push(format!("{key} {:?}", store.lineage(key).await?));
        }
        filter.after = page.next;
        if filter.after.is_none() {
            return Ok(lines);
        }
    }
}

async fn messages(store: &Store, key: &SessionKey, window: impl Fn(u64) -> Window) -> Result<Vec<Message>> {
    let mut messages = Vec::<Message>::new();
    loop {
        let from = messages.last().map_or(0, |message| message.seq);
        let page = store.message_window(key, window(from)).await?;
        messages.extend(page.messages);
        if !page.has_later {
            return Ok(messages);
        }
    }
}

async fn documents(store: &Store, key: &SessionKey, lines: &mut Vec<String>) -> Result<()> {
    let mut filter = DocumentFilter { limit: PAGE_MAX, ..DocumentFilter::default() };
    loop {
        let page = store.document_list(key, &filter).await?;
        for Document { collection, id, body, blob, revision, updated_at } in &page.documents {
            let blob = blob.as_deref().map(|blob| (blob.len(), xxh3_64(blob)));
            lines.push(format!("{key} {collection}/{id} {revision} {updated_at:?} {} {blob:?}", brief(body)));
        }
        filter.after = page.next;
        if filter.after.is_none() {
            return Ok(());
        }
    }
}

async fn view_changes(store: &Store, key: &SessionKey, lines: &mut Vec<String>) -> Result<()> {
    let mut before = None;
    loop {
        let changes = store.view_changes(key, before, PAGE_MAX).await?;
        before = changes.last().map(|change| change.revision);
        lines.extend(changes.iter().map(|change| format!("{key} {change:?}")));
        if changes.len() < PAGE_MAX {
            return Ok(());
        }
    }
}

fn told(message: &Message) -> String {
    let Message {
        id,
        seq,
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
    let (content, calls) = (brief(content), tool_calls.as_ref().map(brief));
    let attributes = attributes.as_ref().map(brief);
    format!(
        "{seq} row {id} {role} {created_at:?} {message_id:?} {opens:?} {closes:?} {token_count:?} {content} {calls:?} \
         {attributes:?}"
    )
}

fn brief(json: &Json) -> String {
    let text = json.get();
    if text.len() <= TOLD_BYTES_MAX {
        return text.to_owned();
    }
    format!("{} bytes of hash {:x}", text.len(), xxh3_64(text.as_bytes()))
}

/// What tells these lines from any others.
pub(crate) fn digest(lines: &[String]) -> u128 {
    let mut hash = Xxh3::new();
    for line in lines {
        hash.update(&(line.len() as u64).to_le_bytes());
        hash.update(line.as_bytes());
    }
    hash.digest128()
}

/// The first lines that differ.
pub(crate) fn difference(right: &[String], found: &[String]) -> String {
    let same = right.iter().zip(found).take_while(|(right, found)| right == found).count();
    let line =
        |lines: &[String]| lines.get(same).map_or("the end".to_owned(), |line| format!("{line:.1500}"));
    format!("line {same}:\n  right is {}\n  found is {}", line(right), line(found))
}

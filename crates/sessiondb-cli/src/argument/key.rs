//! Which session a KEY argument means.

use sessiondb::{Error, Session, SessionFilter, SessionKey, SessionOrder, blocking::Store, limits};

use crate::exit::{Exit, Failure};

/// How many sessions a message about an ambiguous prefix names.
const CANDIDATES_MAX: usize = 5;

/// The key that `text` means: its canonical text, or, without a `:`, the one session whose `peer_id` begins with it.
/// A `peer_id` that is the text itself comes before those that only begin with it.
///
/// # Errors
/// Bad input for a text that is no key or fits several sessions; not found if it fits none.
pub fn resolve(store: &Store, text: &str) -> Result<SessionKey, Failure> {
    if text.contains(':') {
        return Ok(text.parse()?);
    }
    if text.is_empty() {
        return Err(Failure::bad_input("the key is empty").hint("`sessiondb ls` shows the keys"));
    }
    let whole = SessionFilter { peer_id: Some(text.to_owned()), ..SessionFilter::default() };
    let found = candidates(store, whole, text)?;
    let found = if found.is_empty() { candidates(store, SessionFilter::default(), text)? } else { found };
    match found.as_slice() {
        [] => {
            let message = format!("no session's peer_id begins with '{text}'");
            Err(Failure::new(Exit::NotFound, message).hint("`sessiondb ls` shows the keys"))
        }
        [key] => Ok(key.clone()),
        several => {
            let mut named: Vec<_> = several.iter().take(CANDIDATES_MAX).map(SessionKey::to_string).collect();
            if several.len() > CANDIDATES_MAX {
                named.push("…".into());
            }
            let failure = Failure::bad_input(format!("'{text}' fits several sessions:"));
            Err(failure.details(named).hint("give more of it, or a whole key"))
        }
    }
}

/// The session under this key.
///
/// # Errors
/// Not found if there is none.
pub fn session(store: &Store, key: &SessionKey) -> Result<Session, Failure> {
    Ok(store.session(key)?.ok_or_else(|| Error::NotFound(Box::new(key.clone())))?)
}

/// The sessions that match and whose `peer_id` begins with `prefix`; one more than are named, if there are that many.
fn candidates(store: &Store, filter: SessionFilter, prefix: &str) -> Result<Vec<SessionKey>, Failure> {
    // A list by creation keeps its order while others write, so no session is passed over.
    let mut filter = SessionFilter { order: SessionOrder::CreatedNewest, limit: limits::PAGE_MAX, ..filter };
    let mut found = Vec::new();
    loop {
        let page = store.session_list(&filter)?;
        let keys = page.sessions.into_iter().map(|session| session.key);
        found.extend(
            keys.filter(|key| key.peer_id.starts_with(prefix)).take(CANDIDATES_MAX + 1 - found.len()),
        );
        if page.next.is_none() || found.len() > CANDIDATES_MAX {
            return Ok(found);
        }
        filter.after = page.next;
    }
}

#[cfg(test)]
mod tests {
    use sessiondb::blocking;

    use super::*;

    fn store(peers: &[&str]) -> Store {
        let store = blocking::open("memory:").unwrap();
        for peer in peers {
            store.session_open(&SessionKey::new("main", "cli", "", "session", *peer)).unwrap();
        }
        store
    }

    fn refusal(store: &Store, text: &str) -> (Exit, Vec<String>) {
        match resolve(store, text).unwrap_err() {
            Failure::Error { exit, details, .. } => (exit, details),
            Failure::ClosedPipe => panic!("a closed pipe"),
        }
    }

    #[test]
    fn a_prefix_of_one_peer_id_is_that_session() {
        let store = store(&["7f2abd2d-7cfc", "7f9", "a1"]);
        assert_eq!(resolve(&store, "7f2").unwrap().peer_id, "7f2abd2d-7cfc");
        assert_eq!(resolve(&store, "a").unwrap().peer_id, "a1");
        assert_eq!(refusal(&store, "7f3").0, Exit::NotFound);
        assert_eq!(refusal(&store, "").0, Exit::BadInput);
    }

    #[test]
    fn the_whole_peer_id_comes_before_longer_ones() {
        let store = store(&["ab", "abc"]);
        assert_eq!(resolve(&store, "ab").unwrap().peer_id, "ab");
    }

    #[test]
    fn an_ambiguous_prefix_names_up_to_five() {
        let store = store(&["x1", "x2", "x3", "x4", "x5", "x6"]);
        let (exit, details) = refusal(&store, "x");
        assert_eq!((exit, details.len()), (Exit::BadInput, CANDIDATES_MAX + 1));
        assert_eq!(details[0], "main:cli::session:x6");
        assert_eq!(details[CANDIDATES_MAX], "…");
    }

    #[test]
    fn the_lookup_reads_every_page() {
        let store = blocking::open("memory:").unwrap();
        let key = |n: usize| SessionKey::new("main", "cli", "", "session", format!("{n:05}"));
        for n in 0..limits::PAGE_MAX + 50 {
            store.session_open(&key(n)).unwrap();
        }
        // The oldest session stands on the last page.
        assert_eq!(resolve(&store, "00000").unwrap(), key(0));
        assert_eq!(resolve(&store, "0000").map_err(|failure| failure.exit()).unwrap_err(), Exit::BadInput);
        assert_eq!(resolve(&store, "01049").unwrap(), key(1049));
    }

    #[test]
    fn with_a_colon_it_is_a_key_and_need_not_exist() {
        let store = store(&[]);
        assert_eq!(resolve(&store, "a:b:c:d:e").unwrap(), SessionKey::new("a", "b", "c", "d", "e"));
        assert_eq!(refusal(&store, "a:b").0, Exit::BadInput);
    }
}

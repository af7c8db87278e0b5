//! Some of the sessions.

use pollster::block_on;
use sessiondb::{Error, SessionFilter, Window, Write};
use sessiondb_export::{Choice, ExportError, export};

use crate::desk::{archive, archive_of, file, key, memory, read_whole, rich, say, write};

/// A fork comes with what it inherits, and no more of its parents than that.
#[test]
fn a_fork_is_whole_without_its_parents() {
    let (store, _dir) = file();
    write(&store, "ann", 1, vec![Write::open(), say(&["a", "b", "secret"])]);
    block_on(store.fork(&key("ann"), &key("bob"), Some(2))).unwrap();
    write(&store, "bob", 2, vec![say(&["c"])]);
    block_on(store.fork(&key("bob"), &key("cat"), None)).unwrap();
    block_on(store.fork(&key("ann"), &key("dot"), Some(1))).unwrap();

    let selected = archive_of(&store, &Choice::Keys(vec![key("cat"), key("dot"), key("cat")]));
    assert!(!selected.contains("secret") && !selected.contains("\"ann\"") && !selected.contains("\"bob\""));
    let other = memory();
    let restored = read_whole(&other, &selected);
    assert_eq!((restored.sessions, restored.messages), (2, 3));
    for peer in ["cat", "dot"] {
        let texts = |store| {
            let messages = block_on(sessiondb::Store::message_window(store, &key(peer), Window::last(9)));
            messages.unwrap().messages.into_iter().map(|m| (m.seq, m.content)).collect::<Vec<_>>()
        };
        assert_eq!(texts(&store), texts(&other));
    }
    assert_eq!(archive(&other), selected, "an export of all that was restored is the same archive");
    // The same again, and another time by its parts.
    for peers in [&["cat"][..], &["dot"], &["cat", "dot"]] {
        let keys = peers.iter().map(|peer| key(peer)).collect();
        assert_eq!(read_whole(&other, &archive_of(&store, &Choice::Keys(keys))).sessions, 0);
    }
    assert_eq!(archive(&other), selected);
}

/// A longer stretch of the same log is needed by a later fork: what is missing is added.
#[test]
fn what_is_kept_grows_with_the_forks_that_read_it() {
    let store = memory();
    write(&store, "ann", 1, vec![Write::open(), say(&["a", "b", "c"])]);
    for (peer, at) in [("one", 1), ("three", 3), ("two", 2)] {
        block_on(store.fork(&key("ann"), &key(peer), Some(at))).unwrap();
    }
    let selected = archive_of(&store, &Choice::Keys(vec![key("one"), key("two"), key("three")]));
    assert_eq!(selected.matches("{\"kept\"").count(), 2);
    let other = memory();
    read_whole(&other, &selected);
    assert_eq!(archive(&other), selected);
}

#[test]
fn a_filter_chooses() {
    let store = memory();
    rich(&store);
    let filter = SessionFilter { statuses: vec!["idle".into()], limit: 1, ..SessionFilter::default() };
    let selected = archive_of(&store, &Choice::Matching(Box::new(filter)));
    let other = memory();
    assert_eq!(read_whole(&other, &selected).sessions, 1);
    assert!(block_on(other.session(&key("dot"))).unwrap().is_some());
}

#[test]
fn a_key_that_nobody_has_is_an_error() {
    let result = block_on(export(&memory(), &Choice::Keys(vec![key("nobody")]), Vec::new(), &mut |_, _| {}));
    assert!(matches!(result, Err(ExportError::Store(Error::NotFound(_)))));
}

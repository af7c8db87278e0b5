//! A whole store and back.

use pollster::block_on;
use sessiondb::{Conflict, Error, Write};
use sessiondb_export::Choice;

use crate::desk::{archive, archive_of, file, key, memory, read, read_whole, rich, say, seen, write};

#[test]
fn what_was_exported_restores_to_an_equal_store() {
    let store = memory();
    rich(&store);
    let first = archive(&store);
    for (other, _dir) in [(memory(), None), {
        let (store, dir) = file();
        (store, Some(dir))
    }] {
        let restored = read_whole(&other, &first);
        assert_eq!((restored.sessions, restored.unchanged), (3, 0));
        assert_eq!(archive(&other), first);
        assert_eq!(seen(&other), seen(&store));
    }
}

#[test]
fn the_archive_is_as_it_is_written_down() {
    let store = memory();
    write(&store, "ann", 1, vec![Write::open(), say(&["a", "b"]), Write::AddTokens(3)]);
    write(&store, "ann", 2, vec![crate::desk::put("1", "{}", Some(b"hi")), Write::Rewind { seq: 1 }]);
    let expected = [
        r#"{"sessiondb_archive":1}"#,
        r#"{"session":{"key":["main","cli","","dm","ann"],"family":"chat","created_at":"2026-11-20T00:00:01.000000Z","log_first":1}}"#,
        r#"{"message":{"seq":1,"role":"user","created_at":"2026-11-20T00:00:01.000000Z","content":"a"}}"#,
        r#"{"message":{"seq":2,"role":"user","created_at":"2026-11-20T00:00:01.000000Z","content":"b"}}"#,
        r#"{"document":{"collection":"notes","id":"1","revision":1,"updated_at":"2026-11-20T00:00:02.000000Z","body":{},"blob":"aGk="}}"#,
        r#"{"change":{"revision":1,"at":"2026-11-20T00:00:02.000000Z","kind":"rewind","head_before":2,"head_after":2,"before":[[1,2]]}}"#,
        r#"{"state":{"status":"active","token_usage":3,"updated_at":"2026-11-20T00:00:02.000000Z","revision":1,"head":2,"view":[[1,1]],"metadata":{}}}"#,
        r#"{"end":{"sessions":1,"kept":0,"messages":2,"gaps":0,"documents":1,"changes":1,"states":1,"dropped":0}}"#,
    ];
    assert_eq!(archive(&store).lines().collect::<Vec<_>>(), expected);
}

#[test]
fn reading_an_archive_again_changes_nothing() {
    let (store, _dir) = file();
    rich(&store);
    let first = archive(&store);
    for target in [&store, &memory()] {
        read_whole(target, &first);
        let again = read_whole(target, &first);
        assert_eq!((again.sessions, again.unchanged, again.messages, again.documents), (0, 3, 0, 0));
        assert_eq!(archive(target), first);
    }
}

/// A restored session is a session like any other.
#[test]
fn restored_sessions_go_on() {
    let (one, (two, _dir)) = (memory(), file());
    rich(&one);
    read_whole(&two, &archive(&one));
    for store in [&one, &two] {
        write(store, "cat", 20, vec![say(&["after"]), Write::Undo]);
        write(store, "ann", 21, vec![Write::Undo]);
        write(store, "ann", 22, vec![Write::Undo, say(&["more"])]);
        block_on(store.fork(&key("cat"), &key("eve"), Some(2))).unwrap_err();
        block_on(store.session_delete(&key("cat"))).unwrap();
    }
    assert_eq!(archive(&one), archive(&two));
    crate::desk::sound(&two);
}

/// What is in the store under the same key, and different, stays as it is, and nothing is mixed into it.
#[test]
fn a_session_with_other_content_is_left_alone_with_its_forks() {
    let source = memory();
    rich(&source);
    let first = archive(&source);
    let changes: [(&str, Vec<Write>); 4] = [
        ("ann", vec![say(&["other"])]),
        ("ann", vec![Write::SetStatus("other".into())]),
        ("ann", vec![crate::desk::put("3", "1", None)]),
        ("ann", vec![Write::AddTokens(1)]),
    ];
    for (peer, writes) in changes {
        for (store, _dir) in [(memory(), None), {
            let (store, dir) = file();
            (store, Some(dir))
        }] {
            read_whole(&store, &first);
            block_on(store.session_delete(&key("cat"))).unwrap();
            write(&store, peer, 30, writes.clone());
            let before = archive(&store);
            let restored = read(&store, &first);
            let failed: Vec<_> = restored.failed.iter().map(|failed| failed.key.clone()).collect();
            assert_eq!(
                failed,
                [key("ann"), key("bob"), key("cat")].map(|key| {
                    // The middle one is what is kept of the deleted parent.
                    if key.peer_id == "bob" { kept(&first) } else { key }
                }),
                "{restored:#?}"
            );
            assert_eq!(restored.unchanged, 1);
            assert_eq!(archive(&store), before, "something was changed");
        }
    }
}

/// The key under which the archive has what is kept.
fn kept(archive: &str) -> sessiondb::SessionKey {
    let line = archive.lines().find(|line| line.starts_with(r#"{"kept""#)).unwrap();
    let value: serde_json::Value = serde_json::from_str(line).unwrap();
    let parts: [String; 5] = serde_json::from_value(value["kept"]["key"].clone()).unwrap();
    let [a, b, c, d, e] = parts;
    sessiondb::SessionKey::new(a, b, c, d, e)
}

/// What is kept for a fork that cannot be restored is left out with it, where nobody could ever remove it; and it comes
/// with the next fork that reads it.
#[test]
fn nothing_is_kept_for_a_fork_that_was_left_out() {
    let source = memory();
    write(&source, "ann", 1, vec![Write::open(), say(&["a", "b"])]);
    for peer in ["one", "two"] {
        block_on(source.fork(&key("ann"), &key(peer), None)).unwrap();
    }
    write(&source, "fat", 1, vec![Write::open(), say(&vec!["x"; 3000])]);
    block_on(source.fork(&key("one"), &key("three"), None)).unwrap();
    block_on(source.session_delete(&key("ann"))).unwrap();
    let first = archive(&source);
    let others: [(&[&str], u64); 3] =
        [(&["one"], 2 + 1 + 3000), (&["one", "two", "three"], 3 + 3000), (&["one", "two"], 2 + 2 + 3000)];
    for (peers, messages) in others {
        for (store, _dir) in [(memory(), None), {
            let (store, dir) = file();
            (store, Some(dir))
        }] {
            for peer in peers {
                write(&store, peer, 5, vec![Write::open(), say(&["other"])]);
            }
            let restored = read(&store, &first);
            assert_eq!(restored.failed.len(), peers.len(), "{restored:#?}");
            crate::desk::sound(&store);
            assert_eq!(block_on(store.check()).unwrap().messages, messages, "{peers:?}");
        }
    }
}

/// An older copy of a session, with fewer messages and another state, was filled up with the newer one's messages
/// before the difference in state was found.
#[test]
fn an_older_copy_of_a_session_is_not_filled_up() {
    let (old, new) = (memory(), memory());
    for store in [&old, &new] {
        write(store, "ann", 1, vec![Write::open(), say(&["a"]), Write::SetStatus("idle".into())]);
    }
    write(&new, "ann", 2, vec![say(&["b"])]);
    let before = archive(&old);
    let restored = read(&old, &archive(&new));
    assert_eq!(restored.failed.len(), 1);
    assert!(restored.failed[0].reason.contains("has no message 2"), "{restored:#?}");
    assert_eq!(archive(&old), before);
}

/// Everything that an archive says of a session can be so in a store, and the session have one document more.
#[test]
fn a_session_with_a_document_more_is_another() {
    let (more, less) = (memory(), memory());
    let put = crate::desk::put;
    write(&more, "ann", 1, vec![Write::open(), put("1", "1", None), put("2", "1", None)]);
    write(&less, "ann", 1, vec![Write::open(), put("1", "1", None)]);
    for (target, archive) in [(&more, archive(&less)), (&less, archive(&more))] {
        let restored = read(target, &archive);
        assert!(restored.failed[0].reason.contains("document"), "{restored:#?}");
    }
}

/// What a store keeps of a deleted session could be given the name of what an archive had brought: in SQLite the delete
/// failed for good, in memory the other's messages were lost.
#[test]
fn what_is_kept_of_two_stores_does_not_collide() {
    for (there, _dir) in [(memory(), None), {
        let (store, dir) = file();
        (store, Some(dir))
    }] {
        let source = memory();
        // In both stores ann's log has number 1.
        write(&source, "ann", 1, vec![Write::open(), say(&["from the source"])]);
        write(&there, "ann", 1, vec![Write::open(), say(&["there"])]);
        block_on(source.fork(&key("ann"), &key("fork"), None)).unwrap();
        block_on(there.fork(&key("ann"), &key("other"), None)).unwrap();
        block_on(source.session_delete(&key("ann"))).unwrap();
        read_whole(&there, &archive(&source));
        block_on(there.session_delete(&key("ann"))).unwrap();
        let all = seen(&there).concat();
        assert!(all.contains("from the source") && all.contains("there"), "{all}");
        let copy = memory();
        read_whole(&copy, &archive(&there));
        assert_eq!(archive(&copy), archive(&there));
        // What is kept goes with the last fork.
        for store in [&there, &copy] {
            for peer in ["fork", "other"] {
                block_on(store.session_delete(&key(peer))).unwrap();
            }
            assert_eq!(block_on(store.check()).unwrap().messages, 0);
        }
    }
}

#[test]
fn a_scoped_handle_exports_nothing() {
    let store = memory();
    let scoped = store.scoped(sessiondb::Scope::agent("main")).unwrap();
    let result = block_on(sessiondb_export::export(&scoped, &Choice::all(), Vec::new(), &mut |_, _| {}));
    assert!(matches!(result, Err(sessiondb_export::ExportError::Store(Error::Invalid(_)))));
}

#[test]
fn a_conflict_of_the_core_is_what_is_told() {
    let (one, two) = (memory(), memory());
    write(&one, "ann", 1, vec![Write::open(), say(&["a"])]);
    write(&two, "ann", 1, vec![Write::open(), say(&["b"])]);
    let restored = read(&two, &archive_of(&one, &Choice::Keys(vec![key("ann"), key("ann")])));
    let conflict = Conflict::Restored { what: "message 1".into() };
    assert!(restored.failed[0].reason.contains(&conflict.to_string()), "{restored:#?}");
    assert_eq!(restored.failed[0].line, 2);
}

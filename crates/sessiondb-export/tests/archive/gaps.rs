//! Stores from which messages were deleted by hand.

use std::path::Path;

use pollster::block_on;
use rusqlite::{Connection, params};
use sessiondb::{Store, Write};
use sessiondb_export::Choice;
use tempfile::TempDir;

use crate::desk::{archive, archive_of, file, key, memory, read, read_whole, say, seen, sound, write};

/// Deletes messages as somebody with a SQLite shell would.
fn delete(dir: &Path, log: &str, seqs: &[u64]) {
    let conn = Connection::open(dir.join("s.db")).unwrap();
    for seq in seqs {
        let sql = "DELETE FROM messages WHERE seq = ?2 AND session_id IN (SELECT id FROM sessions WHERE ?1 IN (peer_id, agent_id))";
        assert_eq!(conn.execute(sql, params![log, seq.cast_signed()]).unwrap(), 1, "{log} {seq}");
    }
}

/// Gaps at both ends and in the midst of a session, of a parent where its forks read it, and of a deleted parent of
/// which two forks read different parts.
fn story() -> (Store, TempDir) {
    let (store, dir) = file();
    write(&store, "ann", 1, vec![Write::open(), say(&["1", "2", "3", "4", "5", "6", "7"])]);
    block_on(store.fork(&key("ann"), &key("bob"), Some(5))).unwrap();
    write(&store, "bob", 2, vec![say(&["b6", "b7", "b8", "b9"])]);
    block_on(store.fork(&key("bob"), &key("cat"), Some(7))).unwrap();
    block_on(store.fork(&key("bob"), &key("dot"), Some(9))).unwrap();
    write(&store, "dot", 3, vec![say(&["d"]), Write::Pop { count: 2 }]);
    write(&store, "eve", 4, vec![Write::open(), say(&["all", "gone"])]);
    block_on(store.session_delete(&key("bob"))).unwrap();
    delete(dir.path(), "ann", &[1, 4, 5, 7]);
    delete(dir.path(), sessiondb::KEPT, &[6, 7, 8]);
    delete(dir.path(), "eve", &[1, 2]);
    sound(&store);
    (store, dir)
}

/// A session was left out for one message that somebody had deleted.
#[test]
fn what_was_deleted_by_hand_is_a_gap_and_all_else_is_there() {
    let (store, _dir) = story();
    let first = archive(&store);
    let gaps: Vec<_> = first.lines().filter(|line| line.starts_with("{\"gap\"")).collect();
    let expected = [(1, 1), (4, 5), (7, 7), (6, 7), (8, 8), (1, 2)];
    assert_eq!(gaps, expected.map(|(first, last)| format!(r#"{{"gap":{{"first":{first},"last":{last}}}}}"#)));
    assert!(
        first.ends_with(
            "\"messages\":5,\"gaps\":6,\"documents\":0,\"changes\":1,\"states\":4,\"dropped\":0}}\n"
        )
    );
    for (other, _dir) in [(memory(), None), {
        let (store, dir) = file();
        (store, Some(dir))
    }] {
        let restored = read_whole(&other, &first);
        assert_eq!((restored.sessions, restored.messages), (4, 5));
        assert_eq!(archive(&other), first);
        assert_eq!(seen(&other), seen(&store));
        let again = read_whole(&other, &first);
        assert_eq!((again.sessions, again.unchanged), (0, 4));
        // Gaps in logs of sessions that were not chosen.
        let chosen = Choice::Keys(vec![key("cat"), key("dot")]);
        let part = archive_of(&store, &chosen);
        assert_eq!(archive_of(&other, &chosen), part);
        let copy = memory();
        read_whole(&copy, &part);
        assert_eq!(archive(&copy), part);
        // Numbers go on where they were.
        write(&other, "eve", 9, vec![say(&["third"])]);
        assert!(archive(&other).contains(r#"{"message":{"seq":3,"#));
    }
}

/// Also a lost line that only says what is gone is noticed.
#[test]
fn a_lost_gap_fails_its_session() {
    let whole = archive(&story().0);
    for (at, line) in whole.lines().enumerate().filter(|(_, line)| line.starts_with("{\"gap\"")) {
        let others = [
            "{\"gap\":{\"first\":1,\"last\":9}}",
            "{\"gap\":{\"first\":9,\"last\":9}}",
            "{\"gap\":{\"first\":7,\"last\":6}}",
        ];
        for replacement in [None].into_iter().chain(others.map(Some)) {
            let lines = whole.lines().enumerate();
            let lines = lines.filter_map(|(n, line)| if n == at { replacement } else { Some(line) });
            let store = memory();
            let restored = read(&store, &(lines.collect::<Vec<_>>().join("\n") + "\n"));
            assert!(!restored.failed.is_empty(), "{line} as {replacement:?}: {restored:#?}");
            sound(&store);
        }
    }
}

/// A message that is there is no gap, and one that is gone here is not brought back.
#[test]
fn a_gap_and_a_message_differ() {
    let (store, dir) = file();
    write(&store, "ann", 1, vec![Write::open(), say(&["1", "2", "3"])]);
    let before = archive(&store);
    let (whole, without) = (memory(), memory());
    read_whole(&whole, &before);
    delete(dir.path(), "ann", &[2]);
    let after = archive(&store);
    read_whole(&without, &after);
    for (target, archive) in [(&whole, &after), (&without, &before)] {
        let restored = read(target, archive);
        assert!(restored.failed[0].reason.contains("message 2"), "{restored:#?}");
    }
    assert_eq!((archive(&whole), archive(&without)), (before, after));
}

//! Sessions and their messages: seeds 000 to 002.

use std::{collections::HashMap, thread};

use aisopod_session::{
    CompactionStrategy, Error, HistoryQuery, SessionFilter, SessionMetadata, SessionPatch, SessionStatus,
    SessionStore, StoredMessage, open_database, sessiondb,
};
use chrono::{DateTime, TimeDelta, Utc};
use serde_json::{Value, json};

use crate::{both, key, on_disk, said, texts, tick};

#[test]
fn new_opens_or_creates_the_database() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("sessions.db");
    let store = SessionStore::new(&path).unwrap();
    let created = store.get_or_create(&key("a", "discord", "ann")).unwrap();
    drop(store);
    let again = SessionStore::new(&path).unwrap();
    assert_eq!(again.get_or_create(&key("a", "discord", "ann")).unwrap(), created);
}

#[test]
fn get_or_create_creates_with_defaults_and_then_finds() {
    both(|store| {
        let key = key("a", "discord", "ann");
        assert_eq!(store.get(&key).unwrap(), None);
        let created = store.get_or_create(&key).unwrap();
        assert_eq!(created.key, key);
        assert_eq!(
            (created.message_count, created.token_usage, created.status),
            (0, 0, SessionStatus::Active)
        );
        assert_eq!(created.metadata, SessionMetadata::default());
        assert_eq!(created.created_at, created.updated_at);
        tick();
        assert_eq!(
            store.get_or_create(&key).unwrap(),
            created,
            "finding it changes nothing, updated_at neither"
        );
        assert_eq!(store.get(&key).unwrap(), Some(created));
    });
}

/// Defect a of the upstream store: SELECT, then INSERT, so a race ended in a UNIQUE error.
#[test]
fn defect_a_eight_threads_create_one_session() {
    both(|store| {
        for round in 0..20 {
            let key = key("a", "discord", &format!("peer-{round}"));
            let sessions: Vec<_> = thread::scope(|scope| {
                let threads: Vec<_> = (0..8).map(|_| scope.spawn(|| store.get_or_create(&key))).collect();
                threads.into_iter().map(|thread| thread.join().unwrap().unwrap()).collect()
            });
            assert!(sessions.iter().all(|session| *session == sessions[0]));
        }
        assert_eq!(store.list(&SessionFilter::default()).unwrap().len(), 20);
    });
}

#[test]
fn list_takes_what_all_conditions_allow() {
    both(|store| {
        for (agent, channel, peer) in
            [("a", "discord", "1"), ("a", "slack", "2"), ("b", "discord", "3"), ("a", "discord", "4")]
        {
            store.get_or_create(&key(agent, channel, peer)).unwrap();
            tick();
        }
        let idle = SessionPatch { status: Some(SessionStatus::Idle), ..SessionPatch::default() };
        let changed = store.patch(&key("a", "discord", "1"), &idle).unwrap();
        let peers = |filter: SessionFilter| -> Vec<String> {
            store.list(&filter).unwrap().into_iter().map(|summary| summary.key.peer_id).collect()
        };
        let all = SessionFilter::default;
        assert_eq!(peers(all()), ["1", "4", "3", "2"], "the last changed first");
        assert_eq!(peers(SessionFilter { agent_id: Some("a".into()), ..all() }), ["1", "4", "2"]);
        assert_eq!(peers(SessionFilter { channel: Some("discord".into()), ..all() }), ["1", "4", "3"]);
        assert_eq!(peers(SessionFilter { status: Some(SessionStatus::Idle), ..all() }), ["1"]);
        let (agent_id, channel) = (Some("a".into()), Some("discord".into()));
        let status = Some(SessionStatus::Active);
        assert_eq!(peers(SessionFilter { agent_id, channel, status, ..all() }), ["4"]);
        assert_eq!(peers(SessionFilter { limit: Some(2), ..all() }), ["1", "4"]);
        assert_eq!(peers(SessionFilter { limit: Some(0), ..all() }), [""; 0]);

        let at = changed.updated_at;
        let (before, after) = (Some(at), Some(at));
        assert_eq!(
            peers(SessionFilter { updated_before: before, ..all() }),
            ["4", "3", "2"],
            "the end is exclusive"
        );
        assert_eq!(peers(SessionFilter { updated_after: after, ..all() }), [""; 0], "the start is exclusive");
        let around = TimeDelta::microseconds(1);
        let (updated_after, updated_before) = (Some(at - around), Some(at + around));
        assert_eq!(peers(SessionFilter { updated_after, updated_before, ..all() }), ["1"]);
    });
}

#[test]
fn list_breaks_ties_by_the_newer_row() {
    let (dir, store) = on_disk();
    let conn = open_database(&dir.path().join("sessions.db")).unwrap();
    for peer in ["1", "2", "3"] {
        conn.execute(
            "INSERT INTO sessions (agent_id, channel, account_id, peer_kind, peer_id, created_at, updated_at)
             VALUES ('a', 'c', 'bot', 'dm', ?1, '2026-02-15T10:00:00Z', '2026-02-15T10:00:00Z')",
            [peer],
        )
        .unwrap();
    }
    let listed = store.list(&SessionFilter::default()).unwrap();
    assert_eq!(listed.iter().map(|s| s.key.peer_id.as_str()).collect::<Vec<_>>(), ["3", "2", "1"]);
}

#[test]
fn list_without_a_limit_lists_them_all() {
    let store = SessionStore::new_in_memory().unwrap();
    for i in 0..1_234 {
        store.get_or_create(&key("a", "c", &i.to_string())).unwrap();
    }
    assert_eq!(store.list(&SessionFilter::default()).unwrap().len(), 1_234);
    assert_eq!(
        store.list(&SessionFilter { limit: Some(1_100), ..SessionFilter::default() }).unwrap().len(),
        1_100
    );
}

#[test]
fn patch_changes_what_it_names_and_refreshes_updated_at() {
    both(|store| {
        let key = key("a", "discord", "ann");
        let created = store.get_or_create(&key).unwrap();
        tick();
        let patched =
            store.patch(&key, &SessionPatch { token_usage: Some(7), ..SessionPatch::default() }).unwrap();
        assert!(patched.updated_at > created.updated_at);
        assert_eq!(patched.token_usage, 7);
        assert_eq!(
            (patched.status, &patched.metadata, patched.created_at),
            (created.status, &created.metadata, created.created_at)
        );
        let archived = store
            .patch(&key, &SessionPatch { status: Some(SessionStatus::Archived), ..SessionPatch::default() });
        let archived = archived.unwrap();
        assert_eq!((archived.status, archived.token_usage), (SessionStatus::Archived, 7));
        assert_eq!(store.get(&key).unwrap(), Some(archived), "what patch answers is what is stored");
    });
}

/// Defect h of the upstream store: metadata was replaced, not merged; an empty patch still moved `updated_at`; the
/// count of messages could be set from outside.
#[test]
fn defect_h_metadata_is_merged_and_an_empty_patch_changes_nothing() {
    both(|store| {
        let key = key("a", "discord", "ann");
        store.get_or_create(&key).unwrap();
        let metadata = |metadata| SessionPatch { metadata: Some(metadata), ..SessionPatch::default() };
        let one = SessionMetadata::default().with("title", "Order").with("n", 1);
        store.patch(&key, &metadata(one)).unwrap();
        let two = SessionMetadata::default().with("n", Value::Null).with("tags", json!(["x", null]));
        let patched = store.patch(&key, &metadata(two)).unwrap();
        let expected = HashMap::from([("title".into(), json!("Order")), ("tags".into(), json!(["x", null]))]);
        assert_eq!(
            patched.metadata.values, expected,
            "merged by key; null removes a key, not what is inside a value"
        );

        tick();
        assert_eq!(store.patch(&key, &SessionPatch::default()).unwrap(), patched);
    });
}

#[test]
fn patches_by_many_threads_all_come_through() {
    both(|store| {
        let key = key("a", "discord", "ann");
        store.get_or_create(&key).unwrap();
        thread::scope(|scope| {
            for i in 0..8 {
                let key = &key;
                scope.spawn(move || {
                    for n in 0..10 {
                        let metadata = SessionMetadata::default().with(format!("{i}-{n}"), n);
                        store
                            .patch(key, &SessionPatch { metadata: Some(metadata), ..SessionPatch::default() })
                            .unwrap();
                        store.add_token_usage(key, 3).unwrap();
                    }
                });
            }
        });
        let session = store.get(&key).unwrap().unwrap();
        assert_eq!((session.metadata.values.len(), session.token_usage), (80, 240));
    });
}

#[test]
fn what_is_missing_is_named() {
    both(|store| {
        let key = key("a", "discord", "nobody");
        let errors = [
            store.patch(&key, &SessionPatch { token_usage: Some(1), ..SessionPatch::default() }).unwrap_err(),
            store.patch(&key, &SessionPatch::default()).unwrap_err(),
            store.append_messages(&key, &[said("hello")]).unwrap_err(),
            store.add_token_usage(&key, 1).unwrap_err(),
            store.get_history(&key, &HistoryQuery::newest(5)).unwrap_err(),
            store.get_history(&key, &HistoryQuery::newest(0)).unwrap_err(),
        ];
        for error in errors {
            assert_eq!(error.to_string(), "session a:discord:bot:dm:nobody does not exist");
        }
        assert_eq!(store.list(&SessionFilter::default()).unwrap().len(), 0);
    });
}

#[test]
fn delete_takes_the_messages_along_and_says_whether_there_was_something() {
    let (dir, store) = on_disk();
    let key = key("a", "discord", "ann");
    store.get_or_create(&key).unwrap();
    store.append_messages(&key, &[said("one"), said("two")]).unwrap();
    assert!(store.delete(&key).unwrap());
    assert!(!store.delete(&key).unwrap());
    assert_eq!(store.get(&key).unwrap(), None);
    let conn = open_database(&dir.path().join("sessions.db")).unwrap();
    let left: i64 = conn.query_row("SELECT count(*) FROM messages", [], |row| row.get(0)).unwrap();
    assert_eq!(left, 0);
}

#[test]
fn what_a_fork_shows_outlives_the_session() {
    both(|store| {
        let (parent, fork) = (key("a", "discord", "ann"), key("a", "discord", "ann, again"));
        store.get_or_create(&parent).unwrap();
        store.append_messages(&parent, &["one", "two", "three"].map(said)).unwrap();
        store.sessiondb().fork(&parent, &fork, Some(2)).unwrap();
        assert!(store.delete(&parent).unwrap());
        assert_eq!(store.get(&parent).unwrap(), None);
        assert_eq!(texts(store, &fork, None), ["one", "two"]);
        store.get_or_create(&parent).unwrap();
        assert_eq!(texts(store, &parent, None), [""; 0], "the key is free, and begins anew");
        store.append_messages(&fork, &[said("four")]).unwrap();
        assert_eq!(store.list(&SessionFilter::default()).unwrap().len(), 2, "what is kept is not listed");
        assert!(store.delete(&fork).unwrap());
        assert!(store.sessiondb().check().unwrap().is_clean());
    });
}

/// Defect e of the upstream store: an append looked its session up outside the transaction, so a delete in between
/// became an error of a foreign key; and who met a lock was refused at once.
#[test]
fn defect_e_appends_and_deletes_at_the_same_time_are_told_apart() {
    both(|store| {
        let key = key("a", "discord", "ann");
        let appended: usize = thread::scope(|scope| {
            let appending: Vec<_> = (0..4)
                .map(|_| {
                    scope.spawn(|| {
                        let mut appended = 0;
                        for _ in 0..50 {
                            store.get_or_create(&key).unwrap();
                            match store.append_messages(&key, &[said("x")]) {
                                Ok(()) => appended += 1,
                                Err(Error::Store(sessiondb::Error::NotFound(_))) => {}
                                Err(error) => panic!("{error}"),
                            }
                        }
                        appended
                    })
                })
                .collect();
            scope.spawn(|| (0..50).for_each(|_| _ = store.delete(&key).unwrap()));
            appending.into_iter().map(|thread| thread.join().unwrap()).sum()
        });
        assert!(appended > 0);
        assert!(store.sessiondb().check().unwrap().is_clean());
    });
}

/// Defect k of the upstream store: in memory the cascade hung on a build flag of SQLite.
#[test]
fn defect_k_delete_cascades_in_memory_too() {
    let store = SessionStore::new_in_memory().unwrap();
    let key = key("a", "discord", "ann");
    store.get_or_create(&key).unwrap();
    store.append_messages(&key, &[said("one")]).unwrap();
    assert!(store.delete(&key).unwrap());
    store.get_or_create(&key).unwrap();
    assert_eq!(texts(&store, &key, None), [""; 0]);
}

#[test]
fn messages_come_back_as_they_were_appended() {
    both(|store| {
        let key = key("a", "discord", "ann");
        let created = store.get_or_create(&key).unwrap();
        tick();
        let at: DateTime<Utc> = "2025-01-02T03:04:05.678901Z".parse().unwrap();
        let call = StoredMessage {
            id: 99,
            seq: 99,
            tool_calls: Some(json!([{"id": "c1", "function": {"name": "f", "arguments": "{}"}}])),
            token_count: Some(12),
            created_at: at,
            ..StoredMessage::new("assistant", json!([{"type": "text", "text": "日本語 \u{0} \u{1f600}"}]))
        };
        store.append_messages(&key, &[said("hi"), call.clone()]).unwrap();
        let history = store.get_history(&key, &HistoryQuery::default()).unwrap().messages;
        assert_eq!(history.len(), 2);
        assert_eq!((history[0].role.as_str(), &history[0].content), ("user", &json!("hi")));
        assert_eq!(history[1], StoredMessage { id: history[1].id, seq: 2, ..call });
        assert!(history[0].id < history[1].id);
        let session = store.get(&key).unwrap().unwrap();
        assert_eq!(session.message_count, 2);
        assert!(session.updated_at > created.updated_at);
        store.append_messages(&key, &[]).unwrap();
        assert_eq!(store.get(&key).unwrap().unwrap(), session, "appending nothing changes nothing");
    });
}

/// Defect c of the upstream store: the history was ordered by time alone, a limit took the oldest messages, and a
/// silent cap of 1,000 hid the newest.
#[test]
fn defect_c_a_history_is_in_order_and_a_limit_takes_the_newest() {
    both(|store| {
        let key = key("a", "discord", "ann");
        store.get_or_create(&key).unwrap();
        let at = Utc::now();
        // All at one moment, and some going backwards.
        let messages: Vec<_> = (0..2_500)
            .map(|i| StoredMessage { created_at: at - TimeDelta::seconds(i % 3), ..said(&i.to_string()) })
            .collect();
        messages.chunks(500).for_each(|chunk| store.append_messages(&key, chunk).unwrap());
        let all: Vec<String> = (0..2_500).map(|i| i.to_string()).collect();
        assert_eq!(texts(store, &key, None), all);
        assert_eq!(texts(store, &key, Some(3)), all[2_497..]);
        assert_eq!(texts(store, &key, Some(1_001)), all[1_499..]);
        assert_eq!(texts(store, &key, Some(9_999)), all);
        assert_eq!(texts(store, &key, Some(0)), [""; 0]);
    });
}

/// Defect b of the upstream store: rows that could not be read were dropped, an unknown status became active, a bad
/// time became now, bad metadata became `{}`.
#[test]
fn defect_b_a_row_that_cannot_be_read_is_an_error_that_names_it() {
    let (dir, store) = on_disk();
    let key = key("a", "discord", "ann");
    store.get_or_create(&key).unwrap();
    store.append_messages(&key, &[said("one"), said("two")]).unwrap();
    let conn = open_database(&dir.path().join("sessions.db")).unwrap();
    let damage = |sql: &str, expected: &str| {
        conn.execute_batch(sql).unwrap();
        let errors = [
            store.get(&key).err(),
            store.list(&SessionFilter::default()).err(),
            store.get_history(&key, &HistoryQuery::default()).err(),
        ];
        let errors: Vec<String> = errors.into_iter().flatten().map(|error| error.to_string()).collect();
        assert!(
            errors.iter().any(|error| error.contains(expected)),
            "{sql}: {errors:?} should say {expected}"
        );
    };
    damage("UPDATE sessions SET status = 'sleeping'", "session a:discord:bot:dm:ann, status");
    damage("UPDATE sessions SET status = 'active', updated_at = 'soon'", "row 1 of sessions");
    damage(
        "UPDATE sessions SET updated_at = created_at; UPDATE messages SET created_at = '?' WHERE id = 2",
        "row 2 of messages",
    );
    damage(
        "UPDATE messages SET created_at = '2026-01-01T00:00:00.000000Z', content = 'no json' WHERE id = 2",
        "content of message 2 (row 2)",
    );
    conn.execute("UPDATE messages SET content = '\"two\"' WHERE id = 2", []).unwrap();
    assert_eq!(texts(&store, &key, None), ["one", "two"]);
}

/// Defect l of the upstream store: the shipped program kept its sessions in memory, so none survived a restart.
#[test]
fn defect_l_sessions_survive_a_restart() {
    let (dir, store) = on_disk();
    let key = key("a", "discord", "ann");
    store.get_or_create(&key).unwrap();
    store.append_messages(&key, &[said("remember")]).unwrap();
    drop(store);
    let store = SessionStore::new(&dir.path().join("sessions.db")).unwrap();
    assert_eq!(texts(&store, &key, None), ["remember"]);
}

/// Defect n of the upstream store: row ids leaked into the types, and id 0 meant "not stored".
#[test]
fn defect_n_the_id_of_an_appended_message_is_the_stores_own() {
    both(|store| {
        let key = key("a", "discord", "ann");
        store.get_or_create(&key).unwrap();
        store
            .append_messages(
                &key,
                &[StoredMessage { id: 1, ..said("x") }, StoredMessage { id: 1, ..said("y") }],
            )
            .unwrap();
        let history = store.get_history(&key, &HistoryQuery::default()).unwrap().messages;
        assert!(history[0].id > 0 && history[1].id > history[0].id);
        assert_eq!((history[0].seq, history[1].seq), (1, 2), "a session numbers its own messages");
    });
}

#[test]
fn rows_by_hand_that_name_only_the_seeds_columns_read_right() {
    let (dir, store) = on_disk();
    let path = dir.path().join("sessions.db");
    let conn = open_database(&path).unwrap();
    conn.execute_batch(
        "INSERT INTO sessions (agent_id, channel, account_id, peer_kind, peer_id, created_at, updated_at,
                               message_count, token_usage, metadata, status)
         VALUES ('a', 'discord', 'bot', 'dm', 'ann', '2026-02-15T10:00:00Z', '2026-02-15T12:00:00+02:00', 2, 9, '{\"t\":1}', 'idle');
         INSERT INTO messages (session_id, role, content, tool_calls, created_at)
         VALUES (1, 'user', '\"one\"', NULL, '2026-02-15T10:00:01.123456789+00:00'),
                (1, 'assistant', '\"two\"', '[]', '2026-02-15 10:00:02');",
    )
    .unwrap();
    let key = key("a", "discord", "ann");
    let session = store.get(&key).unwrap().unwrap();
    assert_eq!((session.message_count, session.token_usage, session.status), (2, 9, SessionStatus::Idle));
    assert_eq!(session.created_at, "2026-02-15T10:00:00Z".parse::<DateTime<Utc>>().unwrap());
    assert_eq!(session.metadata.get("t"), Some(&json!(1)));
    let history = store.get_history(&key, &HistoryQuery::default()).unwrap().messages;
    assert_eq!(history[0].created_at, "2026-02-15T10:00:01.123456Z".parse::<DateTime<Utc>>().unwrap());
    assert_eq!(history[1].tool_calls, Some(json!([])));

    store.append_messages(&key, &[said("three")]).unwrap();
    assert_eq!(texts(&store, &key, None), ["one", "two", "three"]);
    conn.execute("DELETE FROM messages WHERE content = '\"two\"'", []).unwrap();
    store.append_messages(&key, &[said("four")]).unwrap();
    assert_eq!(texts(&store, &key, None), ["one", "three", "four"]);
    assert_eq!(texts(&store, &key, Some(2)), ["three", "four"]);
    assert_eq!(store.get(&key).unwrap().unwrap().message_count, 3);
    assert!(sessiondb::blocking::open(path.to_str().unwrap()).unwrap().check().unwrap().is_clean());
    conn.execute("DELETE FROM sessions", []).unwrap();
    assert_eq!(store.get(&key).unwrap(), None);
    assert_eq!(conn.query_row("SELECT count(*) FROM messages", [], |row| row.get::<_, i64>(0)).unwrap(), 0);
}

#[test]
fn a_row_by_hand_that_could_not_be_read_is_refused() {
    let (dir, store) = on_disk();
    store.get_or_create(&key("a", "discord", "ann")).unwrap();
    let conn = open_database(&dir.path().join("sessions.db")).unwrap();
    let refused = |sql: &str, why: &str| {
        let error = conn.execute_batch(sql).unwrap_err().to_string();
        assert!(error.contains(why), "{sql}: {error}");
    };
    refused(
        "INSERT INTO messages (session_id, role, content, created_at) VALUES (1, 'user', 'no json', '2026-02-15T10:00:00Z')",
        "messages.content is not JSON",
    );
    refused(
        "INSERT INTO messages (session_id, role, content, created_at) VALUES (1, 'user', '1', 'yesterday')",
        "messages.created_at is not an ISO 8601 time",
    );
    for time in ["0", "12:00", "2026-13-01T00:00:00.000000Z", "xxxx-xx-xxTxx:xx:xx.xxxxxxZ"] {
        refused(
            &format!(
                "INSERT INTO messages (session_id, role, content, created_at) VALUES (1, 'user', '1', '{time}')"
            ),
            "messages.created_at is not an ISO 8601 time",
        );
        refused(
            &format!(
                "INSERT INTO sessions (agent_id, channel, account_id, peer_kind, peer_id, created_at, updated_at)
                 VALUES ('b', '', '', '', '', '{time}', '2026-02-15T10:00:00Z')"
            ),
            "sessions.created_at is not an ISO 8601 time",
        );
    }
    refused(
        "INSERT INTO messages (session_id, role, content, created_at) VALUES (1, 'user', CAST('1' AS BLOB), '2026-02-15T10:00:00Z')",
        "messages.content is not JSON",
    );
    refused(
        "INSERT INTO messages (session_id, role, content, created_at, seq) VALUES (1, 'user', '1', '2026-02-15T10:00:00Z', 7)",
        "messages.seq is given by the store",
    );
    conn.execute_batch(
        "INSERT INTO messages (id, session_id, role, content, created_at) VALUES (5, 1, 'user', '1', '2026-02-15T10:00:00Z')",
    )
    .unwrap();
    refused(
        "INSERT OR REPLACE INTO messages (id, session_id, role, content, created_at) VALUES (5, 1, 'user', '2', '2026-02-15T10:00:00Z')",
        "messages.id is taken",
    );
    conn.execute_batch("DELETE FROM messages").unwrap();
    refused(
        "INSERT INTO messages (session_id, role, content, created_at) VALUES (9, 'user', '1', '2026-02-15T10:00:00Z')",
        "FOREIGN KEY",
    );
    refused(
        "INSERT INTO sessions (agent_id, channel, account_id, peer_kind, peer_id, created_at, updated_at, metadata)
         VALUES ('b', '', '', '', '', '2026-02-15T10:00:00Z', '2026-02-15T10:00:00Z', '[]')",
        "CHECK",
    );
    assert_eq!(store.get(&key("a", "discord", "ann")).unwrap().unwrap().message_count, 0);
}

#[test]
fn a_session_of_another_family_is_left_alone() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("sessions.db");
    let store = SessionStore::new(&path).unwrap();
    let other = sessiondb::blocking::open(path.to_str().unwrap()).unwrap();
    let key = key("a", "discord", "ann");
    let opening = sessiondb::Opening { family: Some("other".into()), ..Default::default() };
    other.session_open_with(&key, opening).unwrap();
    let errors = [
        store.get(&key).unwrap_err(),
        store.get_or_create(&key).unwrap_err(),
        store.patch(&key, &SessionPatch { token_usage: Some(1), ..SessionPatch::default() }).unwrap_err(),
        store.append_messages(&key, &[said("x")]).unwrap_err(),
        store.delete(&key).unwrap_err(),
        store.get_history(&key, &HistoryQuery::default()).unwrap_err(),
        store.compact(&key, &CompactionStrategy::HardClear { keep_recent: 0 }, None).unwrap_err(),
        store.uncompact(&key).unwrap_err(),
        store.get_compaction_record(&key).unwrap_err(),
    ];
    for error in errors {
        assert!(matches!(error, Error::Store(sessiondb::Error::Conflict { .. })), "{error}");
    }
    assert_eq!(store.list(&SessionFilter::default()).unwrap(), []);
    let untouched = other.session(&key).unwrap().unwrap();
    assert_eq!((untouched.message_count, untouched.token_usage), (0, 0));
}

#[test]
fn the_store_can_be_cloned_and_used_from_any_thread() {
    fn is<T: Clone + Send + Sync + 'static>() {}
    is::<SessionStore>();
}

//! Histories: the newest messages, page by page, between bounds in time, with whole tool calls.

use aisopod_session::{
    CompactionStrategy, Error, History, HistoryCursor, HistoryQuery, SessionKey, SessionStore, StoredMessage,
    sessiondb,
};
use chrono::{DateTime, TimeDelta, Utc};
use serde_json::json;

use crate::{both, key, said, texts_of};

/// A session with messages "0", "1", … said a second apart.
fn seconds(store: &SessionStore, count: i64) -> (SessionKey, DateTime<Utc>) {
    let (key, start) = (key("a", "discord", "ann"), "2026-02-15T10:00:00Z".parse().unwrap());
    store.get_or_create(&key).unwrap();
    let messages: Vec<_> = (0..count)
        .map(|i| StoredMessage { created_at: start + TimeDelta::seconds(i), ..said(&i.to_string()) })
        .collect();
    messages.chunks(1_000).for_each(|chunk| store.append_messages(&key, chunk).unwrap());
    (key, start)
}

/// All pages of a query, the newest first.
fn pages(store: &SessionStore, key: &SessionKey, mut query: HistoryQuery) -> Vec<Vec<String>> {
    let mut pages = Vec::new();
    loop {
        pages.push(texts_of(store, key, &query));
        // As a client would send it back.
        let next = store.get_history(key, &query).unwrap().next.map(|cursor| cursor.to_string());
        match next {
            Some(next) => query.cursor = Some(next.parse().unwrap()),
            None => return pages,
        }
    }
}

#[test]
fn a_history_is_read_page_by_page_towards_the_oldest() {
    both(|store| {
        let (key, start) = seconds(store, 7);
        let expected = [vec!["4", "5", "6"], vec!["1", "2", "3"], vec!["0"]];
        assert_eq!(pages(store, &key, HistoryQuery::newest(3)), expected);
        let after = Some(start - TimeDelta::seconds(1));
        assert_eq!(pages(store, &key, HistoryQuery { after, ..HistoryQuery::newest(3) }), expected);
        assert_eq!(pages(store, &key, HistoryQuery::newest(7)).len(), 1, "nothing is left: no cursor");
        assert_eq!(pages(store, &key, HistoryQuery::default()).len(), 1);
        store.append_messages(&key, &[said("new")]).unwrap();
        let cursor = Some("5".parse().unwrap());
        assert_eq!(
            texts_of(store, &key, &HistoryQuery { cursor, ..HistoryQuery::newest(2) }),
            ["2", "3"],
            "what is appended meanwhile moves no page"
        );
    });
}

#[test]
fn bounds_in_time_are_exclusive_and_take_the_newest() {
    both(|store| {
        let (key, start) = seconds(store, 10);
        let at = |seconds| Some(start + TimeDelta::seconds(seconds));
        let query = |after, before, limit| HistoryQuery { limit, before, after, cursor: None };
        assert_eq!(texts_of(store, &key, &query(at(2), at(6), None)), ["3", "4", "5"]);
        assert_eq!(texts_of(store, &key, &query(at(2), at(6), Some(2))), ["4", "5"]);
        assert_eq!(texts_of(store, &key, &query(at(8), None, None)), ["9"]);
        assert_eq!(texts_of(store, &key, &query(None, at(1), None)), ["0"]);
        assert_eq!(texts_of(store, &key, &query(at(6), at(2), None)), [""; 0]);
        let between = start + TimeDelta::milliseconds(2_500);
        assert_eq!(texts_of(store, &key, &query(Some(between), at(4), None)), ["3"]);
    });
}

/// Bounds were compared as texts in the upstream store (defect c), and a page of a time's messages follows no order of
/// numbers.
#[test]
fn a_history_between_bounds_in_time_is_in_the_sessions_order() {
    both(|store| {
        let (key, start) = (key("a", "discord", "ann"), Utc::now());
        store.get_or_create(&key).unwrap();
        // Appended in order, said in reverse.
        let all: Vec<String> = (0..2_300).map(|i| i.to_string()).collect();
        let said = |(i, text): (i64, &String)| StoredMessage {
            created_at: start - TimeDelta::milliseconds(i),
            ..said(text)
        };
        let messages: Vec<_> = (0..).zip(&all).map(said).collect();
        messages.chunks(1_000).for_each(|chunk| store.append_messages(&key, chunk).unwrap());
        let before = Some(start + TimeDelta::seconds(1));
        assert_eq!(texts_of(store, &key, &HistoryQuery { before, ..HistoryQuery::default() }), all);
        let newest = HistoryQuery { before, ..HistoryQuery::newest(3) };
        assert_eq!(texts_of(store, &key, &newest), all[..3], "the newest by time are the first here");
        let offset = Some("2000-01-01T02:00:00+02:00".parse().unwrap());
        let since = HistoryQuery { after: offset, ..HistoryQuery::newest(1) };
        assert_eq!(texts_of(store, &key, &since), ["0"]);
    });
}

/// A turn with tools, in the forms of both big interfaces: a question, calls, their results, an answer.
fn turn(number: usize) -> Vec<StoredMessage> {
    let [one, two] = [format!("one-{number}"), format!("two-{number}")];
    let calls = StoredMessage {
        tool_calls: Some(json!([{"id": one, "type": "function"}])),
        ..StoredMessage::new("assistant", json!([{"type": "tool_use", "id": two, "name": "f", "input": {}}]))
    };
    vec![
        said("question"),
        calls,
        StoredMessage::tool_result(one, json!("result")),
        StoredMessage::new("user", json!([{"type": "tool_result", "tool_use_id": two, "content": "result"}])),
        StoredMessage::new("assistant", json!("answer")),
    ]
}

#[test]
fn a_history_never_begins_between_a_call_and_its_result() {
    both(|store| {
        let key = key("a", "discord", "ann");
        store.get_or_create(&key).unwrap();
        (0..300).for_each(|number| store.append_messages(&key, &turn(number)).unwrap());
        let get = |query: HistoryQuery| -> History { store.get_history(&key, &query).unwrap() };
        let first = |limit| get(HistoryQuery::newest(limit)).messages[0].seq;
        assert_eq!([1, 2, 3, 4, 5, 6].map(first), [1_500, 1_500, 1_500, 1_497, 1_496, 1_495]);
        for limit in [13, 14, 998, 999, 1_000, 1_001, 1_003, 1_499] {
            let history = get(HistoryQuery::newest(limit));
            assert_eq!(history.unpaired, [""; 0], "{limit}");
            assert!(history.messages.len() <= limit.max(3));
            // Every page, to the beginning, without a gap.
            let mut seqs: Vec<u64> = Vec::new();
            let mut query = HistoryQuery::newest(limit);
            loop {
                let page = get(query.clone());
                assert_eq!(page.unpaired, [""; 0]);
                seqs.splice(0..0, page.messages.iter().map(|message| message.seq));
                match page.next {
                    Some(next) => query.cursor = Some(next),
                    None => break,
                }
            }
            assert!(seqs.iter().copied().eq(1..=1_500), "{limit}");
        }
        let all = get(HistoryQuery::default());
        assert_eq!(all.messages.len(), 1_500);
        assert_eq!(all.messages[2].tool_call_id.as_deref(), Some("one-0"));
        assert_eq!(all.messages[3].tool_call_id, None, "it stands in the content");
        // Between bounds in time a call may be cut, and is named.
        let after = Some(all.messages[0].created_at - TimeDelta::days(1));
        let cut = get(HistoryQuery { after, ..HistoryQuery::newest(2) });
        assert_eq!(cut.messages.len(), 2);
    });
}

#[test]
fn a_history_says_what_it_weighs() {
    both(|store| {
        let key = key("a", "discord", "ann");
        store.get_or_create(&key).unwrap();
        let counted = StoredMessage { token_count: Some(100), ..said("counted") };
        store.append_messages(&key, &[counted, said("1234567890")]).unwrap();
        let history = store.get_history(&key, &HistoryQuery::default()).unwrap();
        assert_eq!(history.weight, 103, "100, and 12 bytes of JSON");
        assert_eq!(history.messages[0].token_count, Some(100));
        assert_eq!(store.get_history(&key, &HistoryQuery::newest(1)).unwrap().weight, 3);
    });
}

#[test]
fn a_call_id_that_pairs_nothing_does_not_refuse_the_message() {
    both(|store| {
        let key = key("a", "discord", "ann");
        store.get_or_create(&key).unwrap();
        let odd = StoredMessage {
            tool_calls: Some(json!([{"id": ""}, {"id": 7}, {}, "x", {"id": "y".repeat(600)}])),
            ..StoredMessage::new("assistant", json!({"type": "tool_use", "id": "not in a list"}))
        };
        store.append_messages(&key, std::slice::from_ref(&odd)).unwrap();
        let history = store.get_history(&key, &HistoryQuery::default()).unwrap();
        assert_eq!(history.messages[0].tool_calls, odd.tool_calls);
        assert_eq!(history.unpaired, [""; 0]);
        let unnamed = StoredMessage::tool_result("", json!("result"));
        assert!(store.append_messages(&key, &[unnamed]).unwrap_err().to_string().contains("is empty"));
    });
}

#[test]
fn a_cursor_says_when_it_does_not_fit() {
    both(|store| {
        let (key, start) = seconds(store, 10);
        let by_number: HistoryCursor = "5".parse().unwrap();
        let after = Some(start);
        let mixed = HistoryQuery { after, cursor: Some(by_number), ..HistoryQuery::newest(2) };
        assert!(store.get_history(&key, &mixed).unwrap_err().to_string().contains("another kind of query"));
        store.compact(&key, &CompactionStrategy::SlidingWindow { max_messages: 2 }, None).unwrap();
        let hidden = HistoryQuery { cursor: Some(by_number), ..HistoryQuery::newest(2) };
        let error = store.get_history(&key, &hidden).unwrap_err();
        let conflict = sessiondb::Conflict::NotInView { seq: 5 };
        assert_eq!(error, Error::Store(sessiondb::Error::Conflict { key: Box::new(key.clone()), conflict }));
        let json = serde_json::to_value(&hidden).unwrap();
        assert_eq!(json, json!({"limit": 2, "before": null, "after": null, "cursor": "5"}));
        assert_eq!(
            serde_json::from_value::<HistoryQuery>(json!({"limit": 2, "cursor": "5"})).unwrap(),
            hidden
        );
    });
}

#[test]
fn a_history_of_many_pages_is_one_although_it_is_compacted_meanwhile() {
    both(|store| {
        let (key, _) = seconds(store, 2_500);
        std::thread::scope(|scope| {
            let compacting = scope.spawn(|| {
                for _ in 0..30 {
                    store.compact(&key, &CompactionStrategy::HardClear { keep_recent: 1_100 }, None).unwrap();
                    store.uncompact(&key).unwrap();
                }
            });
            while !compacting.is_finished() {
                let count = store.get_history(&key, &HistoryQuery::default()).unwrap().messages.len();
                assert!(count == 2_500 || count == 1_100, "{count}");
            }
            compacting.join().unwrap();
        });
    });
}

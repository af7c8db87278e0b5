//! Compaction: what is hidden, what never is, and how it is taken back.

use std::{
    sync::atomic::{AtomicBool, Ordering},
    thread,
};

use aisopod_session::{
    CompactionRecord, CompactionStrategy, HistoryQuery, SessionKey, SessionPatch, SessionStatus,
    SessionStore, StoredMessage, sessiondb,
};
use serde_json::json;
use sessiondb::Window;

use crate::{both, key, said, texts, tick};

use CompactionStrategy::{AdaptiveChunking, HardClear, SlidingWindow, Summarize, ToolResultTruncation};

/// A session with messages "1", "2", ….
fn numbers(store: &SessionStore, count: usize) -> SessionKey {
    let key = key("a", "discord", "ann");
    store.get_or_create(&key).unwrap();
    let messages: Vec<_> = (1..=count).map(|i| said(&i.to_string())).collect();
    store.append_messages(&key, &messages).unwrap();
    key
}

fn state(store: &SessionStore, key: &SessionKey) -> (SessionStatus, u64, Option<String>) {
    let record = store.get_compaction_record(key).unwrap();
    (store.get(key).unwrap().unwrap().status, record.compaction_count, record.summary)
}

/// How many messages the log has, shown or hidden.
fn logged(store: &SessionStore, key: &SessionKey) -> usize {
    store.sessiondb().message_window(key, Window::log(0, 1_000)).unwrap().messages.len()
}

/// Defect f of the upstream store: a compaction deleted for good and in several steps, cut tool calls from their
/// results, put a sentence of its own in the place of a missing summary, forgot the last summary when there was no new
/// one, and counted when it had removed nothing.
#[test]
fn defect_f_a_compaction_hides_and_can_be_taken_back() {
    both(|store| {
        let key = numbers(store, 6);
        let (active, compacted) = (SessionStatus::Active, SessionStatus::Compacted);
        assert_eq!(store.get_compaction_record(&key).unwrap(), CompactionRecord::default());
        let before = store.get(&key).unwrap();

        // Nothing to hide: nothing changes, updated_at neither.
        tick();
        assert!(!store.compact(&key, &CompactionStrategy::None, None).unwrap());
        assert!(!store.compact(&key, &SlidingWindow { max_messages: 6 }, None).unwrap());
        assert!(!store.compact(&key, &SlidingWindow { max_messages: usize::MAX }, Some("s")).unwrap());
        assert!(!store.compact(&key, &AdaptiveChunking { keep_tokens: u64::MAX }, Some("s")).unwrap());
        assert!(!store.compact(&key, &ToolResultTruncation { max_chars: 1 }, None).unwrap());
        assert!(!store.uncompact(&key).unwrap());
        assert_eq!(store.get(&key).unwrap(), before);
        assert_eq!(logged(store, &key), 6);

        // A summary that is missing is an error.
        let error = store.compact(&key, &Summarize { keep_recent: 2 }, None).unwrap_err();
        assert_eq!(
            error.to_string(),
            "the compaction strategy Summarize needs a summary, and none was given"
        );
        assert_eq!(store.get(&key).unwrap(), before);

        assert!(store.compact(&key, &Summarize { keep_recent: 2 }, Some("1 to 4")).unwrap());
        assert_eq!(texts(store, &key, None), ["1 to 4", "5", "6"]);
        assert_eq!(state(store, &key), (compacted, 1, Some("1 to 4".into())));
        assert_eq!(store.get(&key).unwrap().unwrap().message_count, 3);

        // Without a summary the last one is not forgotten.
        tick();
        assert!(store.compact(&key, &SlidingWindow { max_messages: 1 }, None).unwrap());
        assert_eq!(texts(store, &key, None), ["6"]);
        assert_eq!(state(store, &key), (compacted, 2, Some("1 to 4".into())));
        let record = store.get_compaction_record(&key).unwrap();
        assert!(record.last_compacted_at.unwrap() > before.unwrap().updated_at);

        // One more changes nothing and does not count.
        assert!(!store.compact(&key, &SlidingWindow { max_messages: 1 }, None).unwrap());
        assert_eq!(store.get_compaction_record(&key).unwrap(), record);

        assert_eq!(logged(store, &key), 7, "nothing was deleted");
        assert!(store.uncompact(&key).unwrap());
        assert_eq!(texts(store, &key, None), ["1 to 4", "5", "6"]);
        assert_eq!(state(store, &key), (compacted, 1, Some("1 to 4".into())));
        store.append_messages(&key, &[said("7")]).unwrap();
        assert!(store.uncompact(&key).unwrap());
        assert_eq!(texts(store, &key, None), ["1", "2", "3", "4", "5", "6", "7"]);
        assert_eq!(state(store, &key), (active, 0, None));
        assert!(!store.uncompact(&key).unwrap());
    });
}

#[test]
fn a_message_appended_meanwhile_stays() {
    both(|store| {
        let key = numbers(store, 6);
        let read = store.get_history(&key, &HistoryQuery::default()).unwrap();
        store.append_messages(&key, &[said("7"), said("8")]).unwrap();
        let last = read.messages.last().unwrap().seq;
        let compact = |strategy, summary| store.compact_as_of(&key, last, &strategy, summary).unwrap();
        let shown = || texts(store, &key, None);
        assert!(compact(Summarize { keep_recent: 0 }, Some("s")));
        assert_eq!(shown(), ["s", "7", "8"]);
        store.uncompact(&key).unwrap();
        assert!(compact(SlidingWindow { max_messages: 2 }, None));
        assert_eq!(shown(), ["5", "6", "7", "8"], "what came later does not count");
        store.uncompact(&key).unwrap();
        assert!(!compact(SlidingWindow { max_messages: 6 }, None));
        // Three bytes of JSON weigh one token.
        assert!(compact(AdaptiveChunking { keep_tokens: 3 }, Some("s")));
        assert_eq!(shown(), ["s", "4", "5", "6", "7", "8"]);
        store.uncompact(&key).unwrap();
        assert!(compact(HardClear { keep_recent: 0 }, None));
        assert_eq!(shown(), ["7", "8"]);
        // What was compacted away cannot be compacted as of.
        let error = store.compact_as_of(&key, last, &HardClear { keep_recent: 0 }, None).unwrap_err();
        assert_eq!(error.to_string(), "session a:discord:bot:dm:ann: message 6 is not in its view");
    });
}

#[test]
fn each_strategy_hides_what_it_says() {
    both(|store| {
        let key = numbers(store, 6);
        let shown = |strategy, summary| {
            assert!(store.compact(&key, &strategy, summary).unwrap(), "{strategy:?}");
            let shown = texts(store, &key, None);
            assert!(store.uncompact(&key).unwrap());
            assert_eq!(texts(store, &key, None), ["1", "2", "3", "4", "5", "6"]);
            shown.join(" ")
        };
        assert_eq!(shown(SlidingWindow { max_messages: 2 }, None), "5 6");
        assert_eq!(shown(SlidingWindow { max_messages: 2 }, Some("s")), "s 5 6");
        assert_eq!(shown(SlidingWindow { max_messages: 0 }, None), "");
        assert_eq!(shown(Summarize { keep_recent: 5 }, Some("s")), "s 2 3 4 5 6");
        assert_eq!(shown(Summarize { keep_recent: 0 }, Some("s")), "s");
        assert_eq!(shown(AdaptiveChunking { keep_tokens: 2 }, Some("s")), "s 5 6");
        assert_eq!(shown(AdaptiveChunking { keep_tokens: 0 }, Some("s")), "s");
        assert_eq!(shown(HardClear { keep_recent: 3 }, None), "4 5 6");
        assert_eq!(shown(HardClear { keep_recent: 0 }, None), "");
        let none = store.compact(&key, &AdaptiveChunking { keep_tokens: 2 }, None).unwrap_err();
        assert!(none.to_string().contains("AdaptiveChunking needs a summary"));
        for strategy in
            [HardClear { keep_recent: 1 }, ToolResultTruncation { max_chars: 9 }, CompactionStrategy::None]
        {
            let error = store.compact(&key, &strategy, Some("s")).unwrap_err();
            assert!(error.to_string().contains("shows no summary"), "{error}");
        }
    });
}

#[test]
fn a_window_larger_than_a_page_is_kept() {
    both(|store| {
        let key = numbers(store, 2_500);
        assert!(store.compact(&key, &SlidingWindow { max_messages: 2_100 }, None).unwrap());
        assert_eq!(texts(store, &key, None).len(), 2_100);
        assert_eq!(texts(store, &key, None)[0], "401");
    });
}

/// A question, two calls, their results, an answer.
fn turn(number: usize, result: &str) -> Vec<StoredMessage> {
    let [one, two] = [format!("one-{number}"), format!("two-{number}")];
    let calls = StoredMessage {
        tool_calls: Some(json!([{"id": one}])),
        ..StoredMessage::new("assistant", json!([{"type": "tool_use", "id": two, "name": "f", "input": {}}]))
    };
    vec![
        said("question"),
        calls,
        StoredMessage::tool_result(one, json!(result)),
        StoredMessage::new("user", json!([{"type": "tool_result", "tool_use_id": two, "content": result}])),
        StoredMessage::new("assistant", json!("answer")),
    ]
}

/// Part of defect f: the sliding window began wherever it fell, also between a call and its result, and no model took
/// the history any more.
#[test]
fn defect_f_no_strategy_cuts_a_call_from_its_result() {
    both(|store| {
        let mut strategies = Vec::new();
        for n in (0..=16).step_by(2) {
            strategies.extend([
                (SlidingWindow { max_messages: n }, None),
                (SlidingWindow { max_messages: n }, Some("s")),
                (Summarize { keep_recent: n }, Some("s")),
                (HardClear { keep_recent: n }, None),
                (AdaptiveChunking { keep_tokens: 4 * n as u64 }, Some("s")),
                (ToolResultTruncation { max_chars: n }, None),
            ]);
        }
        let key = key("a", "discord", "ann");
        store.get_or_create(&key).unwrap();
        (0..3).for_each(|number| store.append_messages(&key, &turn(number, "a result")).unwrap());
        let all = store.get_history(&key, &HistoryQuery::default()).unwrap();
        let (mut hidden, mut stood) = (0, 0);
        for (strategy, summary) in &strategies {
            for as_of in [3, 7, 8, 9, 10, 12, 15] {
                let before = store.get(&key).unwrap();
                if !store.compact_as_of(&key, as_of, strategy, *summary).unwrap() {
                    assert_eq!(store.get(&key).unwrap(), before, "{strategy:?} as of {as_of}");
                    stood += 1;
                    continue;
                }
                hidden += 1;
                let shown = store.get_history(&key, &HistoryQuery::default()).unwrap();
                assert_eq!(shown.unpaired, [""; 0], "{strategy:?} as of {as_of}");
                assert_eq!(store.get(&key).unwrap().unwrap().status, SessionStatus::Compacted);
                assert!(store.uncompact(&key).unwrap());
                assert_eq!(store.get_history(&key, &HistoryQuery::default()).unwrap(), all);
                assert_eq!(state(store, &key), (SessionStatus::Active, 0, None));
            }
        }
        assert!(hidden > 150 && stood > 20, "{hidden} {stood}");
        assert!(store.sessiondb().check().unwrap().is_clean());
    });
}

/// What is chosen to be hidden may turn out to be the first half of a call whose result came later.
#[test]
fn a_call_whose_result_came_later_is_not_hidden_and_nothing_else_changes() {
    both(|store| {
        let key = key("a", "discord", "ann");
        store.get_or_create(&key).unwrap();
        let call = StoredMessage {
            tool_calls: Some(json!([{"id": "c"}])),
            ..StoredMessage::new("assistant", json!("let me see"))
        };
        store.append_messages(&key, &[call, said("still there?")]).unwrap();
        store.append_messages(&key, &[StoredMessage::tool_result("c", json!("result"))]).unwrap();
        let before = store.get(&key).unwrap();
        assert!(!store.compact_as_of(&key, 2, &Summarize { keep_recent: 0 }, Some("s")).unwrap());
        assert_eq!(store.get(&key).unwrap(), before, "not even the status");
        assert_eq!(store.get_compaction_record(&key).unwrap().compaction_count, 0);
        assert_eq!(logged(store, &key), 3);
    });
}

#[test]
fn tool_results_are_shortened_in_their_places() {
    both(|store| {
        let key = key("a", "discord", "ann");
        store.get_or_create(&key).unwrap();
        let long = "x".repeat(1_000);
        store.append_messages(&key, &turn(0, &long)).unwrap();
        store.append_messages(&key, &turn(1, "short")).unwrap();
        store.append_messages(&key, &turn(2, &long)).unwrap();
        let before = store.get_history(&key, &HistoryQuery::default()).unwrap();
        let strategy = ToolResultTruncation { max_chars: 100 };

        assert!(store.compact_as_of(&key, 10, &strategy, None).unwrap());
        let shown = store.get_history(&key, &HistoryQuery::default()).unwrap();
        assert_eq!(shown.messages.len(), 15);
        for (at, (new, old)) in shown.messages.iter().zip(&before.messages).enumerate() {
            let expected =
                StoredMessage { id: new.id, seq: new.seq, content: new.content.clone(), ..old.clone() };
            assert_eq!(*new, expected, "all but the content is as it was");
            assert_eq!(new.content != old.content, at == 2 || at == 3, "message {at}");
        }
        let short = shown.messages[2].content.as_str().unwrap();
        assert!(short.starts_with("xxx") && short.ends_with("characters left out]"), "{short}");
        assert_eq!(shown.messages[3].content[0]["content"], short);
        assert!(shown.weight + 400 < before.weight, "{} {}", shown.weight, before.weight);
        assert_eq!(state(store, &key), (SessionStatus::Compacted, 1, None));

        // The rest, and then there is nothing left to shorten.
        assert!(store.compact(&key, &strategy, None).unwrap());
        assert!(!store.compact(&key, &strategy, None).unwrap());
        store.append_messages(&key, &[said("new")]).unwrap();
        assert!(store.uncompact(&key).unwrap());
        assert!(store.uncompact(&key).unwrap());
        let after = store.get_history(&key, &HistoryQuery::default()).unwrap();
        assert_eq!(after.messages[..15], before.messages[..]);
        assert_eq!(after.messages[15].content, "new");
        assert_eq!(state(store, &key), (SessionStatus::Active, 0, None));
        assert!(store.sessiondb().check().unwrap().is_clean());
    });
}

#[test]
fn shortened_results_and_summaries_are_taken_back_one_by_one() {
    both(|store| {
        let key = key("a", "discord", "ann");
        store.get_or_create(&key).unwrap();
        store.append_messages(&key, &turn(0, &"x".repeat(1_000))).unwrap();
        store.append_messages(&key, &[said("6")]).unwrap();
        let seqs = || -> Vec<u64> {
            let history = store.get_history(&key, &HistoryQuery::default()).unwrap();
            history.messages.iter().map(|message| message.seq).collect()
        };
        let shorten = ToolResultTruncation { max_chars: 100 };
        assert!(store.compact(&key, &shorten, None).unwrap());
        assert_eq!(seqs(), [1, 2, 7, 8, 5, 6]);
        assert!(store.compact(&key, &Summarize { keep_recent: 1 }, Some("s")).unwrap());
        assert_eq!(seqs(), [9, 6]);
        assert_eq!(state(store, &key), (SessionStatus::Compacted, 2, Some("s".into())));
        assert!(store.uncompact(&key).unwrap());
        assert_eq!(seqs(), [1, 2, 7, 8, 5, 6]);

        // With something else on top, the shortening is not taken back blindly.
        let rewound = store.sessiondb().rewind(&key, 5).unwrap();
        assert!(rewound && !store.uncompact(&key).unwrap());
        assert_eq!(state(store, &key).1, 1);
        assert!(store.sessiondb().undo(&key).unwrap());
        assert!(store.uncompact(&key).unwrap());
        assert_eq!(seqs(), [1, 2, 3, 4, 5, 6]);
        assert_eq!(state(store, &key).1, 0);

        // A summary is taken back also beneath a rewind.
        assert!(store.compact(&key, &Summarize { keep_recent: 2 }, Some("s")).unwrap());
        assert!(store.sessiondb().pop(&key).unwrap().is_some());
        assert!(store.uncompact(&key).unwrap());
        assert_eq!(seqs(), [1, 2, 3, 4, 5]);
    });
}

/// The record is what happened to the view, whoever did it.
#[test]
fn the_record_follows_undo_and_reset() {
    both(|store| {
        let key = numbers(store, 6);
        let count = || store.get_compaction_record(&key).unwrap().compaction_count;
        let plain = store.sessiondb();
        store.compact(&key, &Summarize { keep_recent: 3 }, Some("one")).unwrap();
        store.compact(&key, &Summarize { keep_recent: 1 }, Some("two")).unwrap();
        assert_eq!(count(), 2);
        plain.undo(&key).unwrap();
        assert_eq!(store.get_compaction_record(&key).unwrap().summary.as_deref(), Some("one"));
        plain.uncompact(&key).unwrap();
        assert_eq!(count(), 0);
        plain.undo(&key).unwrap();
        assert_eq!(count(), 1, "the uncompaction was taken back");
        plain.reset(&key).unwrap();
        assert_eq!(store.get_compaction_record(&key).unwrap(), CompactionRecord::default());
        assert!(!store.uncompact(&key).unwrap());
        plain.undo(&key).unwrap();
        assert_eq!(count(), 1, "the reset was taken back");
        plain.compact(&key, 1, None).unwrap();
        assert_eq!(count(), 2, "made through SessionDB itself");
        // A repair also sets the view and appends.
        let call = StoredMessage { tool_calls: Some(json!([{"id": "c"}])), ..said("call") };
        store.append_messages(&key, &[call, said("interrupted")]).unwrap();
        assert_eq!(plain.repair(&key).unwrap().len(), 1);
        let changes = plain.view_changes(&key, None, 1).unwrap();
        assert_eq!(changes[0].kind, sessiondb::ViewChangeKind::Set);
        assert_eq!(count(), 2);
    });
}

#[test]
fn a_status_set_before_is_kept_by_uncompact_unless_it_says_compacted() {
    both(|store| {
        let key = numbers(store, 3);
        let set = |status| {
            store.patch(&key, &SessionPatch { status: Some(status), ..SessionPatch::default() }).unwrap();
        };
        set(SessionStatus::Compacted);
        assert!(!store.compact(&key, &SlidingWindow { max_messages: 3 }, None).unwrap());
        assert!(store.compact(&key, &SlidingWindow { max_messages: 1 }, None).unwrap());
        set(SessionStatus::Archived);
        assert!(store.uncompact(&key).unwrap());
        assert_eq!(state(store, &key), (SessionStatus::Archived, 0, None));
    });
}

#[test]
fn compactions_appends_and_patches_at_the_same_time_all_come_through() {
    both(|store| {
        let key = numbers(store, 20);
        let done = AtomicBool::new(false);
        thread::scope(|scope| {
            let appending = scope.spawn(|| {
                for n in 0..200 {
                    let messages = if n % 10 == 0 { turn(n, &"x".repeat(200)) } else { vec![said("more")] };
                    store.append_messages(&key, &messages).unwrap();
                    store.add_token_usage(&key, 1).unwrap();
                }
                done.store(true, Ordering::Release);
            });
            scope.spawn(|| {
                let mut n = 0;
                while !done.load(Ordering::Acquire) {
                    n += 1;
                    let status = [SessionStatus::Idle, SessionStatus::Active][n % 2];
                    let patch = SessionPatch { status: Some(status), ..SessionPatch::default() };
                    store.patch(&key, &patch).unwrap();
                    thread::sleep(std::time::Duration::from_millis(1));
                }
            });
            while !done.load(Ordering::Acquire) {
                let strategy = [
                    ToolResultTruncation { max_chars: 50 },
                    SlidingWindow { max_messages: 15 },
                    Summarize { keep_recent: 10 },
                ];
                for strategy in strategy {
                    let summary = matches!(strategy, Summarize { .. }).then_some("s");
                    store.compact(&key, &strategy, summary).unwrap();
                }
            }
            appending.join().unwrap();
        });
        while store.uncompact(&key).unwrap() {}
        let history = store.get_history(&key, &HistoryQuery::default()).unwrap();
        assert_eq!(history.messages.len(), 20 + 180 + 20 * 5, "nothing is lost, nothing is left over");
        assert_eq!(history.unpaired, [""; 0]);
        assert_eq!(store.get(&key).unwrap().unwrap().token_usage, 200);
        assert!(store.sessiondb().check().unwrap().is_clean());
    });
}

/// What a compaction was decided on changes under it: it decides anew, and hides nothing behind its anchor.
#[test]
fn compactions_at_the_same_time_agree() {
    both(|store| {
        let key = numbers(store, 1_300);
        let anchor = 1_300;
        thread::scope(|scope| {
            let compacting: Vec<_> = (0..2)
                .map(|_| {
                    scope.spawn(|| {
                        for _ in 0..15 {
                            let strategy = SlidingWindow { max_messages: 1_200 };
                            store.compact_as_of(&key, anchor, &strategy, None).unwrap();
                            store.uncompact(&key).unwrap();
                            let strategy = AdaptiveChunking { keep_tokens: 100 };
                            store.compact_as_of(&key, anchor, &strategy, Some("s")).unwrap();
                            store.uncompact(&key).unwrap();
                        }
                    })
                })
                .collect();
            let mut appended = 0;
            while compacting.iter().any(|thread| !thread.is_finished()) && appended < 300 {
                store.append_messages(&key, &[said("later")]).unwrap();
                appended += 1;
                let newest = texts(store, &key, Some(appended));
                assert!(newest.iter().filter(|text| *text == "later").count() == appended, "{newest:?}");
            }
            compacting.into_iter().for_each(|thread| thread.join().unwrap());
        });
        while store.uncompact(&key).unwrap() {}
        assert_eq!(texts(store, &key, None)[..1_300].last().unwrap(), "1300");
        assert!(store.sessiondb().check().unwrap().is_clean());
    });
}

/// A shortened copy is shown by the number that it is going to get, which an append meanwhile must not take.
#[test]
fn what_is_appended_while_results_are_shortened_is_shown() {
    both(|store| {
        let key = numbers(store, 0);
        let done = AtomicBool::new(false);
        let appended = thread::scope(|scope| {
            let appending = scope.spawn(|| {
                let mut appended = 0;
                while !done.load(Ordering::Acquire) {
                    store.append_messages(&key, &[said("meanwhile")]).unwrap();
                    appended += 1;
                    thread::sleep(std::time::Duration::from_micros(300));
                }
                appended
            });
            let compact = |n| {
                store.append_messages(&key, &turn(n, &"x".repeat(500)))?;
                store.compact(&key, &ToolResultTruncation { max_chars: 50 }, None)
            };
            let compacted: Vec<_> = (0..40).map(compact).collect();
            done.store(true, Ordering::Release);
            assert_eq!(compacted, vec![Ok(true); 40]);
            appending.join().unwrap()
        });
        let shown = store.get_history(&key, &HistoryQuery::default()).unwrap();
        assert_eq!(shown.messages.len(), appended + 40 * 5);
        assert!(!serde_json::to_string(&shown).unwrap().contains(&"x".repeat(51)));
        assert_eq!(store.get_compaction_record(&key).unwrap().compaction_count, 40);
    });
}

#[test]
fn a_fork_of_a_compacted_session_shortens_what_it_inherited() {
    both(|store| {
        let (parent, fork) = (key("a", "discord", "ann"), key("a", "discord", "fork"));
        store.get_or_create(&parent).unwrap();
        store.append_messages(&parent, &turn(0, &"x".repeat(1_000))).unwrap();
        store.compact(&parent, &Summarize { keep_recent: 4 }, Some("s")).unwrap();
        store.sessiondb().fork(&parent, &fork, None).unwrap();
        let of_parent = store.get_history(&parent, &HistoryQuery::default()).unwrap();
        assert_eq!(store.get_history(&fork, &HistoryQuery::default()).unwrap(), of_parent);
        assert_eq!(store.get_compaction_record(&fork).unwrap(), CompactionRecord::default());
        store.append_messages(&fork, &[said("7")]).unwrap();
        assert!(store.compact(&fork, &ToolResultTruncation { max_chars: 100 }, None).unwrap());
        let shown = store.get_history(&fork, &HistoryQuery::default()).unwrap();
        assert_eq!(shown.messages.iter().map(|m| m.seq).collect::<Vec<_>>(), [6, 2, 8, 9, 5, 7]);
        assert_eq!(store.get_history(&parent, &HistoryQuery::default()).unwrap(), of_parent);
    });
}

#[test]
fn a_strategy_is_configured_by_name() {
    let read = |json| serde_json::from_value::<CompactionStrategy>(json);
    assert_eq!(read(json!({"strategy": "none"})).unwrap(), CompactionStrategy::None);
    let window = json!({"strategy": "sliding_window", "max_messages": 50});
    assert_eq!(read(window.clone()).unwrap(), SlidingWindow { max_messages: 50 });
    assert_eq!(serde_json::to_value(SlidingWindow { max_messages: 50 }).unwrap(), window);
    assert_eq!(read(json!({"strategy": "summarize"})).unwrap(), Summarize { keep_recent: 0 });
    let summary = json!({"strategy": "summary", "keep_recent": 4});
    assert_eq!(read(summary).unwrap(), Summarize { keep_recent: 4 });
    assert!(read(json!({"strategy": "hard_clear"})).is_err());
}

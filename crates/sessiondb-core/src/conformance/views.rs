//! What a session shows: compaction, rewinding, popping, and taking it back.

use super::{
    examples::{key, open, said, say, second, session, to, unchanged},
    observed::{observe, refused, refused_as_invalid, texts},
};
use crate::{
    Commit, Conflict, Error, Expect, NewMessage, Store, ViewChangeKind, Window, Write,
    limits::{PAGE_MAX, VIEW_SPANS_MAX},
};

/// A session of these texts, one message each.
async fn say_all(store: &Store, peer: &str, texts: &str) {
    let messages = texts.split_whitespace().map(said).collect();
    store.commit_one(open(peer).write(Write::Append(messages))).await.unwrap();
}

/// What a session shows, as one text.
pub(super) async fn shown(store: &Store, peer: &str) -> String {
    let texts = texts(store, &key(peer)).await;
    texts.iter().map(|text| text.trim_matches('"')).collect::<Vec<_>>().join(" ")
}

fn compact(peer: &str, through: u64, summary: &[&str]) -> Commit {
    let summary = summary.iter().map(|text| said(text)).collect();
    to(peer).write(Write::Compact { through, summary })
}

fn not_in_view(seq: u64) -> Error {
    Error::conflict(&key("ann"), Conflict::NotInView { seq })
}

/// Older messages give way to a summary, which stands first; nothing is gone, and everything goes on behind.
pub async fn a_compaction_hides_the_older_messages_behind_its_summary(store: Store) {
    say_all(&store, "ann", "1 2 3 4 5").await;
    let receipt = store.commit_one(compact("ann", 3, &["s", "t"])).await.unwrap();
    assert_eq!((receipt.seqs, receipt.revision, receipt.changed), (vec![6, 7], 1, true));
    assert_eq!(shown(&store, "ann").await, "s t 4 5");
    say_all(&store, "ann", "8").await;
    assert_eq!(shown(&store, "ann").await, "s t 4 5 8");
    let session = session(&store, "ann").await;
    assert_eq!((session.message_count, session.log_count, session.head), (5, 8, 8));
    // Once more, and the first summary is among what is hidden.
    store.commit_one(compact("ann", 4, &["u"])).await.unwrap();
    assert_eq!(shown(&store, "ann").await, "u 5 8");
    let log = store.message_window(&key("ann"), Window::log(0, 100)).await.unwrap();
    let log: Vec<_> = log.messages.iter().map(|m| m.content.get().trim_matches('"')).collect();
    assert_eq!(log.join(" "), "1 2 3 4 5 s t 8 u");
}

/// Without a summary the older messages are just not shown.
pub async fn a_compaction_without_a_summary_just_hides(store: Store) {
    say_all(&store, "ann", "1 2 3 4").await;
    assert!(store.commit_one(compact("ann", 2, &[])).await.unwrap().changed);
    assert_eq!(shown(&store, "ann").await, "3 4");
    assert!(store.compact(&key("ann"), 1, None).await.unwrap());
    assert_eq!(shown(&store, "ann").await, "4");
    assert!(store.compact(&key("ann"), 0, None).await.unwrap());
    assert_eq!(shown(&store, "ann").await, "");
}

/// A summary is made of what was read. What somebody appended while it was made is not in it, and stays.
pub async fn a_message_appended_during_a_compaction_stays(store: Store) {
    say_all(&store, "ann", "1 2 3").await;
    let read = store.message_window(&key("ann"), Window::last(100)).await.unwrap();
    let through = read.messages.last().unwrap().seq;
    say_all(&store, "ann", "meanwhile").await;
    store.commit_one(compact("ann", through, &["s"])).await.unwrap();
    assert_eq!(shown(&store, "ann").await, "s meanwhile");
}

/// A compaction that finds nothing to hide leaves the session as it is, without its summary.
pub async fn a_compaction_that_hides_nothing_writes_nothing(store: Store) {
    store.commit_one(open("ann")).await.unwrap();
    let before = observe(&store).await;
    assert_eq!(store.commit_one(compact("ann", 0, &["s"])).await, Ok(unchanged("ann", 0, &[])));
    assert!(!store.compact(&key("ann"), 3, Some(said("s"))).await.unwrap());
    assert_eq!(observe(&store).await, before);
    say_all(&store, "ann", "1 2 3").await;
    let before = observe(&store).await;
    assert!(!store.compact(&key("ann"), 3, Some(said("s"))).await.unwrap());
    assert!(!store.compact(&key("ann"), PAGE_MAX, Some(said("s"))).await.unwrap());
    assert_eq!(observe(&store).await, before);
}

/// What a compaction leaves never begins with the result of a call that it hides: then it hides less.
pub async fn a_compaction_keeps_calls_with_their_results(store: Store) {
    let call = NewMessage { opens: vec!["c".into()], ..said("call") };
    let result = NewMessage { closes: vec!["c".into()], ..said("result") };
    let all = vec![said("1"), call, said("3"), result, said("5")];
    store.commit_one(open("ann").write(Write::Append(all))).await.unwrap();
    for through in [2, 3] {
        store.commit_one(compact("ann", through, &["s"])).await.unwrap();
        assert_eq!(shown(&store, "ann").await, "s call 3 result 5", "{through}");
        assert!(store.uncompact(&key("ann")).await.unwrap());
    }
    // Between the call and its result there is no place to begin, so the first two messages stay too.
    store.commit_one(compact("ann", 1, &[])).await.unwrap();
    assert_eq!(store.commit_one(compact("ann", 2, &["s"])).await, Ok(unchanged("ann", 5, &[])));
    store.commit_one(compact("ann", 4, &["s"])).await.unwrap();
    assert_eq!(shown(&store, "ann").await, "s 5");
}

/// Each compaction can be taken back, the last one first; what was appended since stays where it is.
pub async fn a_compaction_is_taken_back(store: Store) {
    say_all(&store, "ann", "1 2 3 4").await;
    assert!(!store.uncompact(&key("ann")).await.unwrap(), "there was none");
    store.commit_one(compact("ann", 2, &["s"])).await.unwrap();
    say_all(&store, "ann", "6").await;
    store.commit_one(compact("ann", 4, &["t"])).await.unwrap();
    store.pop(&key("ann")).await.unwrap();
    say_all(&store, "ann", "8").await;
    assert_eq!(shown(&store, "ann").await, "t 8");
    assert!(store.uncompact(&key("ann")).await.unwrap());
    assert_eq!(shown(&store, "ann").await, "s 3 4 8");
    assert!(store.uncompact(&key("ann")).await.unwrap());
    assert_eq!(shown(&store, "ann").await, "1 2 3 4 8");
    assert!(!store.uncompact(&key("ann")).await.unwrap());
    // And a new one can be made and taken back.
    store.commit_one(compact("ann", 3, &[])).await.unwrap();
    assert_eq!(shown(&store, "ann").await, "4 8");
    assert!(store.uncompact(&key("ann")).await.unwrap());
    assert_eq!(shown(&store, "ann").await, "1 2 3 4 8");
}

/// A session that was begun anew does not get back what an older compaction hid.
pub async fn uncompacting_stops_at_a_reset(store: Store) {
    say_all(&store, "ann", "1 2 3").await;
    store.commit_one(compact("ann", 2, &["s"])).await.unwrap();
    assert!(store.reset(&key("ann")).await.unwrap());
    say_all(&store, "ann", "5").await;
    assert!(!store.uncompact(&key("ann")).await.unwrap());
    assert_eq!(shown(&store, "ann").await, "5");
}

/// What would be shown twice is not brought back.
pub async fn uncompacting_shows_nothing_twice(store: Store) {
    say_all(&store, "ann", "1 2 3").await;
    store.commit_one(compact("ann", 2, &["s"])).await.unwrap();
    store.commit_one(to("ann").write(Write::SetView(vec![(2, 3)]))).await.unwrap();
    assert!(!store.uncompact(&key("ann")).await.unwrap());
    assert_eq!(shown(&store, "ann").await, "2 3");
}

/// A reset hides everything. Numbers go on, and names are free again.
pub async fn a_reset_begins_anew(store: Store) {
    store.append(&key("ann"), vec![said("1").message_id("m"), said("2")]).await.unwrap();
    assert!(store.reset(&key("ann")).await.unwrap());
    assert_eq!(shown(&store, "ann").await, "");
    assert!(!store.reset(&key("ann")).await.unwrap(), "there is nothing to hide");
    let receipt = store.append(&key("ann"), vec![said("other").message_id("m")]).await.unwrap();
    assert_eq!(receipt.seqs, [3]);
    assert_eq!(shown(&store, "ann").await, "other");
    let session = session(&store, "ann").await;
    assert_eq!((session.message_count, session.log_count, session.head), (1, 3, 3));
}

/// A rewind shows what was there up to a message.
pub async fn a_rewind_hides_what_comes_after(store: Store) {
    say_all(&store, "ann", "1 2 3 4").await;
    assert!(store.rewind(&key("ann"), 2).await.unwrap());
    say_all(&store, "ann", "5 6").await;
    assert_eq!(shown(&store, "ann").await, "1 2 5 6");
    assert!(!store.rewind(&key("ann"), 6).await.unwrap(), "there is nothing after it");
    assert!(store.rewind(&key("ann"), 5).await.unwrap());
    assert_eq!(shown(&store, "ann").await, "1 2 5");
    assert!(store.rewind(&key("ann"), 1).await.unwrap());
    assert_eq!(shown(&store, "ann").await, "1");
}

/// A pop hides the newest message and tells which it was, until none is left.
pub async fn a_pop_hides_the_newest_message(store: Store) {
    say_all(&store, "ann", "1 2 3").await;
    let popped = store.pop(&key("ann")).await.unwrap().unwrap();
    assert_eq!((popped.seq, popped.content.get()), (3, "\"3\""));
    say_all(&store, "ann", "4").await;
    let both = to("ann").write(Write::Pop { count: 2 });
    assert_eq!(store.commit_one(both.clone()).await.unwrap().seqs, [2, 4]);
    assert_eq!(shown(&store, "ann").await, "1");
    assert_eq!(store.commit_one(both.clone()).await.unwrap().seqs, [1]);
    assert_eq!(store.pop(&key("ann")).await, Ok(None));
    assert_eq!(store.commit_one(both).await, Ok(unchanged("ann", 3, &[])));
}

/// A pop that is sent again with its id is the first one's answer.
pub async fn a_repeated_pop_is_the_same_message(store: Store) {
    say_all(&store, "ann", "1 2 3").await;
    let pop = to("ann").write(Write::Pop { count: 1 }).id("pop-1");
    assert_eq!(store.commit_one(pop.clone()).await.unwrap().seqs, [3]);
    let again = store.commit_one(pop).await.unwrap();
    assert_eq!((again.seqs, again.changed, again.replayed), (vec![3], true, true));
    assert_eq!(shown(&store, "ann").await, "1 2");
}

/// The end of a history is replaced as a whole, and only if it is still what was expected.
pub async fn a_suffix_is_replaced_as_a_whole(store: Store) {
    say_all(&store, "ann", "1 2 3 4").await;
    let receipt = store.replace_suffix(&key("ann"), &[3, 4], vec![said("x")]).await.unwrap();
    assert_eq!(receipt.seqs, [3, 4, 5]);
    assert_eq!(shown(&store, "ann").await, "1 2 x");
    let before = observe(&store).await;
    for (expected, current) in [
        (vec![5, 6], vec![2, 5]),
        (vec![2], vec![5]),
        (vec![0, 1, 2, 5], vec![1, 2, 5]),
        (vec![5, 2], vec![2, 5]),
    ] {
        let answer = store.replace_suffix(&key("ann"), &expected, vec![said("y")]).await;
        let conflict = Conflict::Tail { expected, current };
        assert_eq!(answer, Err(Error::conflict(&key("ann"), conflict)));
    }
    assert_eq!(observe(&store).await, before);
    store.replace_suffix(&key("ann"), &[1, 2, 5], Vec::new()).await.unwrap();
    assert_eq!(shown(&store, "ann").await, "");
    let nothing = to("ann").expect(Expect::Tail(Vec::new())).write(say(&["z"]));
    store.commit_one(nothing.clone()).await.unwrap();
    let current = vec![6];
    let conflict = Conflict::Tail { expected: Vec::new(), current };
    assert_eq!(store.commit_one(nothing).await, Err(Error::conflict(&key("ann"), conflict)));
}

/// Every kind of change can be taken back, one after the other, and what was appended since is kept.
pub async fn undo_takes_back_each_change_in_turn(store: Store) {
    say_all(&store, "ann", "1 2 3 4 5").await;
    let undone = async || store.undo(&key("ann")).await.unwrap();
    assert!(!undone().await, "nothing was changed");
    store.commit_one(compact("ann", 2, &["s"])).await.unwrap();
    say_all(&store, "ann", "7").await;
    store.commit_one(to("ann").write(Write::Pop { count: 2 })).await.unwrap();
    store.rewind(&key("ann"), 3).await.unwrap();
    store.uncompact(&key("ann")).await.unwrap();
    assert_eq!(shown(&store, "ann").await, "1 2 3");
    store.commit_one(to("ann").write(Write::SetView(vec![(5, 5), (1, 1)]))).await.unwrap();
    store.reset(&key("ann")).await.unwrap();
    say_all(&store, "ann", "8").await;
    assert_eq!(shown(&store, "ann").await, "8");
    for after in ["5 1 8", "1 2 3 8", "s 3 8", "s 3 4 8", "s 3 4 5 7 8", "1 2 3 4 5 7 8"] {
        assert!(undone().await);
        assert_eq!(shown(&store, "ann").await, after);
    }
    assert!(!undone().await);
    // A compaction that was taken back by the way is not taken back again.
    assert!(!store.uncompact(&key("ann")).await.unwrap());
}

/// What a change's own commit appended goes with the change.
pub async fn undo_hides_what_the_change_appended(store: Store) {
    say_all(&store, "ann", "1 2 3").await;
    store.replace_suffix(&key("ann"), &[2, 3], vec![said("x"), said("y")]).await.unwrap();
    say_all(&store, "ann", "6").await;
    assert_eq!(shown(&store, "ann").await, "1 x y 6");
    assert!(store.undo(&key("ann")).await.unwrap());
    assert_eq!(shown(&store, "ann").await, "1 2 3 6");
}

/// A view can be set as a whole, of any stretches of the log in any order.
pub async fn a_view_is_set_as_a_whole(store: Store) {
    say_all(&store, "ann", "1 2 3 4 5").await;
    let set = |stretches: &[(u64, u64)]| to("ann").write(Write::SetView(stretches.to_vec()));
    store.commit_one(set(&[(4, 5), (1, 2)])).await.unwrap();
    say_all(&store, "ann", "6").await;
    assert_eq!(shown(&store, "ann").await, "4 5 1 2 6");
    assert_eq!(store.commit_one(set(&[(4, 5), (1, 2), (6, 6)])).await, Ok(unchanged("ann", 1, &[])));
    // What is appended by the same commit can be placed.
    let placed = to("ann").write(say(&["7"])).write(Write::SetView(vec![(1, 1), (7, 7), (2, 3)]));
    store.commit_one(placed).await.unwrap();
    assert_eq!(shown(&store, "ann").await, "1 7 2 3");
    store.commit_one(set(&[])).await.unwrap();
    assert_eq!(shown(&store, "ann").await, "");
    for unknown in [&[(8, 8)][..], &[(1, 8)], &[(7, 1_000)]] {
        let seq = unknown[0].1;
        assert_eq!(refused(&store, vec![set(unknown)]).await, not_in_view(seq));
    }
    for nonsense in [&[(0, 1)][..], &[(2, 1)], &[(1, 2), (2, 3)], &[(1, 5), (3, 3)], &[(1, u64::MAX)]] {
        refused_as_invalid(&store, vec![set(nonsense)]).await;
    }
}

/// Whoever names a message that is not shown is told so.
pub async fn what_is_not_shown_is_a_conflict(store: Store) {
    say_all(&store, "ann", "1 2 3 4").await;
    store.commit_one(compact("ann", 2, &["s"])).await.unwrap();
    for seq in [1, 2, 6, 1_000] {
        assert_eq!(refused(&store, vec![compact("ann", seq, &["t"])]).await, not_in_view(seq));
        assert_eq!(refused(&store, vec![to("ann").write(Write::Rewind { seq })]).await, not_in_view(seq));
    }
    for seq in [1, 2] {
        for window in
            [Window::after(seq, 1), Window::before(seq, 1), Window::range(seq, 4), Window::range(3, seq)]
        {
            let answer = store.message_window(&key("ann"), window).await;
            assert_eq!(answer, Err(not_in_view(seq)), "{window:?}");
        }
    }
}

/// The changes of a view are told, the newest first, with what was before.
pub async fn changes_of_a_view_are_told(store: Store) {
    say_all(&store, "ann", "1 2 3").await;
    store.commit_one(compact("ann", 1, &["s"]).at(second(9))).await.unwrap();
    store.pop(&key("ann")).await.unwrap();
    store.undo(&key("ann")).await.unwrap();
    let changes = store.view_changes(&key("ann"), None, 100).await.unwrap();
    let told: Vec<_> =
        changes.iter().map(|c| (c.kind, c.revision, c.undone, c.head_before, c.head_after)).collect();
    assert_eq!(told, [(ViewChangeKind::Pop, 2, Some(3), 4, 4), (ViewChangeKind::Compact, 1, None, 3, 4)]);
    assert_eq!((changes[1].through, changes[1].summary, changes[1].at), (Some(1), Some((4, 4)), second(9)));
    assert_eq!(changes[1].before.len(3), 3);
    let older = store.view_changes(&key("ann"), Some(2), 1).await.unwrap();
    assert_eq!(older, changes[1..]);
    assert_eq!(store.view_changes(&key("ann"), None, 1).await.unwrap(), changes[..1]);
    for limit in [0, PAGE_MAX + 1] {
        assert!(matches!(store.view_changes(&key("ann"), None, limit).await, Err(Error::Invalid(_))));
    }
}

/// One commit changes a view once: otherwise it could not be taken back as one.
pub async fn a_commit_changes_the_view_at_most_once(store: Store) {
    say_all(&store, "ann", "1 2 3").await;
    let twice = to("ann").write(Write::Pop { count: 1 }).write(Write::Undo);
    refused_as_invalid(&store, vec![twice]).await;
    for count in [0, PAGE_MAX + 1] {
        refused_as_invalid(&store, vec![to("ann").write(Write::Pop { count })]).await;
    }
    let long = to("ann").expect(Expect::Tail(vec![1; PAGE_MAX + 1])).write(Write::Undo);
    refused_as_invalid(&store, vec![long]).await;
    // In one call there may be several, each in its commit.
    let pop = || to("ann").write(Write::Pop { count: 1 });
    store.commit(vec![pop(), pop()]).await.unwrap();
    assert_eq!(shown(&store, "ann").await, "1");
}

/// A view of more spans than are allowed is rewritten: it shows the same, and can still be taken back.
pub async fn a_view_of_too_many_spans_is_rewritten(store: Store) {
    let count = 2 * VIEW_SPANS_MAX as u64 + 10;
    let messages = (1..=count).map(|n| said(&n.to_string()).message_id(format!("m-{n}"))).collect();
    store.append(&key("ann"), messages).await.unwrap();
    let odd: Vec<(u64, u64)> = (1..=count).filter(|n| n % 2 == 1).map(|n| (n, n)).collect();
    let wanted: Vec<String> = odd.iter().map(|(n, _)| n.to_string()).collect();
    store.commit_one(to("ann").write(Write::SetView(odd.clone()))).await.unwrap();
    let after = session(&store, "ann").await;
    assert!(after.view.spans().len() <= VIEW_SPANS_MAX / 2 + 1, "{} spans", after.view.spans().len());
    assert_eq!(shown(&store, "ann").await, wanted.join(" "));
    assert_eq!(after.message_count, odd.len() as u64);
    assert!(after.head > count, "what was copied has numbers of its own");
    // A copy is the message that it was, but for its number: it is not appended again.
    let read = store.message_window(&key("ann"), Window::after(0, PAGE_MAX)).await.unwrap().messages;
    let copy = read.iter().find(|message| message.seq > count).unwrap();
    let of = copy.message_id.as_deref().and_then(|id| id.strip_prefix("m-")).unwrap();
    let before =
        store.message_window(&key("ann"), Window::log(of.parse::<u64>().unwrap() - 1, 1)).await.unwrap();
    assert_eq!(crate::Message { id: copy.id, seq: copy.seq, ..before.messages[0].clone() }, *copy);
    let again = store.append(&key("ann"), vec![said(of).message_id(format!("m-{of}"))]).await.unwrap();
    assert_eq!((again.seqs, again.changed), (vec![copy.seq], false));
    say_all(&store, "ann", "more").await;
    assert!(store.undo(&key("ann")).await.unwrap());
    let all: Vec<String> = (1..=count).map(|n| n.to_string()).collect();
    assert_eq!(shown(&store, "ann").await, format!("{} more", all.join(" ")));
}

/// A repaired history has a result for every call, right behind it, and no result without a call.
pub async fn a_repair_closes_what_is_open(store: Store) {
    let calls =
        |ids: &[&str]| NewMessage { opens: ids.iter().map(ToString::to_string).collect(), ..said("call") };
    let results =
        |ids: &[&str]| NewMessage { closes: ids.iter().map(ToString::to_string).collect(), ..said("result") };
    let all =
        vec![said("1"), results(&["lost"]), calls(&["a", "b"]), results(&["b"]), said("5"), calls(&["c"])];
    store.commit_one(open("ann").write(Write::Append(all))).await.unwrap();
    let page = store.message_window(&key("ann"), Window::last(100)).await.unwrap();
    assert_eq!(page.unpaired, ["lost", "a", "c"]);
    let with =
        |_: &crate::Message, ids: &[String]| NewMessage { closes: ids.to_vec(), ..said(&ids.join("+")) };
    assert_eq!(store.repair_with(&key("ann"), with).await, Ok(vec![7, 8]));
    assert_eq!(shown(&store, "ann").await, "1 call a result 5 call c");
    let page = store.message_window(&key("ann"), Window::last(100)).await.unwrap();
    assert_eq!(page.unpaired, Vec::<String>::new());
    assert_eq!(store.repair(&key("ann")).await, Ok(Vec::new()), "nothing is amiss any more");
    assert!(store.undo(&key("ann")).await.unwrap());
    assert_eq!(shown(&store, "ann").await, "1 result call result 5 call");
    assert_eq!(store.repair(&key("ann")).await, Ok(vec![9, 10]));
    let page = store.message_window(&key("ann"), Window::last(1)).await.unwrap();
    assert_eq!(page.messages.last().map(|m| m.role.as_str()), Some("tool"));
    // Also where the result stands at the end, so that the view seems to be what it was.
    store.append(&key("cem"), vec![said("1"), calls(&["e"])]).await.unwrap();
    store.rewind(&key("cem"), 2).await.unwrap();
    assert_eq!(store.repair(&key("cem")).await, Ok(vec![3]));
    assert!(store.undo(&key("cem")).await.unwrap());
    assert_eq!(shown(&store, "cem").await, "1 call");
    // A message that makes a call itself is not hidden for the lone result that it brings.
    let both = NewMessage { opens: vec!["d".into()], ..results(&["nobody's"]) };
    store.append(&key("bob"), vec![both, results(&["d"])]).await.unwrap();
    assert_eq!(store.repair(&key("bob")).await, Ok(Vec::new()));
    assert_eq!(shown(&store, "bob").await, "result result");
}

/// All of these need a session that is there.
pub async fn views_of_missing_sessions_are_not_found(store: Store) {
    let missing = || Error::NotFound(Box::new(key("ann")));
    assert_eq!(store.compact(&key("ann"), 1, None).await, Err(missing()));
    assert_eq!(store.uncompact(&key("ann")).await, Err(missing()));
    assert_eq!(store.undo(&key("ann")).await, Err(missing()));
    assert_eq!(store.reset(&key("ann")).await, Err(missing()));
    assert_eq!(store.pop(&key("ann")).await, Err(missing()));
    assert_eq!(store.repair(&key("ann")).await, Err(missing()));
    assert_eq!(store.lineage(&key("ann")).await, Err(missing()));
    assert_eq!(store.view_changes(&key("ann"), None, 1).await, Err(missing()));
    assert_eq!(
        store.replace_suffix(&key("ann"), &[], Vec::new()).await.map_err(|e| e.class()),
        Err(crate::ErrorClass::Invalid)
    );
    assert_eq!(store.session(&key("ann")).await, Ok(None));
}

/// A view of just as many spans as are allowed is left as it is; and the long spans of one that is too long are not copied.
pub async fn a_view_is_rewritten_where_it_costs_least(store: Store) {
    let spans = VIEW_SPANS_MAX as u64 - 1;
    let (long, count) = (3_000, 3_000 + 2 * spans);
    store.append(&key("ann"), (1..=count).map(|n| said(&n.to_string())).collect()).await.unwrap();
    let short = (0..spans - 1).map(|n| (long + 2 * n + 1, long + 2 * n + 1));
    let stretches: Vec<(u64, u64)> = short.chain([(1, long)]).collect();
    store.commit_one(to("ann").write(Write::SetView(stretches))).await.unwrap();
    let full = session(&store, "ann").await;
    assert_eq!((full.view.spans().len(), full.head), (VIEW_SPANS_MAX, count));
    let before = shown(&store, "ann").await;
    // A pop in the middle of the long one makes one span more.
    say_all(&store, "ann", "x y").await;
    store.pop(&key("ann")).await.unwrap();
    say_all(&store, "ann", "z").await;
    store.pop(&key("ann")).await.unwrap();
    let after = session(&store, "ann").await;
    assert!(after.view.spans().len() <= VIEW_SPANS_MAX, "{}", after.view.spans().len());
    assert!(
        after.head <= count + 3 + VIEW_SPANS_MAX as u64,
        "{} messages were copied",
        after.head - count - 3
    );
    assert_eq!(shown(&store, "ann").await, format!("{before} x"));
    // Who sets a view that would cost more than a commit may write is refused.
    store.append(&key("bob"), (0..9_000).map(|n| said(&n.to_string())).collect()).await.unwrap();
    store.append(&key("bob"), (0..9_000).map(|n| said(&n.to_string())).collect()).await.unwrap();
    store.append(&key("bob"), (0..9_000).map(|n| said(&n.to_string())).collect()).await.unwrap();
    let costly: Vec<(u64, u64)> = (0..1_200).map(|n| (n * 22 + 1, n * 22 + 20)).collect();
    refused_as_invalid(&store, vec![to("bob").write(Write::SetView(costly))]).await;
}

/// A summary is appended anew: a name that is shown already is refused, and so is one that it has twice.
pub async fn the_names_of_a_summary_are_free(store: Store) {
    store.append(&key("ann"), vec![said("1").message_id("m"), said("2"), said("3")]).await.unwrap();
    let summary = |ids: &[&str]| Write::Compact {
        through: 2,
        summary: ids.iter().map(|id| said("s").message_id(*id)).collect(),
    };
    for (ids, id, seq) in [(vec!["m"], "m", 1), (vec!["a", "a"], "a", 4)] {
        let conflict = Conflict::MessageId { id: id.into(), seq };
        let error = refused(&store, vec![to("ann").write(summary(&ids))]).await;
        assert_eq!(error, Error::conflict(&key("ann"), conflict));
    }
    store.commit_one(to("ann").write(summary(&["a", "b"]))).await.unwrap();
    assert_eq!(shown(&store, "ann").await, "s s 3");
}

/// What a commit appends and compacts at once comes back when the compaction is taken back.
pub async fn a_compaction_of_what_its_commit_appended(store: Store) {
    say_all(&store, "ann", "1").await;
    let commit =
        to("ann").write(say(&["2", "3"])).write(Write::Compact { through: 2, summary: vec![said("s")] });
    assert_eq!(store.commit_one(commit).await.unwrap().seqs, [2, 3, 4]);
    assert_eq!(shown(&store, "ann").await, "s 3");
    assert!(store.uncompact(&key("ann")).await.unwrap());
    assert_eq!(shown(&store, "ann").await, "1 2 3");
}

/// The receipt of a commit that pops and appends as much as is allowed is told again as it was.
pub async fn a_large_pop_is_replayed(store: Store) {
    store.append(&key("ann"), (0..PAGE_MAX).map(|n| said(&n.to_string())).collect()).await.unwrap();
    let many = (0..9_000).map(|n| said(&n.to_string())).collect();
    let commit = to("ann").write(Write::Pop { count: PAGE_MAX }).write(Write::Append(many)).id("c");
    let first = store.commit_one(commit.clone()).await.unwrap();
    assert_eq!(first.seqs.len(), PAGE_MAX + 9_000);
    let again = store.commit_one(commit).await.unwrap();
    assert_eq!(again, crate::Receipt { replayed: true, ..first });
}

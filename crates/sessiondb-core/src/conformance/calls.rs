//! Windows and tool calls: no end that the store chooses lies between a call and its result.

use super::examples::{key, open, said};
use crate::{MessagePage, NewMessage, Store, Time, Window, Write, limits::CALL_REACH};

/// A session of these messages: a lower-case letter makes that call, an upper-case one brings its result, a number is a
/// message of so many tokens.
async fn play(store: &Store, peer: &str, script: &str) {
    let message = |word: &str| {
        let ids = |wanted: fn(&char) -> bool| -> Vec<String> {
            word.chars().filter(wanted).map(|c| c.to_ascii_lowercase().to_string()).collect()
        };
        NewMessage {
            opens: ids(char::is_ascii_lowercase),
            closes: ids(char::is_ascii_uppercase),
            token_count: word.parse().ok(),
            ..said(word)
        }
    };
    let messages = script.split_whitespace().map(message).collect();
    store.commit_one(open(peer).write(Write::Append(messages))).await.unwrap();
}

fn words(page: &MessagePage) -> String {
    page.messages.iter().map(|m| m.content.get().trim_matches('"')).collect::<Vec<_>>().join(" ")
}

async fn window(store: &Store, peer: &str, window: Window) -> MessagePage {
    store.message_window(&key(peer), window).await.unwrap()
}

const SCRIPT: &str = "1 a A 2 bc B 3 C d 4 5 D 6 e";

/// The newest messages begin where no result has lost its call; there are fewer rather than such a one, and more only
/// if fewer are not possible.
pub async fn a_window_never_begins_with_a_lone_result(store: Store) {
    play(&store, "ann", SCRIPT).await;
    for (limit, wanted, exceeds) in [
        (1, "e", false),
        (2, "6 e", false),
        (3, "6 e", false),
        (5, "6 e", false),
        (6, "d 4 5 D 6 e", false),
        (8, "d 4 5 D 6 e", false),
        (10, "bc B 3 C d 4 5 D 6 e", false),
        (12, "2 bc B 3 C d 4 5 D 6 e", false),
        (13, "a A 2 bc B 3 C d 4 5 D 6 e", false),
        (14, SCRIPT, false),
    ] {
        let page = window(&store, "ann", Window::last(limit)).await;
        assert_eq!((words(&page).as_str(), page.exceeds), (wanted, exceeds), "{limit}");
        assert_eq!(page.unpaired, ["e"], "whose result is not there yet");
        assert_eq!(page.has_earlier, wanted != SCRIPT);
    }
    // Before the result of b, c: nothing that ends there can begin later than with their call.
    let page = window(&store, "ann", Window::before(9, 1)).await;
    assert_eq!((words(&page).as_str(), page.exceeds), ("bc B 3 C", true));
    let page = window(&store, "ann", Window::before(4, 1)).await;
    assert_eq!((words(&page).as_str(), page.exceeds, page.has_later), ("a A", true, true));
}

/// Pages put together are the history, whatever their size, each message once and no call cut.
pub async fn pages_are_the_history_and_cut_no_call(store: Store) {
    play(&store, "ann", SCRIPT).await;
    for limit in 1..=15 {
        let (mut forward, mut after) = (Vec::new(), 0);
        loop {
            let page = window(&store, "ann", Window::after(after, limit)).await;
            assert!(page.unpaired.is_empty() || page.unpaired == ["e"], "{limit}: {}", words(&page));
            assert!(page.messages.len() <= limit || page.exceeds, "{limit}: {}", words(&page));
            after = page.messages.last().map_or(after, |message| message.seq);
            forward.push(words(&page));
            if !page.has_later {
                break;
            }
        }
        assert_eq!(forward.join(" "), SCRIPT, "by {limit}");
        let (mut backward, mut page) = (Vec::new(), window(&store, "ann", Window::last(limit)).await);
        loop {
            assert!(page.unpaired.is_empty() || page.unpaired == ["e"], "{limit}: {}", words(&page));
            backward.insert(0, words(&page));
            if !page.has_earlier {
                break;
            }
            let first = page.messages[0].seq;
            page = window(&store, "ann", Window::before(first, limit)).await;
        }
        assert_eq!(backward.join(" "), SCRIPT, "by {limit}");
    }
}

/// An end that the caller names stays, and what it cuts is named.
pub async fn an_end_that_is_named_stays(store: Store) {
    play(&store, "ann", SCRIPT).await;
    for (named, wanted, unpaired) in [
        (Window::after(2, 3), "A 2", vec!["a"]),
        (Window::before(3, 2), "1 a", vec!["a"]),
        (Window::range(3, 5), "A 2 bc", vec!["a", "b", "c"]),
        (Window::range(2, 3), "a A", vec![]),
        (Window::range(14, 14), "e", vec!["e"]),
        (Window::log(2, 2), "A 2", vec!["a"]),
    ] {
        let page = window(&store, "ann", named).await;
        assert_eq!((words(&page).as_str(), page.exceeds), (wanted, false), "{named:?}");
        assert_eq!(page.unpaired, unpaired, "{named:?}");
    }
    let backwards = store.message_window(&key("ann"), Window::range(5, 3)).await;
    assert!(matches!(backwards, Err(crate::Error::Invalid(_))), "{backwards:?}");
    let from_nothing = store.message_window(&key("ann"), Window::range(0, 3)).await;
    assert!(matches!(from_nothing, Err(crate::Error::Invalid(_))), "{from_nothing:?}");
}

/// A window by weight takes the newest messages that fit, and says what they weigh and how much of it is guessed.
pub async fn a_window_by_weight_takes_what_fits(store: Store) {
    play(&store, "ann", "10 20 30 40").await;
    for (max, wanted, weight, exceeds) in [
        (1_000, "10 20 30 40", 100, false),
        (100, "10 20 30 40", 100, false),
        (99, "20 30 40", 90, false),
        (70, "30 40", 70, false),
        (40, "40", 40, false),
        (39, "40", 40, true),
        (0, "40", 40, true),
    ] {
        let page = window(&store, "ann", Window::tokens(max)).await;
        assert_eq!((words(&page).as_str(), page.weight, page.exceeds), (wanted, weight, exceeds), "{max}");
        assert_eq!((page.estimated, page.has_earlier), (0, wanted.len() < 11));
    }
    play(&store, "bob", "a 7 A").await;
    let page = window(&store, "bob", Window::tokens(8)).await;
    // `"A"` has three bytes, and so has `"a"`: a token each, where nobody counted.
    assert_eq!((words(&page).as_str(), page.weight, page.estimated, page.exceeds), ("a 7 A", 9, 2, true));
    let page = window(&store, "bob", Window::tokens(9)).await;
    assert!(!page.exceeds && page.unpaired.is_empty());
    store.commit_one(open("empty")).await.unwrap();
    let page = window(&store, "empty", Window::tokens(9)).await;
    assert_eq!((page.messages.len(), page.exceeds, page.has_earlier), (0, false, false));
}

/// A call whose result is too far away is not kept with it; one just near enough is.
pub async fn calls_are_kept_with_results_within_reach(store: Store) {
    for (peer, between, together) in [("near", CALL_REACH - 1, true), ("far", CALL_REACH, false)] {
        play(&store, peer, &format!("0 a {} A", "- ".repeat(between))).await;
        let page = window(&store, peer, Window::last(1)).await;
        assert_eq!((page.exceeds, page.unpaired.is_empty()), (together, together), "{peer}");
        assert_eq!(page.messages.len(), if together { CALL_REACH + 1 } else { 1 });
        let page = window(&store, peer, Window::after(1, 2)).await;
        assert_eq!((page.exceeds, page.unpaired.is_empty()), (together, together), "{peer}");
        assert_eq!(page.messages.len(), if together { CALL_REACH + 1 } else { 2 });
    }
}

/// Calls that never get a result, and results of calls that nobody made, hold up no page.
pub async fn lone_halves_hold_up_nothing(store: Store) {
    play(&store, "ann", "x Y 1 2 3 a A 4 Z").await;
    for limit in 1..=9 {
        let (mut forward, mut after) = (Vec::new(), 0);
        for _ in 0..=9 {
            let page = window(&store, "ann", Window::after(after, limit)).await;
            after = page.messages.last().map_or(after, |message| message.seq);
            forward.push(words(&page));
            if !page.has_later {
                break;
            }
        }
        assert_eq!(forward.join(" "), "x Y 1 2 3 a A 4 Z");
    }
    let page = window(&store, "ann", Window::last(1)).await;
    assert_eq!((words(&page).as_str(), page.unpaired, page.exceeds), ("Z", vec!["z".to_owned()], false));
}

/// The latest messages of an interval are found by their times, whatever their order, page after page.
pub async fn the_latest_messages_of_an_interval(store: Store) {
    let second = super::examples::second;
    let at = |seconds: i64| NewMessage { created_at: Some(second(seconds)), ..said(&seconds.to_string()) };
    let messages = [1, 2, 5, 3, 3, 4, 9].map(at).to_vec();
    store.commit_one(open("ann").write(Write::Append(messages))).await.unwrap();
    let read = async |after: Option<i64>, before: Option<i64>, cursor: Option<(Time, u64)>, limit| {
        let (after, before) = (after.map(second), before.map(second));
        let page = window(&store, "ann", Window::Times { after, before, cursor, limit }).await;
        (words(&page), page.has_earlier, page.has_later)
    };
    assert_eq!(read(None, None, None, 3).await, ("5 4 9".into(), true, false));
    assert_eq!(read(Some(2), Some(5), None, 9).await, ("3 3 4".into(), false, false));
    assert_eq!(read(Some(2), Some(5), None, 2).await, ("3 4".into(), true, false));
    assert_eq!(read(Some(2), Some(5), Some((second(3), 5)), 2).await, ("3".into(), false, true));
    assert_eq!(read(None, Some(1), None, 2).await, (String::new(), false, false));
    assert_eq!(read(Some(9), None, None, 2).await, (String::new(), false, false));
}

/// A call is answered once. A second result stands alone, and holds nothing together.
pub async fn a_second_result_stands_alone(store: Store) {
    play(&store, "ann", "x X X - -").await;
    let page = window(&store, "ann", Window::after(0, 2)).await;
    assert_eq!((words(&page).as_str(), page.exceeds, page.unpaired.len()), ("x X", false, 0));
    let page = window(&store, "ann", Window::last(3)).await;
    assert_eq!((words(&page).as_str(), page.unpaired), ("X - -", vec!["x".to_owned()]));
    let page = window(&store, "ann", Window::last(4)).await;
    assert_eq!(words(&page), "X - -", "the first result is its call's");
}

/// Calls that cross each other in a chain longer than a call's reach: no end in it is chosen, wherever one asks.
pub async fn long_chains_of_calls_are_not_cut(store: Store) {
    let ids = |seq: usize| (format!("call {seq}"), format!("call {}", seq.saturating_sub(40)));
    let chain = |seq: usize| {
        let (own, other) = ids(seq);
        let closes = if seq > 40 { vec![other] } else { Vec::new() };
        NewMessage { opens: vec![own], closes, token_count: Some(0), ..said(&seq.to_string()) }
    };
    let mut messages = vec![said("first"), said("second")];
    messages.extend((1..=2_500).map(chain));
    store.append(&key("ann"), messages).await.unwrap();
    // Anywhere inside, there is no place within reach: the window is what was asked for, and says what is alone.
    for named in [Window::before(1_500, 10), Window::after(1_200, 10), Window::before(2_200, 700)] {
        let page = window(&store, "ann", named).await;
        assert!(
            !page.exceeds && !page.unpaired.is_empty() && page.messages.len() == named.limit(),
            "{named:?}"
        );
    }
    // Near the beginning of the chain there is one, and near enough it is found.
    let page = window(&store, "ann", Window::before(900, 10)).await;
    assert_eq!((page.messages[0].seq, page.exceeds), (3, true));
    let page = window(&store, "ann", Window::before(1_012, 10)).await;
    assert_eq!(page.messages[0].seq, 3);
    let compact =
        |through| crate::Commit::new(key("ann")).write(Write::Compact { through, summary: Vec::new() });
    assert!(!store.commit_one(compact(1_500)).await.unwrap().changed, "nothing within reach can be hidden");
    assert!(store.commit_one(compact(900)).await.unwrap().changed);
    let first = store.message_window(&key("ann"), Window::after(0, 1)).await.unwrap().messages[0].seq;
    assert_eq!(first, 3, "the two before the chain are hidden");
    // However light, no more messages than a page has.
    let page = window(&store, "ann", Window::tokens(5)).await;
    assert!(
        page.messages.len() <= 2 * crate::limits::PAGE_MAX && page.has_earlier,
        "{}",
        page.messages.len()
    );
}

/// Between a call and a result that is far, but in reach, a compaction does not cut.
pub async fn a_compaction_sees_results_that_are_far(store: Store) {
    play(&store, "ann", &format!("0 1 a {} A 5", "- ".repeat(500))).await;
    for (through, first) in [(3, 3), (400, 3), (503, 3)] {
        let compact = Write::Compact { through, summary: Vec::new() };
        store.commit_one(crate::Commit::new(key("ann")).write(compact)).await.unwrap();
        let page = window(&store, "ann", Window::after(0, 1)).await;
        assert_eq!(page.messages[0].seq, first, "through {through}");
        store.undo(&key("ann")).await.unwrap();
    }
}

//! Reading a part of a session's history.

use super::examples::{key, not_found, open, said, say};
use crate::{Error, MessagePage, Store, Window, limits};

/// What a window must show of a log of `count` messages: their numbers, and whether there are earlier and later ones.
fn expected(window: Window, count: u64) -> (Vec<u64>, bool, bool) {
    let limit = window.limit() as u64;
    let inside = |seq: &u64| match window {
        Window::Last { .. } => count - seq < limit,
        Window::Before { seq: end, .. } => *seq < end && end.min(count + 1) - seq <= limit,
        Window::After { seq: start, .. } => *seq > start && seq - start <= limit,
        Window::Range { first, last } => *seq >= first && *seq <= last,
        other => panic!("{other:?} is shown elsewhere"),
    };
    let seqs: Vec<u64> = (1..=count).filter(inside).collect();
    // Around an empty window, "earlier" and "later" are asked from the place where it would be.
    let (first, next) = match (seqs.first(), seqs.last(), window) {
        (Some(first), Some(last), _) => (*first, last + 1),
        (_, _, Window::Before { seq, .. }) => (seq.clamp(1, count + 1), seq.clamp(1, count + 1)),
        (_, _, Window::After { seq, .. }) => (seq.min(count) + 1, seq.min(count) + 1),
        _ => (1, 1),
    };
    (seqs, first > 1, next <= count)
}

fn seen(page: &MessagePage) -> (Vec<u64>, bool, bool) {
    (page.messages.iter().map(|message| message.seq).collect(), page.has_earlier, page.has_later)
}

/// Every window over short logs, also the empty one: the right messages, oldest first, and the truth about what lies
/// before and after them.
pub async fn windows_show_what_they_should(store: Store) {
    for count in 0..=6 {
        let peer = count.to_string();
        let texts = ["1", "2", "3", "4", "5", "6"];
        store.commit_one(open(&peer).write(say(&texts[..count as usize]))).await.unwrap();
        for limit in 1..=8 {
            let by_seq = |seq| [Window::before(seq, limit), Window::after(seq, limit)];
            let windows = [0, 1, 2, 3, 4, 5, 6, 7, 8, 1_000, limits::COUNT_MAX].into_iter().flat_map(by_seq);
            for window in windows.chain([Window::last(limit)]) {
                let page = store.message_window(&key(&peer), window).await.unwrap();
                assert_eq!(seen(&page), expected(window, count), "{window:?} of {count}");
                assert!(
                    page.messages.iter().all(|m| m.content.get() == format!("\"{}\"", m.seq)),
                    "{page:?}"
                );
            }
        }
    }
}

/// A long history can be read window by window, forward and backward, and at most a thousand messages at once.
pub async fn a_long_history_is_read_window_by_window(store: Store) {
    let count = limits::PAGE_MAX as u64 + 300;
    store.append(&key("ann"), (1..=count).map(|n| said(&n.to_string())).collect()).await.unwrap();
    // Another session's messages lie among the rows.
    store.append(&key("bob"), vec![said("hello")]).await.unwrap();
    for limit in [1, 7, 650, limits::PAGE_MAX] {
        for seq in [0, 1, 299, 300, 301, 650, 1_000, count - 1, count, count + 1] {
            for window in [Window::before(seq, limit), Window::after(seq, limit), Window::last(limit)] {
                let page = store.message_window(&key("ann"), window).await.unwrap();
                assert_eq!(seen(&page), expected(window, count), "{window:?}");
            }
        }
    }
}

/// The windows of a session that does not exist are not empty: there are none.
pub async fn a_window_of_a_missing_session_is_not_found(store: Store) {
    store.append(&key("bob"), vec![said("hello")]).await.unwrap();
    for window in [Window::last(1), Window::before(2, 1), Window::after(0, 1)] {
        assert_eq!(store.message_window(&key("ann"), window).await, Err(not_found("ann")), "{window:?}");
    }
}

/// A window has 1 to 1,000 messages and begins or ends at a number of 63 bits.
pub async fn a_window_that_cannot_be_is_refused(store: Store) {
    store.append(&key("ann"), vec![said("hello")]).await.unwrap();
    let mut windows = vec![Window::before(limits::COUNT_MAX + 1, 1), Window::after(u64::MAX, 1)];
    for limit in [0, limits::PAGE_MAX + 1, usize::MAX] {
        windows.extend([Window::last(limit), Window::before(1, limit), Window::after(1, limit)]);
    }
    for window in windows {
        let answer = store.message_window(&key("ann"), window).await;
        assert!(matches!(answer, Err(Error::Invalid(_))), "{window:?}: {answer:?}");
    }
}

//! Lists of sessions: their order, and reading them page by page.

use std::collections::HashSet;

use super::{
    examples::{key, open, say, second, session, status, to},
    observed::listed,
};
use crate::{Commit, Cursor, Error, Session, SessionFilter, SessionKey, SessionOrder, Store, Write, limits};

/// Six sessions: `a` to `f` opened in this order, some at the same moment, and updated in another order, some at the
/// same moment.
async fn furnish(store: &Store) {
    let opened = [("a", 2), ("b", 1), ("c", 2), ("d", 3), ("e", 1), ("f", 2)];
    let call = opened.iter().map(|(peer, at)| open(peer).at(second(*at))).collect();
    store.commit(call).await.unwrap();
    let updated = [("f", 5), ("b", 4), ("a", 5), ("e", 4), ("c", 5)];
    let call = updated.iter().map(|(peer, at)| to(peer).write(status("idle")).at(second(*at))).collect();
    store.commit(call).await.unwrap();
}

/// How the furnished sessions stand in each order. Those of one moment stand in the order in which they were opened,
/// turned around where the newest comes first.
const ORDERED: [(SessionOrder, &str); 4] = [
    (SessionOrder::UpdatedNewest, "fcaebd"),
    (SessionOrder::UpdatedOldest, "dbeacf"),
    (SessionOrder::CreatedNewest, "dfcaeb"),
    (SessionOrder::CreatedOldest, "beacfd"),
];

fn by(order: SessionOrder, limit: usize) -> SessionFilter {
    SessionFilter { order, limit, ..SessionFilter::default() }
}

/// The peers of one page, and the cursor to the next.
async fn page(store: &Store, filter: &SessionFilter) -> (String, Option<Cursor>) {
    let page = store.session_list(filter).await.unwrap();
    (page.sessions.into_iter().map(|session| session.key.peer_id).collect(), page.next)
}

/// Each order sorts by its time and, where times are the same, by the number of the session.
pub async fn lists_are_sorted_with_ties_by_number(store: Store) {
    furnish(&store).await;
    for (order, expected) in ORDERED {
        assert_eq!(page(&store, &by(order, 100)).await, (expected.into(), None), "{order:?}");
    }
    assert_eq!(
        page(&store, &SessionFilter::default()).await.0,
        "fcaebd",
        "the default is the last changed first"
    );
}

/// A list shows of a session exactly what reading it alone shows.
pub async fn a_list_shows_whole_sessions(store: Store) {
    furnish(&store).await;
    store.commit_one(to("c").write(say(&["hello"])).write(Write::AddTokens(3))).await.unwrap();
    let listed = store.session_list(&SessionFilter::default()).await.unwrap().sessions;
    assert_eq!(listed.len(), 6);
    for of_list in listed {
        assert_eq!(of_list, session(&store, &of_list.key.peer_id).await);
    }
}

/// Page by page, in every order and with every limit, a list shows every session once and says where it ends. A full
/// last page has no next one.
pub async fn paging_shows_every_session_once(store: Store) {
    furnish(&store).await;
    for (order, expected) in ORDERED {
        for limit in 1..=7 {
            let mut filter = by(order, limit);
            let mut rest = expected;
            while !rest.is_empty() {
                let (shown, next) = page(&store, &filter).await;
                let (now, later) = rest.split_at(limit.min(rest.len()));
                assert_eq!((&*shown, next.is_some()), (now, !later.is_empty()), "{order:?} by {limit}");
                rest = later;
                // A cursor may go through the hands of a client as text.
                filter.after = next.map(|cursor| cursor.to_string().parse().unwrap());
            }
        }
    }
}

/// An empty store has an empty list, and so has the place after the last session.
pub async fn a_list_may_be_empty(store: Store) {
    for order in SessionOrder::ALL {
        assert_eq!(page(&store, &by(order, 1)).await, (String::new(), None));
    }
    furnish(&store).await;
    for (order, expected) in ORDERED {
        let last = session(&store, &expected[5..]).await;
        let filter = SessionFilter { after: Some(Cursor::after(&last, order)), ..by(order, 3) };
        assert_eq!(page(&store, &filter).await, (String::new(), None));
    }
}

/// While a list is read, sessions that change may move behind the reader or come again; the others are shown exactly
/// once, and the list comes to an end.
pub async fn paging_is_not_disturbed_by_sessions_that_move(store: Store) {
    furnish(&store).await;
    for (order, _) in ORDERED {
        let (mut shown, mut filter, mut at) = (String::new(), by(order, 2), 10);
        loop {
            let (peers, next) = page(&store, &filter).await;
            shown += &peers;
            at += 1;
            assert!(at < 30, "the list by {order:?} has no end: {shown}");
            // One is updated at every page: it moves to the newest end. One comes and goes.
            store.commit_one(to("c").write(status("busy")).at(second(at))).await.unwrap();
            store.commit_one(open("x").at(second(at))).await.unwrap();
            store.session_delete(&key("x")).await.unwrap();
            filter.after = next;
            if filter.after.is_none() {
                break;
            }
        }
        for peer in ["a", "b", "d", "e", "f"] {
            assert_eq!(shown.matches(peer).count(), 1, "{peer} by {order:?}: {shown}");
        }
        assert!(order.by_update() || shown.matches('c').count() == 1, "by {order:?} nothing moves: {shown}");
    }
}

/// A cursor is a place, not a session: it stays good when the session that it was taken from is gone.
pub async fn a_cursor_outlives_its_session(store: Store) {
    for (order, expected) in ORDERED {
        furnish(&store).await;
        let (_, next) = page(&store, &by(order, 2)).await;
        store.session_delete(&key(&expected[1..2])).await.unwrap();
        let (rest, _) = page(&store, &SessionFilter { after: next, ..by(order, 10) }).await;
        assert_eq!(rest, expected[2..], "{order:?}");
        // The next order begins with an empty store again.
        for peer in "abcdef".split("").filter(|peer| !peer.is_empty()) {
            store.session_delete(&key(peer)).await.unwrap();
        }
    }
}

/// A cursor goes on only in the order that it is from.
pub async fn a_cursor_of_another_order_is_refused(store: Store) {
    furnish(&store).await;
    for order in SessionOrder::ALL {
        let (_, next) = page(&store, &by(order, 1)).await;
        for other in SessionOrder::ALL {
            let answer = store.session_list(&SessionFilter { after: next, ..by(other, 1) }).await;
            match order == other {
                true => assert_eq!(answer.unwrap().sessions.len(), 1),
                false => {
                    assert!(matches!(answer, Err(Error::Invalid(_))), "{order:?} in {other:?}: {answer:?}")
                }
            }
        }
    }
}

/// A page has 1 to 1,000 sessions.
pub async fn a_page_has_at_most_a_thousand_sessions(store: Store) {
    let call: Vec<Commit> =
        (0..=limits::PAGE_MAX).map(|n| open(&n.to_string()).at(second(n as i64 / 3))).collect();
    store.commit(call).await.unwrap();
    for order in SessionOrder::ALL {
        let first = store.session_list(&by(order, limits::PAGE_MAX)).await.unwrap();
        assert_eq!(first.sessions.len(), limits::PAGE_MAX);
        let last = store.session_list(&SessionFilter { after: first.next, ..by(order, 1) }).await.unwrap();
        assert_eq!((last.sessions.len(), last.next), (1, None));
        let all: HashSet<_> =
            first.sessions.iter().chain(&last.sessions).map(|session| session.log).collect();
        assert_eq!(all.len(), limits::PAGE_MAX + 1);
        for limit in [0, limits::PAGE_MAX + 1, usize::MAX] {
            let answer = store.session_list(&by(order, limit)).await;
            assert!(matches!(answer, Err(Error::Invalid(_))), "{answer:?}");
        }
    }
    let default = store.session_list(&SessionFilter::default()).await.unwrap();
    assert_eq!(default.sessions.len(), limits::PAGE_DEFAULT);
}

/// Whichever parts of the key a list is filtered by, it is the list of all without the others: in every order, page by
/// page.
pub async fn a_filtered_list_is_the_whole_list_filtered(store: Store) {
    // Every key of two values a part, opened at four moments and changed at three others.
    let parts = |n: i64| [0, 1, 2, 3, 4].map(|part| if n >> part & 1 == 0 { "x" } else { "y" });
    let key = |n: i64| {
        let [agent, channel, account, kind, peer] = parts(n);
        SessionKey::new(agent, channel, account, kind, peer)
    };
    let opened = (0..32).map(|n| Commit::new(key(n)).write(Write::open()).at(second(n * 7 % 4)));
    store.commit(opened.collect()).await.unwrap();
    let changed = (0..32).map(|n| Commit::new(key(n)).write(status("idle")).at(second(10 + n * 5 % 3)));
    store.commit(changed.collect()).await.unwrap();
    for order in SessionOrder::ALL {
        let all = store.session_list(&by(order, 100)).await.unwrap().sessions;
        assert_eq!(all.len(), 32);
        for chosen in 0..32 {
            let want = |n: i32| (chosen >> n & 1 == 1).then(|| "x".to_owned());
            let filtered = SessionFilter {
                agent_id: want(0),
                channel: want(1),
                account_id: want(2),
                peer_kind: want(3),
                peer_id: want(4),
                ..by(order, 100)
            };
            let matches = |session: &&Session| {
                filtered.key_parts().into_iter().zip(session.key.parts()).all(|(want, part)| match want {
                    Some(want) => want == part,
                    None => true,
                })
            };
            let expected: Vec<Session> = all.iter().filter(matches).cloned().collect();
            for limit in [1, 3, 100] {
                let filter = SessionFilter { limit, ..filtered.clone() };
                assert_eq!(listed(&store, &filter).await, expected, "{filter:?}");
            }
        }
    }
}

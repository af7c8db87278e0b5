//! Which sessions a list shows.

use super::{
    examples::{second, to},
    observed::listed,
};
use crate::{Commit, Error, Opening, SessionFilter, SessionKey, SessionOrder, Store, Time, Write};

/// What the filters below choose from, by number: the key, the family, the status, and when it was opened and updated.
const SESSIONS: [([&str; 5], &str, &str, i64, i64); 6] = [
    (["main", "slack", "T1", "dm", "ann"], "chat", "active", 1, 6),
    (["main", "slack", "T2", "group", "all"], "chat", "idle", 2, 5),
    (["main", "email", "", "dm", "ann"], "interview", "active", 3, 4),
    (["Main", "slack", "T1", "dm", "Ann"], "chat", "Active", 4, 4),
    (["other", "s%", "T_", "dm", "ann"], "chat", "archived", 5, 5),
    (["", "", "", "", ""], "Chat", "active", 6, 6),
];

async fn furnish(store: &Store) {
    let mut call = Vec::new();
    for ([agent, channel, account, kind, peer], family, status, opened, updated) in SESSIONS {
        let opening = Opening { family: Some(family.into()), status: Some(status.into()), metadata: None };
        let commit = Commit::new(SessionKey::new(agent, channel, account, kind, peer));
        call.push(commit.clone().write(Write::Open(opening)).at(second(opened)));
        call.push(commit.write(Write::AddTokens(1)).at(second(updated)));
    }
    store.commit(call).await.unwrap();
}

/// The numbers of the sessions that are shown, in every order the same ones.
async fn shown(store: &Store, filter: SessionFilter) -> Vec<usize> {
    let mut shown = Vec::new();
    for order in SessionOrder::ALL {
        let page = store.session_list(&SessionFilter { order, ..filter.clone() }).await.unwrap();
        assert_eq!(page.next, None);
        let number = |key: &SessionKey| SESSIONS.iter().position(|session| session.0 == key.parts()).unwrap();
        let mut numbers: Vec<usize> = page.sessions.iter().map(|session| number(&session.key)).collect();
        numbers.sort_unstable();
        assert!(order == SessionOrder::ALL[0] || numbers == shown, "{order:?}: {numbers:?} and {shown:?}");
        shown = numbers;
    }
    shown
}

fn any() -> SessionFilter {
    SessionFilter::default()
}

fn some(text: &str) -> Option<String> {
    Some(text.to_owned())
}

fn statuses(statuses: &[&str]) -> SessionFilter {
    SessionFilter { statuses: statuses.iter().map(|status| (*status).to_owned()).collect(), ..any() }
}

/// Each part of the key chooses by itself, byte by byte: nothing is folded, trimmed or a pattern, and an empty part is
/// a part like any other.
pub async fn each_part_of_the_key_filters(store: Store) {
    furnish(&store).await;
    assert_eq!(shown(&store, any()).await, [0, 1, 2, 3, 4, 5]);
    let cases: [(SessionFilter, &[usize]); 17] = [
        (SessionFilter { agent_id: some("main"), ..any() }, &[0, 1, 2]),
        (SessionFilter { agent_id: some("Main"), ..any() }, &[3]),
        (SessionFilter { agent_id: some("mai"), ..any() }, &[]),
        (SessionFilter { agent_id: some("main "), ..any() }, &[]),
        (SessionFilter { agent_id: some(""), ..any() }, &[5]),
        (SessionFilter { channel: some("slack"), ..any() }, &[0, 1, 3]),
        (SessionFilter { channel: some("s%"), ..any() }, &[4]),
        (SessionFilter { channel: some("%"), ..any() }, &[]),
        (SessionFilter { channel: some("*"), ..any() }, &[]),
        (SessionFilter { account_id: some("T1"), ..any() }, &[0, 3]),
        (SessionFilter { account_id: some("T_"), ..any() }, &[4]),
        (SessionFilter { account_id: some(""), ..any() }, &[2, 5]),
        (SessionFilter { peer_kind: some("dm"), ..any() }, &[0, 2, 3, 4]),
        (SessionFilter { peer_id: some("ann"), ..any() }, &[0, 2, 4]),
        (SessionFilter { peer_id: some("ANN"), ..any() }, &[]),
        (SessionFilter { peer_id: some("ann' OR '1'='1"), ..any() }, &[]),
        (SessionFilter { peer_id: some("ann\0"), ..any() }, &[]),
    ];
    for (filter, expected) in cases {
        assert_eq!(shown(&store, filter.clone()).await, expected, "{filter:?}");
    }
}

/// The family chooses, and so do the statuses: any of those named, or any at all if none is.
pub async fn family_and_statuses_filter(store: Store) {
    furnish(&store).await;
    let cases: [(SessionFilter, &[usize]); 9] = [
        (SessionFilter { family: some("chat"), ..any() }, &[0, 1, 3, 4]),
        (SessionFilter { family: some("Chat"), ..any() }, &[5]),
        (SessionFilter { family: some("cha"), ..any() }, &[]),
        (statuses(&["active"]), &[0, 2, 5]),
        (statuses(&["active", "idle"]), &[0, 1, 2, 5]),
        (statuses(&["idle", "idle", "unheard of"]), &[1]),
        (statuses(&["unheard of"]), &[]),
        (statuses(&[""]), &[]),
        (statuses(&[]), &[0, 1, 2, 3, 4, 5]),
    ];
    for (filter, expected) in cases {
        assert_eq!(shown(&store, filter.clone()).await, expected, "{filter:?}");
    }
}

/// The bounds of the times are not included.
pub async fn bounds_of_time_are_not_included(store: Store) {
    furnish(&store).await;
    let at = |seconds: i64| Some(second(seconds));
    let cases: [(SessionFilter, &[usize]); 11] = [
        (SessionFilter { created_after: at(0), ..any() }, &[0, 1, 2, 3, 4, 5]),
        (SessionFilter { created_after: at(3), ..any() }, &[3, 4, 5]),
        (SessionFilter { created_after: at(6), ..any() }, &[]),
        (SessionFilter { created_before: at(3), ..any() }, &[0, 1]),
        (SessionFilter { created_before: at(1), ..any() }, &[]),
        (SessionFilter { created_after: at(2), created_before: at(4), ..any() }, &[2]),
        (SessionFilter { created_after: at(4), created_before: at(2), ..any() }, &[]),
        (SessionFilter { updated_after: at(4), ..any() }, &[0, 1, 4, 5]),
        (SessionFilter { updated_before: at(5), ..any() }, &[2, 3]),
        (SessionFilter { updated_after: at(4), updated_before: at(6), ..any() }, &[1, 4]),
        (SessionFilter { created_after: at(1), updated_after: at(5), ..any() }, &[5]),
    ];
    for (filter, expected) in cases {
        assert_eq!(shown(&store, filter.clone()).await, expected, "{filter:?}");
    }
}

/// A bound may be finer than the times that are kept: half a microsecond after a session's time the session lies
/// before it.
pub async fn bounds_may_be_finer_than_a_microsecond(store: Store) {
    furnish(&store).await;
    let fine = |seconds: i64, nanos: u32| Time::from_timestamp(second(seconds).timestamp(), nanos);
    let before_third = fine(2, 999_999_500);
    let after_third = fine(3, 500);
    let cases: [(SessionFilter, &[usize]); 6] = [
        (SessionFilter { created_after: before_third, ..any() }, &[2, 3, 4, 5]),
        (SessionFilter { created_after: after_third, ..any() }, &[3, 4, 5]),
        (SessionFilter { created_before: before_third, ..any() }, &[0, 1]),
        (SessionFilter { created_before: after_third, ..any() }, &[0, 1, 2]),
        (SessionFilter { updated_after: fine(5, 1), ..any() }, &[0, 5]),
        (SessionFilter { updated_before: fine(5, 1), ..any() }, &[1, 2, 3, 4]),
    ];
    for (filter, expected) in cases {
        assert_eq!(shown(&store, filter.clone()).await, expected, "{filter:?}");
    }
}

/// All conditions must hold. Every pair of them, and all together, choose what each alone lets through.
pub async fn conditions_are_combined_by_and(store: Store) {
    furnish(&store).await;
    let conditions: [fn(&mut SessionFilter); 11] = [
        |filter| filter.agent_id = some("main"),
        |filter| filter.channel = some("slack"),
        |filter| filter.account_id = some("T1"),
        |filter| filter.peer_kind = some("dm"),
        |filter| filter.peer_id = some("ann"),
        |filter| filter.family = some("chat"),
        |filter| filter.statuses = vec!["active".into(), "idle".into()],
        |filter| filter.created_after = Some(second(1)),
        |filter| filter.created_before = Some(second(5)),
        |filter| filter.updated_after = Some(second(4)),
        |filter| filter.updated_before = Some(second(6)),
    ];
    let mut alone = Vec::new();
    for condition in conditions {
        let mut filter = any();
        condition(&mut filter);
        alone.push(shown(&store, filter).await);
    }
    for (one, condition) in conditions.iter().enumerate() {
        for (other, second_condition) in conditions.iter().enumerate() {
            let mut filter = any();
            condition(&mut filter);
            second_condition(&mut filter);
            let expected: Vec<usize> =
                alone[one].iter().copied().filter(|n| alone[other].contains(n)).collect();
            assert_eq!(shown(&store, filter.clone()).await, expected, "{filter:?}");
        }
    }
    let mut all = any();
    conditions[..7].iter().for_each(|condition| condition(&mut all));
    assert_eq!(shown(&store, all).await, [0]);
}

/// Paging through a filtered list shows what the filter lets through, once each.
pub async fn a_filtered_list_can_be_paged(store: Store) {
    let call = (0..30).map(|n| {
        let opening = Opening { status: Some(["a", "b", "c"][n % 3].into()), ..Opening::default() };
        to(&format!("{n:02}")).write(Write::Open(opening)).at(second(n as i64 / 4))
    });
    store.commit(call.collect()).await.unwrap();
    for order in SessionOrder::ALL {
        let created_after = Some(second(1));
        let filter = SessionFilter { order, limit: 3, created_after, ..statuses(&["b", "c"]) };
        let shown: Vec<String> =
            listed(&store, &filter).await.into_iter().map(|session| session.key.peer_id).collect();
        let mut expected: Vec<String> = (8..30).filter(|n| n % 3 > 0).map(|n| format!("{n:02}")).collect();
        if order.newest_first() {
            expected.reverse();
        }
        assert_eq!(shown, expected, "{order:?}");
    }
}

/// A filter names at most a thousand statuses, and no time that the store cannot keep.
pub async fn a_filter_that_cannot_be_is_refused(store: Store) {
    furnish(&store).await;
    let mut many: Vec<String> = (0..999).map(|n| format!("status {n}")).collect();
    many.push("idle".into());
    assert_eq!(shown(&store, SessionFilter { statuses: many.clone(), ..any() }).await, [1]);
    many.push("active".into());
    let too_late = Time::from_timestamp(253_402_300_800, 0);
    let refused = [
        SessionFilter { statuses: many, ..any() },
        SessionFilter { created_after: too_late, ..any() },
        SessionFilter { created_before: too_late, ..any() },
        SessionFilter { updated_after: too_late, ..any() },
        SessionFilter { updated_before: too_late, ..any() },
    ];
    for filter in refused {
        let answer = store.session_list(&filter).await;
        assert!(matches!(answer, Err(Error::Invalid(_))), "{filter:?}: {answer:?}");
    }
}

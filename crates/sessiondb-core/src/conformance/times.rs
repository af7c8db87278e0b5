//! Time is data: what is given is kept, what is not is now, and `updated_at` never goes back.

use super::examples::{key, open, put, said, say, second, session, status, to};
use crate::{NewMessage, SessionFilter, SessionOrder, Store, Time, Window, Write, time};

/// Times that are given are kept, cut to whole microseconds.
pub async fn given_times_are_kept_to_the_microsecond(store: Store) {
    let fine = |seconds: i64| Time::from_timestamp(second(seconds).timestamp(), 123_456_999).unwrap();
    let kept = |seconds: i64| Time::from_timestamp(second(seconds).timestamp(), 123_456_000).unwrap();
    let dated = NewMessage { created_at: Some(fine(-500)), ..said("dated") };
    let writes = open("ann").write(Write::Append(vec![said("now"), dated])).write(put("notes", "1", "1"));
    store.commit_one(writes.at(fine(7))).await.unwrap();

    let session = session(&store, "ann").await;
    assert_eq!((session.created_at, session.updated_at), (kept(7), kept(7)));
    let page = store.message_window(&key("ann"), Window::last(2)).await.unwrap();
    let times: Vec<Time> = page.messages.iter().map(|message| message.created_at).collect();
    assert_eq!(times, [kept(7), kept(-500)], "the order is that of the appends, whatever the times");
    assert_eq!(store.document(&key("ann"), "notes", "1").await.unwrap().unwrap().updated_at, kept(7));
}

/// A leap second, which chrono writes as a second of a billion nanoseconds and more, is kept inside its minute.
pub async fn a_leap_second_is_kept_inside_its_minute(store: Store) {
    let leap = time::from_text("2016-12-31T23:59:59Z").unwrap().timestamp();
    let leap = Time::from_timestamp(leap, 1_500_000_000).unwrap();
    let message = NewMessage { created_at: Some(leap), ..said("at midnight") };
    store.commit_one(open("ann").write(Write::Append(vec![message])).at(leap)).await.unwrap();
    let kept = time::from_text("2016-12-31T23:59:59.999999Z").unwrap();
    assert_eq!(session(&store, "ann").await.created_at, kept);
    let page = store.message_window(&key("ann"), Window::last(1)).await.unwrap();
    assert_eq!(page.messages[0].created_at, kept);
}

/// An import may tell of the past: its messages and documents keep their times, and `updated_at` does not go back.
pub async fn updated_at_never_goes_back(store: Store) {
    store.commit_one(open("ann").at(second(10))).await.unwrap();
    let past = to("ann").write(say(&["earlier"])).write(put("notes", "1", "1")).write(status("idle"));
    store.commit_one(past.at(second(5))).await.unwrap();
    let after = session(&store, "ann").await;
    assert_eq!((after.created_at, after.updated_at), (second(10), second(10)));
    let page = store.message_window(&key("ann"), Window::last(1)).await.unwrap();
    assert_eq!(page.messages[0].created_at, second(5));
    assert_eq!(store.document(&key("ann"), "notes", "1").await.unwrap().unwrap().updated_at, second(5));

    store.commit_one(to("ann").write(say(&["later"])).at(second(11))).await.unwrap();
    assert_eq!(session(&store, "ann").await.updated_at, second(11));
    store.commit_one(to("ann").write(Write::AddTokens(1)).at(second(12))).await.unwrap();
    assert_eq!(session(&store, "ann").await.updated_at, second(12));
}

/// A time that is not given is now: one moment for all that a commit writes.
pub async fn times_default_to_now(store: Store) {
    let before = time::now();
    store.commit_one(open("ann").write(say(&["a", "b"])).write(put("notes", "1", "1"))).await.unwrap();
    let session = session(&store, "ann").await;
    let now = session.created_at;
    // An hour, because the engine's clock may be another machine's.
    assert!((now - before).abs() < chrono::TimeDelta::hours(1), "{now} is not now, which is {before}");
    assert_eq!(time::truncate(now), now);
    assert_eq!(session.updated_at, now);
    let page = store.message_window(&key("ann"), Window::last(2)).await.unwrap();
    assert!(page.messages.iter().all(|message| message.created_at == now), "{:?}", page.messages);
    assert_eq!(store.document(&key("ann"), "notes", "1").await.unwrap().unwrap().updated_at, now);
}

/// Where a session is ahead of the clock, "now" is the session's own time: within it time never goes back.
pub async fn now_is_never_before_the_last_update(store: Store) {
    let future = time::from_text("2900-01-01T00:00:00.000001Z").unwrap();
    store.commit_one(open("ann").at(future)).await.unwrap();
    store.commit_one(to("ann").write(say(&["now"])).write(put("notes", "1", "1"))).await.unwrap();
    assert_eq!(session(&store, "ann").await.updated_at, future);
    let page = store.message_window(&key("ann"), Window::last(1)).await.unwrap();
    assert_eq!(page.messages[0].created_at, future);
    assert_eq!(store.document(&key("ann"), "notes", "1").await.unwrap().unwrap().updated_at, future);
}

/// From the year 0 to the end of 9999 all times are kept and sort as they should.
pub async fn the_earliest_and_the_latest_times_are_kept(store: Store) {
    let texts = [
        "0000-01-01T00:00:00.000000Z",
        "0000-01-01T00:00:00.000001Z",
        "0999-12-31T23:59:59.999999Z",
        "1969-12-31T23:59:59.999999Z",
        "1970-01-01T00:00:00.000000Z",
        "1970-01-01T00:00:00.000001Z",
        "9999-12-31T23:59:59.999999Z",
    ];
    let times: Vec<Time> = texts.iter().map(|text| time::from_text(text).unwrap()).collect();
    for (text, at) in texts.iter().zip(&times).rev() {
        store.commit_one(open(text).at(*at)).await.unwrap();
    }
    for order in [SessionOrder::CreatedOldest, SessionOrder::UpdatedOldest] {
        let mut filter = SessionFilter { order, limit: 1, ..SessionFilter::default() };
        for at in &times {
            let page = store.session_list(&filter).await.unwrap();
            assert_eq!(order.time_of(&page.sessions[0]), *at);
            filter.after = page.next;
        }
        assert_eq!(filter.after, None);
    }
    // What some systems write for "the end of time" is finer than a microsecond, and after all that is kept.
    let end = Time::from_timestamp(253_402_300_799, 999_999_900);
    let cases = [
        (SessionFilter { created_before: end, updated_before: end, ..SessionFilter::default() }, texts.len()),
        (SessionFilter { created_after: end, ..SessionFilter::default() }, 0),
        (SessionFilter { updated_after: end, ..SessionFilter::default() }, 0),
    ];
    for (filter, count) in cases {
        assert_eq!(store.session_list(&filter).await.unwrap().sessions.len(), count, "{filter:?}");
    }
}

//! The feed, as pages and as server-sent events.

use std::{convert::Infallible, time::Duration};

use axum::{
    Json,
    extract::State,
    http::HeaderMap,
    response::{
        IntoResponse, Response,
        sse::{Event, KeepAlive, Sse},
    },
};
use futures_util::{Stream, stream};
use serde::Deserialize;
use sessiondb::{Change, ChangePage, SessionKey, Store, limits::PAGE_MAX};
use tokio::sync::broadcast::{Receiver, error::RecvError};
use utoipa::IntoParams;

use crate::{
    access::Access,
    app::App,
    feed::Told,
    problem::Problem,
    request::{Named, Query, key},
    sessions::limit_default,
};

/// Which stretch of the feed.
#[derive(Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(crate) struct Stretch {
    /// The place to go on from; without one, only the place of the feed's end is answered.
    after: Option<u64>,
    /// How many changes at most.
    #[serde(default = "limit_default")]
    #[param(minimum = 1, maximum = 1000, default = 100)]
    limit: usize,
}

/// What was committed, in order: which session, and what kinds of things. With `Accept: text/event-stream` it does not end:
/// an event for each change, with its place as `id`, so that a browser's `EventSource` goes on where it was
/// (`Last-Event-ID`); without that header and `after`, what happens from now on.
#[utoipa::path(get, path = "/v1/changes", tag = "changes", params(Stretch),
    responses((status = 200, content((ChangePage = "application/json"), (String = "text/event-stream")))))]
pub(crate) async fn all(
    State(app): State<App>,
    access: Access,
    headers: HeaderMap,
    Query(stretch): Query<Stretch>,
) -> Result<Response, Problem> {
    if wants_events(&headers) {
        return follow(&app, access, &headers, None, stretch.after).await;
    }
    let _room = app.limits.read()?;
    Ok(Json(access.store.changes(stretch.after, stretch.limit).await?).into_response())
}

/// Where to begin.
#[derive(Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(crate) struct From {
    /// The place to go on from; without one, what happens from now on.
    after: Option<u64>,
}

/// What happens to one session, as server-sent events. It need not exist yet.
#[utoipa::path(get, path = "/v1/sessions/{key}/changes", tag = "changes", params(("key" = String, Path, pattern = "^([^:=/~][^:=/]*)?(:([^:=/~][^:=/]*)?){4}$", max_length = 500, example = "main:cli::dm:ann"), From),
    responses((status = 200, body = String, content_type = "text/event-stream")))]
pub(crate) async fn of_session(
    State(app): State<App>,
    access: Access,
    headers: HeaderMap,
    Named(text): Named<String>,
    Query(from): Query<From>,
) -> Result<Response, Problem> {
    let key = key(&text)?;
    if !access.store.scope().contains(&key) {
        return Err(Problem::no_session(&key));
    }
    follow(&app, access, &headers, Some(key), from.after).await
}

fn wants_events(headers: &HeaderMap) -> bool {
    let accept = headers.get("accept").and_then(|accept| accept.to_str().ok()).unwrap_or("");
    accept
        .split(',')
        .any(|media| media.split(';').next().is_some_and(|media| media.trim() == "text/event-stream"))
}

async fn follow(
    app: &App,
    access: Access,
    headers: &HeaderMap,
    key: Option<SessionKey>,
    after: Option<u64>,
) -> Result<Response, Problem> {
    let seat = app.limits.seat(&access.caller.token)?;
    let last = headers.get("last-event-id").and_then(|id| id.to_str().ok());
    let last = last
        .map(|id| id.parse::<u64>().map_err(|_| Problem::invalid("Last-Event-ID is no place of the feed")));
    // Listening first, then asking where the feed ends: nothing happens in between unheard.
    let receiver = app.feed.follow(key.clone());
    let place = last.transpose()?.or(after);
    let end = access.store.changes(None, 1).await?.last;
    if let Some(place) = place {
        access.store.changes(Some(place), 1).await?;
    }
    let place = place.unwrap_or(end);
    let follower = Follower {
        store: access.store,
        key,
        receiver,
        place,
        behind: place < end,
        waiting: Vec::new().into_iter(),
        seat,
    };
    let keep_alive = KeepAlive::new().interval(Duration::from_secs(15));
    let mut response = Sse::new(events(follower)).keep_alive(keep_alive).into_response();
    response.headers_mut().insert("cache-control", axum::http::HeaderValue::from_static("no-store"));
    Ok(response)
}

/// One who follows the feed.
struct Follower {
    store: Store,
    key: Option<SessionKey>,
    receiver: Receiver<Told>,
    /// The last change that was told.
    place: u64,
    /// Whether there is more in the store that was not heard.
    behind: bool,
    waiting: std::vec::IntoIter<Change>,
    /// Given back when the follower goes.
    #[expect(dead_code, reason = "it is held, and that is all")]
    seat: crate::app::Seat,
}

impl Follower {
    /// The next change; `None` if the feed cannot be followed any further.
    async fn next(&mut self) -> Option<Change> {
        loop {
            if let Some(change) = self.waiting.next() {
                return Some(change);
            }
            if self.behind {
                let page = self.store.changes(Some(self.place), PAGE_MAX).await.ok()?;
                (self.place, self.behind) = (page.last, page.more);
                let of_interest = |change: &Change| self.key.as_ref().is_none_or(|key| *key == change.key);
                self.waiting = page.changes.into_iter().filter(of_interest).collect::<Vec<_>>().into_iter();
                continue;
            }
            match self.receiver.recv().await {
                // Read from the store already, or not for this follower's eyes.
                Ok(Told::Change(change)) if change.id <= self.place || change.key.is_reserved() => {}
                Ok(Told::Change(change)) => {
                    self.place = change.id;
                    if self.store.scope().contains(&change.key) {
                        return Some(Change::clone(&change));
                    }
                }
                Ok(Told::Look) | Err(RecvError::Lagged(_)) => self.behind = true,
                Err(RecvError::Closed) => return None,
            }
        }
    }
}

fn events(follower: Follower) -> impl Stream<Item = Result<Event, Infallible>> {
    stream::unfold(follower, |mut follower| async move {
        let change = follower.next().await?;
        let event = Event::default().id(change.id.to_string()).event("change");
        let event = event.json_data(&change).unwrap_or_default();
        Some((Ok(event), follower))
    })
}

//! The feed, as pages and as server-sent events.

use std::{convert::Infallible, time::Duration};

use axum::{
    Json,
    body::Body,
    extract::State,
    http::HeaderMap,
    response::{IntoResponse, Response},
};
use futures_util::{Stream, StreamExt, stream};
use serde::Deserialize;
use sessiondb::{Change, ChangePage, SessionKey, limits::PAGE_MAX};
use tokio::sync::broadcast::{
    Receiver,
    error::{RecvError, TryRecvError},
};
use utoipa::{IntoParams, ToSchema};

use crate::{
    access::Access,
    app::App,
    feed::{Event, Told},
    problem::Problem,
    request::{KeyInPath, Named, Query, asks_for, key},
    sessions::limit_default,
};

/// How long nothing is sent at most.
const ALIVE: Duration = Duration::from_secs(15);
/// How often it is looked whether the token is accepted still.
const LOOK: Duration = Duration::from_secs(1);
/// About how much is sent together.
const CHUNK: usize = 16 << 10;

/// An event of the feed.
#[derive(ToSchema)]
#[expect(dead_code, reason = "it is written as text; here it is described")]
pub(crate) struct FeedEvent {
    /// The change's place, for `Last-Event-ID`.
    #[schema(example = "17")]
    id: String,
    /// `change`.
    event: String,
    /// A Change, as JSON.
    data: String,
}

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
    responses((status = 200, content((ChangePage = "application/json"), (FeedEvent = "text/event-stream")))))]
pub(crate) async fn all(
    State(app): State<App>,
    access: Access,
    headers: HeaderMap,
    Query(stretch): Query<Stretch>,
) -> Result<Response, Problem> {
    if asks_for(&headers, "text/event-stream") {
        return follow(&app, access, &headers, None, stretch.after).await;
    }
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
#[utoipa::path(get, path = "/v1/sessions/{key}/changes", tag = "changes", params(KeyInPath, From),
    responses((status = 200, body = FeedEvent, content_type = "text/event-stream")))]
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
        app: app.clone(),
        access,
        key,
        receiver,
        place,
        behind: place < end,
        quiet: Duration::ZERO,
        seat,
    };
    let headers = [("content-type", "text/event-stream"), ("cache-control", "no-store")];
    Ok((headers, Body::from_stream(events(follower).fuse())).into_response())
}

/// One who follows the feed.
struct Follower {
    app: App,
    access: Access,
    key: Option<SessionKey>,
    receiver: Receiver<Told>,
    /// The last change that was told.
    place: u64,
    /// Whether there is more in the store that was not heard.
    behind: bool,
    /// How long nothing was sent.
    quiet: Duration,
    /// Given back when the follower goes.
    #[expect(dead_code, reason = "it is held, and that is all")]
    seat: crate::app::Seat,
}

impl Follower {
    /// What to send next: all that is there, without waiting for more. `None` if the feed cannot be followed any further.
    async fn next(&mut self) -> Option<String> {
        let mut text = String::new();
        loop {
            if !self.app.accepts_still(&self.access.caller).await {
                return None;
            }
            if self.behind {
                let page = self.access.store.changes(Some(self.place), PAGE_MAX).await.ok()?;
                (self.place, self.behind) = (page.last, page.more);
                let of_interest = |change: &Change| self.key.as_ref().is_none_or(|key| *key == change.key);
                page.changes
                    .into_iter()
                    .filter(of_interest)
                    .for_each(|change| text.push_str(&Event::of(change).text));
            }
            while !self.behind && text.len() < CHUNK {
                match self.receiver.try_recv() {
                    Ok(told) => self.hear(told, &mut text),
                    Err(TryRecvError::Lagged(_)) => self.behind = true,
                    Err(TryRecvError::Empty | TryRecvError::Closed) => break,
                }
            }
            if !text.is_empty() {
                self.quiet = Duration::ZERO;
                return Some(text);
            }
            if self.behind {
                continue;
            }
            match tokio::time::timeout(LOOK, self.receiver.recv()).await {
                Ok(Ok(told)) => self.hear(told, &mut text),
                Ok(Err(RecvError::Lagged(_))) => self.behind = true,
                Ok(Err(RecvError::Closed)) => return None,
                Err(_) => self.quiet += LOOK,
            }
            if self.quiet >= ALIVE {
                self.quiet = Duration::ZERO;
                // A comment, so that nobody on the way takes the connection for dead.
                return Some(":\n\n".into());
            }
        }
    }

    fn hear(&mut self, told: Told, text: &mut String) {
        match told {
            Told::Look => self.behind = true,
            Told::Change(event) => {
                let Change { id, key, .. } = &event.change;
                // What was read from the store already is not told again, nor what is not for this follower's eyes.
                if *id > self.place && !key.is_reserved() {
                    self.place = *id;
                    if self.access.store.scope().contains(key) {
                        text.push_str(&event.text);
                    }
                }
            }
        }
    }
}

fn events(follower: Follower) -> impl Stream<Item = Result<String, Infallible>> {
    stream::unfold(follower, |mut follower| async move {
        let text = follower.next().await?;
        Some((Ok(text), follower))
    })
}

//! Messages: appended, and read window by window.

use std::sync::Arc;

use axum::{
    Json,
    body::Body as HttpBody,
    extract::{Request, State},
    http::{HeaderMap, StatusCode, Uri, header},
    response::{IntoResponse, Response},
};
use futures_util::{StreamExt, stream};
use serde::Deserialize;
use sessiondb::{
    Commit, Error, Message, MessagePage, NewMessage, Receipt, SessionKey, Store, Time, Window, Write, limits,
    time,
};
use utoipa::IntoParams;

use crate::{
    access::Access,
    app::App,
    lines::Lines,
    page,
    problem::{Kind, Problem},
    request::{
        self, KeyInPath, Messages, Named, Object, Query, Repeatable, expected_state, idempotency_key, key,
    },
    sessions::link,
};

/// How many messages of a body of lines are stored together.
const TOGETHER: usize = 500;
/// Lines, a JSON text each.
const NDJSON: &str = "application/x-ndjson";

/// Which messages: the newest, or those that one of the other parameters names.
#[derive(Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(crate) struct Which {
    /// How many at most.
    #[param(minimum = 1, maximum = 1000, default = 100)]
    limit: Option<usize>,
    /// Those right before this message.
    #[param(minimum = 0)]
    before: Option<u64>,
    /// Those right after this message; 0 begins at the start.
    #[param(minimum = 0)]
    after: Option<u64>,
    /// Those from this message on, up to `last`.
    #[param(minimum = 1)]
    first: Option<u64>,
    /// See `first`.
    #[param(minimum = 1)]
    last: Option<u64>,
    /// The newest that together weigh at most so many tokens.
    #[param(minimum = 0)]
    tokens: Option<u64>,
    /// The latest of those written after this time, which is not included.
    #[serde(default, with = "time::text_opt")]
    #[param(value_type = Option<String>, format = DateTime)]
    since: Option<Time>,
    /// The latest of those written before this time, which is not included.
    #[serde(default, with = "time::text_opt")]
    #[param(value_type = Option<String>, format = DateTime)]
    until: Option<Time>,
    /// With `since` or `until`: the time and the number of the earliest message of the page before, as `TIME,SEQ`.
    cursor: Option<String>,
    /// Those after this number in the whole log, whether the session shows them or not; 0 begins at the start.
    #[param(minimum = 0)]
    log: Option<u64>,
}

impl Which {
    fn window(&self) -> Result<Window, Problem> {
        let limit = self.limit.unwrap_or(limits::PAGE_DEFAULT);
        let times = self.since.is_some() || self.until.is_some();
        let range = self.first.is_some() || self.last.is_some();
        let named = [
            self.before.is_some(),
            self.after.is_some(),
            range,
            self.tokens.is_some(),
            times,
            self.log.is_some(),
        ];
        if named.into_iter().filter(|named| *named).count() > 1 {
            let detail = "before, after, first and last, tokens, since and until, log: each is another window; give one";
            return Err(Problem::invalid(detail));
        }
        if self.cursor.is_some() && !times {
            return Err(Problem::invalid("cursor goes with since or until"));
        }
        if self.limit.is_some() && (range || self.tokens.is_some()) {
            return Err(Problem::invalid("limit goes neither with first and last nor with tokens"));
        }
        Ok(match (self.before, self.after, self.tokens, self.log) {
            (Some(seq), ..) => Window::Before { seq, limit },
            (_, Some(seq), ..) => Window::After { seq, limit },
            (_, _, Some(max), _) => Window::Tokens { max },
            (.., Some(seq)) => Window::Log { seq, limit },
            _ if range => {
                let both = self.first.zip(self.last);
                let (first, last) = both.ok_or_else(|| Problem::invalid("first and last go together"))?;
                Window::Range { first, last }
            }
            _ if times => {
                let cursor = self.cursor.as_deref().map(cursor).transpose()?;
                Window::Times { after: self.since, before: self.until, cursor, limit }
            }
            _ => Window::Last { limit },
        })
    }
}

fn cursor(text: &str) -> Result<(Time, u64), Problem> {
    let parts =
        text.split_once(',').and_then(|(at, seq)| Some((time::from_text(at).ok()?, seq.parse().ok()?)));
    parts.ok_or_else(|| Problem::invalid("cursor is a time and a number: TIME,SEQ"))
}

/// A part of a session's history, the oldest message first. `Link` has the addresses of what lies before and after it.
///
/// With `Accept: application/x-ndjson` and `after` or `log` it is all that follows, a message a line, as a stream; then `limit`
/// says how many are read at a time.
#[utoipa::path(get, path = "/v1/sessions/{key}/messages", tag = "messages",
    params(KeyInPath, Which),
    responses((status = 200, content((MessagePage = "application/json"), (String = "application/x-ndjson")))))]
pub(crate) async fn list(
    State(app): State<App>,
    access: Access,
    headers: HeaderMap,
    uri: Uri,
    Named(text): Named<String>,
    Query(which): Query<Which>,
) -> Result<Response, Problem> {
    let (key, window) = (key(&text)?, which.window()?);
    let page = access.store.message_window(&key, window).await?;
    if request::asks_for(&headers, NDJSON) {
        return Ok(stream_lines(app, access, key, window, page));
    }
    let json = [(header::CONTENT_TYPE, "application/json")];
    let mut response = (json, page::to_json(&page)).into_response();
    let ends = page.messages.first().zip(page.messages.last()).map(|(first, last)| (first.seq, last.seq));
    if let (Some((first, last)), Window::Last { .. } | Window::Before { .. } | Window::After { .. }) =
        (ends, window)
    {
        let address = |name: &str, seq: u64, rel: &str| {
            let bare = Uri::try_from(uri.path()).unwrap_or_default();
            link(&bare, &[(name, &seq.to_string()), ("limit", &window.limit().to_string())], rel)
        };
        let earlier = page.has_earlier.then(|| address("before", first, "prev"));
        let later = page.has_later.then(|| address("after", last, "next"));
        for value in earlier.into_iter().chain(later) {
            response.headers_mut().append(header::LINK, value);
        }
    }
    Ok(response)
}

/// The page as lines and, where the window goes forward, all that follows it. It ends early, without a last line break, if the
/// store cannot be read on.
fn stream_lines(
    app: App,
    Access { store, caller, .. }: Access,
    key: SessionKey,
    window: Window,
    page: MessagePage,
) -> Response {
    let next = move |page: &MessagePage| {
        let last = page.messages.last().map(|message| message.seq).filter(|_| page.has_later)?;
        match window {
            Window::After { limit, .. } => Some(Window::After { seq: last, limit }),
            Window::Log { limit, .. } => Some(Window::Log { seq: last, limit }),
            _ => None,
        }
    };
    let rest = stream::unfold(next(&page), move |window| {
        let (app, store, key, caller) = (app.clone(), store.clone(), key.clone(), caller.clone());
        async move {
            let window = window?;
            if !app.accepts_still(&caller).await {
                return Some((Err(Error::Closed), None));
            }
            let page = store.message_window(&key, window).await;
            let after = page.as_ref().ok().and_then(next);
            Some((page.map(|page| page::to_lines(&page)), after))
        }
    });
    let lines = stream::iter([Ok(page::to_lines(&page))]).chain(rest);
    ([(header::CONTENT_TYPE, NDJSON)], HttpBody::from_stream(lines.fuse())).into_response()
}

/// One message of a session, whether the session shows it or not.
#[utoipa::path(get, path = "/v1/sessions/{key}/messages/{seq}", tag = "messages",
    params(KeyInPath, ("seq" = u64, Path, example = 1, minimum = 1)),
    responses((status = 200, body = Message)))]
pub(crate) async fn get(
    access: Access,
    Named((text, seq)): Named<(String, u64)>,
) -> Result<Response, Problem> {
    let key = key(&text)?;
    let before = seq.checked_sub(1);
    let missing = || {
        let detail = format!("session {key} has no message {seq}");
        Problem::new(Kind::NotFound, detail).hint("GET …/messages shows those that there are")
    };
    let page = access.store.message_window(&key, Window::log(before.ok_or_else(missing)?, 1)).await?;
    let message = page.messages.into_iter().find(|message| message.seq == seq).ok_or_else(missing)?;
    Ok(Json(message).into_response())
}

/// Appends one message, or an array of them, all or none; opens the session if there is none. When it answers they are
/// durable: 201, or 200 if all of them were there already.
///
/// Each can be sent again: with `Idempotency-Key` the whole request is done once, and a message with a `message_id` is in a
/// session once. With `Content-Type: application/x-ndjson` the body is a message a line, of any number: the answer is a line
/// for each, `{"seq": 1}`, as soon as it is durable; at the first line that cannot be accepted it ends with `{"problem": …}`.
#[utoipa::path(post, path = "/v1/sessions/{key}/messages", tag = "messages",
    params(KeyInPath, Repeatable),
    request_body(content((NewMessage = "application/json", example = json!({"role": "user", "content": "What is the weather in Rome?"})))),
    responses((status = 200, body = Receipt), (status = 201, body = Receipt)))]
pub(crate) async fn append(
    State(app): State<App>,
    access: Access,
    Named(text): Named<String>,
    request: Request,
) -> Result<Response, Problem> {
    let key = key(&text)?;
    let headers = request.headers();
    let id = idempotency_key(headers)?;
    let expected = expected_state(headers)?;
    if request::media_type(headers).as_deref() == Some(NDJSON) {
        if id.is_some() || !expected.is_empty() {
            let detail = "a body of lines is several commits: it takes no Idempotency-Key and no If-Match";
            return Err(
                Problem::invalid(detail).hint("give each message a message_id; then all can be sent again")
            );
        }
        return Ok(append_lines(app, access, key, request.into_body()));
    }
    request::require_json(headers)?;
    let bytes = request::whole(&app, request).await?;
    let Messages(messages) = request::parse(&bytes)?;
    let mut commit = Commit::new(key).write(Write::open()).write(Write::Append(messages));
    commit.id = id;
    commit.expect.extend(expected);
    let receipt = access.store.commit_one(commit).await.map_err(Problem::of_condition)?;
    app.feed.written();
    let status = if receipt.changed && !receipt.replayed { StatusCode::CREATED } else { StatusCode::OK };
    Ok((status, Json(receipt)).into_response())
}

/// Appends what comes, as it comes, and answers each message when it is durable.
fn append_lines(app: App, Access { store, caller, .. }: Access, key: SessionKey, body: HttpBody) -> Response {
    let lines = Lines::of(body, TOGETHER, Arc::clone(&app.limits));
    let answers = stream::unfold(Some(lines), move |lines| {
        let (app, store, key, caller) = (app.clone(), store.clone(), key.clone(), caller.clone());
        async move {
            let mut lines = lines?;
            let answer = match lines.next::<Object<NewMessage>>().await {
                Ok(messages) if messages.is_empty() => return None,
                _ if !app.accepts_still(&caller).await => Err((Vec::new(), ended())),
                Ok(messages) => {
                    let messages = messages.into_iter().map(|Object(message)| message).collect();
                    append_some(&app, &store, &key, messages).await
                }
                Err(problem) => Err((Vec::new(), problem)),
            };
            Some(match answer {
                Ok(answer) => (Ok::<_, Error>(answer), Some(lines)),
                Err((done, problem)) => (Ok([done, problem_line(&problem)].concat()), None),
            })
        }
    });
    ([(header::CONTENT_TYPE, NDJSON)], HttpBody::from_stream(answers.fuse())).into_response()
}

/// Stores these together. If that is refused because of one of them, those before it are still stored and answered.
async fn append_some(
    app: &App,
    store: &Store,
    key: &SessionKey,
    messages: Vec<NewMessage>,
) -> Result<Vec<u8>, (Vec<u8>, Problem)> {
    let append = async |messages: Vec<NewMessage>| -> Result<Vec<u8>, Problem> {
        // A stream may wait for room: its sender is told nothing before.
        let _room = app.limits.write_later().await;
        let ids: Vec<Option<String>> = messages.iter().map(|message| message.message_id.clone()).collect();
        let receipt = store.append(key, messages).await?;
        app.feed.written();
        Ok(receipt.seqs.iter().zip(&ids).flat_map(|(seq, id)| answer_line(*seq, id.as_deref())).collect())
    };
    let singly = (messages.len() > 1).then(|| messages.clone());
    match (append(messages).await, singly) {
        (Err(problem), Some(messages)) if problem.is_about_content() => {
            let mut done = Vec::new();
            for message in messages {
                match append(vec![message]).await {
                    Ok(line) => done.extend(line),
                    Err(problem) => return Err((done, problem)),
                }
            }
            Ok(done)
        }
        (answer, _) => answer.map_err(|problem| (Vec::new(), problem)),
    }
}

/// Why a stream does not go on.
fn ended() -> Problem {
    Problem::new(Kind::Unauthenticated, "the token has expired or was revoked while this went on")
}

fn answer_line(seq: u64, message_id: Option<&str>) -> Vec<u8> {
    let line = match message_id {
        Some(id) => serde_json::json!({ "seq": seq, "message_id": id }),
        None => serde_json::json!({ "seq": seq }),
    };
    format!("{line}\n").into_bytes()
}

fn problem_line(problem: &Problem) -> Vec<u8> {
    format!("{}\n", serde_json::json!({ "problem": problem })).into_bytes()
}

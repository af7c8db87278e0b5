//! The whole store, or a part of it, as an archive, and an archive back into it: streams of lines, in whatever size.

use std::{
    io::{self, BufRead, Read, Write},
    time::Duration,
};

use axum::{
    Json,
    body::{Body, Bytes},
    extract::{Request, State},
    http::{HeaderMap, header},
    response::{IntoResponse, Response},
};
use futures_util::{StreamExt, stream};
use serde::{Deserialize, Serialize};
use sessiondb::{SessionFilter, SessionKey, Store, limits};
use sessiondb_export::{Choice, ExportError, RestoreError, Restored, export, restore};
use tokio::{
    sync::mpsc::{Receiver, Sender, channel},
    task::spawn_blocking,
};
use utoipa::{IntoParams, ToSchema};

use crate::{
    access::Access,
    app::App,
    audit,
    problem::{Kind, Problem},
    request::{self, Query},
};

const NDJSON: &str = "application/x-ndjson";
/// About how much is handed on at a time, and how many such pieces may wait.
const PIECE: usize = 64 << 10;
const PIECES: usize = 8;
/// Longest line of an archive: the largest call of commit.
const LINE_BYTES_MAX: usize = limits::COMMIT_BYTES_MAX;
/// How long a body may bring nothing.
const IDLE: Duration = Duration::from_secs(60);

/// Which sessions.
#[derive(Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(crate) struct Which {
    /// Only this session; may be given several times.
    #[serde(default)]
    #[param(required = false, value_type = Vec<String>)]
    key: Vec<SessionKey>,
    /// Only this agent's sessions.
    agent_id: Option<String>,
    /// Only this family.
    family: Option<String>,
    /// Only these statuses; may be given several times.
    #[serde(default)]
    #[param(required = false)]
    status: Vec<String>,
}

impl Which {
    fn choice(self) -> Result<Choice, Problem> {
        let Which { key, agent_id, family, status } = self;
        let filter = SessionFilter { agent_id, family, statuses: status, ..SessionFilter::default() };
        match (key.is_empty(), filter == SessionFilter::default()) {
            (true, _) => Ok(Choice::Matching(Box::new(filter))),
            (false, true) => Ok(Choice::Keys(key)),
            (false, false) => Err(Problem::invalid("an export is of keys or of what matches, not of both")),
        }
    }
}

/// The store as an archive, which `POST /v1/import` and `sessiondb import` read back to an equal one: lines of JSON, as long as
/// they take. Each session is as it was at one moment. An archive without its last line, `end`, was cut off.
///
/// It follows forks wherever they lead, so it asks for a token that sees the whole store.
#[utoipa::path(get, path = "/v1/export", tag = "archive", params(Which),
    responses((status = 200, body = String, content_type = "application/x-ndjson")))]
pub(crate) async fn get(
    State(app): State<App>,
    access: Access,
    Query(which): Query<Which>,
) -> Result<Response, Problem> {
    access.must_see_all()?;
    let choice = which.choice()?;
    audit::note(&app, &access, "export", "").await?;
    let (sender, mut receiver) = channel(PIECES);
    let store = access.store.for_blocking();
    spawn_blocking(move || write(&store, &choice, sender));
    // What is wrong with the request itself shows before anything is sent.
    let first = match receiver.recv().await {
        Some(piece) => piece?,
        None => return Err(Problem::new(Kind::Internal, "the export ended before it began")),
    };
    let rest = stream::unfold((receiver, app, access.caller), |(mut receiver, app, caller)| async move {
        let piece = receiver.recv().await?;
        let piece = match piece {
            _ if !app.accepts_still(&caller).await => Err(io::Error::other("the token has ended")),
            Ok(piece) => Ok(piece),
            Err(problem) => {
                tracing::error!(detail = problem.detail(), "an export broke off");
                Err(io::Error::other("the export broke off"))
            }
        };
        Some((piece, (receiver, app, caller)))
    });
    // What compresses it asks once more when it has ended.
    let body = Body::from_stream(stream::iter([Ok(first)]).chain(rest).fuse());
    let named = [
        (header::CONTENT_TYPE, NDJSON),
        (header::CONTENT_DISPOSITION, "attachment; filename=\"sessions.jsonl\""),
    ];
    Ok((named, body).into_response())
}

/// On a thread of its own, which waits for whoever reads.
fn write(store: &Store, choice: &Choice, pieces: Sender<Result<Bytes, Problem>>) {
    let mut out = Pieces { pieces, piece: Vec::new() };
    // Not the runtime's own: inside that, what waits for a reader would panic.
    let done = pollster::block_on(export(store, choice, &mut out, &mut |_, _| {}));
    match done {
        Ok(exported) => {
            for unread in &exported.unread {
                tracing::warn!(?unread, "a session could not be exported");
            }
        }
        // Who reads has gone.
        Err(ExportError::Write(_)) => {}
        Err(ExportError::Store(error)) => {
            let _ = out.pieces.blocking_send(Err(error.into()));
        }
        Err(error) => {
            let _ = out.pieces.blocking_send(Err(Problem::new(Kind::Internal, error.to_string())));
        }
    }
}

/// What is written, handed on piece by piece.
struct Pieces {
    pieces: Sender<Result<Bytes, Problem>>,
    piece: Vec<u8>,
}

impl Pieces {
    fn send(&mut self) -> io::Result<()> {
        if self.piece.is_empty() {
            return Ok(());
        }
        let piece = Bytes::from(std::mem::take(&mut self.piece));
        self.pieces.blocking_send(Ok(piece)).map_err(|_| io::ErrorKind::BrokenPipe.into())
    }
}

impl Write for Pieces {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.piece.extend_from_slice(bytes);
        if self.piece.len() >= PIECE {
            self.send()?;
        }
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        self.send()
    }
}

/// What came of reading an archive.
#[derive(Serialize, ToSchema)]
pub(crate) struct RestoredJson {
    /// Whether all that the archive was to have is in the store.
    complete: bool,
    /// How many sessions are there now and were not before, or not whole.
    sessions: u64,
    /// How many were there already, and equal.
    unchanged: u64,
    /// How many messages came with them.
    messages: u64,
    /// How many documents came with them.
    documents: u64,
    /// How many sessions the archive says could not be written into it.
    dropped: u64,
    /// Sessions that were left out.
    failed: Vec<FailedJson>,
    /// Lines that cannot be read, the first thousand of them. The session in which one stands failed.
    bad_lines: Vec<BadLineJson>,
    /// How many more there are.
    more_bad_lines: u64,
    /// Why the archive is not whole, if it is not.
    incomplete: Option<String>,
}

#[derive(Serialize, ToSchema)]
struct FailedJson {
    /// The line of the archive with which it begins.
    line: u64,
    /// Which session, as text.
    key: String,
    /// Why.
    reason: String,
}

#[derive(Serialize, ToSchema)]
struct BadLineJson {
    line: u64,
    reason: String,
}

impl From<Restored> for RestoredJson {
    fn from(restored: Restored) -> RestoredJson {
        RestoredJson {
            complete: restored.is_complete(),
            sessions: restored.sessions,
            unchanged: restored.unchanged,
            messages: restored.messages,
            documents: restored.documents,
            dropped: restored.dropped,
            failed: (restored.failed.into_iter())
                .map(|failed| FailedJson {
                    line: failed.line,
                    key: failed.key.to_string(),
                    reason: failed.reason,
                })
                .collect(),
            bad_lines: (restored.bad_lines.into_iter())
                .map(|bad| BadLineJson { line: bad.line, reason: bad.reason })
                .collect(),
            more_bad_lines: restored.more_bad_lines,
            incomplete: restored.incomplete,
        }
    }
}

/// Puts an archive into the store, as it comes: sessions as they were, with their numbers, times and views. What is there already
/// and equal stays; a session that is there with other content is left out and named in the answer, and so is one outside the
/// token's scope. The same archive can be sent again, and goes on where it ended.
#[utoipa::path(post, path = "/v1/import", tag = "archive",
    request_body(content = String, content_type = "application/x-ndjson", example = json!("{\"sessiondb_archive\":1}\n{\"end\":{\"sessions\":0,\"kept\":0,\"messages\":0,\"gaps\":0,\"documents\":0,\"changes\":0,\"states\":0,\"dropped\":0}}\n")),
    responses((status = 200, body = RestoredJson)))]
pub(crate) async fn post(
    State(app): State<App>,
    access: Access,
    headers: HeaderMap,
    request: Request,
) -> Result<Json<RestoredJson>, Problem> {
    if request::media_type(&headers).as_deref() != Some(NDJSON) {
        let detail = "an archive is lines of JSON";
        return Err(
            Problem::new(Kind::MediaType, detail).hint("send it with Content-Type: application/x-ndjson")
        );
    }
    // So many are read at a time, each with its longest line in memory.
    let _room = app.limits.body(LINE_BYTES_MAX)?;
    audit::note(&app, &access, "import", "").await?;
    let (sender, receiver) = channel(PIECES);
    let store = access.store.for_blocking();
    let mut restored = spawn_blocking(move || {
        let input = Frames { frames: receiver, frame: Bytes::new() };
        pollster::block_on(restore(&store, input, &mut |_| {}))
    });
    let restored = tokio::select! {
        restored = &mut restored => restored,
        () = hand_on(&app, &access, request.into_body(), sender) => restored.await,
    };
    app.feed.written();
    let restored = restored.map_err(|_| Problem::new(Kind::Internal, "the import panicked"))?;
    restored.map(|restored| Json(restored.into())).map_err(|error| match error {
        RestoreError::NotAnArchive(what) => Problem::invalid(what),
        RestoreError::Read { line, source } => Problem::invalid(format!(
            "after line {line} the body broke off: {source}; what came before is stored"
        )),
        RestoreError::Store { source, .. } => source.into(),
        error => Problem::new(Kind::Internal, error.to_string()),
    })
}

/// Hands a body on, piece by piece, to who reads it on a thread of its own.
async fn hand_on(app: &App, access: &Access, body: Body, frames: Sender<io::Result<Bytes>>) {
    let mut body = body.into_data_stream();
    loop {
        let frame = match tokio::time::timeout(IDLE, body.next()).await {
            _ if !app.accepts_still(&access.caller).await => Err(io::Error::other("the token has ended")),
            Ok(None) => return,
            Ok(Some(Ok(frame))) => Ok(frame),
            Ok(Some(Err(error))) => Err(io::Error::other(error)),
            Err(_) => Err(io::ErrorKind::TimedOut.into()),
        };
        let ends = frame.is_err();
        // Who reads may have had enough.
        if frames.send(frame).await.is_err() || ends {
            return;
        }
    }
}

/// A body, as what reads files reads it.
struct Frames {
    frames: Receiver<io::Result<Bytes>>,
    frame: Bytes,
}

impl Read for Frames {
    fn read(&mut self, to: &mut [u8]) -> io::Result<usize> {
        let from = self.fill_buf()?;
        let count = from.len().min(to.len());
        to[..count].copy_from_slice(&from[..count]);
        self.consume(count);
        Ok(count)
    }
}

impl BufRead for Frames {
    fn fill_buf(&mut self) -> io::Result<&[u8]> {
        while self.frame.is_empty() {
            match self.frames.blocking_recv() {
                None => break,
                Some(frame) => self.frame = frame?,
            }
        }
        Ok(&self.frame)
    }

    fn consume(&mut self, count: usize) {
        self.frame = self.frame.slice(count.min(self.frame.len())..);
    }
}

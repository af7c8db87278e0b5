//! Interview sessions: what an interview is about, how it is led, where it stands, and what was said in it.
//!
//! An interview from its beginning to its end:
//!
//! ```
//! use interview_session::{NewUtterance, Session, SessionRepository, SessionState, SessionStatus};
//!
//! # tokio::runtime::Runtime::new().unwrap().block_on(async {
//! # let directory = tempfile::tempdir().unwrap();
//! # let path = directory.path().join("interviews.db").display().to_string();
//! let repository = SessionRepository::new(path);
//! let session = repository.create(Session::new("mec", "oat-milk", "Oat milk")).await?;
//!
//! // A turn: what was said and the state after it are kept together, or neither.
//! let said = [
//!     NewUtterance::new("system", "Why do you buy oat milk?"),
//!     NewUtterance::new("user", "It is easy on my stomach."),
//! ];
//! let state = SessionState {
//!     turn_count: 1,
//!     coverage_score: 0.125,
//!     last_strategy: Some("ladder up".into()),
//!     ..session.state
//! };
//! repository.record_turn(&session.id, &said, state).await?;
//! assert_eq!(repository.list_active().await?[0].state.turn_count, 1);
//!
//! let session = repository.set_status(&session.id, SessionStatus::Completed).await?;
//! let record = repository.get_record(&session.id).await?.unwrap();
//! assert_eq!(record.completed_at, Some(session.updated_at));
//! assert_eq!(repository.utterances(&session.id, 0, 100).await?.utterances[1].speaker, "user");
//! # Ok::<(), interview_session::Error>(())
//! # }).unwrap();
//! ```
//!
//! With the feature `http` there are routes over a repository too, for any program built with axum: `routes(repository)`
//! answers `POST /sessions`, `GET /sessions`, `GET /sessions/{id}` and `DELETE /sessions/{id}`.
//!
//! # Where it is kept
//!
//! In a SessionDB file. An interview is the session `("interview", "interview", "", "session", id)` of the family
//! `interview`; its status is that session's, its methodology, concept and `completed_at` are that session's metadata, its
//! state and its config are one document each, and its utterances are the messages: the speaker is the role, and
//! `turn:speaker` the message's id. For people who speak SQL there is a view in the file, `interview_sessions`, with a row
//! for each session and the columns `id`, `methodology`, `concept_id`, `concept_name`, `status`, `config`, `created_at`,
//! `updated_at`, `completed_at`, `turn_count`, `coverage_score` and `last_strategy`.
//!
//! # What is decided
//!
//! - A write that was answered is in the file and survives power loss; what a method answers is what is stored.
//! - [`Session`] has the seed's eight fields and no other. What is kept beside them (the config, `completed_at`, the
//!   revision) comes with [`SessionRecord`].
//! - `create` keeps the status, the state and both times that it is given, in whole microseconds. An id that is taken is an
//!   error, also if everything else is the same.
//! - Methodology and concept stand in the session and in its state, and must agree wherever both are given. They do not
//!   change.
//! - A state is legal or refused: a methodology and a concept of more than white space, a count of turns that is not
//!   negative, a coverage score from 0 to 1. The score is read back to the last bit.
//! - Statuses are `active`, `paused` and `completed`. An active session and a paused one can become each other, either can
//!   be completed, and a completed one stays so: neither its state nor its utterances change any more. `completed_at` is
//!   when it was completed.
//! - A paused session takes no turns, but its state can be corrected. Its config can be changed whatever the status.
//! - Updating what does not exist is an error that names it. An id that no session can have is just not found.
//! - In a turn, each speaker speaks once. The same utterance again is that utterance, another one is refused by name. The
//!   number of a turn never goes back through [`record_turn`](SessionRepository::record_turn).
//! - The config is merged by RFC 7396, inside the database: of patches at the same time none is lost. So `null` removes a
//!   member; a `null` can stand in a config only if it was created with it, or inside an array.
//! - Lists are in the order of `created_at`, newest first, ties by the order of creation, newest first; ranges on it are
//!   exclusive at both ends. Only [`list_active`](SessionRepository::list_active) has no limit.
//! - A session without documents (a fork made with SessionDB, which takes none along) is at its beginning: no turns, nothing
//!   covered, an empty config.
//! - A stored session that cannot be read, or is not legal, is an error that names it; nothing is skipped or replaced by a
//!   default.

pub mod domain;
mod error;
#[cfg(feature = "http")]
mod http;
pub mod persistence;

pub use domain::models::{
    record::{Config, SessionRecord},
    session::{Session, SessionState, SessionStatus},
    utterance::{NewUtterance, TEXT_CHARS_MAX, Utterance, UtterancePage},
};
pub use error::{Error, Result};
#[cfg(feature = "http")]
pub use http::routes;
pub use persistence::repositories::{
    session_filter::{SessionFilter, SessionPage},
    session_repo::SessionRepository,
};
/// The store underneath, for what [`SessionRepository::sessiondb`] takes and answers.
pub use sessiondb;

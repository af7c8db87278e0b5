//! SessionDB over HTTP: any program, in any language, has the store.
//!
//! [`serve`] listens; [`routes`] are the routes alone, for programs that have a server of their own. What the routes are
//! stands in [`router`](routes), all of it on one screen, and is described at `/openapi.json`.
//!
//! What always holds: an answer to a write means that it is durable. A caller needs a token, which says what it may do
//! ([`Right`]) and what it may see (a scope); a session outside looks like one that does not exist. Whatever goes wrong is
//! answered as `application/problem+json` (RFC 9457) with a stable `type` and what to do next.

mod access;
mod admin;
mod app;
mod archive;
mod audit;
mod changes;
mod commits;
mod documents;
mod feed;
mod front;
mod interview;
mod lines;
mod listen;
mod messages;
mod operations;
mod page;
mod parts;
mod problem;
mod reference;
mod request;
mod right;
mod router;
mod search;
mod sessions;
mod state;
mod token;
mod tokens;
mod usage;
mod views;
mod worktree;

pub use app::Options;
pub use listen::{Listen, ServeError, Tls, serve};
pub use request::BODY_BYTES_MAX;
pub use right::{Right, Rights};
pub use router::{description, routes};
pub use token::Token;
pub use tokens::{NewToken, TokenInfo, Tokens};

//! The repositories: of sessions, the only one so far.

mod reads;
pub mod session_filter;
pub mod session_repo;
mod writes;

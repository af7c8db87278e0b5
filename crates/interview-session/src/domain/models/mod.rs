//! The models.

pub mod record;
pub mod session;
pub mod utterance;

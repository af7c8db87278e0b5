//! What an interview is.

pub mod models;

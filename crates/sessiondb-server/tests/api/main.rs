//! The routes, called as they are, without a network.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a test: a panic is how it fails")]

mod audit;
mod conditions;
mod desk;
mod examples;
mod manner;
mod rights;
mod streams;

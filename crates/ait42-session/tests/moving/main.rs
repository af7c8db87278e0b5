//! Moving from AIT42's files to the store and back: what must hold while both are there.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a panic is how a test fails")]

mod authority;
mod between;
mod broken_off;
mod dual;
mod engine;
mod import;
mod json;
mod kill;
mod many;
mod support;

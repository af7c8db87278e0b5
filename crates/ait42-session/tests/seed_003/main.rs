//! The tests of seed 003, section 1.9, word for word.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a panic is how a test fails")]

include!("integration_tests.rs");

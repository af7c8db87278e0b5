//! Archives of whole stores: written, read back, written again.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a panic is how a test fails")]

mod batches;
mod cut;
mod desk;
mod gaps;
mod hostile;
mod moving;
mod random;
mod readable;
mod samples;
mod selected;
mod whole;

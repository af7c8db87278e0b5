//! Processes that the kernel kills at a write, a sync, a rename: at every place where they change what is on the disk.
//!
//! Whoever was killed did everything up to one system call and nothing of it. What is on the disk then is what a program
//! must go on from. That the disk itself loses what was not synced is another matter, and not tried here.
//!
//! It needs `strace`, and a machine that lets it trace.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a panic is how a test fails")]
#![allow(clippy::print_stdout, reason = "what the processes tell, and a test's output")]

mod commands;
mod content;
mod opening;
mod random;
mod script;
mod scripted;
mod strace;
mod together;

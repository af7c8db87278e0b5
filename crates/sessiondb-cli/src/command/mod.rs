//! The commands, one file each: what it takes, and what it does.

pub mod ait42;
pub mod append;
pub mod archive;
pub mod check;
pub mod compact;
pub mod completions;
pub mod export;
pub mod fork;
pub mod import;
pub mod ls;
pub mod new;
pub mod optimize;
pub mod patch;
pub mod pop;
pub mod recover;
pub mod repair;
pub mod reset;
pub mod rewind;
pub mod rm;
pub mod search;
pub mod serve;
pub mod show;
pub mod stats;
pub mod token;
pub mod uncompact;
pub mod undo;

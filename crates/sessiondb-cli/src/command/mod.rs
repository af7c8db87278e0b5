//! The commands, one file each: what it takes, and what it does.

pub mod append;
pub mod archive;
pub mod check;
pub mod export;
pub mod import;
pub mod ls;
pub mod new;
pub mod patch;
pub mod rm;
pub mod show;

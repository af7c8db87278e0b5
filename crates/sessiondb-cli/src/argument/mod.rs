//! What is given on the command line, read.

pub mod json;
pub mod key;
pub mod time;

//! Where interviews are kept.

pub mod repositories;

//! [`DbPool`]: the store underneath.

pub mod connection;

pub use connection::DbPool;

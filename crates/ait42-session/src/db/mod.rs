//! [`DbPool`]: the store underneath.

mod connection;

pub use connection::DbPool;

pub mod connection;

pub use connection::DbPool;

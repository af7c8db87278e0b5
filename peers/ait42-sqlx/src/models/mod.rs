pub mod instance;
pub mod message;
pub mod session;

pub use instance::*;
pub use message::*;
pub use session::*;

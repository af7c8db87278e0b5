//! What a coding session is made of, in the names and types of AIT42's own files.

pub mod instance;
pub mod legal;
pub mod message;
pub mod session;
mod summary;

pub use instance::WorktreeInstance;
pub use message::ChatMessage;
pub use session::WorktreeSession;
pub use summary::{InstanceSummary, WorktreeSummary};

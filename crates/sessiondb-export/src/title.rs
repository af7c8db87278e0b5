//! A session's title, where its metadata has one.

use sessiondb::Session;

use crate::raw;

/// The `title` of the metadata, if it is a text.
pub fn title(session: &Session) -> Option<String> {
    raw::string(&raw::members(session.metadata.get())?, "title")
}

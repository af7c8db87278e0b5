//! The tables of AIT42's own schema, as SQL views of the store's: for people who read the file with any SQLite shell.

use sessiondb::SqlView;

/// All of them. They have the columns of that schema, in its order.
pub(crate) const VIEWS: &[SqlView] = &[
    SqlView { name: "ait42_workspaces", query: include_str!("../views/ait42_workspaces.sql") },
    SqlView { name: "ait42_sessions", query: include_str!("../views/ait42_sessions.sql") },
    SqlView { name: "ait42_instances", query: include_str!("../views/ait42_instances.sql") },
    SqlView { name: "ait42_chat_messages", query: include_str!("../views/ait42_chat_messages.sql") },
];

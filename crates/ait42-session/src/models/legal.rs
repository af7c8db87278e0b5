//! What values are legal: AIT42's vocabularies, its keys and the store's limits, each in one place.

use std::{collections::BTreeSet, fmt};

use sessiondb::limits;

use crate::{
    ChatMessage, RepositoryError, WorktreeInstance, WorktreeSession,
    instant::instant,
    layout::{session_key, workspace_key},
};

/// What a session's `type` can be.
pub const SESSION_TYPES: &[&str] = &["competition", "ensemble", "debate"];
/// What a session's `status` can be.
pub const SESSION_STATUSES: &[&str] = &["running", "completed", "failed", "paused"];
/// What an instance's `status` can be.
pub const INSTANCE_STATUSES: &[&str] = &["idle", "running", "completed", "failed", "paused", "archived"];
/// What a message's `role` can be.
pub const ROLES: &[&str] = &["user", "assistant", "system", "tool"];
/// What a session's `integration_phase` can be, if it has one.
pub const INTEGRATION_PHASES: &[&str] = &["pending", "in_progress", "completed"];

/// What a value is of: for the end of an error's message.
#[derive(Clone, Copy)]
enum Of<'a> {
    Session(&'a str),
    Instance(&'a str, i64),
    Message(&'a str, &'a str),
}

impl fmt::Display for Of<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Of::Session(session) => write!(f, "session {}", shown(session)),
            Of::Instance(session, instance) => write!(f, "instance {instance} of session {}", shown(session)),
            Of::Message(session, message) => {
                write!(f, "message {} of session {}", shown(message), shown(session))
            }
        }
    }
}

/// A text of the caller's in an error's message: what is not seen is escaped, and what is long is cut.
pub(crate) fn shown(text: &str) -> String {
    const CHARS_MAX: usize = 80;
    let mut chars = text.chars();
    let mut shown: String = chars.by_ref().take(CHARS_MAX).collect::<String>().escape_debug().collect();
    if chars.next().is_some() {
        shown.push('…');
    }
    shown
}

type Legal = Result<(), RepositoryError>;

fn refuse(reason: String) -> Legal {
    Err(RepositoryError::Validation(reason))
}

/// Whether a session can be stored: its values, its instances and its messages.
///
/// # Errors
/// [`RepositoryError::Validation`] that names the table and column of the seed's schema, the value, what is legal, and
/// which session, instance or message it is of.
pub(crate) fn validate(session: &WorktreeSession) -> Legal {
    validate_address(&session.workspace_hash, &session.id)?;
    let of = Of::Session(&session.id);
    one_of("sessions.session_type", &session.r#type, SESSION_TYPES, of)?;
    one_of("sessions.status", &session.status, SESSION_STATUSES, of)?;
    if let Some(phase) = &session.integration_phase {
        one_of("sessions.integration_phase", phase, INTEGRATION_PHASES, of)?;
    }
    time("sessions.created_at", &session.created_at, of)?;
    time("sessions.updated_at", &session.updated_at, of)?;
    time_if_any("sessions.completed_at", session.completed_at.as_deref(), of)?;
    let mut instances = BTreeSet::new();
    for instance in &session.instances {
        validate_instance(&session.id, instance)?;
        if !instances.insert(instance.instance_id) {
            return refuse(format!(
                "instances.instance_id: {} is there twice; it is unique in a session ({of})",
                instance.instance_id
            ));
        }
    }
    let mut messages = BTreeSet::new();
    for message in &session.chat_history {
        validate_message(&session.id, message)?;
        if !messages.insert(message.id.as_str()) {
            return refuse(format!(
                "chat_messages.id: '{}' is there twice; it is unique in a session ({of})",
                shown(&message.id)
            ));
        }
    }
    Ok(())
}

/// Whether there can be a session of this id in this workspace.
///
/// # Errors
/// As [`validate`].
pub(crate) fn validate_address(workspace: &str, session: &str) -> Legal {
    let of = Of::Session(session);
    key_part("sessions.workspace_hash", workspace, of)?;
    key_part("sessions.id", session, of)?;
    // Each may fit, but not both together.
    session_key(workspace, session).validate().map_err(|error| {
        RepositoryError::Validation(format!("sessions.workspace_hash and sessions.id: {error} ({of})"))
    })?;
    validate_workspace(workspace)
}

/// Whether there can be a workspace of this hash.
///
/// # Errors
/// As [`validate`].
pub(crate) fn validate_workspace(hash: &str) -> Legal {
    key_part("workspaces.hash", hash, Of::Session(""))?;
    workspace_key(hash)
        .validate()
        .map_err(|error| RepositoryError::Validation(format!("workspaces.hash: {error}")))
}

fn validate_instance(session: &str, instance: &WorktreeInstance) -> Legal {
    let of = Of::Instance(session, instance.instance_id);
    is_of_session("instances.session_id", &instance.session_id, session, of)?;
    one_of("instances.status", &instance.status, INSTANCE_STATUSES, of)?;
    time_if_any("instances.start_time", instance.start_time.as_deref(), of)?;
    time_if_any("instances.end_time", instance.end_time.as_deref(), of)?;
    if let Some(output) = &instance.output {
        fits("instances.output", output, limits::DOCUMENT_BYTES_MAX, of)?;
    }
    Ok(())
}

/// Whether an instance can have this status.
///
/// # Errors
/// As [`validate`].
pub(crate) fn validate_instance_status(session: &str, instance: i64, status: &str) -> Legal {
    one_of("instances.status", status, INSTANCE_STATUSES, Of::Instance(session, instance))
}

/// Whether this message can be one of this session.
///
/// # Errors
/// As [`validate`].
pub(crate) fn validate_message(session: &str, message: &ChatMessage) -> Legal {
    let of = Of::Message(session, &message.id);
    if message.id.is_empty() {
        return refuse(format!("chat_messages.id is empty (a message of {})", Of::Session(session)));
    }
    identifier("chat_messages.id", &message.id, limits::ID_BYTES_MAX, of)?;
    is_of_session("chat_messages.session_id", &message.session_id, session, of)?;
    one_of("chat_messages.role", &message.role, ROLES, of)?;
    time("chat_messages.timestamp", &message.timestamp, of)?;
    // Beside the content the store keeps the timestamp and the instance.
    fits("chat_messages.content", &message.content, limits::MESSAGE_BYTES_MAX - 1024, of)
}

fn one_of(column: &str, value: &str, legal: &[&str], of: Of<'_>) -> Legal {
    if legal.contains(&value) {
        return Ok(());
    }
    refuse(format!("{column}: '{}' is not one of {} ({of})", shown(value), legal.join(", ")))
}

fn time(column: &str, value: &str, of: Of<'_>) -> Legal {
    // The store's years end earlier than chrono's; a text that is much longer than a time is none that people write.
    let time = instant(value).filter(|time| value.len() <= 64 && sessiondb::time::validate(*time).is_ok());
    if time.is_some() {
        return Ok(());
    }
    refuse(format!(
        "{column}: '{}' is not an RFC 3339 time of the years 0000 to 9999, as 2025-01-31T09:30:00Z is ({of})",
        shown(value)
    ))
}

fn time_if_any(column: &str, value: Option<&str>, of: Of<'_>) -> Legal {
    value.map_or(Ok(()), |value| time(column, value, of))
}

/// The foreign key: what is in a session names that session, or none.
fn is_of_session(column: &str, named: &str, session: &str, of: Of<'_>) -> Legal {
    if named.is_empty() || named == session {
        return Ok(());
    }
    refuse(format!("{column}: '{}' is not the session that it is in ({of})", shown(named)))
}

fn key_part(column: &str, value: &str, of: Of<'_>) -> Legal {
    if value.is_empty() {
        return refuse(match of {
            Of::Session("") => format!("{column} is empty"),
            of => format!("{column} is empty ({of})"),
        });
    }
    if value.starts_with('~') {
        return refuse(format!(
            "{column}: '{}' begins with '~'; those are reserved for the store itself",
            shown(value)
        ));
    }
    identifier(column, value, limits::KEY_PART_BYTES_MAX, of)
}

fn identifier(column: &str, value: &str, bytes_max: usize, of: Of<'_>) -> Legal {
    if value.len() > bytes_max {
        return refuse(format!("{column} has {} bytes; at most {bytes_max} are allowed ({of})", value.len()));
    }
    if value.contains('\0') {
        return refuse(format!("{column} contains a NUL character ({of})"));
    }
    Ok(())
}

/// Whether the text has at most so many bytes as a JSON string.
fn fits(column: &str, text: &str, bytes_max: usize, of: Of<'_>) -> Legal {
    // A byte is at most six as JSON, and there are two quotes: most texts need no counting.
    if text.len() <= (bytes_max - 2) / 6 {
        return Ok(());
    }
    let bytes = 2 + text.bytes().map(json_bytes).sum::<usize>();
    if bytes <= bytes_max {
        return Ok(());
    }
    refuse(format!("{column} has {bytes} bytes as JSON; at most {bytes_max} are allowed ({of})"))
}

/// How many bytes a byte of a text has in a JSON string, as serde_json writes it.
fn json_bytes(byte: u8) -> usize {
    match byte {
        b'"' | b'\\' | b'\n' | b'\r' | b'\t' | 0x08 | 0x0c => 2,
        0..=0x1f => 6,
        _ => 1,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn json_bytes_are_those_that_serde_json_writes() {
        let text: String = ('\0'..='\u{ff}').chain("日本🦀".chars()).collect();
        let counted = 2 + text.bytes().map(json_bytes).sum::<usize>();
        assert_eq!(serde_json::to_string(&text).ok().map(|json| json.len()), Some(counted));
    }

    #[test]
    fn a_long_or_strange_value_is_shown_so_that_a_terminal_bears_it() {
        assert_eq!(shown("a\u{1b}[31m\nb"), r"a\u{1b}[31m\nb");
        assert_eq!(shown(&"é".repeat(81)), format!("{}…", "é".repeat(80)));
    }

    #[test]
    fn id_and_workspace_must_fit_together() {
        let wide = |chars: usize| "x".repeat(chars);
        let refused = |workspace: &str, id: &str, part: &str| {
            validate_address(workspace, id).is_err_and(|error| error.to_string().contains(part))
        };
        assert!(refused(&wide(510), "s1", "workspaces.hash: the key has"));
        assert!(refused(&wide(500), &wide(510), "sessions.workspace_hash and sessions.id: the key has"));
        assert!(validate_address(&wide(500), &wide(500)).is_ok());
    }
}

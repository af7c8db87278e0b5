//! What stands in the address of a request.

use std::fmt::Write;

use sessiondb_core::{DocumentFilter, Error, Result, Search, SessionFilter, Time, Window, time};

/// One part of a path: everything but what means nothing else there is escaped.
pub(crate) fn segment(text: &str) -> String {
    let mut segment = String::with_capacity(text.len());
    // Nothing but a dot or two would be taken for a direction.
    let dots = text == "." || text == "..";
    for byte in text.bytes() {
        match byte {
            b'A'..=b'Z' | b'a'..=b'z' | b'0'..=b'9' | b'-' | b'_' | b'~' | b':' | b'=' | b'@' => {
                segment.push(char::from(byte));
            }
            b'.' if !dots => segment.push('.'),
            _ => {
                // Writing to a String does not fail.
                let _ = write!(segment, "%{byte:02X}");
            }
        }
    }
    segment
}

/// The filter with its bounds in the store's precision, which text has.
pub(crate) fn sendable(filter: &SessionFilter) -> SessionFilter {
    SessionFilter {
        created_before: filter.created_before.and_then(before),
        updated_before: filter.updated_before.and_then(before),
        ..filter.clone()
    }
}

/// What lies before a bound lies before the next whole microsecond; after the last one that can be kept there is no bound.
fn before(bound: Time) -> Option<Time> {
    Some(time::round_up(bound)).filter(|bound| time::validate(*bound).is_ok())
}

pub(crate) fn filter(filter: &SessionFilter) -> Result<String> {
    text(&sendable(filter))
}

pub(crate) fn search(search: &Search) -> Result<String> {
    text(&Search { before: search.before.and_then(before), ..search.clone() })
}

pub(crate) fn documents(filter: &DocumentFilter) -> Result<String> {
    let after = filter.after.as_ref().and_then(|place| serde_json::to_string(place).ok());
    let limit = filter.limit.to_string();
    let pairs =
        [("collection", filter.collection.as_deref()), ("cursor", after.as_deref()), ("limit", Some(&limit))];
    text(&pairs.into_iter().filter_map(|(name, value)| Some((name, value?))).collect::<Vec<_>>())
}

pub(crate) fn window(window: Window) -> Result<String> {
    let number = |number: u64| Some(number.to_string());
    let bound = |bound: Option<Time>| bound.map(time::to_text);
    let limit = window.limit() as u64;
    let pairs = match window {
        Window::Last { .. } => vec![("limit", number(limit))],
        Window::Before { seq, .. } => vec![("before", number(seq)), ("limit", number(limit))],
        Window::After { seq, .. } => vec![("after", number(seq)), ("limit", number(limit))],
        Window::Range { first, last } => vec![("first", number(first)), ("last", number(last))],
        Window::Tokens { max } => vec![("tokens", number(max))],
        Window::Log { seq, .. } => vec![("log", number(seq)), ("limit", number(limit))],
        Window::Times { after, before, cursor, .. } => vec![
            // Without a bound it is the window of all times, and must be told from the newest messages.
            (
                "since",
                bound(after).or_else(|| Some("0000-01-01T00:00:00Z".into()).filter(|_| before.is_none())),
            ),
            ("until", bound(before.and_then(self::before))),
            ("cursor", cursor.map(|(at, seq)| format!("{},{seq}", time::to_text(at)))),
            ("limit", number(limit)),
        ],
    };
    text(&pairs.into_iter().filter_map(|(name, value)| Some((name, value?))).collect::<Vec<_>>())
}

fn text(query: &impl serde::Serialize) -> Result<String> {
    serde_html_form::to_string(query).map_err(|e| Error::Invalid(format!("cannot be asked of a server: {e}")))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_segment_is_one_part_of_a_path() {
        for (text, escaped) in [
            ("main:cli::dm:a=2Fb", "main:cli::dm:a=2Fb"),
            ("a/b?c#d%", "a%2Fb%3Fc%23d%25"),
            ("..", "%2E%2E"),
            ("a.b", "a.b"),
            ("é", "%C3%A9"),
        ] {
            assert_eq!(segment(text), escaped);
        }
    }
}

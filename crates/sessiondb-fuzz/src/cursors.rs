//! Cursors of lists and of histories, which programs keep and send back as text.

use std::{fmt, str::FromStr};

use aisopod_session::HistoryCursor;
use sessiondb::Cursor;

/// Any text is a cursor or an error, and a cursor's text is read as the same cursor.
pub fn holds(data: &[u8]) {
    let Ok(text) = str::from_utf8(data) else { return };
    assert_round_trip::<Cursor>(text);
    assert_round_trip::<HistoryCursor>(text);
    if let Ok(cursor) = text.parse::<Cursor>() {
        let json = serde_json::to_string(&cursor).unwrap();
        assert_eq!(serde_json::from_str::<Cursor>(&json).unwrap(), cursor);
    }
}

fn assert_round_trip<C: FromStr + fmt::Display + fmt::Debug + PartialEq>(text: &str)
where
    C::Err: fmt::Debug,
{
    let Ok(cursor) = text.parse::<C>() else { return };
    let written = cursor.to_string();
    assert_eq!(written.parse::<C>().ok(), Some(cursor), "{text:?} is written as {written:?}");
}

//! Making untrusted text harmless to a terminal.
//!
//! What a session holds was written by models, tools and strangers. Printed as it is, it could move the cursor, retitle
//! the window, fill the clipboard (OSC 52), or show its words in another order than they are stored in. So everything
//! that is printed goes through here: what a terminal would obey, or a reader could not see, becomes visible text.

use std::{borrow::Cow, fmt::Write};

/// Whether a terminal would obey this character, or a reader be misled by it.
///
/// These are the control characters (C0 but newline and tab, DEL, C1), the line and paragraph separators, the
/// embeddings, overrides and isolates of bidirectional text (the "Trojan Source" set), and characters that have no
/// width and no use but to hide: zero-width space, word joiner, byte order mark, and the tag characters, in which text
/// can be written that nobody sees. Joiners (U+200C, U+200D) stay: Persian words and emoji need them.
pub fn is_harmful(c: char) -> bool {
    match c {
        '\n' | '\t' => false,
        '\u{200B}' | '\u{2060}' | '\u{FEFF}' => true,
        '\u{2028}' | '\u{2029}' | '\u{202A}'..='\u{202E}' | '\u{2066}'..='\u{2069}' => true,
        '\u{E0000}'..='\u{E007F}' => true,
        _ => c.is_control(),
    }
}

/// The text with every harmful character written out, as in `\u{1b}` or `\r`. Newlines and tabs stay.
pub fn visible(text: &str) -> Cow<'_, str> {
    replace(text, is_harmful, |c, shown| shown.extend(c.escape_default()))
}

/// The same for text that must stay on its line: newlines and tabs are written out too.
pub fn visible_line(text: &str) -> Cow<'_, str> {
    replace(text, |c| is_harmful(c) || c == '\n' || c == '\t', |c, shown| shown.extend(c.escape_default()))
}

/// A JSON text that means the same, stands on one line, and is harmless to print. Valid JSON has such characters only
/// inside strings, where `\uXXXX` says the same, and line breaks only between its tokens, where a space does.
pub fn visible_json(json: &str) -> Cow<'_, str> {
    replace(
        json,
        |c| is_harmful(c) || c == '\n',
        |c, shown| {
            if c == '\n' || c == '\r' {
                shown.push(' ');
                return;
            }
            for unit in c.encode_utf16(&mut [0; 2]) {
                // Writing to a String does not fail.
                let _ = write!(shown, "\\u{unit:04x}");
            }
        },
    )
}

fn replace(text: &str, picks: impl Fn(char) -> bool, write: impl Fn(char, &mut String)) -> Cow<'_, str> {
    let Some(first) = text.find(&picks) else { return Cow::Borrowed(text) };
    let mut shown = String::with_capacity(text.len() + 16);
    shown.push_str(&text[..first]);
    for c in text[first..].chars() {
        if picks(c) { write(c, &mut shown) } else { shown.push(c) }
    }
    Cow::Owned(shown)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// Any text, with more of what is harmful than chance would give.
    fn hostile() -> impl Strategy<Value = String> {
        let chars = prop_oneof![
            any::<char>(),
            proptest::char::range('\0', '\u{9f}'),
            proptest::char::range('\u{200b}', '\u{206f}'),
            proptest::char::range('\u{e0000}', '\u{e007f}'),
        ];
        proptest::collection::vec(chars, 0..60).prop_map(String::from_iter)
    }

    proptest! {
        #[test]
        fn nothing_harmful_is_left(text in hostile()) {
            prop_assert!(!visible(&text).chars().any(is_harmful));
            prop_assert!(!visible_line(&text).contains(|c| is_harmful(c) || c == '\n' || c == '\t'));
        }

        #[test]
        fn harmless_text_is_not_touched(text in "[^\\p{C}\u{2028}\u{2029}]*") {
            prop_assert!(matches!(visible(&text), Cow::Borrowed(same) if same == text));
        }

        #[test]
        fn json_stays_equal_in_meaning_on_one_line(name in hostile(), text in hostile()) {
            let value = serde_json::json!({ name: [text] });
            for json in [value.to_string(), serde_json::to_string_pretty(&value).unwrap()] {
                let shown = visible_json(&json);
                prop_assert!(!shown.contains(|c| is_harmful(c) || c == '\n'));
                prop_assert_eq!(&serde_json::from_str::<serde_json::Value>(&shown).unwrap(), &value);
            }
        }
    }

    #[test]
    fn the_known_attacks_are_spelled_out() {
        let cases = [
            ("\x1b[31mred\x1b[0m", r"\u{1b}[31mred\u{1b}[0m"),
            ("\x1b]52;c;ZXZpbA==\x07", r"\u{1b}]52;c;ZXZpbA==\u{7}"),
            ("\u{9b}2J", r"\u{9b}2J"),
            ("real\rfake", r"real\rfake"),
            ("user\u{202e}nimda", r"user\u{202e}nimda"),
            ("a\u{2066}b\u{2069}", r"a\u{2066}b\u{2069}"),
            ("hidden\u{e0041}", r"hidden\u{e0041}"),
            ("del\x7f nul\0", r"del\u{7f} nul\u{0}"),
        ];
        for (text, shown) in cases {
            assert_eq!(visible(text), shown);
        }
        assert_eq!(visible("two\nlines\tand 👩‍👩‍👧 نامه‌ای"), "two\nlines\tand 👩‍👩‍👧 نامه‌ای");
        assert_eq!(visible_line("two\nlines\t"), r"two\nlines\t");
        assert_eq!(visible_json("[\n\"\u{9b}\u{e0041}\x7f\"\r\n]"), "[ \"\\u009b\\udb40\\udc41\\u007f\"  ]");
    }
}

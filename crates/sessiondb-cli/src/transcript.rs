//! A message as text to read.
//!
//! The first line says which message it is; what it says is indented below, so that no text can pose as the beginning
//! of another message. What is long and seldom read (thinking, a tool's input and answer) is folded to one line.

use chrono::Local;
use owo_colors::Style;
use sessiondb::{Hit, Message, Time};
use sessiondb_export::{Block, blocks, raw};

use crate::output::Line;

/// How much of a message is shown.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Detail {
    /// Thinking, calls and answers in a line each.
    Folded,
    /// Everything.
    Full,
}

/// Longest folded text, in characters.
const FOLDED_CHARS_MAX: usize = 100;

/// The lines of a message.
pub fn lines(message: &Message, detail: Detail) -> Vec<Line> {
    let mut lines = vec![head(message.seq, &message.role, message.created_at)];
    for block in blocks(message) {
        match detail {
            Detail::Folded => folded(&block, &mut lines),
            Detail::Full => full(&block, &mut lines),
        }
    }
    lines
}

/// The lines of a message that the session hides, which are fainter and say so.
pub fn hidden_lines(message: &Message, detail: Detail) -> Vec<Line> {
    let mut lines = lines(message, detail);
    if let Some(head) = lines.first_mut() {
        *head = std::mem::take(head).plain(" · hidden");
    }
    lines.into_iter().map(Line::dimmed).collect()
}

/// A time as it is shown: local, to the second.
pub fn local(time: Time) -> String {
    time.with_timezone(&Local).format("%Y-%m-%d %H:%M:%S").to_string()
}

/// The first line of a message that was found.
pub fn head_of(hit: &Hit) -> Line {
    let line = head(hit.seq, &hit.role, hit.created_at);
    if hit.shown { line } else { line.plain(" · hidden") }
}

fn head(seq: u64, role: &str, created_at: Time) -> Line {
    Line::new()
        .styled(faint(), format!("#{seq} "))
        .styled(of_role(role), role)
        .styled(faint(), format!(" {}", local(created_at)))
}

fn folded(block: &Block, lines: &mut Vec<Line>) {
    match block {
        Block::Text(text) => indented(text, 1, Style::new(), lines),
        Block::Thinking(text) if text.is_empty() => lines.push(part("✻ thinking", "", "")),
        Block::Thinking(text) => lines.push(part("✻ thinking: ", "", &cut(&one_line(text)))),
        Block::Call { name, input } => lines.push(part("▸ ", name, &format!(" {}", cut(input)))),
        Block::Result { text, failed } => {
            let count = text.lines().count();
            let first = cut(text.lines().next().unwrap_or("(nothing)").trim());
            let rest = if count > 1 { format!(" ({count} lines)") } else { String::new() };
            lines.push(part(result_mark(*failed), "", &(first + &rest)));
        }
        Block::Image => lines.push(part("[image]", "", "")),
        Block::Other(json) => lines.push(part("", "", &cut(json))),
    }
}

fn full(block: &Block, lines: &mut Vec<Line>) {
    match block {
        Block::Thinking(text) if !text.is_empty() => {
            lines.push(part("✻ thinking:", "", ""));
            indented(text, 2, faint(), lines);
        }
        Block::Call { name, input } => {
            lines.push(part("▸ ", name, ""));
            full_input(input, lines);
        }
        Block::Result { text, failed } if text.lines().count() > 1 => {
            lines.push(part(result_mark(*failed).trim_end(), "", ""));
            indented(text, 2, faint(), lines);
        }
        Block::Result { text, failed } if !text.is_empty() => {
            lines.push(part(result_mark(*failed), "", text.trim()))
        }
        Block::Other(json) => lines.push(part("", "", json)),
        Block::Text(_) | Block::Thinking(_) | Block::Result { .. } | Block::Image => folded(block, lines),
    }
}

/// What a tool is given: a line for each member, and text of several lines as such.
fn full_input(input: &str, lines: &mut Vec<Line>) {
    let Some(members) = raw::members(input) else { return indented(input, 2, faint(), lines) };
    for (name, value) in members {
        match raw::value::<String>(value.get()) {
            Some(text) if text.contains('\n') => {
                indented(&format!("{name}:"), 2, faint(), lines);
                indented(&text, 3, faint(), lines);
            }
            Some(text) => indented(&format!("{name}: {text}"), 2, faint(), lines),
            None => indented(&format!("{name}: {}", value.get()), 2, faint(), lines),
        }
    }
}

fn result_mark(failed: bool) -> &'static str {
    if failed { "◂ error: " } else { "◂ result: " }
}

/// A folded part: what it is, its name, and as much of it as there is room for.
fn part(mark: &str, name: &str, text: &str) -> Line {
    Line::new().plain("  ").styled(faint(), mark).styled(Style::new().bold(), name).styled(faint(), text)
}

fn indented(text: &str, depth: usize, style: Style, lines: &mut Vec<Line>) {
    for text in text.lines() {
        // A tab is harmless, but inside a line it would be written out.
        let text = text.trim_end().replace('\t', "    ");
        lines.push(match text.is_empty() {
            true => Line::new(),
            false => Line::new().plain("  ".repeat(depth)).styled(style, text),
        });
    }
}

fn one_line(text: &str) -> String {
    text.split_whitespace().collect::<Vec<_>>().join(" ")
}

/// As much of a text as a folded line shows.
fn cut(text: &str) -> String {
    match text.char_indices().nth(FOLDED_CHARS_MAX) {
        Some((end, _)) => format!("{}…", &text[..end]),
        None => text.to_owned(),
    }
}

fn faint() -> Style {
    Style::new().dimmed()
}

fn of_role(role: &str) -> Style {
    let style = Style::new().bold();
    match role {
        "user" => style.green(),
        "assistant" => style.cyan(),
        "system" | "developer" => style.yellow(),
        "tool" => style.magenta(),
        _ => style,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shown(block: Block, detail: Detail) -> String {
        let mut lines = Vec::new();
        match detail {
            Detail::Folded => folded(&block, &mut lines),
            Detail::Full => full(&block, &mut lines),
        }
        lines.iter().map(|line| line.text(false) + "\n").collect()
    }

    fn call() -> Block {
        let input = r#"{"file_path":"/w/a.py","content":"import os\nprint(1)","limit":3}"#;
        Block::Call { name: "Write".into(), input: input.into() }
    }

    #[test]
    fn what_is_long_is_folded_to_a_line() {
        let result = |text: &str, failed| Block::Result { text: text.into(), failed };
        let long = "x".repeat(300);
        let cases = [
            (Block::Thinking("Let me\n  see".into()), "  ✻ thinking: Let me see\n".to_owned()),
            (Block::Thinking(String::new()), "  ✻ thinking\n".to_owned()),
            (
                call(),
                "  ▸ Write {\"file_path\":\"/w/a.py\",\"content\":\"import os\\nprint(1)\",\"limit\":3}\n"
                    .to_owned(),
            ),
            (result("first\nsecond\nthird\n", false), "  ◂ result: first (3 lines)\n".to_owned()),
            (result("no such file", true), "  ◂ error: no such file\n".to_owned()),
            (result("", false), "  ◂ result: (nothing)\n".to_owned()),
            (Block::Image, "  [image]\n".to_owned()),
            (Block::Other(long.clone()), format!("  {}…\n", &long[..FOLDED_CHARS_MAX])),
        ];
        for (block, text) in cases {
            assert_eq!(shown(block, Detail::Folded), text);
        }
    }

    #[test]
    fn full_shows_all_of_it() {
        let expected = "  ▸ Write\n    file_path: /w/a.py\n    content:\n      import os\n      print(1)\n    limit: 3\n";
        assert_eq!(shown(call(), Detail::Full), expected);
        let result = Block::Result { text: "first\nsecond".into(), failed: false };
        assert_eq!(shown(result, Detail::Full), "  ◂ result:\n    first\n    second\n");
        assert_eq!(shown(Block::Thinking("a\nb".into()), Detail::Full), "  ✻ thinking:\n    a\n    b\n");
        let other = Block::Other("x".repeat(300));
        assert_eq!(shown(other, Detail::Full), format!("  {}\n", "x".repeat(300)));
    }

    #[test]
    fn text_cannot_pose_as_another_message_nor_command_the_terminal() {
        let text = Block::Text("hello\n#2 system 2026-01-01\r\n\x1b]52;c;ZXZpbA==\x07\u{202e}".into());
        let expected = "  hello\n  #2 system 2026-01-01\n  \\u{1b}]52;c;ZXZpbA==\\u{7}\\u{202e}\n";
        assert_eq!(shown(text, Detail::Folded), expected);
    }
}

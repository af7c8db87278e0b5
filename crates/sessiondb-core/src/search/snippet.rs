//! What is shown of a message that was found.

use std::ops::Range;

use super::Piece;

/// About how much text is shown, in bytes.
const LENGTH: usize = 240;
/// How much of it stands before the first place that was found.
const BEFORE: usize = 60;

/// The stretch of a text that has the most of these places in it, the first such stretch. There is at least one place.
pub(super) fn around(text: &str, found: &[Range<usize>]) -> Vec<Piece> {
    let reach = LENGTH - BEFORE;
    let within = |first: usize| {
        found.partition_point(|place| place.end <= found[first].start + reach).saturating_sub(first)
    };
    // Of stretches with as many the first; a place that is longer than a stretch has none in its own.
    let best = (0..found.len()).map(|first| (within(first), first)).rev().max_by_key(|(most, _)| *most);
    let Some(first) = best.map(|(_, first)| &found[first]) else { return Vec::new() };
    let start = beginning(text, first.start);
    let end = ending(text, (start + LENGTH).max(first.end)).max(first.end);
    let mut pieces = Vec::new();
    let mut add = |text: &str, found| {
        if !text.is_empty() {
            pieces.push(Piece { text: text.to_owned(), found });
        }
    };
    if start > 0 {
        add("…", false);
    }
    let mut at = start;
    for place in found.iter().filter(|place| place.start >= start && place.end <= end) {
        add(&text[at..place.start], false);
        add(&text[place.clone()], true);
        at = place.end;
    }
    add(&text[at..end], false);
    if end < text.len() {
        add("…", false);
    }
    pieces
}

/// Where to begin: so far before, at a space if there is one.
fn beginning(text: &str, at: usize) -> usize {
    if at <= BEFORE {
        return 0;
    }
    let from = text.ceil_char_boundary(at - BEFORE);
    text[from..at].find(char::is_whitespace).map_or(from, |space| text.ceil_char_boundary(from + space + 1))
}

/// Where to end: at the last space before, if there is one not far.
fn ending(text: &str, at: usize) -> usize {
    if at >= text.len() {
        return text.len();
    }
    let at = text.floor_char_boundary(at);
    let near = text.floor_char_boundary(at.saturating_sub(30));
    text[near..at].rfind(char::is_whitespace).map_or(at, |space| near + space)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shown(text: &str, found: &[(usize, usize)]) -> String {
        let found: Vec<Range<usize>> = found.iter().map(|(start, end)| *start..*end).collect();
        let mark = |piece: Piece| if piece.found { format!("[{}]", piece.text) } else { piece.text };
        around(text, &found).into_iter().map(mark).collect()
    }

    #[test]
    fn a_short_text_is_shown_whole() {
        assert_eq!(shown("say hello to all", &[(4, 9)]), "say [hello] to all");
        assert_eq!(shown("hello", &[(0, 5)]), "[hello]");
    }

    #[test]
    fn of_a_long_text_the_stretch_with_the_most_places() {
        let text = format!("one {} two one {}", "x ".repeat(300), "y ".repeat(300));
        let places = [(0, 3), (605, 608), (609, 612)];
        let shown = shown(&text, &places);
        assert!(
            shown.starts_with("…x x") && shown.contains("[two] [one]") && shown.ends_with("y…"),
            "{shown}"
        );
        assert!(shown.len() < LENGTH + 20);
    }

    #[test]
    fn letters_are_never_cut() {
        let text = "数".repeat(400);
        for at in [0, 30, 600, 1_197] {
            let shown = shown(&text, &[(at, at + 3)]);
            assert!(shown.contains("[数]"), "{shown}");
        }
    }

    /// The space in it was taken for a good place to end, and nothing was marked.
    #[test]
    fn what_was_found_is_shown_whole() {
        let text = format!("{} total{}sum {}", "x ".repeat(100), " ".repeat(170), "y".repeat(50));
        let place = (201, 201 + 5 + 170 + 3);
        assert!(shown(&text, &[place]).contains(&format!("[{}]", &text[place.0..place.1])));
    }

    #[test]
    fn a_place_that_is_longer_than_what_is_shown_is_shown() {
        let text = format!("{} b", "a".repeat(500));
        assert_eq!(shown(&text, &[(0, 500)]), format!("[{}]…", "a".repeat(500)));
    }
}

//! Where a history may be cut: not between a tool call and its result.
//!
//! Pure functions over the [`Outline`]s of messages that follow each other in a view. Every engine reads the outlines
//! in its own way and asks here.

use std::{
    borrow::Borrow,
    collections::{HashMap, HashSet},
};

use crate::{Message, limits::CALL_REACH, message::weigh};

/// What of a message matters for where a window may begin and end.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Outline {
    /// The message's number.
    pub seq: u64,
    /// The tool calls that it makes.
    pub opens: Vec<String>,
    /// The tool calls whose results it brings.
    pub closes: Vec<String>,
    /// What it weighs in tokens; see [`Message::weight`].
    pub weight: u64,
}

impl Outline {
    /// The outline of a message of which only so much is known.
    pub fn new(
        seq: u64,
        opens: Vec<String>,
        closes: Vec<String>,
        token_count: Option<u64>,
        bytes: u64,
    ) -> Outline {
        Outline { seq, opens, closes, weight: weigh(token_count, bytes).tokens }
    }
}

impl From<&Message> for Outline {
    fn from(message: &Message) -> Outline {
        Outline {
            seq: message.seq,
            opens: message.opens.clone(),
            closes: message.closes.clone(),
            weight: message.weight().tokens,
        }
    }
}

/// For each place in a run of messages, also the one behind the last, whether beginning there would cut a call from its
/// result.
///
/// A result belongs to the nearest call of its id at or before it that is at most [`CALL_REACH`] messages away. A call
/// whose result lies farther off, or a half without another, stands alone and cuts nothing.
fn cuts<O: Borrow<Outline>>(run: &[O]) -> Vec<bool> {
    let mut opened: HashMap<&str, usize> = HashMap::new();
    // How many pairs begin, less how many end, to be cut from each place on.
    let mut change = vec![0_i64; run.len() + 2];
    for (at, outline) in run.iter().enumerate() {
        let outline = outline.borrow();
        opened.extend(outline.opens.iter().map(|id| (id.as_str(), at)));
        for id in &outline.closes {
            if let Some(&open) = opened.get(id.as_str())
                && at - open <= CALL_REACH
            {
                change[open + 1] += 1;
                change[at + 1] -= 1;
            }
        }
    }
    let mut open = 0;
    let places = change.into_iter().take(run.len() + 1);
    places
        .map(|change| {
            open += change;
            open > 0
        })
        .collect()
}

/// Where a window that shall end with the run's last message begins, when it should begin at `wanted` at the earliest:
/// at the first place from there on that cuts nothing; if there is none before the end, at the last such place before
/// `wanted`, but at most [`CALL_REACH`] messages before it; and if there is none either, at `wanted`.
///
/// The run must hold all that may matter: [`CALL_REACH`] messages before `wanted`, or twice as many if the answer is
/// to lie before it.
pub fn begin<O: Borrow<Outline>>(run: &[O], wanted: usize) -> usize {
    let cuts = cuts(run);
    let last = run.len().saturating_sub(1);
    let later = (wanted..run.len()).find(|place| !cuts[*place]);
    later.or_else(|| before(&cuts, wanted.min(last))).unwrap_or(wanted.min(last))
}

/// Where a window that begins with the run's first message ends, when it should end before `wanted` at the latest: at
/// the last place up to there that cuts nothing; if there is none after the beginning, at the first such place behind
/// `wanted`, but at most [`CALL_REACH`] messages behind it; and if there is none either, at `wanted`.
pub fn end<O: Borrow<Outline>>(run: &[O], wanted: usize) -> usize {
    let cuts = cuts(run);
    let wanted = wanted.min(run.len());
    let earlier = (1..=wanted).rev().find(|place| !cuts[*place]);
    let later = || (wanted..=run.len()).take(CALL_REACH + 1).find(|place| *place > 0 && !cuts[*place]);
    earlier.or_else(later).unwrap_or(wanted)
}

/// The last place at or before `wanted` that cuts nothing, at most [`CALL_REACH`] messages before it.
pub fn cut_before<O: Borrow<Outline>>(run: &[O], wanted: usize) -> Option<usize> {
    before(&cuts(run), wanted)
}

fn before(cuts: &[bool], wanted: usize) -> Option<usize> {
    let wanted = wanted.min(cuts.len() - 1);
    (wanted.saturating_sub(CALL_REACH)..=wanted).rev().find(|place| !cuts[*place])
}

/// Whether the run's messages from `place` on bring a result whose call is not in the run.
pub fn lacks_a_call<O: Borrow<Outline>>(run: &[O], place: usize) -> bool {
    unpaired(run.iter().map(|outline| halves(outline.borrow()))).any(|half| half.result && half.at >= place)
}

/// Whether the run's messages before `place` make a call whose result is not in the run.
pub fn lacks_a_result<O: Borrow<Outline>>(run: &[O], place: usize) -> bool {
    unpaired(run.iter().map(|outline| halves(outline.borrow()))).any(|half| !half.result && half.at < place)
}

/// The calls without a result and the results without a call among these messages, in their order, each once.
pub fn unpaired_calls(messages: &[Message]) -> Vec<String> {
    let mut seen = HashSet::new();
    let halves = unpaired(messages.iter().map(|m| (m.opens.as_slice(), m.closes.as_slice())));
    halves.map(|half| half.id).filter(|id| seen.insert(*id)).map(str::to_owned).collect()
}

fn halves(outline: &Outline) -> (&[String], &[String]) {
    (&outline.opens, &outline.closes)
}

/// One half of a call, without the other.
pub(crate) struct Half<'a> {
    pub id: &'a str,
    /// Which message.
    pub at: usize,
    /// Whether it is the result.
    pub result: bool,
}

/// The halves that are alone in a run, in its order. A result answers the nearest call of its id at or before it.
pub(crate) fn unpaired<'a>(
    run: impl Iterator<Item = (&'a [String], &'a [String])>,
) -> impl Iterator<Item = Half<'a>> {
    // Where each id was last opened, and whether that call was answered.
    let (mut opened, mut alone) = (HashMap::<&str, (usize, bool)>::new(), Vec::new());
    let without_result =
        |id, (at, answered): (usize, bool)| (!answered).then_some(Half { id, at, result: false });
    for (at, (opens, closes)) in run.enumerate() {
        for id in opens {
            // An id that is used again before its result came leaves the earlier call without one.
            let before = opened.insert(id, (at, false));
            alone.extend(before.and_then(|before| without_result(id.as_str(), before)));
        }
        for id in closes {
            match opened.get_mut(id.as_str()) {
                Some((_, answered)) => *answered = true,
                None => alone.push(Half { id, at, result: true }),
            }
        }
    }
    alone.extend(opened.into_iter().filter_map(|(id, call)| without_result(id, call)));
    alone.sort_by(|a, b| (a.at, a.result, a.id).cmp(&(b.at, b.result, b.id)));
    alone.into_iter()
}

#[cfg(test)]
mod tests {
    use super::*;

    /// `a` opens a, `A` closes it; a digit is a message of so many tokens that does neither.
    fn run(text: &str) -> Vec<Outline> {
        let outline = |(seq, word): (u64, &str)| {
            let ids = |wanted: fn(&char) -> bool| -> Vec<String> {
                word.chars().filter(wanted).map(|c| c.to_ascii_lowercase().to_string()).collect()
            };
            let (opens, closes) = (ids(char::is_ascii_lowercase), ids(char::is_ascii_uppercase));
            Outline { seq, opens, closes, weight: 1 }
        };
        (1..).zip(text.split(' ').filter(|word| !word.is_empty())).map(outline).collect()
    }

    fn cut_places(text: &str) -> String {
        cuts(&run(text)).iter().map(|cut| if *cut { 'x' } else { '.' }).collect()
    }

    #[test]
    fn a_cut_is_between_a_call_and_its_results() {
        assert_eq!(cut_places(""), ".");
        assert_eq!(cut_places("- a A -"), "..x..");
        assert_eq!(cut_places("ab - B A -"), ".xxx..");
        assert_eq!(cut_places("a A A"), ".xx.", "a call may have several results");
        assert_eq!(cut_places("a A a A"), ".x.x.", "an id may be used again");
        assert_eq!(cut_places("aA -"), "...", "both in one message");
        assert_eq!(cut_places("A a - B"), ".....", "halves without another cut nothing");
    }

    #[test]
    fn a_result_too_far_off_stands_alone() {
        let near = format!("a {}A", "- ".repeat(CALL_REACH - 1));
        assert!(cuts(&run(&near))[1]);
        let far = format!("a {}A", "- ".repeat(CALL_REACH));
        assert!(!cuts(&run(&far)).contains(&true));
    }

    #[test]
    fn a_window_begins_and_ends_where_nothing_is_cut() {
        let text = "- ab - A B - -";
        let begins = |wanted| begin(&run(text), wanted);
        assert_eq!((0..=7).map(begins).collect::<Vec<_>>(), [0, 1, 5, 5, 5, 5, 6, 6]);
        // Without a place behind, the window grows towards the front.
        assert_eq!(begin(&run("- ab - A B"), 4), 1);
        assert_eq!(begin(&run("a A"), 1), 0);
        assert_eq!(begin(&run(""), 0), 0);
        let ends = |wanted| end(&run(text), wanted);
        assert_eq!((0..=7).map(ends).collect::<Vec<_>>(), [1, 1, 1, 1, 1, 5, 6, 7]);
        assert_eq!(end(&run("ab A B -"), 1), 3, "the smallest that cuts nothing is longer than was wanted");
        assert_eq!(cut_before(&run(text), 4), Some(1));
        assert_eq!(cut_before(&run(text), 6), Some(6));
    }

    #[test]
    fn halves_alone_are_named() {
        let alone = |text: &str| -> String {
            let run = run(text);
            let named = unpaired(run.iter().map(halves));
            named
                .map(|half| format!("{}{}{} ", half.at, half.id, if half.result { "!" } else { "?" }))
                .collect()
        };
        assert_eq!(alone("a A b B"), "");
        assert_eq!(alone("A a"), "0a! 1a? ");
        assert_eq!(alone("a a A"), "0a? ");
        assert_eq!(alone("ab A A C"), "0b? 3c! ");
        assert!(lacks_a_call(&run("A -"), 0) && !lacks_a_call(&run("A a"), 1));
        assert!(lacks_a_result(&run("a"), 1) && !lacks_a_result(&run("A a"), 1));
    }
}

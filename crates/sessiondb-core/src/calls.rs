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
/// A call is answered once: by the first result of its id at or after it, before the id is used again, and at most
/// [`CALL_REACH`] messages away. Every other half stands alone and cuts nothing.
fn cuts<O: Borrow<Outline>>(run: &[O]) -> Vec<bool> {
    // How many pairs begin, less how many end, to be cut from each place on.
    let mut change = vec![0_i64; run.len() + 2];
    let mut calls = Calls::default();
    for (at, outline) in run.iter().enumerate() {
        let outline = outline.borrow();
        outline.opens.iter().for_each(|id| _ = calls.open(id, at));
        for id in &outline.closes {
            if let Some(open) = calls.close(id)
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

/// Where each id was last opened, while that call has no answer.
#[derive(Default)]
struct Calls<'a>(HashMap<&'a str, usize>);

impl<'a> Calls<'a> {
    /// A call is made. Answers where one of its id was made that has no answer, and now never will.
    fn open(&mut self, id: &'a str, at: usize) -> Option<usize> {
        self.0.insert(id, at)
    }

    /// A result comes. Answers where its call was made.
    fn close(&mut self, id: &str) -> Option<usize> {
        self.0.remove(id)
    }
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

/// Whether the run's messages from `place` on bring a result whose call may lie before the run.
pub fn lacks_a_call<O: Borrow<Outline>>(run: &[O], place: usize) -> bool {
    let mut opened = HashSet::new();
    run.iter().enumerate().any(|(at, outline)| {
        let outline = outline.borrow();
        opened.extend(outline.opens.iter().map(String::as_str));
        at >= place && outline.closes.iter().any(|id| !opened.contains(id.as_str()))
    })
}

/// Whether the run's messages before `place` make a call whose result may lie behind the run.
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

/// The halves that are alone in a run, in its order.
pub(crate) fn unpaired<'a>(
    run: impl Iterator<Item = (&'a [String], &'a [String])>,
) -> impl Iterator<Item = Half<'a>> {
    let (mut calls, mut alone) = (Calls::default(), Vec::new());
    for (at, (opens, closes)) in run.enumerate() {
        for id in opens {
            alone.extend(calls.open(id, at).map(|at| Half { id, at, result: false }));
        }
        for id in closes {
            if calls.close(id).is_none() {
                alone.push(Half { id, at, result: true });
            }
        }
    }
    alone.extend(calls.0.into_iter().map(|(id, at)| Half { id, at, result: false }));
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
        assert_eq!(cut_places("a A A"), ".x..", "a call is answered once");
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
        assert_eq!(
            end(&run(&format!("a {}A -", "- ".repeat(CALL_REACH - 1))), 1),
            CALL_REACH + 1,
            "just in reach"
        );
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
        assert_eq!(alone("ab A A C"), "0b? 2a! 3c! ");
        assert!(lacks_a_call(&run("A -"), 0) && !lacks_a_call(&run("A a"), 1));
        assert!(lacks_a_result(&run("a"), 1) && !lacks_a_result(&run("A a"), 1));
    }
}

//! [`Thread`]: what the earlier lines of a rollout say about those that follow.
//!
//! Three things cannot be seen in a line alone. Which of the two twins of a message counts, is said by the first
//! line. How many tokens a line adds, is the difference to the one before. And whose they are, depends on where one
//! stands: the file of a fork or a sub-agent may begin with a copy of its parent's history, in which the times were
//! written anew and the tokens are the parent's.

use serde::{Deserialize, Serialize};
use sessiondb::{Json, Time, limits};
use xxhash_rust::xxh3::xxh3_128;

use crate::{format::Usage, members::Members, original::Line};

/// A larger count of tokens is a mistake and counts as none. So no file of a size that exists exceeds the 63 bits of
/// the session's sum, which would make the rest of it impossible to import.
const TOKENS_MAX: u64 = 1_000_000_000_000;
/// A turn without an id that begins so long after the first line is not of the history that was copied with it.
const COPY_MILLIS_MAX: i64 = 2000;
/// How many messages of one moment are told apart.
const TWINS_MAX: usize = 100;

/// What is known of a thread.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(default)]
pub(crate) struct Thread {
    /// The id in the first `session_meta`; those of other threads stand in histories that were copied.
    id: Option<String>,
    /// When the thread began, in milliseconds.
    began_ms: Option<i64>,
    /// When the first line was written, in milliseconds.
    opened_ms: Option<i64>,
    paginated: bool,
    /// Whether the present line is of another thread's history.
    inherited: bool,
    /// The ordinal of the first line that is not, where the file says it.
    own_from: Option<u64>,
    /// The tokens of the whole thread, as it was last said.
    total: Option<Tokens>,
    /// The tokens of the last `token_count` that counted.
    counted: Option<Tokens>,
    /// Whether the file counts each response by itself.
    by_response: bool,
    /// The last time of a message.
    moment: Option<Time>,
    /// The messages of that moment, by their hashes.
    twins: Vec<String>,
}

/// Counts of tokens. The cached ones are part of the input, the reasoning is part of the output.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
struct Tokens {
    input: u64,
    cached: u64,
    output: u64,
    reasoning: u64,
}

impl Thread {
    /// Whether its messages are the items of its turns.
    pub fn is_paginated(&self) -> bool {
        self.paginated
    }

    /// Whether the present line is of another thread's history.
    pub fn is_inherited(&self) -> bool {
        self.inherited
    }

    /// Notes the first record.
    pub fn begin(&mut self, id: &str, at: Option<Time>) {
        if self.id.is_none() && id.len() <= limits::ID_BYTES_MAX {
            let at = at.map(|at| at.timestamp_millis());
            (self.id, self.opened_ms) = (Some(id.to_owned()), at);
            self.began_ms = uuid_millis(id).or(at);
        }
    }

    /// Notes what a record says about itself and those behind it.
    pub fn pass(
        &mut self,
        envelope: &str,
        part: Option<&str>,
        record: &Members<'_>,
        payload: &Members<'_>,
        at: Option<Time>,
    ) {
        match (envelope, part) {
            ("session_meta", _) => self.meta(payload, at),
            ("turn_context", _) | ("event_msg", Some("task_started")) if self.inherited => {
                self.inherited = !self.is_own_turn(payload, at);
            }
            _ => {}
        }
        if envelope != "session_meta"
            && let (Some(own_from), Some(ordinal)) = (self.own_from, number(record.get("ordinal")))
        {
            self.inherited = ordinal < own_from;
        }
    }

    fn meta(&mut self, payload: &Members<'_>, at: Option<Time>) {
        let id = payload.string("id").unwrap_or_default();
        if self.id.is_none() {
            self.begin(&id, at);
            self.paginated = payload.string("history_mode").as_deref() == Some("paginated");
            self.own_from = number(payload.get("subagent_history_start_ordinal"));
        }
        self.inherited = self.id.as_ref().is_some_and(|own| *own != id);
    }

    /// Whether a turn is the thread's own. A turn's id tells when it began, like the thread's, and of a copied turn
    /// that is before the thread began; the times of the lines are those of the copy.
    fn is_own_turn(&self, payload: &Members<'_>, at: Option<Time>) -> bool {
        let Some(began) = self.began_ms else { return true };
        let turn = payload.string("turn_id");
        if let Some(turn) = turn.as_deref().and_then(uuid_millis) {
            return turn >= began;
        }
        let started = payload.get("started_at").and_then(|at| at.parse::<f64>().ok());
        if let Some(started) = started {
            return started.floor() >= (began / 1000) as f64;
        }
        // Old versions name neither; a human takes longer to type than a history to be copied.
        let waited = at.map(|at| at.timestamp_millis()).zip(self.opened_ms).map(|(at, opened)| at - opened);
        turn.is_none() && waited.is_none_or(|waited| waited >= COPY_MILLIS_MAX)
    }

    /// What a `token_count` adds. Codex writes the last one again whenever something else about it changes, and in a
    /// fork it goes on counting where the copied history left off.
    pub fn token_count(&mut self, payload: &Members<'_>) -> Option<Usage> {
        let info = payload.object("info")?;
        let counts = |name| info.get(name).filter(|counts| Members::of(counts).is_some());
        let (total, last) = (counts("total_token_usage").map(Tokens::of), counts("last_token_usage"));
        let known = total.and_then(|total| self.total.replace(total));
        let added =
            last.map_or_else(|| total.map(|total| total.beyond(known)), |last| Some(Tokens::of(last)))?;
        let is_repeat = if total.is_some() { known == total } else { self.counted == Some(added) };
        if is_repeat || self.inherited || self.by_response || added.sum() == 0 {
            return None;
        }
        self.counted = Some(added);
        // Where there is no sum, the answer's own counts must tell it from others.
        let id = total.map_or_else(|| added.id("last"), |total| total.id("total"));
        let body = match last {
            Some(last) => Json::parse(last).ok()?,
            None => added.json()?,
        };
        Some(Usage { id, body, tokens: added.sum() })
    }

    /// What a `token_usage_record` adds. A file that has these has the same tokens in `token_count` too, so from the
    /// first one on only these count.
    pub fn response_usage(&mut self, payload: &Members<'_>) -> Option<Usage> {
        let thread = payload.string("thread_id");
        if self.inherited || thread.is_some_and(|thread| self.id.as_ref().is_some_and(|own| *own != thread)) {
            return None;
        }
        let body = payload.get("usage").filter(|usage| Members::of(usage).is_some())?;
        let added = Tokens::of(body);
        let is_first = !std::mem::replace(&mut self.by_response, true);
        if is_first && self.counted == Some(added) || added.sum() == 0 {
            return None;
        }
        let response = payload.string("response_id")?;
        let id = format!("response:{response}");
        let is_good = id.len() <= limits::ID_BYTES_MAX && !id.contains('\0');
        let id = if is_good { id } else { format!("response:xxh3:{:032x}", xxh3_128(response.as_bytes())) };
        Some(Usage { id, body: Json::parse(body).ok()?, tokens: added.sum() })
    }

    /// The id of a message: a hash of its record, since not all have an id of their own. Of records that are the same
    /// to the microsecond, as in a history that was copied, it has their number; and where records have no time, that
    /// of the line.
    pub fn message_id(&mut self, at: Option<Time>, line: &Line) -> String {
        let hash = format!("{:032x}", xxh3_128(line.value.get().as_bytes()));
        if at.is_none() {
            return format!("{hash}-{}", line.number);
        }
        if self.moment != at {
            self.moment = at;
            self.twins.clear();
        }
        let number = self.twins.iter().filter(|twin| **twin == hash).count();
        let id = if number == 0 { hash.clone() } else { format!("{hash}-{}", number + 1) };
        if self.twins.len() < TWINS_MAX {
            self.twins.push(hash);
        }
        id
    }
}

/// The tokens that a usage counts.
pub(crate) fn tokens(usage: &str) -> u64 {
    Tokens::of(usage).sum()
}

impl Tokens {
    fn of(usage: &str) -> Tokens {
        let Some(usage) = Members::of(usage) else { return Tokens::default() };
        let count = |name| number(usage.get(name)).filter(|count| *count <= TOKENS_MAX).unwrap_or(0);
        Tokens {
            input: count("input_tokens"),
            cached: count("cached_input_tokens"),
            output: count("output_tokens"),
            reasoning: count("reasoning_output_tokens"),
        }
    }

    fn sum(self) -> u64 {
        self.input + self.output
    }

    /// What these count beyond the ones before; all of it, if there are none or counting began anew.
    fn beyond(self, before: Option<Tokens>) -> Tokens {
        let before = before.filter(|before| before.input <= self.input && before.output <= self.output);
        let before = before.unwrap_or_default();
        Tokens {
            input: self.input - before.input,
            cached: self.cached.saturating_sub(before.cached),
            output: self.output - before.output,
            reasoning: self.reasoning.saturating_sub(before.reasoning),
        }
    }

    fn id(self, kind: &str) -> String {
        let Tokens { input, cached, output, reasoning } = self;
        format!("{kind}:{input}/{cached}/{output}/{reasoning}")
    }

    fn json(self) -> Option<Json> {
        let Tokens { input, cached, output, reasoning } = self;
        let members = [
            ("input_tokens", input),
            ("cached_input_tokens", cached),
            ("output_tokens", output),
            ("reasoning_output_tokens", reasoning),
        ];
        Json::from_value(&std::collections::BTreeMap::from(members)).ok()
    }
}

fn number(value: Option<&str>) -> Option<u64> {
    value?.parse().ok()
}

/// When an id was made, if it is a UUID of version 7.
fn uuid_millis(id: &str) -> Option<i64> {
    let bytes = id.as_bytes();
    let is_uuid =
        bytes.len() == 36 && [8, 13, 18, 23].into_iter().all(|at| bytes[at] == b'-') && bytes[14] == b'7';
    let (high, low) = (id.get(..8)?, id.get(9..13)?);
    i64::from_str_radix(&format!("{high}{low}"), 16).ok().filter(|millis| is_uuid && *millis >= 0)
}

#[cfg(test)]
mod tests {
    use super::*;

    const PARENT: &str = "019b0000-0000-7000-8000-000000000001";
    const CHILD: &str = "019b1111-0000-7000-8000-000000000002";
    const BEFORE: &str = "019b0500-0000-7000-8000-000000000003";
    const AFTER: &str = "019b1111-0001-7000-8000-000000000004";

    /// What the usage of each of these records counts.
    fn counted(records: &[String]) -> Vec<Option<u64>> {
        let mut thread = Thread::default();
        records.iter().map(|record| pass(&mut thread, record).map(|usage| usage.tokens)).collect()
    }

    fn pass(thread: &mut Thread, record: &str) -> Option<Usage> {
        let record = Members::of(record).unwrap();
        let (envelope, payload) = (record.string("type").unwrap(), record.object("payload").unwrap());
        let (part, at) = (payload.string("type"), record.time("timestamp").unwrap());
        thread.pass(&envelope, part.as_deref(), &record, &payload, at);
        match part.as_deref() {
            Some("token_count") => thread.token_count(&payload),
            _ if envelope == "token_usage_record" => thread.response_usage(&payload),
            _ => None,
        }
    }

    fn meta(id: &str, rest: &str) -> String {
        format!(
            r#"{{"timestamp":"2026-01-01T00:00:00Z","type":"session_meta","payload":{{"id":"{id}"{rest}}}}}"#
        )
    }

    fn turn(rest: &str) -> String {
        format!(r#"{{"timestamp":"2026-01-01T00:00:01Z","type":"turn_context","payload":{{{rest}}}}}"#)
    }

    fn count(total: &str, last: &str) -> String {
        let tokens = |counts: &str| match counts.split_once('+') {
            Some((input, output)) => format!(r#"{{"input_tokens":{input},"output_tokens":{output}}}"#),
            None => "null".to_owned(),
        };
        let info =
            format!(r#"{{"total_token_usage":{},"last_token_usage":{}}}"#, tokens(total), tokens(last));
        format!(r#"{{"type":"event_msg","payload":{{"type":"token_count","info":{info}}}}}"#)
    }

    fn response(id: &str, input: u64, rest: &str) -> String {
        format!(
            r#"{{"type":"token_usage_record","payload":{{"response_id":"{id}","usage":{{"input_tokens":{input}}}{rest}}}}}"#
        )
    }

    #[test]
    fn a_sum_that_is_said_again_adds_nothing() {
        let records =
            [count("100+5", "100+5"), count("100+5", "100+5"), count("150+6", "50+1"), count("x", "x")];
        assert_eq!(counted(&records), [Some(105), None, Some(51), None]);
    }

    #[test]
    fn without_the_last_usage_the_difference_of_the_sums_counts_and_a_new_beginning_counts_whole() {
        let records = [count("100+5", "x"), count("130+5", "x"), count("20+1", "x"), count("30+1", "x")];
        assert_eq!(counted(&records), [Some(105), Some(30), Some(21), Some(10)]);
        let records = [count("x", "7+1"), count("x", "7+1"), count("x", "8+1")];
        assert_eq!(counted(&records), [Some(8), None, Some(9)]);
    }

    #[test]
    fn where_responses_are_counted_the_sums_are_not() {
        let records = [
            count("100+0", "100+0"),
            response("a", 100, ""),
            count("100+0", "100+0"),
            response("b", 20, ""),
            count("120+0", "20+0"),
        ];
        assert_eq!(counted(&records), [Some(100), None, None, Some(20), None]);
        let records = [count("100+0", "100+0"), response("a", 40, "")];
        assert_eq!(counted(&records), [Some(100), Some(40)]);
        let records = [meta(CHILD, ""), response("b", 2, r#","thread_id":"other""#)];
        assert_eq!(counted(&records), [None, None]);
    }

    #[test]
    fn a_count_beyond_all_reason_is_none() {
        assert_eq!(tokens(r#"{"input_tokens":9223372036854775807,"output_tokens":3}"#), 3);
        assert_eq!(tokens(r#"{"input_tokens":-1,"output_tokens":1.5,"total_tokens":7}"#), 0);
        assert_eq!(tokens("[]"), 0);
    }

    #[test]
    fn the_tokens_of_a_copied_history_are_the_parents() {
        for (before, after) in [
            (format!(r#""turn_id":"{BEFORE}""#), format!(r#""turn_id":"{AFTER}""#)),
            (
                r#""turn_id":"4","started_at":1700000000"#.into(),
                r#""turn_id":"5","started_at":1900000000"#.into(),
            ),
        ] {
            let records = [
                meta(CHILD, ""),
                meta(PARENT, ""),
                turn(&before),
                count("100+0", "100+0"),
                response("a", 100, ""),
                meta("019b0000-0000-7000-8000-00000000000f", ""),
                turn(&before),
                count("150+0", "50+0"),
                turn(&after),
                count("157+0", "7+0"),
                turn(&before),
                count("158+0", "1+0"),
            ];
            let counted: Vec<_> = counted(&records).into_iter().flatten().collect();
            assert_eq!(counted, [7, 1], "{before}");
        }
    }

    #[test]
    fn a_turn_without_an_id_is_copied_if_it_follows_at_once() {
        let at = |time: &str| format!(r#"{{"timestamp":"{time}","type":"turn_context","payload":{{}}}}"#);
        let history = [meta(CHILD, ""), meta(PARENT, ""), at("2026-01-01T00:00:01.9Z"), count("9+0", "9+0")];
        assert_eq!(counted(&history)[3], None);
        let own = [at("2026-01-01T00:00:02Z"), count("10+0", "1+0")];
        assert_eq!(counted(&[&history[..], &own].concat()).last(), Some(&Some(1)));
    }

    #[test]
    fn a_thread_that_says_where_its_own_history_begins_is_believed() {
        let with =
            |ordinal: u64, record: String| record.replacen('{', &format!("{{\"ordinal\":{ordinal},"), 1);
        let records = [
            with(0, meta(CHILD, r#","history_mode":"paginated","subagent_history_start_ordinal":3"#)),
            with(1, turn(&format!(r#""turn_id":"{AFTER}""#))),
            with(2, count("9+0", "9+0")),
            with(3, count("10+0", "1+0")),
        ];
        assert_eq!(counted(&records), [None, None, None, Some(1)]);
    }

    #[test]
    fn the_first_record_says_which_thread_it_is() {
        let mut thread = Thread::default();
        for (record, inherited) in
            [(meta(CHILD, ""), false), (meta(PARENT, ""), true), (meta(CHILD, ""), false)]
        {
            pass(&mut thread, &record);
            assert_eq!((thread.is_inherited(), thread.is_paginated()), (inherited, false));
        }
        pass(&mut thread, &meta(PARENT, r#","history_mode":"paginated""#));
        assert!(!thread.is_paginated());
    }

    #[test]
    fn an_id_tells_its_time_if_it_is_of_version_7() {
        assert_eq!(uuid_millis("019b04ae-b1c6-7c72-a134-a4c2de66058c"), Some(0x019b_04ae_b1c6));
        for other in ["", "019b04ae-b1c6-4c72-a134-a4c2de66058c", "019b04ae_b1c6-7c72-a134-a4c2de66058c", "é"]
        {
            assert_eq!(uuid_millis(other), None, "{other}");
        }
    }
}

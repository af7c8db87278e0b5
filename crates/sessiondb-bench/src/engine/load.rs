//! What every candidate is given alike: the sessions, the messages, and which message goes to which session. The program
//! on sqlx is built with this very file, so it uses nothing but the standard library.

/// Sessions in the store that is appended to and read from.
pub(super) const SESSIONS: u64 = 10_000;
/// Agents that they belong to.
pub(super) const AGENTS: u64 = 100;
/// Sessions that are live at a time when messages come in bursts.
const LIVE: u64 = 200;
/// Messages that a live session gets, about, before another takes its place.
const BURST: u64 = 40;
/// Bytes of a message's content: a JSON list of one block of text.
pub(super) const CONTENT_BYTES: usize = 400;
/// Contents that differ; messages take them in turn.
pub(super) const CONTENTS: u64 = 1_024;

/// How messages come.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Arrivals {
    /// As in life: 200 sessions live at a time, each for about 40 messages of its own, then another of the 10,000.
    Bursty,
    /// Each message to any of the 10,000 sessions, which no cache likes.
    Uniform,
}

impl Arrivals {
    pub fn name(self) -> &'static str {
        match self {
            Arrivals::Bursty => "bursty",
            Arrivals::Uniform => "uniform",
        }
    }

    /// Which session gets the `n`th message. A function of the seed and the number alone, so that callers share no
    /// state but a counter, and every candidate gets the same.
    pub fn session(self, seed: u64, n: u64) -> u64 {
        let of_message = mix(seed ^ mix(n));
        match self {
            Arrivals::Uniform => of_message % SESSIONS,
            Arrivals::Bursty => {
                // Live sessions leave one after the other and not all at once.
                let place = of_message % LIVE;
                let generation = (n + place * BURST) / (LIVE * BURST);
                mix(seed ^ mix((place << 32) | generation)) % SESSIONS
            }
        }
    }
}

/// The five parts of the `n`th session's key.
pub(super) fn key(n: u64) -> [String; 5] {
    [agent(n), "discord".into(), "bot-1".into(), "dm".into(), format!("peer-{n:07}")]
}

/// The agent of the `n`th session.
pub(super) fn agent(n: u64) -> String {
    format!("agent-{:02}", n % AGENTS)
}

/// The content of the `n`th message, as JSON.
pub(super) fn content(n: u64) -> String {
    let start = format!(r#"[{{"type":"text","text":"message {}: "#, n % CONTENTS);
    let words = "what was said, and what came of it. ".chars().cycle();
    let text: String = words.take(CONTENT_BYTES - start.len() - 3).collect();
    format!(r#"{start}{text}"}}]"#)
}

/// Spreads a number over all 64 bits (splitmix64).
pub(super) fn mix(n: u64) -> u64 {
    let z = n.wrapping_add(0x9E37_79B9_7F4A_7C15);
    let z = (z ^ (z >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
    let z = (z ^ (z >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
    z ^ (z >> 31)
}

#[cfg(test)]
mod tests {
    use std::collections::{HashMap, HashSet};

    use super::*;

    #[test]
    fn bursts_are_of_about_40_messages_to_200_sessions_at_a_time() {
        let sessions: Vec<u64> = (0..80_000).map(|n| Arrivals::Bursty.session(1, n)).collect();
        for stretch in sessions.chunks(1_000) {
            let live = stretch.iter().collect::<HashSet<_>>().len();
            assert!((180..=250).contains(&live), "{live} sessions in 1,000 messages");
        }
        let mut counts: HashMap<u64, u64> = HashMap::new();
        sessions.iter().for_each(|session| *counts.entry(*session).or_default() += 1);
        let mean = sessions.len() / counts.len();
        assert!((36..=48).contains(&mean), "{mean} messages a session");
    }

    #[test]
    fn contents_are_json_of_400_bytes_whatever_their_number() {
        for n in [0, 9, 10, 99, 100, CONTENTS - 1, CONTENTS] {
            let content = content(n);
            assert_eq!(content.len(), CONTENT_BYTES);
            assert!(
                content.starts_with(r#"[{"type":"text","text":"message "#) && content.ends_with(r#""}]"#)
            );
        }
        assert_eq!(content(0), content(CONTENTS));
    }
}

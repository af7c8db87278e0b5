//! [`Facts`]: what the records of a file say about the session, for its metadata.

use serde::{Deserialize, Serialize};
use sessiondb::{Json, Result};

/// Longest title, in characters.
const TITLE_CHARS_MAX: usize = 80;
/// Longest text of another fact, in bytes: the longest path of the usual systems. What is longer is not noted.
const FACT_BYTES_MAX: usize = 4096;

/// What is known about a session. A member that is not known is not in its metadata.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub(crate) struct Facts {
    #[serde(default, skip_serializing_if = "Option::is_none")]
    title: Option<Title>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    cwd: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    git_branch: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    version: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    origin: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    parent: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    forked_from: Option<String>,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
struct Title {
    origin: TitleOrigin,
    text: String,
}

/// Where a title comes from: each is preferred to those before it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum TitleOrigin {
    /// The first thing that the human said in a history that this session began with.
    Inherited,
    /// The first thing that the human said.
    Text,
    /// A summary that the agent made.
    Summary,
    /// A title that the agent made.
    Agent,
    /// A title that the human gave.
    Human,
}

impl Facts {
    /// Notes a title, in one line and cut to size. An empty text is none.
    pub fn title(&mut self, origin: TitleOrigin, text: Option<String>) {
        let words = text.unwrap_or_default();
        let words: Vec<&str> = words.split_whitespace().collect();
        let text: String = words.join(" ").chars().take(TITLE_CHARS_MAX).collect();
        let replaces = |old: &Title| match origin {
            TitleOrigin::Inherited => false,
            TitleOrigin::Text => old.origin < origin,
            _ => origin >= old.origin,
        };
        if !text.is_empty() && self.title.as_ref().is_none_or(replaces) {
            self.title = Some(Title { origin, text: text.trim_end().to_owned() });
        }
    }

    /// Notes the directory that the agent works in.
    pub fn cwd(&mut self, cwd: Option<String>) {
        note(&mut self.cwd, cwd);
    }

    /// Notes the branch that is checked out there.
    pub fn git_branch(&mut self, branch: Option<String>) {
        note(&mut self.git_branch, branch);
    }

    /// Notes the agent's version.
    pub fn version(&mut self, version: Option<String>) {
        note(&mut self.version, version);
    }

    /// Notes by what the session was begun, in the agent's own word.
    pub fn origin(&mut self, origin: Option<String>) {
        note(&mut self.origin, origin);
    }

    /// Notes the id of the session that began this one for a part of its work.
    pub fn parent(&mut self, parent: Option<String>) {
        note(&mut self.parent, parent);
    }

    /// Notes the id of the session whose history this one goes on from.
    pub fn forked_from(&mut self, other: Option<String>) {
        note(&mut self.forked_from, other);
    }

    /// Notes what a later record says.
    pub fn learn(&mut self, later: Facts) {
        if let Some(Title { origin, text }) = later.title {
            self.title(origin, Some(text));
        }
        self.cwd(later.cwd);
        self.git_branch(later.git_branch);
        self.version(later.version);
        self.origin(later.origin);
        self.parent(later.parent);
        self.forked_from(later.forked_from);
    }

    /// The merge patch that brings a session's metadata from the facts `before`, or from none, to these; `None` if
    /// they say the same. What a user changed meanwhile is not touched until the transcript has something new.
    pub fn patch(&self, before: Option<&Facts>, source: &str) -> Result<Option<Json>> {
        let mut patch = serde_json::Map::new();
        if before.is_none() {
            patch.insert("source".into(), source.into());
        }
        let known = before.map(Facts::members).unwrap_or_default();
        for ((name, value), (_, known)) in self.members().into_iter().zip(known) {
            if let Some(value) = value
                && Some(value) != known
            {
                patch.insert(name.into(), value.into());
            }
        }
        if patch.is_empty() { Ok(None) } else { Json::from_value(&patch).map(Some) }
    }

    fn members(&self) -> [(&'static str, Option<&str>); 7] {
        [
            ("title", self.title.as_ref().map(|title| title.text.as_str())),
            ("cwd", self.cwd.as_deref()),
            ("git_branch", self.git_branch.as_deref()),
            ("version", self.version.as_deref()),
            ("origin", self.origin.as_deref()),
            ("parent", self.parent.as_deref()),
            ("forked_from", self.forked_from.as_deref()),
        ]
    }
}

fn note(fact: &mut Option<String>, said: Option<String>) {
    if let Some(said) = said.filter(|said| !said.is_empty() && said.len() <= FACT_BYTES_MAX) {
        *fact = Some(said);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn titled(titles: &[(TitleOrigin, &str)]) -> Option<String> {
        let mut facts = Facts::default();
        for (origin, text) in titles {
            let mut record = Facts::default();
            record.title(*origin, Some((*text).to_owned()));
            facts.learn(record);
        }
        facts.title.map(|title| title.text)
    }

    #[test]
    fn the_better_title_stays_and_of_equals_the_later_but_of_texts_the_first() {
        use TitleOrigin::{Agent, Human, Inherited, Summary, Text};
        let of = |titles: &[(TitleOrigin, &str)]| titled(titles).unwrap();
        assert_eq!(of(&[(Text, "first"), (Text, "second")]), "first");
        assert_eq!(of(&[(Inherited, "i1"), (Inherited, "i2"), (Text, "t1"), (Text, "t2")]), "t1");
        assert_eq!(of(&[(Text, "t"), (Inherited, "i")]), "t");
        assert_eq!(of(&[(Summary, "s"), (Text, "t")]), "s");
        assert_eq!(of(&[(Agent, "a1"), (Summary, "s"), (Agent, "a2"), (Agent, "  ")]), "a2");
        assert_eq!(of(&[(Human, "h"), (Agent, "a")]), "h");
        assert_eq!(titled(&[(Human, " \n ")]), None);
    }

    #[test]
    fn a_title_is_one_line_of_eighty_characters() {
        let title = titled(&[(TitleOrigin::Text, &format!(" a\n\tb {}", "é".repeat(200)))]).unwrap();
        assert!(title.starts_with("a b é"), "{title}");
        assert_eq!(title.chars().count(), 80);
    }

    #[test]
    fn a_patch_has_what_is_new_and_nothing_unknown() {
        let mut facts = Facts::default();
        facts.cwd(Some("/w".into()));
        facts.git_branch(Some(String::new()));
        let patch: serde_json::Value = facts.patch(None, "x").unwrap().unwrap().read().unwrap();
        assert_eq!(patch, serde_json::json!({"source": "x", "cwd": "/w"}));
        assert_eq!(facts.patch(Some(&facts), "x").unwrap(), None);
        let before = facts.clone();
        facts.version(Some("2".into()));
        facts.cwd(Some("x".repeat(5000)));
        assert_eq!(facts.patch(Some(&before), "x").unwrap().unwrap().get(), r#"{"version":"2"}"#);
    }
}

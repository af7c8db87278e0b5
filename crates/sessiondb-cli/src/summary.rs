//! [`Summary`]: what came of all files of an import together.

use std::collections::BTreeMap;

use sessiondb_import::{BadLine, ImportError, Sessions, Source, Variant, Verdict};

use crate::{
    exit::{Exit, Failure},
    output::{Line, Output},
};

/// How many types of records the summary names.
const RECORD_TYPES_MAX: usize = 12;

/// What came of all files together.
#[derive(Default)]
pub struct Summary {
    sessions: Sessions,
    messages: u64,
    records: BTreeMap<String, u64>,
    duplicates: u64,
    bad_lines: u64,
    torn: u64,
    /// Files in the directories that are no transcripts.
    pub passed_over: u64,
    failed: u64,
}

impl Summary {
    /// Adds a file, and names its bad lines.
    pub fn count(&mut self, source: &Source, verdict: &Verdict, out: &Output) {
        self.sessions += verdict.sessions;
        self.messages += verdict.messages;
        self.duplicates += verdict.duplicates;
        self.bad_lines += verdict.bad_lines.len() as u64;
        self.torn += u64::from(verdict.torn_bytes > 0);
        for (kind, count) in &verdict.records {
            *self.records.entry(kind.clone()).or_default() += count;
        }
        for BadLine { line, reason } in &verdict.bad_lines {
            out.complain(&Line::new().plain(format!("{}:{line}: {reason}", source.path.display())));
        }
        for Variant { line, key } in &verdict.variants {
            let place = format!("{}:{line}", source.path.display());
            out.talk(
                &Line::new().plain(format!("{place}: another conversation has its id; this one is {key}")),
            );
        }
    }

    /// Adds a file or path of which nothing came.
    pub fn fail(&mut self, error: &ImportError, out: &Output) {
        self.failed += 1;
        out.failure(&Failure::new(Exit::Partly, error.to_string()));
    }

    /// Whether all files and lines were taken.
    pub fn is_clean(&self) -> bool {
        self.failed == 0 && self.bad_lines == 0
    }

    /// Whether a file or a path could not be dealt with.
    pub fn has_failures(&self) -> bool {
        self.failed > 0
    }

    /// What to tell of it.
    pub fn lines(&self) -> Vec<Line> {
        let Sessions { new, grown, rewritten, unchanged } = self.sessions;
        let mut outcomes =
            vec![format!("{new} new"), format!("{grown} grown"), format!("{unchanged} unchanged")];
        let mut also =
            |count: u64, what: &str| outcomes.extend((count > 0).then(|| format!("{count} {what}")));
        also(rewritten, "rewritten");
        also(self.failed, "failed");
        let mut lines =
            vec![format!("sessions: {}", outcomes.join(", ")), format!("messages: {}", self.messages)];
        if !self.records.is_empty() {
            lines.push(format!("other records: {}", self.record_types()));
        }
        let mut also = |count: u64, what: &str| lines.extend((count > 0).then(|| format!("{what}: {count}")));
        also(self.duplicates, "duplicate lines");
        also(self.bad_lines, "bad lines");
        also(self.torn, "files whose last line is not complete yet");
        also(self.passed_over, "files passed over");
        lines.into_iter().map(|line| Line::new().plain(line)).collect()
    }

    /// How many records of each type, the commonest first.
    fn record_types(&self) -> String {
        let mut types: Vec<_> = self.records.iter().collect();
        types.sort_by_key(|(_, count)| std::cmp::Reverse(**count));
        let rest = types.len().saturating_sub(RECORD_TYPES_MAX);
        let named = types.iter().take(RECORD_TYPES_MAX).map(|(kind, count)| format!("{count} {kind}"));
        let rest = (rest > 0).then(|| format!("and {rest} types more"));
        named.chain(rest).collect::<Vec<_>>().join(", ")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_summary_names_what_there_was() {
        let mut summary = Summary { messages: 312, passed_over: 2, ..Summary::default() };
        summary.sessions.new = 3;
        let text =
            |summary: &Summary| summary.lines().iter().map(|line| line.text(false)).collect::<Vec<_>>();
        assert_eq!(
            text(&summary),
            ["sessions: 3 new, 0 grown, 0 unchanged", "messages: 312", "files passed over: 2"]
        );
        assert!(summary.is_clean());

        summary.records = (1..=14_u64).map(|n| (format!("type{n:02}"), n)).collect();
        (summary.failed, summary.bad_lines, summary.torn, summary.duplicates) = (1, 2, 1, 3);
        summary.sessions.rewritten = 1;
        let lines = text(&summary);
        assert_eq!(lines[0], "sessions: 3 new, 0 grown, 0 unchanged, 1 rewritten, 1 failed");
        assert!(lines[2].starts_with("other records: 14 type14, 13 type13,"), "{}", lines[2]);
        assert!(lines[2].ends_with("3 type03, and 2 types more"), "{}", lines[2]);
        assert_eq!(
            lines[3..],
            [
                "duplicate lines: 3",
                "bad lines: 2",
                "files whose last line is not complete yet: 1",
                "files passed over: 2"
            ]
        );
        assert!(!summary.is_clean());
    }
}

//! What came of one file of an import: as a row of a table, and as JSON.

use std::collections::BTreeMap;

use serde::Serialize;
use sessiondb::SessionKey;
use sessiondb_import::{BadLine, ImportError, Outcome, Sessions, Source, Variant, Verdict};

use crate::table::Table;

/// The columns of the table.
pub const HEADER: [&str; 5] = ["OUTCOME", "MESSAGES", "RECORDS", "BAD LINES", "FILE"];
/// Those of them that are numbers.
pub const NUMBERS: [usize; 3] = [1, 2, 3];

/// What is printed for a file.
#[derive(Serialize)]
#[serde(untagged)]
pub enum FileJson<'a> {
    Done {
        path: String,
        format: String,
        /// Null for a file of conversations, which is many sessions.
        id: Option<String>,
        key: Option<&'a SessionKey>,
        outcome: &'static str,
        sessions: SessionsJson,
        messages: u64,
        records: &'a BTreeMap<String, u64>,
        duplicates: u64,
        bad_lines: Vec<BadLineJson<'a>>,
        variants: Vec<VariantJson>,
        torn_bytes: u64,
        dry_run: bool,
    },
    Failed {
        path: String,
        format: String,
        error: String,
        dry_run: bool,
    },
}

#[derive(Serialize)]
pub struct SessionsJson {
    new: u64,
    grown: u64,
    rewritten: u64,
    unchanged: u64,
}

#[derive(Serialize)]
pub struct BadLineJson<'a> {
    line: u64,
    reason: &'a str,
}

#[derive(Serialize)]
pub struct VariantJson {
    line: u64,
    id: String,
}

/// Adds the row of a file.
pub fn row(table: &mut Table<5>, source: &Source, result: &Result<Verdict, ImportError>) {
    let path = source.path.to_string_lossy();
    let Ok(verdict) = result else { return table.row(["failed", "", "", "", &path]) };
    table.row([
        &outcome_text(verdict),
        &verdict.messages.to_string(),
        &verdict.records.values().sum::<u64>().to_string(),
        &verdict.bad_lines.len().to_string(),
        &path,
    ]);
}

/// The outcome of a session, or how many of a file of many have which.
fn outcome_text(verdict: &Verdict) -> String {
    if verdict.key.is_some() {
        return outcome_name(verdict.outcome).to_owned();
    }
    let Sessions { new, grown, rewritten, unchanged } = verdict.sessions;
    let counts = [(new, "new"), (grown, "grown"), (rewritten, "rewritten"), (unchanged, "unchanged")];
    let some = counts.into_iter().filter(|(count, _)| *count > 0);
    let texts: Vec<_> = some.map(|(count, name)| format!("{count} {name}")).collect();
    if texts.is_empty() { outcome_name(verdict.outcome).to_owned() } else { texts.join(", ") }
}

impl<'a> FileJson<'a> {
    /// What is printed for this file.
    pub fn of(source: &Source, result: &'a Result<Verdict, ImportError>, dry_run: bool) -> FileJson<'a> {
        let (path, format) = (source.path.to_string_lossy().into_owned(), source.format.to_string());
        match result {
            Ok(verdict) => FileJson::Done {
                path,
                format,
                id: verdict.key.as_ref().map(SessionKey::to_string),
                key: verdict.key.as_ref(),
                outcome: outcome_name(verdict.outcome),
                sessions: SessionsJson::from(verdict.sessions),
                messages: verdict.messages,
                records: &verdict.records,
                duplicates: verdict.duplicates,
                bad_lines: verdict
                    .bad_lines
                    .iter()
                    .map(|BadLine { line, reason }| BadLineJson { line: *line, reason })
                    .collect(),
                variants: verdict
                    .variants
                    .iter()
                    .map(|Variant { line, key }| VariantJson { line: *line, id: key.to_string() })
                    .collect(),
                torn_bytes: verdict.torn_bytes,
                dry_run,
            },
            Err(error) => FileJson::Failed { path, format, error: error.to_string(), dry_run },
        }
    }
}

impl From<Sessions> for SessionsJson {
    fn from(Sessions { new, grown, rewritten, unchanged }: Sessions) -> SessionsJson {
        SessionsJson { new, grown, rewritten, unchanged }
    }
}

fn outcome_name(outcome: Outcome) -> &'static str {
    match outcome {
        Outcome::New => "new",
        Outcome::Grown => "grown",
        Outcome::Rewritten => "rewritten",
        Outcome::Unchanged => "unchanged",
    }
}

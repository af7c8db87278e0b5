//! `sessiondb check`: look at everything in the store.

use sessiondb::{CheckReport, FINDINGS_MAX, blocking::Store};

use crate::{
    exit::{Exit, Failure},
    output::Output,
    table::Table,
};

const EXAMPLES: &str = "\
Examples:
  sessiondb check
  sessiondb check -o json | jq -r '.findings[].at'";

/// Checks all of the store: recounts, re-reads, compares checksums. Changes nothing.
///
/// The exit code is 1 if anything is not as it should be.
#[derive(Debug, clap::Args)]
#[command(after_help = EXAMPLES)]
pub struct Args {
    /// How to print the report
    #[arg(short, long, value_enum, default_value_t = Form::Table)]
    output: Form,
}

#[derive(Debug, Clone, Copy, clap::ValueEnum)]
enum Form {
    /// Text to read
    Table,
    /// One object: sessions, messages, documents, findings
    Json,
}

pub fn run(args: Args, store: &Store, out: &mut Output) -> Result<Exit, Failure> {
    let report = store.check()?;
    match args.output {
        Form::Table => print_table(&report, out)?,
        Form::Json => out.json_line(&report)?,
    }
    Ok(if report.is_clean() { Exit::Done } else { Exit::Partly })
}

fn print_table(report: &CheckReport, out: &mut Output) -> Result<(), Failure> {
    let more = if report.findings.len() == FINDINGS_MAX { " or more" } else { "" };
    let mut counts =
        Table::new(["SESSIONS", "MESSAGES", "DOCUMENTS", "FINDINGS"]).right_aligned(&[0, 1, 2, 3]);
    counts.row([
        &report.sessions.to_string(),
        &report.messages.to_string(),
        &report.documents.to_string(),
        &format!("{}{more}", report.findings.len()),
    ]);
    counts.print(out)?;
    if !report.is_clean() {
        out.text("\n")?;
        let mut findings = Table::new(["AT", "WHAT"]);
        report.findings.iter().for_each(|finding| findings.row([&finding.at, &finding.what]));
        findings.print(out)?;
    }
    Ok(())
}

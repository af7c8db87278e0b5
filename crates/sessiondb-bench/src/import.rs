//! Imports of long transcripts: the samples of Claude Code and Codex, repeated with new ids and times.

use std::{
    fs::{self, File},
    io::{self, BufRead, BufReader, BufWriter, Write},
    path::{Path, PathBuf},
};

use pollster::block_on;
use sessiondb_import::{Format, find, import};

use crate::Outcome;
use crate::sample::{Random, Times};

pub(crate) fn run(records: usize, samples: &Path, runs: usize, seed: u64) -> Outcome<()> {
    let dir = tempfile::tempdir()?;
    let transcripts = [
        (
            Format::Claude,
            samples.join("claude/projects"),
            dir.path().join("aaaaaaaa-0000-4000-8000-000000000001.jsonl"),
        ),
        (
            Format::Codex,
            samples.join("codex/sessions"),
            dir.path().join("rollout-2026-01-01T00-00-00-019b04ae-b1c6-7c72-a134-a4c2de660001.jsonl"),
        ),
    ];
    for (format, from, to) in &transcripts {
        lengthen(&find(Some(*format), std::slice::from_ref(from))?.sources, to, records, seed)?;
    }
    println!("transcripts of {records} records made from the samples; seed {seed}, {runs} runs in turns");
    for run in 1..=runs {
        for (format, _, path) in &transcripts {
            let found = find(Some(*format), std::slice::from_ref(path))?;
            let source = found.sources.first().ok_or("the transcript is not found again")?;
            let store = dir.path().join(format!("{format}-{run}.db"));
            let store = block_on(sessiondb::open(&format!("sqlite:{}", store.display())))?.for_blocking();
            let mut times = Times::default();
            let verdict = times.measure(|| block_on(import(&store, source, &mut |_| {})))?;
            let (bytes, seconds) = (source.bytes as f64, times.median() / 1e6);
            println!(
                "{format}: {:.1} MB, {} messages in {seconds:.2} s: {:.1} MB/s; peak memory so far {} MB",
                bytes / 1e6,
                verdict.messages,
                bytes / 1e6 / seconds,
                peak_memory_kb()? / 1_000,
            );
            block_on(store.close())?;
        }
    }
    Ok(())
}

/// Writes the records of these files again and again, with what names them made new.
fn lengthen(from: &[sessiondb_import::Source], to: &Path, records: usize, seed: u64) -> Outcome<()> {
    let mut lines = Vec::new();
    for source in from {
        lines.extend(BufReader::new(File::open(&source.path)?).lines().collect::<io::Result<Vec<_>>>()?);
    }
    lines.retain(|line| !line.trim().is_empty());
    let mut random = Random(seed);
    let mut out = BufWriter::new(File::create(to)?);
    for (n, line) in lines.iter().cycle().take(records).enumerate() {
        writeln!(out, "{}", renamed(line, n, &mut random))?;
    }
    out.flush()?;
    Ok(())
}

/// A record with its uuid, its ids and its time replaced by others of the same length, where it has them.
fn renamed(line: &str, n: usize, random: &mut Random) -> String {
    let mut line = line.to_owned();
    let mut replace = |before: &str, after: &str, value: String| {
        if let Some(start) = line.find(before).map(|at| at + before.len())
            && let Some(length) = line[start..].find(after)
        {
            line.replace_range(start..start + length, &value);
        }
    };
    replace("\"uuid\":\"", "\"", format!("{n:08x}-0000-4000-8000-{:012x}", random.below(1 << 48)));
    replace("\"id\":\"msg_", "\"", n.to_string());
    replace("\"requestId\":\"req_", "\"", n.to_string());
    let (seconds, millis) = (n / 100, n % 100 * 10);
    let time = format!(
        "2026-01-01T{:02}:{:02}:{:02}.{millis:03}Z",
        seconds / 3_600,
        seconds / 60 % 60,
        seconds % 60
    );
    replace("\"timestamp\":\"", "\"", time);
    line
}

/// The most memory this process has had, by Linux's own count.
fn peak_memory_kb() -> Outcome<u64> {
    let status = fs::read_to_string(PathBuf::from("/proc/self/status"))?;
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:")).ok_or("no VmHWM")?;
    Ok(line.trim().trim_end_matches(" kB").parse()?)
}

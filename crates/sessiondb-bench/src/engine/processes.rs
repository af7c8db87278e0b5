//! Several processes that append to one file: whether each gets its share, and how long the unluckiest waits.

use std::{
    env,
    io::{BufRead, BufReader, Write, stdin, stdout},
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
    time::{Duration, Instant},
};

use clap::{Args, ValueEnum};
use sessiondb::{NewMessage, blocking, sqlite::Durability, time};

use super::{
    append::stored,
    by_hand::{Cache, Schema, SessionDb, connect, execute, transact},
    fill::{self, Content},
    load::{Arrivals, SESSIONS},
    machine::Machine,
    ours,
    sample::Sample,
    target::{Bound, Target},
};
use crate::{Outcome, sample::settle};

/// How many processes, and how long.
#[derive(Args)]
pub(crate) struct Options {
    /// How many processes append at the same time.
    #[arg(long, default_value_t = 4)]
    processes: usize,
    /// For how many seconds.
    #[arg(long, default_value_t = 10.0)]
    seconds: f64,
    /// How often.
    #[arg(long, default_value_t = 3)]
    rounds: usize,
}

/// One of the processes; they are started by `processes`.
#[derive(Args)]
pub(crate) struct Process {
    file: PathBuf,
    design: Design,
    /// Which of them it is.
    number: u64,
    seconds: f64,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Design {
    SessionDb,
    BusyTimeout,
}

impl Design {
    fn told(self) -> &'static str {
        match self {
            Design::SessionDb => "SessionDB, blocking",
            Design::BusyTimeout => "SQLite by hand, the same schema, busy_timeout 5 s",
        }
    }
}

/// What one process did.
struct Share {
    commits: u64,
    /// From call to answer, of the slowest commit.
    worst: Duration,
    errors: u64,
}

pub(crate) fn run(options: &Options, seed: u64) -> Outcome<()> {
    let Options { processes, seconds, rounds } = options;
    let dir = tempfile::tempdir()?;
    Machine::here(dir.path(), seed).print();
    println!(
        "{processes} processes append messages of 400 bytes to one file, one a commit, FULL, for {seconds} s; a caller each\n"
    );
    let file = dir.path().join("shared.db");
    fill::session_db(&file, &Sample::new()?, Content { sessions: SESSIONS, messages: 0, seed })?;
    settle()?;
    let mut targets = Vec::new();
    let designs = [Design::SessionDb, Design::BusyTimeout];
    for round in 0..*rounds {
        for turn in 0..designs.len() {
            let design = designs[(turn + round) % designs.len()];
            let shares = together(&file, design, *processes as u64, *seconds)?;
            let commits: Vec<u64> = shares.iter().map(|share| share.commits).collect();
            let mean = commits.iter().sum::<u64>() as f64 / commits.len() as f64;
            let slowest = commits.iter().min().map_or(0.0, |least| *least as f64 / mean);
            let waits: Vec<u128> = shares.iter().map(|share| share.worst.as_millis()).collect();
            let errors: u64 = shares.iter().map(|share| share.errors).sum();
            println!(
                "round {}, {}: commits {commits:?}, slowest by mean {slowest:.2}; worst waits {waits:?} ms; {errors} errors",
                round + 1,
                design.told()
            );
            if design == Design::SessionDb {
                let longest = waits.iter().max().copied().unwrap_or(0) as f64;
                let told = |what: &str| format!("round {}: {what}", round + 1);
                targets.push(Target::new(
                    told("slowest process by the mean"),
                    vec![slowest],
                    Bound::AtLeast,
                    0.5,
                    "",
                ));
                targets.push(Target::new(told("longest wait"), vec![longest], Bound::AtMost, 1000.0, " ms"));
                targets.push(Target::new(told("errors"), vec![errors as f64], Bound::AtMost, 0.0, ""));
            }
        }
    }
    println!("\ntargets");
    targets.iter().for_each(Target::print);
    Ok(())
}

/// Starts them all, lets them begin at once, and collects what each did. Every commit that was answered must be stored.
fn together(file: &Path, design: Design, processes: u64, seconds: f64) -> Outcome<Vec<Share>> {
    let before = stored(file)?;
    let name = design.to_possible_value().ok_or("a design without a name")?;
    let mut children: Vec<(Child, BufReader<_>)> = Vec::new();
    for number in 0..processes {
        let mut child = Command::new(env::current_exe()?)
            .arg("process")
            .arg(file)
            .args([name.get_name(), &number.to_string(), &seconds.to_string()])
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()?;
        let from = BufReader::new(child.stdout.take().ok_or("a process without output")?);
        children.push((child, from));
    }
    for (_, from) in &mut children {
        line(from)?;
    }
    for (child, _) in &mut children {
        writeln!(child.stdin.as_mut().ok_or("a process without input")?, "go")?;
    }
    let mut shares = Vec::new();
    for (mut child, mut from) in children {
        let answer = line(&mut from)?;
        if !child.wait()?.success() {
            return Err("a process failed".into());
        }
        let numbers = answer.trim().split(' ').map(str::parse).collect::<Result<Vec<u64>, _>>()?;
        let [commits, worst, errors] = numbers[..] else {
            return Err("a process answers something else".into());
        };
        shares.push(Share { commits, worst: Duration::from_nanos(worst), errors });
    }
    let (answered, added) = (shares.iter().map(|share| share.commits).sum::<u64>(), stored(file)? - before);
    if answered != added {
        return Err(
            format!("{}: {answered} commits were answered and {added} are stored", design.told()).into()
        );
    }
    Ok(shares)
}

fn line(from: &mut impl BufRead) -> Outcome<String> {
    let mut line = String::new();
    if from.read_line(&mut line)? == 0 { Err("a process ended".into()) } else { Ok(line) }
}

/// Appends until the time is over; tells how many commits were answered, the slowest in nanoseconds, and how many failed.
pub(crate) fn process(process: &Process, seed: u64) -> Outcome<()> {
    let sample = Sample::new()?;
    // Messages of its own.
    let session = |n: u64| &sample.keys[Arrivals::Bursty.session(seed ^ process.number, n) as usize];
    match process.design {
        Design::SessionDb => {
            let store = blocking::Store::from(ours::open(&process.file, Durability::Full)?);
            append(process.seconds, |n| {
                store.append(session(n), vec![NewMessage::new("user", sample.content(n).clone())])?;
                Ok(())
            })
        }
        Design::BusyTimeout => {
            let conn = connect(&process.file, Durability::Full, Cache::Writer)?;
            conn.busy_timeout(Duration::from_secs(5))?;
            append(process.seconds, |n| {
                let at = time::to_text(time::now());
                let done = transact(&conn, || {
                    SessionDb::Whole.append(&conn, session(n), &[sample.content(n).get()], &at)
                });
                if done.is_err() && !conn.is_autocommit() {
                    execute(&conn, "ROLLBACK")?;
                }
                done
            })
        }
    }
}

fn append(seconds: f64, mut commit: impl FnMut(u64) -> Outcome<()>) -> Outcome<()> {
    println!("ready");
    stdout().flush()?;
    line(&mut stdin().lock())?;
    let end = Instant::now() + Duration::from_secs_f64(seconds);
    let (mut share, mut n) = (Share { commits: 0, worst: Duration::ZERO, errors: 0 }, 0);
    loop {
        let start = Instant::now();
        if start >= end {
            break;
        }
        match commit(n) {
            Ok(()) => share.commits += 1,
            Err(error) => {
                share.errors += 1;
                eprintln!("{error}");
            }
        }
        share.worst = share.worst.max(start.elapsed());
        n += 1;
    }
    println!("{} {} {}", share.commits, share.worst.as_nanos(), share.errors);
    Ok(())
}

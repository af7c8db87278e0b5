//! On what, with what and how it was measured.

use std::{env, fs, path::Path, process::Command, thread};

use serde::{Deserialize, Serialize};

#[derive(Serialize, Deserialize)]
pub(crate) struct Machine {
    cores: usize,
    kernel: String,
    /// Of the directory in which the databases were.
    file_system: String,
    sqlite: String,
    /// Of this program's source; with a `+` if something in it was not committed.
    commit: String,
    seed: u64,
    command: String,
}

impl Machine {
    pub fn here(dir: &Path, seed: u64) -> Machine {
        let args: Vec<String> = env::args().skip(1).collect();
        Machine {
            cores: thread::available_parallelism().map_or(0, usize::from),
            kernel: first_line("uname", &["-sr"]),
            file_system: file_system(dir),
            sqlite: rusqlite::version().to_owned(),
            commit: first_line("git", &["describe", "--always", "--abbrev=12", "--dirty=+"]),
            seed,
            command: format!("cargo run --release -p sessiondb-bench -- {}", args.join(" ")),
        }
    }

    pub fn print(&self) {
        let Machine { cores, kernel, file_system, sqlite, commit, seed, command } = self;
        println!("{command}");
        println!("commit {commit}, seed {seed}; SQLite {sqlite}; {cores} cores, {kernel}, {file_system}");
    }
}

/// The first line that this command writes, or a dash where it cannot be had.
fn first_line(program: &str, args: &[&str]) -> String {
    let output = Command::new(program).args(args).output().ok().filter(|output| output.status.success());
    let text = output.map(|output| String::from_utf8_lossy(&output.stdout).into_owned());
    text.as_deref().and_then(|text| text.lines().next()).unwrap_or("-").to_owned()
}

/// The kind of the file system that this directory is on: that of the longest mount point above it.
fn file_system(dir: &Path) -> String {
    let mounts = fs::read_to_string("/proc/mounts").unwrap_or_default();
    let mounts = mounts.lines().filter_map(|line| {
        let mut fields = line.split(' ').skip(1);
        Some((fields.next()?, fields.next()?))
    });
    mounts
        .filter(|(point, _)| dir.starts_with(point))
        .max_by_key(|(point, _)| point.len())
        .map_or("-", |(_, kind)| kind)
        .to_owned()
}

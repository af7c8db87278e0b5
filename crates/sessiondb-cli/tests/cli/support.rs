//! A store in a temporary directory, and running the program on it.

use std::{path::PathBuf, process};

use tempfile::TempDir;

/// A store of its own.
pub struct Place {
    dir: TempDir,
}

/// What a run of the program did.
#[derive(Debug)]
pub struct Run {
    pub code: i32,
    pub stdout: String,
    pub stderr: String,
}

impl Place {
    pub fn new() -> Place {
        Place { dir: tempfile::tempdir().unwrap() }
    }

    /// A file or directory beside the store.
    pub fn path(&self, name: &str) -> PathBuf {
        self.dir.path().join(name)
    }

    pub fn url(&self) -> String {
        format!("sqlite:{}", self.path("sessions.db").display())
    }

    /// The program, not yet run, with nothing of this process's environment that it heeds.
    pub fn command(&self, args: &[&str]) -> process::Command {
        let mut command = process::Command::new(assert_cmd::cargo::cargo_bin!("sessiondb"));
        for name in [
            "NO_COLOR",
            "CLICOLOR",
            "CLICOLOR_FORCE",
            "COLUMNS",
            "CLAUDE_CONFIG_DIR",
            "CODEX_HOME",
            "XDG_DATA_HOME",
        ] {
            command.env_remove(name);
        }
        command.env("TZ", "UTC").env("HOME", self.dir.path()).env("SESSIONDB_URL", self.url());
        command.args(args);
        command
    }

    pub fn run(&self, args: &[&str]) -> Run {
        self.run_with(args, "")
    }

    /// Runs it with this on stdin.
    pub fn run_with(&self, args: &[&str], stdin: impl Into<Vec<u8>>) -> Run {
        Run::of(assert_cmd::Command::from_std(self.command(args)).write_stdin(stdin).output().unwrap())
    }

    /// Runs it, which must succeed without a word on stderr, and answers stdout.
    pub fn ok(&self, args: &[&str]) -> String {
        self.ok_with(args, "")
    }

    /// The same with this on stdin.
    pub fn ok_with(&self, args: &[&str], stdin: impl Into<Vec<u8>>) -> String {
        let run = self.run_with(args, stdin);
        assert_eq!((run.code, run.stderr.as_str()), (0, ""), "{args:?}: {run:?}");
        run.stdout
    }

    /// Opens `count` sessions `main:cli::dm:000`, `…:001`, and so on.
    pub fn sessions(&self, count: usize) {
        let store = sessiondb::blocking::open(&self.url()).unwrap();
        for n in 0..count {
            store
                .session_open(&sessiondb::SessionKey::new("main", "cli", "", "dm", format!("{n:03}")))
                .unwrap();
        }
        store.close().unwrap();
    }
}

impl Run {
    pub fn of(output: process::Output) -> Run {
        Run {
            code: output.status.code().expect("ended by a signal"),
            stdout: String::from_utf8(output.stdout).unwrap(),
            stderr: String::from_utf8(output.stderr).unwrap(),
        }
    }
}

/// A store with a session `main:cli::dm:ann` of messages 1 to `count`, whose contents are their numbers.
pub fn numbered(count: u64) -> Place {
    let place = Place::new();
    let lines: String = (1..=count).map(|n| format!("{{\"role\":\"user\",\"content\":{n}}}\n")).collect();
    place.ok_with(&["append", "main:cli::dm:ann"], lines);
    place
}

/// A JSON value.
pub fn json(text: &str) -> serde_json::Value {
    serde_json::from_str(text).unwrap_or_else(|error| panic!("{error}: {text}"))
}

/// The JSON value of each line.
pub fn json_lines(text: &str) -> Vec<serde_json::Value> {
    text.lines().map(json).collect()
}

/// The text with every time of day in it masked, for snapshots.
pub fn without_times(text: &str) -> String {
    const SHAPE: &str = "0000-00-00 00:00:00";
    let mut rest = text;
    let mut masked = String::new();
    while let Some(c) = rest.chars().next() {
        let fits = rest.get(..SHAPE.len()).is_some_and(|part| {
            part.chars()
                .zip(SHAPE.chars())
                .all(|(c, shape)| if shape == '0' { c.is_ascii_digit() } else { c == shape })
        });
        let length = if fits { SHAPE.len() } else { c.len_utf8() };
        masked.push_str(if fits { "YYYY-MM-DD hh:mm:ss" } else { &rest[..length] });
        rest = &rest[length..];
    }
    masked
}

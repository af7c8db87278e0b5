//! Seed 003's own design, which is a program of its own: sqlx brings an SQLite that cannot be linked beside ours. It reads
//! a line, does what it says and answers with a line; it tells how long the thing itself took.

use std::{
    env,
    io::{BufRead, BufReader, Write},
    path::Path,
    process::{Child, ChildStdin, ChildStdout, Command, Stdio},
    time::Duration,
};

use ait42_session::{ChatMessage, WorktreeSession};

use super::{Design, Outcome, WORKSPACE};

pub(super) struct Sqlx {
    program: Child,
    to: ChildStdin,
    from: BufReader<ChildStdout>,
}

/// Cargo, to build or run the program in this folder.
fn cargo(command: &str, peer: &Path) -> Command {
    let mut cargo = Command::new(env::var_os("CARGO").unwrap_or_else(|| "cargo".into()));
    cargo.args([command, "--release", "--locked", "--quiet", "--manifest-path"]).arg(peer.join("Cargo.toml"));
    cargo
}

impl Sqlx {
    pub fn build(peer: &Path) -> Outcome<()> {
        let built = cargo("build", peer).status()?;
        if built.success() { Ok(()) } else { Err(format!("{} was not built", peer.display()).into()) }
    }

    /// Durability is `normal`, as the seed has it, or `full`.
    pub fn start(peer: &Path, file: &Path, durability: &str) -> Outcome<Self> {
        let mut program = cargo("run", peer)
            .arg("--")
            .arg(file)
            .arg(durability)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()?;
        let to = program.stdin.take().ok_or("the program has no input")?;
        let from = program.stdout.take().ok_or("the program has no output")?;
        Ok(Self { program, to, from: BufReader::new(from) })
    }

    fn ask(&mut self, line: &str) -> Outcome<String> {
        writeln!(self.to, "{line}")?;
        self.to.flush()?;
        let mut answer = String::new();
        if self.from.read_line(&mut answer)? == 0 {
            return Err(
                format!("the program on sqlx ended: {}; it says why above", self.program.wait()?).into()
            );
        }
        answer.truncate(answer.trim_end().len());
        Ok(answer)
    }

    fn time(&mut self, line: &str) -> Outcome<Duration> {
        Ok(Duration::from_nanos(self.ask(line)?.parse()?))
    }

    fn time_and_count(&mut self, line: &str) -> Outcome<(Duration, usize)> {
        let answer = self.ask(line)?;
        let (time, count) = answer.split_once(' ').ok_or("an answer without a count")?;
        Ok((Duration::from_nanos(time.parse()?), count.parse()?))
    }
}

impl Design for Sqlx {
    fn create(&mut self, session: WorktreeSession) -> Outcome<Duration> {
        self.time(&format!("create {}", serde_json::to_string(&session)?))
    }

    fn add(&mut self, session: &str, message: ChatMessage) -> Outcome<Duration> {
        self.time(&format!("add {session} {}", serde_json::to_string(&message)?))
    }

    fn get_all(&mut self) -> Outcome<(Duration, usize)> {
        self.time_and_count(&format!("get-all {WORKSPACE}"))
    }

    fn search(&mut self, text: &str) -> Outcome<(Duration, usize)> {
        self.time_and_count(&format!("search {WORKSPACE} {text}"))
    }

    fn kept(&mut self) -> Outcome<Vec<WorktreeSession>> {
        Ok(serde_json::from_str(&self.ask(&format!("show {WORKSPACE}"))?)?)
    }
}

/// Ends the program and waits for it, so that its file can be removed.
impl Drop for Sqlx {
    fn drop(&mut self) {
        let _ = self.program.kill();
        let _ = self.program.wait();
    }
}

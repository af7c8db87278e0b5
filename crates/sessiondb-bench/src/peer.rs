//! A program from `peers`, which cannot be linked into this one: sqlx brings an SQLite of its own. It reads a line, does
//! what it says and answers with a line; it tells how long the thing itself took.

use std::{
    env,
    ffi::OsStr,
    io::{BufRead, BufReader, Write},
    path::Path,
    process::{Child, ChildStdin, ChildStdout, Command, Stdio},
};

use crate::Outcome;

pub(crate) struct Peer {
    program: Child,
    /// Until it is told to end.
    to: Option<ChildStdin>,
    from: BufReader<ChildStdout>,
}

/// Cargo, to build or run the programs in this folder.
fn cargo(command: &str, folder: &Path) -> Command {
    let mut cargo = Command::new(env::var_os("CARGO").unwrap_or_else(|| "cargo".into()));
    cargo
        .args([command, "--release", "--locked", "--quiet", "--manifest-path"])
        .arg(folder.join("Cargo.toml"));
    cargo
}

impl Peer {
    /// Builds the programs in this folder.
    pub fn build(folder: &Path) -> Outcome<()> {
        let built = cargo("build", folder).status()?;
        if built.success() { Ok(()) } else { Err(format!("{} was not built", folder.display()).into()) }
    }

    pub fn start<A: AsRef<OsStr>>(
        folder: &Path,
        program: &str,
        args: impl IntoIterator<Item = A>,
    ) -> Outcome<Peer> {
        let mut program = cargo("run", folder)
            .args(["--bin", program, "--"])
            .args(args)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()?;
        let to = program.stdin.take();
        let from = program.stdout.take().ok_or("the program has no output")?;
        Ok(Peer { program, to, from: BufReader::new(from) })
    }

    /// What it answers.
    pub fn ask(&mut self, line: &str) -> Outcome<String> {
        let to = self.to.as_mut().ok_or("the program has no input")?;
        writeln!(to, "{line}")?;
        to.flush()?;
        let mut answer = String::new();
        if self.from.read_line(&mut answer)? == 0 {
            let ended = self.program.wait()?;
            return Err(format!("the program on sqlx ended: {ended}; it says why above").into());
        }
        answer.truncate(answer.trim_end().len());
        Ok(answer)
    }

    /// Lets it close its database and end.
    pub fn end(mut self) -> Outcome<()> {
        drop(self.to.take());
        let ended = self.program.wait()?;
        if ended.success() { Ok(()) } else { Err(format!("the program on sqlx ended: {ended}").into()) }
    }
}

/// Ends the program and waits for it, so that its file can be removed.
impl Drop for Peer {
    fn drop(&mut self) {
        let _ = self.program.kill();
        let _ = self.program.wait();
    }
}

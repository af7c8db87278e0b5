//! Running a program until its k-th system call of a kind, where the kernel kills it (`strace --inject`).

use std::{
    collections::BTreeMap,
    fmt, fs,
    os::unix::process::ExitStatusExt,
    path::{Path, PathBuf},
    process::{Command, Stdio},
    sync::Mutex,
};

/// The system calls that change what is on the disk.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Call {
    /// What SQLite writes with.
    Pwrite,
    /// What everything else is written with, receipts too.
    Write,
    /// Of the log and of a file's content.
    Sync,
    Truncate,
    Rename,
    Remove,
    /// Opening, which may make the file.
    Open,
    MakeDirectory,
}

pub const CALLS: [Call; 8] = [
    Call::Pwrite,
    Call::Write,
    Call::Sync,
    Call::Truncate,
    Call::Rename,
    Call::Remove,
    Call::Open,
    Call::MakeDirectory,
];

impl Call {
    /// The kernel's names for it; not every processor has all of them.
    fn names(self) -> &'static [&'static str] {
        match self {
            Call::Pwrite => &["pwrite64"],
            Call::Write => &["write"],
            Call::Sync => &["fsync", "fdatasync"],
            Call::Truncate => &["ftruncate"],
            Call::Rename => &["rename", "renameat", "renameat2"],
            Call::Remove => &["unlink", "unlinkat"],
            Call::Open => &["open", "openat"],
            Call::MakeDirectory => &["mkdir", "mkdirat"],
        }
    }

    /// For strace, which passes over a name with a question mark that it does not know.
    fn set(self) -> String {
        self.names().iter().map(|name| format!("?{name}")).collect::<Vec<_>>().join(",")
    }
}

/// A program as it is started, so that it can be started again.
#[derive(Debug, Clone)]
pub struct Program {
    pub path: PathBuf,
    pub args: Vec<String>,
    pub env: Vec<(&'static str, String)>,
    /// A file that it reads, or nothing.
    pub stdin: Option<PathBuf>,
}

/// What became of a run.
pub struct Run {
    /// It died at the place; otherwise it came to its end before.
    pub killed: bool,
    /// Without an error.
    pub success: bool,
    pub stdout: String,
    pub stderr: String,
}

impl Program {
    pub fn new<S: Into<String>>(path: impl Into<PathBuf>, args: impl IntoIterator<Item = S>) -> Program {
        let args = args.into_iter().map(Into::into).collect();
        Program { path: path.into(), args, env: Vec::new(), stdin: None }
    }

    /// This test binary again, with only the test `name` in it, which finds `value` in the environment.
    pub fn test(name: &str, variable: &'static str, value: String) -> Program {
        let args = ["--exact", name, "--nocapture", "--test-threads=1"];
        let env = vec![(variable, value)];
        Program { env, ..Program::new(std::env::current_exe().unwrap(), args) }
    }

    /// Runs it to its end.
    pub fn run(&self) -> Run {
        self.run_as(Command::new(&self.path))
    }

    /// Runs it, and kills it as it is about to make the `at`-th of these calls on one of its threads.
    pub fn killed(&self, call: Call, at: usize) -> Run {
        let set = call.set();
        self.run_as(
            self.strace(&[&format!("--trace={set}"), &format!("--inject={set}:signal=KILL:when={at}")]),
        )
    }

    /// Runs it to its end, and answers how many of these calls it made on the thread that made the most.
    pub fn count(&self, call: Call, scratch: &Path) -> usize {
        let log = scratch.join("calls");
        let run = self.run_as(
            self.strace(&[&format!("--trace={}", call.set()), &format!("--output={}", log.display())]),
        );
        assert!(run.success, "{self:?}: {run}");
        // A line is the number of the thread, then the call.
        let mut counts: BTreeMap<(String, String), usize> = BTreeMap::new();
        for line in fs::read_to_string(&log).unwrap().lines() {
            let (thread, what) = line.split_once(' ').unwrap();
            let name = what.trim_start().split('(').next().unwrap();
            if call.names().contains(&name) {
                *counts.entry((thread.to_owned(), name.to_owned())).or_default() += 1;
            }
        }
        counts.into_values().max().unwrap_or(0)
    }

    fn strace(&self, options: &[&str]) -> Command {
        let mut command = Command::new("strace");
        command.args(["--follow-forks", "--quiet=all", "--signal=none"]).args(options);
        if !options.iter().any(|option| option.starts_with("--output")) {
            command.arg("--output=/dev/null");
        }
        command.arg("--").arg(&self.path);
        command
    }

    fn run_as(&self, mut command: Command) -> Run {
        let stdin = self.stdin.as_ref().map_or_else(Stdio::null, |path| fs::File::open(path).unwrap().into());
        command.args(&self.args).envs(self.env.iter().map(|(name, value)| (name, value))).stdin(stdin);
        let output = command
            .output()
            .unwrap_or_else(|error| panic!("{}: {error}", command.get_program().to_string_lossy()));
        let text = |bytes: Vec<u8>| String::from_utf8_lossy(&bytes).into_owned();
        let (stdout, stderr) = (text(output.stdout), text(output.stderr));
        assert!(
            !stderr.contains("PTRACE_") && !stderr.contains("ptrace("),
            "this machine does not let strace trace other processes, so nothing can be killed at a call: {stderr}"
        );
        // strace dies of what its program died of.
        let killed = output.status.signal() == Some(9);
        Run { killed, success: output.status.success(), stdout, stderr }
    }
}

impl fmt::Display for Run {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Run { killed, success, stdout, stderr } = self;
        write!(f, "killed {killed}, success {success}, and it said\n{stdout}\n{stderr}")
    }
}

/// How many died at which call.
#[derive(Default)]
pub struct Tally(Mutex<BTreeMap<Call, usize>>);

impl Tally {
    pub fn note(&self, call: Call) {
        *self.0.lock().unwrap().entry(call).or_default() += 1;
    }

    /// # Panics
    /// If nobody died at one of these calls: then the test has not seen what it is there for.
    pub fn must_have(&self, calls: &[Call]) {
        println!("killed at {self}");
        let counts = self.0.lock().unwrap();
        let never: Vec<&Call> = calls.iter().filter(|call| !counts.contains_key(call)).collect();
        assert!(never.is_empty(), "nobody was killed at {never:?}");
    }

    pub fn total(&self) -> usize {
        self.0.lock().unwrap().values().sum()
    }
}

impl fmt::Display for Tally {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:?}", self.0.lock().unwrap())
    }
}

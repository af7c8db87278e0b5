//! [`Progress`]: the bar of a long import, on a terminal only.

use std::time::Duration;

use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};

use crate::output::Output;

const TEMPLATE: &str = "{wide_bar} {bytes}/{total_bytes}  {msg}  ETA {eta}";

const FILES_TEMPLATE: &str = "{wide_bar} {pos}/{len} files  ETA {eta}";

const TIME_TEMPLATE: &str = "{spinner} {msg}  {elapsed}";

const SESSIONS_TEMPLATE: &str = "{wide_bar} {pos}/{len} sessions  ETA {eta}";

/// How much of the files is read, and how many of them are done. Nothing is shown when quiet or without a terminal.
pub struct Progress {
    bar: ProgressBar,
    files: usize,
    files_done: usize,
    /// The bytes of the files that are done.
    bytes_done: u64,
    /// The bytes of all files.
    bytes: u64,
}

impl Progress {
    /// Nothing done yet of so many files and bytes.
    pub fn new(files: usize, bytes: u64, out: &Output) -> Progress {
        let target = if out.is_quiet() { ProgressDrawTarget::hidden() } else { ProgressDrawTarget::stderr() };
        let bar = ProgressBar::with_draw_target(Some(bytes), target);
        // The template is a constant that is right; without it there would be a plainer bar.
        if let Ok(style) = ProgressStyle::with_template(TEMPLATE) {
            bar.set_style(style);
        }
        let progress = Progress { bar, files, files_done: 0, bytes_done: 0, bytes };
        progress.count();
        progress
    }

    /// Nothing done yet of sessions that are written; how many there are is said by [`written`](Progress::written). It is
    /// not `shown` where what is written goes to the terminal itself.
    pub fn of_sessions(shown: bool, out: &Output) -> Progress {
        let progress = Progress::new(0, 0, out);
        if !shown {
            progress.bar.set_draw_target(ProgressDrawTarget::hidden());
        }
        if let Ok(style) = ProgressStyle::with_template(SESSIONS_TEMPLATE) {
            progress.bar.set_style(style);
        }
        progress
    }

    /// Nothing done yet of files that are counted; how many there are is said by [`written`](Progress::written).
    pub fn of_files(out: &Output) -> Progress {
        let progress = Progress::new(0, 0, out);
        if let Ok(style) = ProgressStyle::with_template(FILES_TEMPLATE) {
            progress.bar.set_style(style);
        }
        progress
    }

    /// That something is done which cannot be counted, and for how long.
    pub fn of_time(what: &'static str, out: &Output) -> Progress {
        let progress = Progress::new(0, 0, out);
        if let Ok(style) = ProgressStyle::with_template(TIME_TEMPLATE) {
            progress.bar.set_style(style);
        }
        progress.bar.set_message(what);
        progress.bar.enable_steady_tick(Duration::from_millis(100));
        progress
    }

    /// So many sessions or files are done, and of how many.
    pub fn written(&self, done: u64, total: u64) {
        self.bar.set_length(total);
        self.bar.set_position(done);
    }

    /// So many bytes of the present file are read; of a compressed one more than it has.
    pub fn read(&self, bytes: u64) {
        self.bar.set_position((self.bytes_done + bytes).min(self.bytes));
    }

    /// The present file, of so many bytes, is done.
    pub fn file_done(&mut self, bytes: u64) {
        self.files_done += 1;
        self.bytes_done += bytes;
        self.bar.set_position(self.bytes_done);
        self.count();
    }

    /// Does something that writes to the terminal, with the bar out of the way.
    pub fn aside<T>(&self, act: impl FnOnce() -> T) -> T {
        self.bar.suspend(act)
    }

    fn count(&self) {
        self.bar.set_message(format!("{}/{} files", self.files_done, self.files));
    }
}

impl Drop for Progress {
    fn drop(&mut self) {
        self.bar.finish_and_clear();
    }
}

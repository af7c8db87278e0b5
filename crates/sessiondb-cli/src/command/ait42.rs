//! `sessiondb ait42`: move AIT42's sessions from its files to the store, and back.

use std::{
    collections::BTreeSet,
    fs,
    path::{Path, PathBuf},
    sync::Arc,
};

use ait42_session::{
    DbPool, DualWrite, RepositoryError, SqliteSessionRepository,
    migration::{
        Authority, Comparison, Disagreement, FileVerdict, ImportProgress, ImportReport, LeftOut, Moved,
        OnConflict, Pending, compare, cut_over, import, rollback,
    },
    repository::dual::Mirrored,
    workspace_hash,
};
use pollster::block_on;
use serde::Serialize;

use crate::{
    exit::{Exit, Failure},
    output::{Line, Output},
    place,
    progress::Progress,
};

const ABOUT: &str = "\
Moves the sessions of AIT42 from its files, one for each workspace in ~/.ait42/sessions, to the store, and back.

One side is the authority for a directory: at first the files. `import` takes them into the store, as often as one \
likes; `compare` says in what the two sides differ. When they do not, `cut-over` makes the store the authority: from \
then on whoever changes sessions through the library writes the store, and the files follow as a mirror. `rollback` \
makes the files the authority again. `mirror` brings the side that follows in line.";

const EXAMPLES: &str = "\
Examples:
  sessiondb ait42 import --workspace ~/src/shop
  sessiondb ait42 compare
  sessiondb ait42 cut-over
  sessiondb ait42 mirror --overwrite
  sessiondb ait42 rollback
  sessiondb ait42 compare -o json | jq -r '.differences[].workspaceHash' | sort | uniq -c";

/// Moves AIT42's sessions from its files to the store, and back.
#[derive(Debug, clap::Args)]
#[command(long_about = ABOUT, after_help = EXAMPLES)]
pub struct Args {
    #[command(subcommand)]
    command: Move,
}

#[derive(Debug, clap::Subcommand)]
enum Move {
    /// Imports the files into the store; they are only read
    ///
    /// It is safe to run again and again, and to stop it anywhere. Sessions that came from a file and are not in it any
    /// more are removed from the store. A session that was changed in the store since it was imported is named and left
    /// as it is. The exit code is 1 if anything was left out. While the store is the authority nothing is imported.
    Import {
        #[command(flatten)]
        place: Directory,
        /// Take what the file has, or has no more, also of sessions that were changed in the store
        #[arg(long)]
        overwrite: bool,
        /// The path of a workspace that has a file, to be kept with it; can be given several times
        #[arg(long, value_name = "PATH")]
        workspace: Vec<PathBuf>,
    },
    /// Says in what the files and the store differ; changes nothing
    ///
    /// Each difference is a line. The exit code is 1 if there is one.
    Compare {
        #[command(flatten)]
        place: Directory,
    },
    /// Brings the side that follows in line with the authority
    ///
    /// If the files are the authority, they are imported. If the store is, every file that does not say what the store
    /// says is written, unless somebody else wrote it. The exit code is 1 if anything is left behind.
    ///
    /// To take over what somebody else wrote instead: mirror --overwrite, which keeps their file, then rollback, put
    /// their file back in its place, import, and cut over again.
    Mirror {
        #[command(flatten)]
        place: Directory,
        /// Overwrite also what was changed on the side that follows; a file is first kept as HASH.json.replaced-N
        #[arg(long)]
        overwrite: bool,
    },
    /// Makes the store the authority, if both sides say the same
    ///
    /// The files are imported and compared first. If anything differs, it is printed, nothing has moved, and the exit
    /// code is 1. Stop AIT42 before: it does not know that its files are not the authority any more.
    CutOver {
        #[command(flatten)]
        place: Directory,
    },
    /// Makes the files the authority again, if both sides say the same
    ///
    /// What is behind is written, and both sides are compared. If anything differs, it is printed, nothing has moved,
    /// and the exit code is 1.
    Rollback {
        #[command(flatten)]
        place: Directory,
    },
}

#[derive(Debug, clap::Args)]
struct Directory {
    /// The directory of the session files [default: ~/.ait42/sessions]
    #[arg(value_name = "DIR")]
    dir: Option<PathBuf>,
    /// Print what came of it
    #[arg(short, long, value_enum)]
    output: Option<Form>,
}

#[derive(Debug, Clone, Copy, clap::ValueEnum)]
enum Form {
    /// One object; of an import, a line for each file
    #[value(alias = "jsonl")]
    Json,
}

impl Directory {
    fn dir(&self) -> Result<PathBuf, Failure> {
        let home = || std::env::home_dir().map(|home| home.join(".ait42").join("sessions"));
        let dir = self.dir.clone().or_else(home);
        let dir = dir.ok_or_else(|| {
            Failure::new(Exit::NotFound, "there is no home directory").hint("name the directory of the files")
        })?;
        if dir.is_dir() {
            return Ok(dir);
        }
        Err(Failure::new(Exit::NotFound, format!("there is no directory {}", dir.display()))
            .hint("name the directory that has AIT42's session files"))
    }
}

pub fn run(args: Args, db: Option<&str>, out: &mut Output) -> Result<Exit, Failure> {
    let url = &place::url(db)?;
    match args.command {
        Move::Import { place, overwrite, workspace } => {
            let dir = place.dir()?;
            workspace.iter().try_for_each(|path| has_file(&dir, path))?;
            let sessions = open(url, true)?;
            for path in &workspace {
                block_on(sessions.register_workspace(path)).map_err(failure)?;
            }
            let report = {
                let progress = Progress::of_files(out);
                block_on(import(&sessions, &dir, on_conflict(overwrite), &mut |at| show(&progress, at)))
                    .map_err(failure)?
            };
            imported(&report, place.output, out)?;
            close(&sessions, report.is_clean())
        }
        Move::Compare { place } => {
            let dir = place.dir()?;
            let sessions = open(url, false)?;
            let comparison = {
                let _progress = Progress::of_time("comparing", out);
                block_on(compare(&dir, &sessions)).map_err(failure)?
            };
            match place.output {
                Some(Form::Json) => out.json_line(&comparison)?,
                None => differences(&comparison, out)?,
            }
            out.flush()?;
            tell(&compared(&comparison), out);
            close(&sessions, comparison.is_equal())
        }
        Move::Mirror { place, overwrite } => {
            let dir = place.dir()?;
            let sessions = open(url, true)?;
            let both = block_on(DualWrite::open(sessions.clone(), &dir)).map_err(failure)?;
            let before = replaced(&dir)?;
            let mirrored = {
                let progress = Progress::of_files(out);
                block_on(both.mirror_all(on_conflict(overwrite), &mut |at| show(&progress, at)))
                    .map_err(failure)?
            };
            let in_line = match &mirrored {
                Mirrored::Json(report) => {
                    imported(report, place.output, out)?;
                    report.is_clean()
                }
                Mirrored::Store { written, pending } => {
                    let kept: Vec<String> = replaced(&dir)?.difference(&before).cloned().collect();
                    if place.output.is_some() {
                        out.json_line(&MirroredJson { mirrored: &mirrored, kept: &kept })?;
                    }
                    behind(pending, out);
                    kept.iter().for_each(|path| tell(&format!("kept, as it was: {path}"), out));
                    tell(&format!("files: {written} written, {} behind", pending.len()), out);
                    pending.is_empty()
                }
            };
            close(&sessions, in_line)
        }
        Move::CutOver { place } => {
            let dir = place.dir()?;
            let sessions = open(url, true)?;
            let result = {
                let _progress = Progress::of_time("importing and comparing", out);
                block_on(cut_over(&sessions, &dir)).map_err(failure)?
            };
            moved(&result, Authority::Store, &place, out)?;
            close(&sessions, result.authority == Authority::Store)
        }
        Move::Rollback { place } => {
            let dir = place.dir()?;
            let sessions = open(url, false)?;
            let result = {
                let _progress = Progress::of_time("writing and comparing", out);
                block_on(rollback(&sessions, &dir)).map_err(failure)?
            };
            moved(&result, Authority::Json, &place, out)?;
            close(&sessions, result.authority == Authority::Json)
        }
    }
}

/// The files that were kept beside those that were written in their places.
fn replaced(dir: &Path) -> Result<BTreeSet<String>, Failure> {
    let cannot = |error| Failure::bad_input(format!("{}: {error}", dir.display()));
    let entries = fs::read_dir(dir).map_err(cannot)?;
    let paths = entries.map(|entry| entry.map(|entry| entry.path().display().to_string()));
    let paths = paths.collect::<Result<BTreeSet<_>, _>>().map_err(cannot)?;
    Ok(paths.into_iter().filter(|path| path.contains(".json.replaced-")).collect())
}

/// What came of a mirror, as JSON: with the files that were kept.
#[derive(Serialize)]
struct MirroredJson<'a> {
    #[serde(flatten)]
    mirrored: &'a Mirrored,
    kept: &'a [String],
}

/// The sessions of the store at `url`, which is made only for a command that puts something in.
fn open(url: &str, make: bool) -> Result<SqliteSessionRepository, Failure> {
    if make {
        return block_on(SqliteSessionRepository::new(url)).map_err(failure);
    }
    let store = place::open(url, false)?;
    Ok(SqliteSessionRepository::from_pool(Arc::new(DbPool::from(store))))
}

fn close(sessions: &SqliteSessionRepository, done: bool) -> Result<Exit, Failure> {
    block_on(sessions.pool().close())?;
    Ok(if done { Exit::Done } else { Exit::Partly })
}

fn on_conflict(overwrite: bool) -> OnConflict {
    if overwrite { OnConflict::Overwrite } else { OnConflict::Keep }
}

fn show(progress: &Progress, at: ImportProgress) {
    progress.written(at.files_done as u64, at.files as u64);
}

/// Refuses a path that no file is of: mistyped, it would be kept for ever.
fn has_file(dir: &Path, workspace: &Path) -> Result<(), Failure> {
    let file = dir.join(format!("{}.json", workspace_hash(workspace)));
    if file.exists() {
        return Ok(());
    }
    let place = workspace.display();
    Err(Failure::bad_input(format!(
        "the workspace {place} has no sessions: there is no file {}",
        file.display()
    )))
}

fn tell(text: &str, out: &Output) {
    out.talk(&Line::new().plain(text));
}

fn failure(error: RepositoryError) -> Failure {
    match error {
        RepositoryError::Database(error) => error.into(),
        RepositoryError::NotFound(what) => Failure::new(Exit::NotFound, format!("{what} was not found")),
        RepositoryError::Validation(why) => Failure::new(Exit::Conflict, why),
        RepositoryError::Internal(why) => Failure::bad_input(why),
    }
}

/// A file's verdict, as JSON: with where it is.
#[derive(Serialize)]
struct FileJson<'a> {
    path: String,
    #[serde(flatten)]
    verdict: &'a FileVerdict,
}

fn imported(report: &ImportReport, form: Option<Form>, out: &mut Output) -> Result<(), Failure> {
    let (mut new, mut changed, mut unchanged, mut removed) = (0, 0, 0, 0);
    let (mut refused, mut conflicts, mut own, mut unreadable) = (0, 0, 0, 0);
    for file in &report.files {
        let path = report.directory.join(format!("{}.json", file.workspace_hash)).display().to_string();
        for LeftOut { session, reason } in file.refused.iter().chain(&file.conflicts) {
            out.complain(&Line::new().plain(format!("{path}: {session}: {reason}")));
        }
        if let Some(reason) = &file.unreadable {
            out.complain(&Line::new().plain(reason));
        }
        if form.is_some() {
            Failure::unless_closed(out.json_line(&FileJson { path, verdict: file }))?;
        }
        (new, changed) = (new + file.new, changed + file.changed);
        (unchanged, removed) = (unchanged + file.unchanged, removed + file.removed);
        (refused, conflicts) = (refused + file.refused.len(), conflicts + file.conflicts.len());
        (own, unreadable) = (own + file.own.len(), unreadable + usize::from(file.unreadable.is_some()));
    }
    let mut outcomes =
        vec![format!("{new} new"), format!("{changed} changed"), format!("{unchanged} unchanged")];
    let also = [(removed, "removed"), (refused as u64, "refused"), (conflicts as u64, "in conflict")];
    outcomes
        .extend(also.iter().filter(|(count, _)| *count > 0).map(|(count, what)| format!("{count} {what}")));
    tell(&format!("files: {}", report.files.len()), out);
    tell(&format!("sessions: {}", outcomes.join(", ")), out);
    let rest = [
        (own, "sessions that only the store has"),
        (unreadable, "files that cannot be read"),
        (report.ignored.len(), "files passed over"),
    ];
    rest.iter()
        .filter(|(count, _)| *count > 0)
        .for_each(|(count, what)| tell(&format!("{what}: {count}"), out));
    if conflicts > 0 {
        out.hint(
            "`sessiondb ait42 compare` shows in what they differ; --overwrite takes what the files have",
        );
    }
    Ok(())
}

fn differences(comparison: &Comparison, out: &mut Output) -> Result<(), Failure> {
    for difference in &comparison.differences {
        out.line(&Line::new().plain(difference.to_string()))?;
    }
    Ok(())
}

fn compared(comparison: &Comparison) -> String {
    let Comparison { workspaces, sessions, differences } = comparison;
    format!("workspaces: {workspaces}, sessions: {sessions}, differences: {}", differences.len())
}

/// What to do about the differences that are left after an import.
fn way_on(comparison: &Comparison) -> &'static str {
    let has = |kind: fn(&Disagreement) -> bool| comparison.differences.iter().any(|one| kind(&one.what));
    if has(|what| matches!(what, Disagreement::Refused { .. } | Disagreement::FileUnreadable { .. })) {
        return "mend what cannot be read or stored in the files, or take it out of them";
    }
    if has(|what| matches!(what, Disagreement::OnlyInStore { .. })) {
        return "`sessiondb ait42 import --overwrite` makes the store say what the files say, and removes what they do not \
                have any more; a session that never came from them goes with `sessiondb rm ait42:worktree:HASH:session:ID`";
    }
    "`sessiondb ait42 import --overwrite` makes the store say what the files say, and removes what they do not have any more"
}

fn behind(pending: &[Pending], out: &Output) {
    for Pending { workspace_hash, error, .. } in pending {
        let why = error.as_deref().unwrap_or("its file is behind the store");
        out.complain(&Line::new().plain(format!("{workspace_hash}: {why}")));
    }
}

fn moved(result: &Moved, to: Authority, place: &Directory, out: &mut Output) -> Result<(), Failure> {
    match place.output {
        Some(Form::Json) => out.json_line(result)?,
        None => differences(&result.comparison, out)?,
    }
    out.flush()?;
    behind(&result.pending, out);
    let side = match result.authority {
        Authority::Json => "the files are",
        Authority::Store => "the store is",
    };
    if result.changed {
        tell(&compared(&result.comparison), out);
        tell(&format!("{side} the authority now"), out);
    } else if result.authority == to {
        tell(&format!("{side} the authority already"), out);
    } else {
        tell(&compared(&result.comparison), out);
        tell(&format!("nothing has moved: {side} the authority as before"), out);
        // What keeps files behind says itself what to do.
        if result.authority == Authority::Json {
            out.hint(way_on(&result.comparison));
        }
    }
    Ok(())
}

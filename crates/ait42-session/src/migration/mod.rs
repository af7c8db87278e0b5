//! Moving from AIT42's JSON files to the store, and back, while people work.
//!
//! | step | what it does |
//! |---|---|
//! | [`import`] | takes the files into the store, as often as one likes; the files are only read |
//! | [`DualWrite`](crate::DualWrite) | writes both sides, of which one is the [`Authority`] and the other follows |
//! | [`compare`] | says in what the two sides differ |
//! | [`cut_over`] | makes the store the authority, if they do not differ |
//! | [`rollback`] | makes the files the authority again, if they do not differ |
//!
//! ```
//! use ait42_session::{DualWrite, SessionRepository as _, SqliteSessionRepository};
//! use ait42_session::migration::{OnConflict, compare, cut_over, import, rollback};
//!
//! # tokio::runtime::Builder::new_current_thread().build().unwrap().block_on(async {
//! # let dir = tempfile::tempdir().unwrap();
//! # let (url, dir) = (dir.path().join("sessions.db").display().to_string(), dir.path().join("sessions"));
//! # std::fs::create_dir(&dir).unwrap();
//! // What AIT42 wrote.
//! let file = dir.join("1f2e3d4c5b6a7988.json");
//! # let session = r#"[{"id": "comp-1", "type": "competition", "task": "Sort", "status": "running",
//! #     "createdAt": "2025-01-13T09:00:00Z", "updatedAt": "2025-01-13T09:00:00Z"}]"#;
//! # std::fs::write(&file, session).unwrap();
//! let store = SqliteSessionRepository::new(&url).await?;
//! let report = import(&store, &dir, OnConflict::Keep, &mut |_| {}).await?;
//! assert_eq!((report.files[0].new, report.is_clean()), (1, true));
//!
//! let moved = cut_over(&store, &dir).await?;
//! for difference in &moved.comparison.differences {
//!     println!("{difference}");
//! }
//! assert!(moved.changed);
//! // From here on the store is the truth, and AIT42's screen still reads its files.
//! let both = DualWrite::open(store.clone(), &dir).await?;
//! both.delete_session("1f2e3d4c5b6a7988", "comp-1").await?;
//! assert_eq!(std::fs::read_to_string(&file).unwrap(), "[]");
//!
//! assert!(rollback(&store, &dir).await?.changed);
//! # Ok::<(), ait42_session::RepositoryError>(())
//! # }).unwrap();
//! ```
//!
//! # What always holds
//!
//! - At every moment each file is whole: it is written beside its place and renamed.
//! - A change has happened when it has happened on the authority's side. Whatever happens then, that the other side is
//!   behind is known: a note in the store, written in the same atomic call as the change, or the digest of the file.
//! - Nothing is overwritten that this crate did not write or import: a session that was changed on both sides is left as
//!   it is and named, and so is a file that somebody else wrote.
//! - A file that is gone or blank, whose sessions the store still has, takes no session away, and [`DualWrite`](crate::DualWrite)
//!   does not begin it anew, until somebody says that they shall go.
//! - What cannot be read or stored is named, stays where it is, and keeps nothing else from being moved.
//! - Members that the models have no field for go along. Numbers are what JavaScript has: doubles, and whole numbers of 64
//!   bits.
//! - The authority moves in one commit, while nobody who uses this crate changes anything. Everything can be killed
//!   anywhere and done again.
//!
//! AIT42 itself takes no locks. While the files are the authority, a change that it makes between our reading and writing
//! of a file is lost, as it is between two of its own; while the store is, it must not run.
//!
//! In the directory lie hidden files for the locks (`.{hash}.lock`, `.sessiondb.authority`, `.sessiondb.gate`), which may stay.
//! What touches files waits on threads of its own, never on those of the caller's runtime.

mod batch;
pub(crate) mod compare;
mod cut_over;
pub(crate) mod directory;
pub(crate) mod files;
pub(crate) mod import;
pub(crate) mod imported;
pub(crate) mod mirror;
mod plan;

pub use compare::{Comparison, Difference, Disagreement, compare};
pub use cut_over::{Moved, cut_over, rollback};
pub use directory::Authority;
pub use import::{FileVerdict, ImportProgress, ImportReport, LeftOut, OnConflict, import};
pub use mirror::Pending;

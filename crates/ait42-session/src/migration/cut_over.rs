//! [`cut_over`] and [`rollback`]: moving the authority from the files to the store, and back.
//!
//! Both bring the two sides in line, look whether they are, and only then record that the authority is moved, which is one
//! commit. Killed anywhere before, nothing has moved, and they can be run again.

use std::{collections::BTreeMap, path::Path};

use serde::Serialize;

use crate::{
    RepositoryError, SqliteSessionRepository,
    migration::{
        Authority, Comparison, OnConflict, Pending,
        batch::Batch,
        compare::compare_all,
        directory::{Directory, ROUNDS_MAX, too_busy},
        files::{Lock, SessionFiles, on_thread},
        import::{Import, import_all},
        mirror::{self, Mirror, Which},
    },
    record::sha256,
    repository::dual::mirror_all,
};

/// What came of moving the authority. It is not moved while the sides differ.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Moved {
    /// Which side is the authority now.
    pub authority: Authority,
    /// Whether it was moved now. If not, it was there already, or the sides differ.
    pub changed: bool,
    /// In what the sides differ. Nothing was compared if the authority was there already.
    pub comparison: Comparison,
    /// The workspaces whose files could not be brought in line with the store, and why.
    pub pending: Vec<Pending>,
}

impl Moved {
    fn already(authority: Authority) -> Moved {
        let comparison = Comparison::default();
        Moved { authority, changed: false, comparison, pending: Vec::new() }
    }
}

/// Makes the store the authority for this directory: imports the files, and compares. If both sides say the same, and no
/// file was changed meanwhile, the store is the truth from then on, and [`DualWrite`](crate::DualWrite) writes the files
/// as its mirror. If not, the differences are the answer, and nothing has moved.
///
/// Those who use `DualWrite` may go on meanwhile: they wait while the authority is moved. AIT42 itself should not be
/// running: what it writes after the files were compared is only found by the next change of that workspace, which then
/// does not overwrite it and says so.
///
/// # Errors
/// [`RepositoryError::Validation`] if the store is the authority for another directory; [`RepositoryError::Internal`] if
/// there is no such directory or no lock can be had in it; [`RepositoryError::Database`].
pub async fn cut_over(
    repository: &SqliteSessionRepository,
    dir: impl AsRef<Path>,
) -> Result<Moved, RepositoryError> {
    let files = SessionFiles::new(dir.as_ref());
    let store = repository.pool();
    let directory = Directory::of(store, &files).await?;
    if directory.authority == Authority::Store {
        return Ok(Moved::already(Authority::Store));
    }
    directory.must_be_alone(store).await?;
    let import = |directory| Import { repository, files: &files, directory, on_conflict: OnConflict::Keep };
    // Most of the work is done while everybody else goes on.
    import_all(&import(&directory), &mut |_| {}).await?;
    let _lock = lock(&files).await?;
    let directory = directory.again(store).await?;
    if directory.authority == Authority::Store {
        return Ok(Moved::already(Authority::Store));
    }
    import_all(&import(&directory), &mut |_| {}).await?;
    let (comparison, digests) = compare_all(&files, repository).await?;
    if !comparison.is_equal() {
        return Ok(Moved { authority: Authority::Json, changed: false, comparison, pending: Vec::new() });
    }
    let mut batch = Batch::new(&directory);
    for (hash, digest) in &digests {
        let commits = vec![mirror::in_line(hash, digest.clone())?];
        if !batch.takes(&commits) {
            store.commit(batch.take()).await?;
        }
        batch.add(commits);
    }
    unchanged(&files, digests).await?;
    batch.add(vec![directory.moved(Authority::Store)?]);
    store.commit(batch.take()).await?;
    Ok(Moved { authority: Authority::Store, changed: true, comparison, pending: Vec::new() })
}

/// Makes the files the authority again: writes what is behind, and compares. If both sides say the same, the files are the
/// truth from then on, and the store follows them. If not, the differences are the answer, and nothing has moved.
///
/// # Errors
/// [`RepositoryError::Validation`] if the store is the authority for another directory and not for this one;
/// [`RepositoryError::Internal`] if there is no such directory or no lock can be had in it; [`RepositoryError::Database`].
pub async fn rollback(
    repository: &SqliteSessionRepository,
    dir: impl AsRef<Path>,
) -> Result<Moved, RepositoryError> {
    let files = SessionFiles::new(dir.as_ref());
    let store = repository.pool();
    let directory = Directory::of(store, &files).await?;
    let _lock = lock(&files).await?;
    let directory = directory.again(store).await?;
    if directory.authority == Authority::Json {
        // Perhaps that one was meant, under another name.
        directory.must_be_alone(store).await?;
        return Ok(Moved::already(Authority::Json));
    }
    'anew: for _ in 0..ROUNDS_MAX {
        let (_, pending) =
            mirror_all(&Mirror { repository, files: &files }, Which::Differing, &mut |_| {}).await?;
        let (comparison, digests) = compare_all(&files, repository).await?;
        if !comparison.is_equal() || !pending.is_empty() {
            return Ok(Moved { authority: Authority::Store, changed: false, comparison, pending });
        }
        // What is imported next is what was changed in the files since now.
        let on_conflict = OnConflict::Keep;
        let import = Import { repository, files: &files, directory: &directory, on_conflict };
        for hash in digests.keys() {
            if !import.note(hash).await? {
                continue 'anew;
            }
        }
        store.commit_one(directory.moved(Authority::Json)?).await?;
        return Ok(Moved { authority: Authority::Json, changed: true, comparison, pending });
    }
    Err(too_busy("the rollback"))
}

async fn lock(files: &SessionFiles) -> Result<Lock, RepositoryError> {
    let files = files.clone();
    on_thread(move || files.move_authority()).await
}

/// Refuses to go on if a file is not what was compared.
async fn unchanged(
    files: &SessionFiles,
    mut digests: BTreeMap<String, Option<String>>,
) -> Result<(), RepositoryError> {
    let files = files.clone();
    on_thread(move || {
        for hash in files.list()?.hashes {
            let digest = files.bytes(&hash)?.as_deref().map(sha256);
            if digests.remove(&hash).flatten() != digest {
                let path = files.path(&hash)?;
                return Err(changed(&path));
            }
        }
        match digests.into_iter().find(|(_, digest)| digest.is_some()) {
            Some((hash, _)) => Err(changed(&files.path(&hash)?)),
            None => Ok(()),
        }
    })
    .await
}

fn changed(path: &Path) -> RepositoryError {
    RepositoryError::Internal(format!(
        "{} was changed while it was compared; stop who writes it, then try again",
        path.display()
    ))
}

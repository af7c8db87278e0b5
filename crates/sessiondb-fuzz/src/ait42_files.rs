//! AIT42's files of sessions: what is imported is what the file says, and everything else is named.

use std::fs;

use ait42_session::{
    JsonSessionRepository, SessionRepository as _, SqliteSessionRepository,
    migration::{Disagreement, OnConflict, compare, import},
};
use pollster::block_on;
use serde_json::value::RawValue;

use crate::observed::{archive, assert_restorable, assert_same, assert_sound};

const WORKSPACE: &str = "1f2e3d4c5b6a7988";

/// The bytes are the file of a workspace.
///
/// What is no list is passed over: it may be just being written, so it is read again and again, and an input of that kind
/// takes the time of a hundred others.
pub fn holds(data: &[u8]) {
    if serde_json::from_slice::<Vec<&RawValue>>(data).is_err() {
        return;
    }
    let dir = tempfile::tempdir().unwrap();
    fs::write(dir.path().join(format!("{WORKSPACE}.json")), data).unwrap();
    let store = block_on(SqliteSessionRepository::new("memory:")).unwrap();
    let imported = || {
        let mut report = block_on(import(&store, dir.path(), OnConflict::Keep, &mut |_| {})).unwrap();
        assert_eq!((report.files.len(), report.ignored.len()), (1, 0));
        report.files.remove(0)
    };
    let verdict = imported();
    assert_eq!((verdict.changed, verdict.unchanged, verdict.removed), (0, 0, 0));
    assert_eq!((verdict.conflicts.len(), verdict.own.len()), (0, 0));
    assert_sound(store.pool());
    let stored = assert_restorable(store.pool());

    // The two sides differ in what was refused, and in nothing else.
    let differences = block_on(compare(dir.path(), &store)).unwrap().differences;
    let refused = |what: &Disagreement| {
        matches!(what, Disagreement::Refused { .. } | Disagreement::FileUnreadable { .. })
    };
    assert!(differences.iter().all(|difference| refused(&difference.what)), "{differences:#?}");
    assert_eq!(differences.len(), verdict.refused.len() + usize::from(verdict.unreadable.is_some()));

    let again = imported();
    assert_eq!((again.new, again.changed, again.unchanged), (0, 0, verdict.new), "{again:#?}");
    assert_eq!((&again.refused, &again.unreadable), (&verdict.refused, &verdict.unreadable));
    assert_same(&archive(store.pool()), &stored);

    if verdict.is_clean() {
        let files = JsonSessionRepository::new(dir.path());
        let sides =
            [block_on(files.get_all_sessions(WORKSPACE)), block_on(store.get_all_sessions(WORKSPACE))];
        let [file, stored] = sides.map(|sessions| sessions.unwrap());
        assert_eq!(file, stored);
        assert_eq!(stored.len() as u64, verdict.new);
    }
}

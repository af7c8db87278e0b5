//! Archives that nobody exported: an error, or a sound store.

use pollster::block_on;
use sessiondb_export::{RestoreError, is_archive, restore};

use crate::observed::{archive, assert_restorable, assert_same, assert_sound, memory};

/// The bytes are an archive, or what stands behind the first line of one.
pub fn holds(data: &[u8]) {
    let header: &[u8] = if is_archive(data) { b"" } else { b"{\"sessiondb_archive\":1}\n" };
    let bytes = [header, data].concat();
    let store = memory();
    let read = || block_on(restore(&store, bytes.as_slice(), &mut |_| {}));
    let restored = match read() {
        Ok(restored) => restored,
        Err(RestoreError::NotAnArchive(_)) => {
            assert_eq!(block_on(store.check()).unwrap().sessions, 0);
            return;
        }
        Err(error) => panic!("{error}"),
    };
    assert_sound(&store);
    assert_eq!(block_on(store.check()).unwrap().sessions, restored.sessions);
    let first = assert_restorable(&store);
    // The same again brings nothing, and finds what it brought.
    let again = read().unwrap();
    assert_eq!(
        (again.sessions, again.unchanged),
        (0, restored.sessions),
        "{restored:#?} and then {again:#?}"
    );
    assert_same(&archive(&store), &first);
}

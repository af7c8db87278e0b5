//! The sample transcripts, imported, exported, restored.

use std::path::Path;

use pollster::block_on;
use sessiondb_import::{find, import};

use crate::desk::{archive, file, memory, read_whole, seen};

#[test]
fn the_samples_are_restored_as_they_were_imported() {
    let samples = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../samples/claude/projects");
    let (store, _dir) = file();
    for source in find(None, &[samples]).unwrap().sources {
        block_on(import(&store, &source, &mut |_| {})).unwrap();
    }
    let first = archive(&store);
    let (other, _other_dir) = file();
    for target in [&other, &memory()] {
        let restored = read_whole(target, &first);
        assert!(restored.sessions >= 4 && restored.documents > 0, "{restored:?}");
        assert_eq!(archive(target), first);
        assert_eq!(seen(target), seen(&store));
    }
}

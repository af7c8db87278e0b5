//! What the documents say about the code is true.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a panic is how a test fails")]

use std::{fs, path::Path};

fn root() -> &'static Path {
    Path::new(concat!(env!("CARGO_MANIFEST_DIR"), "/../.."))
}

fn sources(directory: &Path, text: &mut String) {
    for entry in fs::read_dir(directory).unwrap().map(Result::unwrap) {
        let path = entry.path();
        if path.is_dir() {
            sources(&path, text);
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            text.push_str(&fs::read_to_string(path).unwrap());
        }
    }
}

#[test]
fn every_test_that_the_documents_name_exists() {
    let document = fs::read_to_string(root().join("docs/seeds.md")).unwrap();
    let mut named = 0;
    for name in document.split('`').skip(1).step_by(2) {
        let Some((krate, test)) = name.split_once("::") else { continue };
        let directory = root().join("crates").join(krate);
        if !directory.is_dir() {
            continue;
        }
        let mut text = String::new();
        sources(&directory, &mut text);
        let exists = text.contains(&format!("fn {test}("));
        assert!(exists, "docs/seeds.md names {name}, which does not exist");
        named += 1;
    }
    assert!(named >= 40, "only {named} names were found: has the form of the document changed?");
}

#[test]
fn aisopod_session_lists_rusqlite_with_bundled() {
    let manifest = fs::read_to_string(root().join("crates/aisopod-session/Cargo.toml")).unwrap();
    assert!(manifest.contains("rusqlite = { workspace = true, features = [\"bundled\"] }"));
}

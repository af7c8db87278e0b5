//! The saved inputs, given to the properties again.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a panic is how a test fails")]

use std::{
    collections::BTreeSet,
    fs,
    panic::catch_unwind,
    path::{Path, PathBuf},
};

use sessiondb_fuzz::TARGETS;

fn fuzz() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../../fuzz")
}

/// What lies in a directory, by name.
fn names(directory: &Path) -> BTreeSet<String> {
    let entries = fs::read_dir(directory).unwrap();
    entries.map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect()
}

/// Every input from which the fuzzer goes on, and every one that has broken something once.
#[test]
fn every_saved_input_holds() {
    let mut broken = Vec::new();
    for (name, holds) in TARGETS {
        let inputs = fuzz().join("corpus").join(name);
        for input in names(&inputs) {
            let bytes = fs::read(inputs.join(&input)).unwrap();
            if catch_unwind(|| holds(&bytes)).is_err() {
                broken.push(format!("fuzz/corpus/{name}/{input}"));
            }
        }
    }
    assert!(broken.is_empty(), "these inputs break their properties: {broken:#?}");
}

/// A target that nobody runs, or a program without a property, would hide that nothing is fuzzed.
#[test]
fn every_target_has_its_program_and_its_inputs() {
    let targets: BTreeSet<String> = TARGETS.iter().map(|(name, _)| (*name).to_owned()).collect();
    assert_eq!(targets.len(), TARGETS.len());
    assert_eq!(names(&fuzz().join("corpus")), targets);
    let programs = names(&fuzz().join("fuzz_targets"));
    assert_eq!(programs, targets.iter().map(|name| format!("{name}.rs")).collect());
    let manifest = fs::read_to_string(fuzz().join("Cargo.toml")).unwrap();
    for name in &targets {
        assert!(!names(&fuzz().join("corpus").join(name)).is_empty(), "{name} has no inputs");
        assert!(manifest.contains(&format!("name = \"{name}\"")), "{name} is no program of the manifest");
        let program = fs::read_to_string(fuzz().join(format!("fuzz_targets/{name}.rs"))).unwrap();
        assert!(program.contains(&format!("sessiondb_fuzz::{name}::holds(")), "{name} fuzzes something else");
    }
}

/// They are in everybody's clone.
#[test]
fn the_saved_inputs_stay_small() {
    let size = |path: PathBuf| fs::metadata(path).unwrap().len();
    let of = |name: &str| -> u64 {
        let inputs = fuzz().join("corpus").join(name);
        names(&inputs).iter().map(|input| size(inputs.join(input))).sum()
    };
    let bytes: u64 = TARGETS.iter().map(|(name, _)| of(name)).sum();
    assert!(bytes < 2 << 20, "{bytes} bytes");
}

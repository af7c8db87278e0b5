//! Files of conversations are found, and not taken for anything else.

use std::fs;

use sessiondb_import::{Format, find};

use crate::desk::{chat, samples};

#[test]
fn a_file_of_conversations_is_known_by_its_lines() {
    let dir = tempfile::tempdir().unwrap();
    let write = |name: &str, text: &str| fs::write(dir.path().join(name), text).unwrap();
    write("a.jsonl", &chat("1", &["x"]));
    write("b.jsonl", "{\"prompt\":\"x\",\"completion\":\"y\"}\n");
    write(
        "c.jsonl",
        "{\"type\":\"user\",\"uuid\":\"u\",\"message\":{\"role\":\"user\",\"content\":\"x\"}}\n",
    );
    write("d.json", &chat("1", &["x"]));
    let paths = [dir.path().to_owned()];
    let found = |format: Option<Format>| {
        let found = find(format, &paths).unwrap();
        found
            .sources
            .iter()
            .map(|s| format!("{} {}", s.format, s.path.file_name().unwrap().display()))
            .collect::<Vec<_>>()
    };
    assert_eq!(found(None), ["openai a.jsonl", "claude c.jsonl"]);
    assert_eq!(found(Some(Format::OpenAi)), ["openai a.jsonl"]);
    assert_eq!(found(Some(Format::Claude)), ["claude c.jsonl"]);
}

#[test]
fn the_samples_are_found_and_there_is_no_place_to_look_at_unasked() {
    let found = find(None, &[samples()]).unwrap();
    assert_eq!((found.sources.len(), found.sources[0].format), (1, Format::OpenAi));
    assert!(Format::OpenAi.places().is_empty());
}

//! Compressed transcripts, whole and damaged.

use std::io::Read;

use sessiondb::time;
use sessiondb_import::{Format, ImportError};

use crate::{import_codex, transcript::Desk};

/// Most bytes of text that are looked at: what a few bytes can be decompressed to is too much for a fuzzer.
const TEXT_BYTES_MAX: u64 = 1 << 20;

/// How a frame of Zstandard begins.
const MAGIC: [u8; 4] = [0x28, 0xb5, 0x2f, 0xfd];

/// The first byte chooses a format, and whether the rest is a compressed file or text that is to be compressed, of which
/// as many bytes as the second one says are cut off. What can be decompressed is imported as if it stood in a plain file.
pub fn holds(data: &[u8]) {
    let Some(([choice, cut], rest)) = data.split_first_chunk::<2>() else { return };
    let packed = if choice & 4 == 0 {
        rest.to_vec()
    } else {
        let packed = zstd::encode_all(rest, 1).unwrap();
        packed[..packed.len().saturating_sub(usize::from(*cut))].to_vec()
    };
    let (format, name) = match choice & 3 {
        0 => (Format::Claude, "s-1.jsonl"),
        1 => (Format::OpenAi, "train.jsonl"),
        _ => (Format::Codex, import_codex::NAME),
    };
    let (mut text, mut damaged) = (Vec::new(), false);
    let mut decoder = zstd::Decoder::with_buffer(packed.as_slice()).unwrap().take(TEXT_BYTES_MAX);
    let mut chunk = [0; 1 << 12];
    loop {
        match decoder.read(&mut chunk) {
            Ok(0) => break,
            Ok(count) => text.extend_from_slice(&chunk[..count]),
            Err(_) => {
                damaged = true;
                break;
            }
        }
    }
    if text.len() as u64 == TEXT_BYTES_MAX {
        return;
    }
    if damaged {
        text.truncate(text.iter().rposition(|byte| *byte == b'\n').map_or(0, |at| at + 1));
    }
    // A file that is not called so and does not begin so is a plain one, and a text that begins so is none.
    let packed_name = if format == Format::Claude { name.to_owned() } else { format!("{name}.zst") };
    let is_packed = packed_name.ends_with(".zst") || packed.starts_with(&MAGIC);
    if !is_packed || text.starts_with(&MAGIC) {
        return;
    }
    let since = time::now();
    // The same session, whether its file is called so or not.
    let mut desk = Desk::new(format, &packed_name);
    match desk.import(&packed) {
        Ok(_) => assert!(!damaged, "what is damaged was taken for whole"),
        Err(ImportError::Read { .. }) => assert!(damaged, "what is whole could not be read"),
        Err(error) => panic!("{error}"),
    }
    let mut plain = Desk::new(format, name);
    plain.import(&text).unwrap();
    assert_eq!(desk.content(since), plain.content(since));
}

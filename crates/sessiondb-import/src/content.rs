//! [`Content`]: the text of a transcript's file, which may be compressed.

use std::{
    fs::File,
    io::{self, BufReader, Read, Seek, SeekFrom},
    path::Path,
};

use zstd::stream::read::Decoder;

/// How a frame of Zstandard begins. No JSON text does.
const ZSTD_MAGIC: [u8; 4] = [0x28, 0xb5, 0x2f, 0xfd];
/// Largest window that is decompressed, as a power of two: 64 MiB, the most that a file may cost in memory. Every
/// ordinary level of compression needs less.
const WINDOW_LOG_MAX: u32 = 26;

/// The text of a file. What is read, and all offsets, are those of the text, be the file compressed or not.
///
/// A compressed file has no place that one can jump to: reading from some offset on means to decompress all that
/// stands before it.
pub(crate) enum Content {
    /// The text itself.
    Plain(File),
    /// The text in Zstandard.
    Packed(Box<Packed>),
}

/// A compressed text.
pub(crate) struct Packed {
    file: File,
    decoder: Decoder<'static, BufReader<File>>,
    /// The offset in the text.
    offset: u64,
}

impl Content {
    /// Opens a file. It is taken for a compressed one if it is called `*.zst` or begins as one does.
    ///
    /// # Errors
    /// If the file cannot be read.
    pub fn open(path: &Path) -> io::Result<Content> {
        let mut file = File::open(path)?;
        let packed = path.extension().is_some_and(|extension| extension == "zst") || {
            let mut start = Vec::with_capacity(ZSTD_MAGIC.len());
            (&mut file).take(ZSTD_MAGIC.len() as u64).read_to_end(&mut start)?;
            file.rewind()?;
            start == ZSTD_MAGIC
        };
        if !packed {
            return Ok(Content::Plain(file));
        }
        let decoder = decoder(&file)?;
        Ok(Content::Packed(Box::new(Packed { file, decoder, offset: 0 })))
    }
}

impl Read for Content {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        match self {
            Content::Plain(file) => file.read(buffer),
            Content::Packed(packed) => packed.read(buffer),
        }
    }
}

impl Seek for Content {
    /// Only from the start of the text on. Behind the end of a compressed text is its end.
    fn seek(&mut self, place: SeekFrom) -> io::Result<u64> {
        match (self, place) {
            (Content::Plain(file), place) => file.seek(place),
            (Content::Packed(packed), SeekFrom::Start(offset)) => packed.skip_to(offset),
            (Content::Packed(_), SeekFrom::End(_) | SeekFrom::Current(_)) => Err(io::Error::new(
                io::ErrorKind::Unsupported,
                "a compressed file is read from its start only",
            )),
        }
    }
}

impl Packed {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let count = self.decoder.read(buffer).map_err(|error| match error.kind() {
            io::ErrorKind::Interrupted => error,
            kind => {
                let read = self.offset;
                let reason =
                    format!("its compressed data is damaged or cut off behind {read} bytes of text: {error}");
                io::Error::new(kind, reason)
            }
        })?;
        self.offset += count as u64;
        Ok(count)
    }

    fn skip_to(&mut self, offset: u64) -> io::Result<u64> {
        if offset < self.offset {
            self.file.rewind()?;
            (self.decoder, self.offset) = (decoder(&self.file)?, 0);
        }
        let mut chunk = vec![0; 64 << 10];
        while self.offset < offset {
            let most = usize::try_from(offset - self.offset).unwrap_or(usize::MAX).min(chunk.len());
            match self.read(&mut chunk[..most]) {
                Ok(0) => break,
                Ok(_) => {}
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => return Err(error),
            }
        }
        Ok(self.offset)
    }
}

fn decoder(file: &File) -> io::Result<Decoder<'static, BufReader<File>>> {
    let mut decoder = Decoder::with_buffer(BufReader::with_capacity(64 << 10, file.try_clone()?))?;
    decoder.window_log_max(WINDOW_LOG_MAX)?;
    Ok(decoder)
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;

    const TEXT: &[u8] = b"one\ntwo\nthree\n";

    fn open(name: &str, bytes: &[u8]) -> Content {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join(name);
        fs::write(&path, bytes).unwrap();
        Content::open(&path).unwrap()
    }

    fn all(mut content: Content) -> io::Result<Vec<u8>> {
        let mut text = Vec::new();
        content.read_to_end(&mut text).map(|_| text)
    }

    #[test]
    fn a_file_gives_its_text_however_it_is_kept_and_called() {
        let packed = zstd::encode_all(TEXT, 3).unwrap();
        assert_eq!(all(open("a.jsonl", TEXT)).unwrap(), TEXT);
        assert_eq!(all(open("a.jsonl.zst", &packed)).unwrap(), TEXT);
        assert_eq!(all(open("a.bak", &packed)).unwrap(), TEXT);
        assert_eq!(all(open("a.jsonl", b"{")).unwrap(), b"{");
        // A compressed file may be one to which another was appended.
        let twice = [packed.clone(), packed].concat();
        assert_eq!(all(open("a.jsonl.zst", &twice)).unwrap(), [TEXT, TEXT].concat());
    }

    #[test]
    fn offsets_are_those_of_the_text_forth_and_back() {
        let packed = zstd::encode_all(TEXT, 3).unwrap();
        for mut content in [open("a.jsonl", TEXT), open("a.jsonl.zst", &packed)] {
            for offset in [4, 8, 8, 0, 14, 3] {
                assert_eq!(content.seek(SeekFrom::Start(offset)).unwrap(), offset);
                let mut byte = Vec::new();
                (&mut content).take(1).read_to_end(&mut byte).unwrap();
                assert_eq!(byte.first(), TEXT.get(offset as usize));
            }
        }
    }

    #[test]
    fn what_is_damaged_is_an_error_behind_what_can_be_read() {
        let packed = zstd::encode_all(TEXT, 3).unwrap();
        for cut in 5..packed.len() {
            let error = all(open("a.jsonl.zst", &packed[..cut])).unwrap_err();
            assert!(error.to_string().contains("damaged or cut off"), "{error}");
        }
        let error = all(open("a.jsonl.zst", b"{\"type\":\"user\"}\n")).unwrap_err();
        assert!(error.to_string().contains("damaged or cut off behind 0 bytes"), "{error}");
    }

    #[test]
    fn a_window_beyond_the_bound_is_refused_before_it_costs_anything() {
        // Magic, a descriptor without a content size, a window of 128 MiB, and an empty last block.
        let frame = |window: u8| [0x28, 0xb5, 0x2f, 0xfd, 0x00, window, 1, 0, 0];
        assert_eq!(all(open("a.jsonl.zst", &frame(16 << 3))).unwrap(), b"");
        let error = all(open("a.jsonl.zst", &frame(17 << 3))).unwrap_err();
        assert!(error.to_string().contains("too much memory"), "{error}");
    }
}

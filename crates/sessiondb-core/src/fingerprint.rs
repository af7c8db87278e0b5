//! [`Fingerprint`]: what a checksum or digest is made of. The bytes that go in are part of the file format: every field
//! with its length or its presence before it, in a fixed order, so that no two values look alike and a field that is
//! added to a Rust struct changes nothing that is stored.

use xxhash_rust::xxh3::Xxh3;

/// XXH3 over fields.
pub(crate) struct Fingerprint(Xxh3);

impl Fingerprint {
    pub fn new() -> Fingerprint {
        Fingerprint(Xxh3::new())
    }

    pub fn bytes(&mut self, bytes: &[u8]) {
        self.0.update(&[1]);
        self.0.update(&(bytes.len() as u64).to_le_bytes());
        self.0.update(bytes);
    }

    pub fn text(&mut self, text: &str) {
        self.bytes(text.as_bytes());
    }

    pub fn bytes_opt(&mut self, bytes: Option<&[u8]>) {
        match bytes {
            None => self.absent(),
            Some(bytes) => self.bytes(bytes),
        }
    }

    pub fn text_opt(&mut self, text: Option<&str>) {
        self.bytes_opt(text.map(str::as_bytes));
    }

    /// Texts, and where they end.
    pub fn texts(&mut self, texts: &[String]) {
        texts.iter().for_each(|text| self.text(text));
        self.absent();
    }

    pub fn number(&mut self, number: u64) {
        self.0.update(&number.to_le_bytes());
    }

    pub fn number_opt(&mut self, number: Option<u64>) {
        match number {
            None => self.absent(),
            Some(number) => {
                self.0.update(&[1]);
                self.number(number);
            }
        }
    }

    fn absent(&mut self) {
        self.0.update(&[0]);
    }

    /// 64 bits, as the store keeps them.
    pub fn checksum(&self) -> i64 {
        self.0.digest().cast_signed()
    }

    /// 128 bits.
    pub fn digest(&self) -> [u8; 16] {
        self.0.digest128().to_be_bytes()
    }
}

//! How a write-ahead log is written down (<https://www.sqlite.org/fileformat2.html#walformat>): a header, then frames,
//! each with one page. Every frame's checksum goes on from that of the frame before, and the first from the header's.

/// Bytes of the log's own header.
pub(super) const HEADER_LEN: usize = 32;
/// Bytes of a frame before its page.
pub(super) const FRAME_HEADER_LEN: usize = 24;
/// What the header's checksum is made of: all that stands before it.
pub(super) const HEADER_SUMMED: usize = 24;
/// What a frame's checksum is made of before its page: the page's number and the commit mark.
pub(super) const FRAME_SUMMED: usize = 8;

const MAGIC: u32 = 0x377f_0682;
const VERSION: u32 = 3_007_000;

/// In which order the bytes of a word are, where checksums are made. Numbers in headers are big-endian always.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Order {
    Little,
    Big,
}

impl Order {
    pub fn word(self, bytes: [u8; 4]) -> u32 {
        match self {
            Order::Little => u32::from_le_bytes(bytes),
            Order::Big => u32::from_be_bytes(bytes),
        }
    }

    pub fn bytes(self, word: u32) -> [u8; 4] {
        match self {
            Order::Little => word.to_le_bytes(),
            Order::Big => word.to_be_bytes(),
        }
    }
}

/// Two sums, each of which has the other in it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(super) struct Checksum(pub u32, pub u32);

impl Checksum {
    /// The checksum after these bytes too. Their number is a multiple of eight.
    pub fn over(self, order: Order, bytes: &[u8]) -> Checksum {
        let (pairs, _) = bytes.as_chunks::<8>();
        pairs.iter().fold(self, |Checksum(one, other), [a, b, c, d, e, f, g, h]| {
            let one = one.wrapping_add(order.word([*a, *b, *c, *d])).wrapping_add(other);
            Checksum(one, other.wrapping_add(order.word([*e, *f, *g, *h])).wrapping_add(one))
        })
    }

    fn read(bytes: &[u8], at: usize) -> Checksum {
        Checksum(number(bytes, at), number(bytes, at + 4))
    }
}

/// What the log's header says.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Header {
    pub order: Order,
    pub page_size: u32,
    /// The frames of this generation bear it too.
    pub salts: [u8; 8],
    pub checksum: Checksum,
}

impl Header {
    /// A header that SQLite would follow; `None` if it would take the log for empty.
    pub fn sound(bytes: &[u8; HEADER_LEN]) -> Option<Header> {
        let order = match number(bytes, 0).wrapping_sub(MAGIC) {
            0 => Order::Little,
            1 => Order::Big,
            _ => return None,
        };
        let header = Header {
            order,
            page_size: number(bytes, 8),
            salts: salts(bytes, 16),
            checksum: Checksum::read(bytes, 24),
        };
        let sound = number(bytes, 4) == VERSION
            && (512..=65_536).contains(&header.page_size)
            && header.page_size.is_power_of_two()
            && header.checksum == Checksum::default().over(order, &bytes[..HEADER_SUMMED]);
        sound.then_some(header)
    }
}

/// How often the log was begun anew, says its header: once more with each generation of frames.
pub(super) fn generation(header: &[u8; HEADER_LEN]) -> u32 {
    number(header, 12)
}

/// A frame: a header and a page.
#[derive(Debug, Clone, Copy)]
pub(super) struct Frame<'a>(pub &'a [u8]);

impl Frame<'_> {
    pub fn page(self) -> u32 {
        number(self.0, 0)
    }

    /// Whether a transaction ends with this frame: it says how long the database is then.
    pub fn commits(self) -> bool {
        self.commits_length().is_some()
    }

    /// How many pages the database has when the transaction ends with this frame.
    pub fn commits_length(self) -> Option<u32> {
        Some(number(self.0, 4)).filter(|pages| *pages != 0)
    }

    pub fn salts(self) -> [u8; 8] {
        salts(self.0, 8)
    }

    pub fn checksum(self) -> Checksum {
        Checksum::read(self.0, 16)
    }

    /// What its checksum should be, after the one of the frame before.
    pub fn summed(self, order: Order, before: Checksum) -> Checksum {
        before.over(order, &self.0[..FRAME_SUMMED]).over(order, &self.0[FRAME_HEADER_LEN..])
    }

    /// Whether SQLite would read it after a frame with this checksum.
    pub fn follows(self, header: &Header, before: Checksum) -> bool {
        self.salts() == header.salts
            && self.page() != 0
            && self.summed(header.order, before) == self.checksum()
    }
}

fn number(bytes: &[u8], at: usize) -> u32 {
    bytes[at..].first_chunk().map_or(0, |bytes| u32::from_be_bytes(*bytes))
}

fn salts(bytes: &[u8], at: usize) -> [u8; 8] {
    bytes[at..].first_chunk().copied().unwrap_or_default()
}

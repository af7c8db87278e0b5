//! What of a damaged log can be put right with certainty: where the checksums that are left prove what was there.

use super::format::{Checksum, FRAME_HEADER_LEN, FRAME_SUMMED, Frame, HEADER_LEN, Header, Order, generation};

/// Bytes to write into the log at a place, which puts one damaged header or frame right.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Patch {
    pub offset: u64,
    pub bytes: Vec<u8>,
}

/// The header as it was, if one bit of it was turned: what follows from the first frame, which goes on from the header's
/// checksum and bears its salts. `first` is what stands behind the header.
///
/// One that differs by more is left alone. When a log is begun anew, its header is overwritten while the frames of the
/// generation before stand behind it, all of them in the database already; a power cut may tear it then. The number of the
/// generation comes before all else that changes, and grows by one: alone it may be a tear, too.
pub(super) fn header(bytes: &[u8; HEADER_LEN], first: &[u8]) -> Option<(Header, [u8; HEADER_LEN])> {
    (0..HEADER_LEN * 8).find_map(|bit| {
        let mut turned = *bytes;
        turned[bit / 8] ^= 1 << (bit % 8);
        let header = Header::sound(&turned)?;
        let frame = first.get(..FRAME_HEADER_LEN + header.page_size as usize).map(Frame)?;
        let begun_anew = generation(bytes) == generation(&turned).wrapping_add(1);
        (!begun_anew && frame.follows(&header, header.checksum)).then_some((header, turned))
    })
}

/// The one bit of a frame that must be turned for it to have the checksum that it bears.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Flip {
    /// Where in the frame, and what the byte was.
    Bit { at: usize, byte: u8 },
    /// There are several such bits: SQLite's checksum does not tell the high bits of words from each other. One it was.
    OneOfSeveral,
}

/// Looks for it; `None` if more than one bit is damaged.
pub(super) fn flip(order: Order, before: Checksum, frame: Frame<'_>) -> Option<Flip> {
    let (found, wanted) = (frame.summed(order, before), frame.checksum());
    let missing = (wanted.0.wrapping_sub(found.0), wanted.1.wrapping_sub(found.1));
    // The sums are linear: what one more in a word adds to them depends on how far from the end the word stands, and on
    // nothing else. Here for the first and the second word of a pair, from the last pair to the first.
    let (mut first, mut second) = ((1_u32, 1_u32), (0_u32, 1_u32));
    let further = |(a, b): (u32, u32)| {
        let a = a.wrapping_add(b);
        (a, b.wrapping_add(a))
    };
    let mut flip = None;
    let pairs = (FRAME_HEADER_LEN..frame.0.len()).step_by(8).rev().chain((0..FRAME_SUMMED).step_by(8).rev());
    for pair in pairs {
        for (at, adds) in [(pair, first), (pair + 4, second)] {
            let Some(bytes) = frame.0[at..].first_chunk() else { continue };
            let word = order.word(*bytes);
            for bit in 0..32 {
                let turned = word ^ (1 << bit);
                let change = turned.wrapping_sub(word);
                if (adds.0.wrapping_mul(change), adds.1.wrapping_mul(change)) != missing {
                    continue;
                }
                if flip.is_some() {
                    return Some(Flip::OneOfSeveral);
                }
                let bytes = order.bytes(turned);
                flip = (0..4)
                    .find(|&i| bytes[i] != frame.0[at + i])
                    .map(|i| Flip::Bit { at: at + i, byte: bytes[i] });
            }
        }
        (first, second) = (further(first), further(second));
    }
    flip
}

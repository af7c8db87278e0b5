//! [`Page`]: how much is read at a time.

/// Fewest items in a page: together they are not too many bytes even if each is as large as it may be.
const ITEMS_MIN: usize = 4;
/// Most items.
const ITEMS_MAX: usize = 256;
/// A page of more bytes than this makes the next one smaller.
const BYTES: usize = 4 << 20;

/// How many messages or documents to read next. It begins small and follows what they turn out to weigh, since a page is
/// asked for by the number of its items, of which one may have a few bytes or 16 MiB.
#[derive(Debug)]
pub(crate) struct Page {
    items: usize,
}

impl Page {
    pub fn new() -> Page {
        Page { items: 4 * ITEMS_MIN }
    }

    /// How many items to ask for.
    pub fn items(&self) -> usize {
        self.items
    }

    /// The last page had so many bytes.
    pub fn weighed(&mut self, bytes: usize) {
        if bytes > BYTES {
            self.items = (self.items / 4).max(ITEMS_MIN);
        } else if bytes < BYTES / 4 {
            self.items = (self.items * 2).min(ITEMS_MAX);
        }
    }
}

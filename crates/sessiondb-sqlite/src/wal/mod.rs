//! The write-ahead log as a file: whether anything in it is damaged.
//!
//! SQLite reads the log up to the first frame that does not check and takes that for its end. After a power cut it is:
//! frames of the last transaction, which was never synced, may be torn. After one turned bit it is not, and every
//! acknowledged transaction behind it is dropped without a word. The two can be told apart:
//!
//! - With [`Durability::Full`](crate::Durability::Full) a transaction is synced before the next one is begun. So behind
//!   what a power cut tears there is the end of that one transaction at most, and frames of older generations of the log,
//!   which bear other salts. Where a **second** commit follows the first one in an unbroken chain of checksums, the first
//!   was synced when the second was written, and with it everything before: what does not check there is damage.
//! - The chain is broken at the damage. Each frame's checksum goes on from the one that the frame before it bears, so it
//!   begins again with the next frame, or the one after.
//! - The log's header is written and synced before its first frame. When the log is begun anew it is overwritten, so a
//!   header that does not check is damage only if it was provably that of the frames behind it.
//!
//! What cannot be told: damage in the last transaction looks as a torn one does, and is taken for it. More than one turned bit
//! in the log's header, or in the frame that ends the last transaction but one, is not told either, nor a log cut short.

mod format;
mod mend;
#[cfg(test)]
mod tests;

use std::{
    collections::BTreeMap,
    fs::File,
    io::{self, BufReader, Read, Seek, SeekFrom, Write},
    path::Path,
    sync::Arc,
};

use crate::descriptor;

use self::{
    format::{Checksum, FRAME_HEADER_LEN, Frame, HEADER_LEN, Header},
    mend::Flip,
};
pub(crate) use mend::Patch;

/// The first damage in a log.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Damage {
    /// The frame that does not check, counted from 1; 0 is the log's header.
    pub frame: u64,
    /// How many frames the log has, whole ones, of this generation or older ones.
    pub frames: u64,
    /// How many frames SQLite would read: up to the last transaction that is whole before the damage.
    pub frames_before: u64,
    /// Transactions before the damage.
    pub commits_before: u64,
    /// Transactions of which the end is behind the damage, as far as the checksums prove them.
    pub commits_behind: u64,
    /// Frames of them, each a page.
    pub frames_behind: u64,
    /// How to put it right, if it is known what was there.
    pub patch: Option<Patch>,
}

/// Reads the log and answers the first damage in it. A log that is not there or has no frames is sound. At most a few
/// hundred KiB are held in memory.
///
/// # Errors
/// If the file cannot be read.
pub(crate) fn examine(log: &Path) -> io::Result<Option<Damage>> {
    let mut file = match File::open(log) {
        Ok(file) => BufReader::with_capacity(256 << 10, file),
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
        Err(error) => return Err(error),
    };
    let mut bytes = [0; HEADER_LEN];
    if !read(&mut file, &mut bytes)? {
        return Ok(None);
    }
    match Header::sound(&bytes) {
        Some(header) => Ok(follow(&mut file, &header, |_| ())?.damage(&header)),
        None => {
            let mut first = Vec::new();
            file.by_ref().take((FRAME_HEADER_LEN + 65_536) as u64).read_to_end(&mut first)?;
            let Some((header, mended)) = mend::header(&bytes, &first) else { return Ok(None) };
            file.seek(SeekFrom::Start(HEADER_LEN as u64))?;
            Ok(follow(&mut file, &header, |_| ())?.damage_of_header(&mended))
        }
    }
}

/// Writes a patch into the log, durably.
pub(crate) fn mend(log: &Path, patch: &Patch) -> io::Result<()> {
    let mut file = File::options().write(true).open(log)?;
    file.seek(SeekFrom::Start(patch.offset))?;
    file.write_all(&patch.bytes)?;
    file.sync_all()
}

/// Empties the log, durably.
pub(crate) fn empty(log: &Path) -> io::Result<()> {
    let file = File::options().write(true).open(log)?;
    file.set_len(0)?;
    file.sync_all()
}

/// How much of a damaged log is in the database already.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Copied {
    /// Nothing of what is behind the damage.
    NothingBehind,
    /// Something of it.
    InPart,
    /// Every page that the log has, as its last transaction left it. Of the frame that does not check it is not known; but
    /// the pages that come after it were copied too, and SQLite copies up to a frame, all pages of it.
    All,
}

/// Compares the database with its damaged log, while nobody writes either.
///
/// # Errors
/// If one of them cannot be read.
pub(crate) fn copied(log: &Path, database: &Path, damage: &Damage) -> io::Result<Copied> {
    let Pages { versions, size } = pages(log, damage)?;
    let (mut log, database) = (File::open(log)?, open_to_read(database)?);
    let mut database = &*database;
    let (mut in_log, mut in_database) = (vec![0; size as usize], vec![0; size as usize]);
    let (mut all, mut none) = (true, true);
    for (page, versions) in versions {
        database.seek(SeekFrom::Start(u64::from(page - 1) * u64::from(size)))?;
        let there = read(&mut database, &mut in_database)?;
        // Whether it is as the newest version is, as one behind the damage, as one before it.
        let (mut newest, mut behind, mut before) = (false, false, false);
        for version in versions {
            log.seek(SeekFrom::Start(version.offset))?;
            log.read_exact(&mut in_log)?;
            newest = there && in_log == in_database;
            if newest {
                *(if version.behind { &mut behind } else { &mut before }) = true;
            }
        }
        all &= newest;
        // A page that was written as it had been proves nothing.
        none &= !behind || before;
    }
    Ok(match (all, none) {
        (true, _) => Copied::All,
        (false, true) => Copied::NothingBehind,
        (false, false) => Copied::InPart,
    })
}

/// A descriptor of the file that is not closed while the file is there: see [`descriptor`].
///
/// # Errors
/// If it cannot be opened.
pub(crate) fn open_to_read(file: &Path) -> io::Result<Arc<File>> {
    let file = descriptor::kept_open(file, usize::MAX)?;
    file.ok_or_else(|| io::Error::other("no descriptor"))
}

/// Syncs the database.
///
/// # Errors
/// If that fails, or it cannot be opened.
pub(crate) fn sync_database(database: &Path) -> io::Result<()> {
    open_to_read(database)?.sync_all()
}

/// Takes from the descriptor of this database, if there is one, the error that it would still tell.
pub(crate) fn forget_errors(database: &Path) {
    if let Ok(Some(file)) = descriptor::kept_open(database, 0) {
        let _ = file.sync_data();
    }
}

/// The pages of the transactions in the log, each with its versions in order.
struct Pages {
    versions: BTreeMap<u32, Vec<Version>>,
    size: u32,
}

/// Where in the log a page stands, and whether that is behind the damage.
#[derive(Clone, Copy)]
struct Version {
    offset: u64,
    behind: bool,
}

fn pages(log: &Path, damage: &Damage) -> io::Result<Pages> {
    let mut file = BufReader::with_capacity(256 << 10, File::open(log)?);
    let mut bytes = [0; HEADER_LEN];
    let header = if read(&mut file, &mut bytes)? { Header::sound(&bytes) } else { None };
    let header = header.ok_or_else(|| io::Error::other("the log's header does not check"))?;
    let frame_len = (FRAME_HEADER_LEN as u64) + u64::from(header.page_size);
    let (mut versions, mut pending, mut length) = (BTreeMap::<u32, Vec<Version>>::new(), Vec::new(), 0);
    follow(&mut file, &header, |Sound { number, frame }| {
        let offset = (HEADER_LEN + FRAME_HEADER_LEN) as u64 + (number - 1) * frame_len;
        // What stands before the damage in the transaction that it is in counts as behind it.
        pending.push((frame.page(), Version { offset, behind: number > damage.frames_before }));
        if let Some(pages) = frame.commits_length() {
            length = pages;
            for (page, version) in pending.drain(..) {
                versions.entry(page).or_default().push(version);
            }
        }
    })?;
    // Pages that the database does not have any more are not copied.
    versions.retain(|page, _| *page <= length);
    Ok(Pages { versions, size: header.page_size })
}

/// A frame that checks, and where it stands.
struct Sound<'a> {
    /// Counted from 1.
    number: u64,
    frame: Frame<'a>,
}

/// What was found on the way through the frames.
#[derive(Default)]
struct Followed {
    frames: u64,
    /// The chain from the header on, up to the first frame that does not check.
    before: Chain,
    /// How many frames of it SQLite reads.
    frames_before: u64,
    broken: Option<Broken>,
}

/// The first frame that does not check.
struct Broken {
    frame: u64,
    bytes: Vec<u8>,
    /// The checksum of the frame before.
    before: Checksum,
    /// The checksum that its bytes have.
    summed: Checksum,
    /// Whether the next frame goes on from that, and not from the one that it bears: then it is its checksum that is damaged.
    checksum_damaged: bool,
    /// The chain that begins with the very next frame.
    next: Chain,
    /// The one with the most commits.
    longest: Chain,
    /// All of them.
    behind: Chain,
}

/// Frames that follow each other by their checksums.
#[derive(Default, Clone, Copy)]
struct Chain {
    frames: u64,
    commits: u64,
}

impl Chain {
    fn add(&mut self, frame: Frame<'_>) {
        self.frames += 1;
        self.commits += u64::from(frame.commits());
    }
}

/// Reads all frames, and tells of each that checks.
fn follow(file: &mut impl Read, header: &Header, mut sound: impl FnMut(Sound<'_>)) -> io::Result<Followed> {
    let mut found = Followed::default();
    let mut bytes = vec![0; FRAME_HEADER_LEN + header.page_size as usize];
    // The checksum that the last frame bears, and the chain that it belongs to.
    let (mut last, mut chain) = (header.checksum, Chain::default());
    while read(file, &mut bytes)? {
        found.frames += 1;
        let frame = Frame(&bytes);
        let Some(broken) = &mut found.broken else {
            if frame.follows(header, last) {
                found.before.add(frame);
                sound(Sound { number: found.frames, frame });
                if frame.commits() {
                    found.frames_before = found.frames;
                }
            } else {
                found.broken = Some(Broken {
                    frame: found.frames,
                    bytes: bytes.clone(),
                    before: last,
                    summed: frame.summed(header.order, last),
                    checksum_damaged: false,
                    next: Chain::default(),
                    longest: Chain::default(),
                    behind: Chain::default(),
                });
            }
            last = frame.checksum();
            continue;
        };
        let is_next = found.frames == broken.frame + 1;
        if is_next && frame.follows(header, broken.summed) {
            broken.checksum_damaged = broken.summed != Frame(&broken.bytes).checksum();
            chain.add(frame);
        } else if frame.follows(header, last) {
            chain.add(frame);
        } else {
            chain = Chain::default();
        }
        if chain.frames > 0 {
            broken.behind.add(frame);
            sound(Sound { number: found.frames, frame });
        }
        if chain.frames == found.frames - broken.frame {
            broken.next = chain;
        }
        if chain.commits > broken.longest.commits {
            broken.longest = chain;
        }
        last = frame.checksum();
    }
    Ok(found)
}

impl Followed {
    /// The header does not check. It was synced before its first frame, so one commit behind it is enough.
    fn damage_of_header(self, mended: &[u8; HEADER_LEN]) -> Option<Damage> {
        let behind = self.broken.as_ref().map_or(Chain::default(), |broken| broken.behind);
        (self.before.commits + behind.commits > 0).then(|| Damage {
            frame: 0,
            frames: self.frames,
            frames_before: 0,
            commits_before: 0,
            commits_behind: self.before.commits + behind.commits,
            frames_behind: self.before.frames + behind.frames,
            patch: Some(Patch { offset: 0, bytes: mended.to_vec() }),
        })
    }

    fn damage(self, header: &Header) -> Option<Damage> {
        let broken = self.broken.filter(|broken| broken.behind.commits > 0)?;
        let (mended, is_known) = broken.mended(header);
        // The broken frame itself may be the first of the two commits, if it is known what it was.
        let was = Frame(mended.as_deref().unwrap_or(&broken.bytes));
        let commits = is_known && broken.next.commits > 0 && was.commits();
        if broken.longest.commits < 2 && !commits {
            return None;
        }
        let frame_len = broken.bytes.len() as u64;
        Some(Damage {
            frame: broken.frame,
            frames: self.frames,
            frames_before: self.frames_before,
            commits_before: self.before.commits,
            commits_behind: broken.behind.commits + u64::from(commits),
            frames_behind: self.before.frames - self.frames_before + 1 + broken.behind.frames,
            patch: mended
                .map(|bytes| Patch { offset: HEADER_LEN as u64 + (broken.frame - 1) * frame_len, bytes }),
        })
    }
}

impl Broken {
    /// The frame as it was, if that is known for certain, and whether it differs from that by no more than a bit or a
    /// field of its header.
    fn mended(&self, header: &Header) -> (Option<Vec<u8>>, bool) {
        let frame = Frame(&self.bytes);
        let mut bytes = self.bytes.clone();
        bytes[8..16].copy_from_slice(&header.salts);
        if self.checksum_damaged {
            bytes[16..20].copy_from_slice(&self.summed.0.to_be_bytes());
            bytes[20..24].copy_from_slice(&self.summed.1.to_be_bytes());
            return (Some(bytes), true);
        }
        if self.summed == frame.checksum() {
            return (Some(bytes), true);
        }
        match mend::flip(header.order, self.before, frame) {
            Some(Flip::Bit { at, byte }) => {
                bytes[at] = byte;
                (Some(bytes), true)
            }
            Some(Flip::OneOfSeveral) => (None, true),
            None => (None, false),
        }
    }
}

/// Fills the buffer; `false` if the file ends before.
fn read(file: &mut impl Read, buffer: &mut [u8]) -> io::Result<bool> {
    match file.read_exact(buffer) {
        Ok(()) => Ok(true),
        Err(error) if error.kind() == io::ErrorKind::UnexpectedEof => Ok(false),
        Err(error) => Err(error),
    }
}

//! Real logs of SQLite's, damaged as disks damage them and torn as power cuts tear them.
#![allow(clippy::print_stdout, reason = "the seed, and what was seen")]

use std::{fs, path::PathBuf};

use rusqlite::Connection;

use super::{format::Order, *};

/// Bytes that a disk writes at once.
const SECTOR: usize = 512;

/// A small database with a log of short pages, and how the log looked after each transaction.
struct Written {
    dir: tempfile::TempDir,
    conn: Connection,
    logs: Vec<Vec<u8>>,
}

impl Written {
    fn new() -> Written {
        let dir = tempfile::tempdir().unwrap();
        let conn = Connection::open(dir.path().join("s.db")).unwrap();
        conn.execute_batch(
            "PRAGMA page_size = 512; PRAGMA journal_mode = WAL; PRAGMA synchronous = FULL; PRAGMA wal_autocheckpoint = 0; \
             CREATE TABLE t (a INTEGER PRIMARY KEY, b BLOB); PRAGMA wal_checkpoint(TRUNCATE)",
        )
        .unwrap();
        Written { dir, conn, logs: Vec::new() }
    }

    /// Each transaction leaves a few frames.
    fn transactions(mut self, count: usize) -> Written {
        for _ in 0..count {
            self.conn
                .execute("INSERT INTO t (b) VALUES (randomblob(300 + abs(random() % 900)))", [])
                .unwrap();
            self.logs.push(fs::read(self.log()).unwrap());
        }
        self
    }

    /// The next transaction begins the log anew, over the frames that are there.
    fn checkpointed(self) -> Written {
        self.conn.execute_batch("PRAGMA wal_checkpoint(PASSIVE)").unwrap();
        self
    }

    fn log(&self) -> PathBuf {
        self.dir.path().join("s.db-wal")
    }

    fn last(&self) -> &[u8] {
        self.logs.last().unwrap()
    }
}

fn examined(log: &[u8]) -> Option<Damage> {
    let file = tempfile::NamedTempFile::new().unwrap();
    fs::write(file.path(), log).unwrap();
    examine(file.path()).unwrap()
}

fn patched(log: &[u8], patch: &Patch) -> Vec<u8> {
    let (mut log, from) = (log.to_vec(), usize::try_from(patch.offset).unwrap());
    log[from..from + patch.bytes.len()].copy_from_slice(&patch.bytes);
    log
}

/// Numbers from a seed, which a failure names: SESSIONDB_TEST_SEED.
struct Random(u64);

impl Random {
    fn new() -> Random {
        let seed = std::env::var("SESSIONDB_TEST_SEED").ok().and_then(|seed| seed.parse().ok());
        let seed = seed.unwrap_or_else(|| std::process::id().into());
        println!("SESSIONDB_TEST_SEED={seed}");
        Random(seed)
    }

    fn below(&mut self, end: usize) -> usize {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mixed = (self.0 ^ (self.0 >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        ((mixed ^ (mixed >> 31)) % end as u64) as usize
    }
}

/// 500 appends were acknowledged, a bit in the log turned, and 123 of them were there when the store was opened again, with
/// an integrity check that said "ok".
#[test]
fn a_turned_bit_before_the_last_transaction_is_told_and_what_is_put_right_is_what_was_written() {
    let written = Written::new().transactions(6).checkpointed().transactions(9);
    let (log, before_last) = (written.last().to_vec(), written.logs[written.logs.len() - 2].len());
    // The log of the second generation is shorter or longer than that of the first; its own frames count here.
    let frame = FRAME_HEADER_LEN + 512;
    let header = Header::sound(log.first_chunk().unwrap()).unwrap();
    let own = log[HEADER_LEN..].chunks_exact(frame).take_while(|f| Frame(f).salts() == header.salts).count();
    let commits: Vec<usize> =
        (0..own).filter(|i| Frame(&log[HEADER_LEN + i * frame..][..frame]).commits()).collect();
    assert!(commits.len() == 9 && before_last > 0);
    let told = HEADER_LEN + (commits[7] + 1) * frame;
    let (mut put_right, mut several) = (0, 0);
    // A number of the generation that is one more than it was could be a tear, and is left alone.
    let begun_anew = (0..32).find(|bit| {
        let number = u32::from_be_bytes(*log[12..].first_chunk().unwrap());
        number ^ (1 << bit) == number + 1
    });
    let left_alone = begun_anew.map(|bit| (15 - bit / 8) * 8 + bit % 8);
    // All bits of the headers, and every eleventh of the pages.
    let bits = (0..told * 8).filter(|bit| {
        let at = bit / 8;
        Some(*bit) != left_alone
            && (at < HEADER_LEN || (at - HEADER_LEN) % frame < FRAME_HEADER_LEN || bit % 11 == 0)
    });
    for bit in bits {
        let mut damaged = log.clone();
        damaged[bit / 8] ^= 1 << (bit % 8);
        let Some(damage) = examined(&damaged) else { panic!("bit {bit} is not told") };
        let at = if bit / 8 < HEADER_LEN { 0 } else { (bit / 8 - HEADER_LEN) / frame + 1 };
        assert_eq!(damage.frame, at as u64, "bit {bit}");
        let before = commits.iter().filter(|&&commit| commit + 1 < at).count();
        assert_eq!(damage.commits_before, before as u64, "bit {bit}: {damage:?}");
        match damage.patch {
            Some(ref patch) => {
                put_right += 1;
                assert!(patched(&damaged, patch) == log, "bit {bit}");
                assert_eq!(damage.commits_before + damage.commits_behind, 9, "bit {bit}: {damage:?}");
            }
            None => several += 1,
        }
    }
    println!("{put_right} put right, {several} where several bits could be the one");
    assert!(put_right > several);
}

#[test]
fn a_sound_log_is_sound_at_every_commit() {
    let written =
        Written::new().transactions(5).checkpointed().transactions(3).checkpointed().transactions(8);
    for log in &written.logs {
        assert_eq!(examined(log), None);
    }
    assert_eq!(examined(&[]), None);
    assert_eq!(examined(&written.last()[..HEADER_LEN + 7]), None);
    assert_eq!(examine(&written.dir.path().join("none")).unwrap(), None);
}

/// What may have become of the log when the power went while it changed from one to the other: of the sectors that differ
/// some are written, some not, some hold what nobody wrote.
fn torn(from: &[u8], to: &[u8], random: &mut Random) -> Vec<u8> {
    let mut log = from.to_vec();
    // The header of a log that is begun anew is synced before its first frame.
    let header = HEADER_LEN.min(to.len());
    if log.len() >= header && log[..header] != to[..header] && random.below(4) == 0 {
        let written = random.below(header + 1);
        log[..written].copy_from_slice(&to[..written]);
        if random.below(2) == 0 {
            log[..header].iter_mut().for_each(|byte| *byte = random.below(256) as u8);
        }
        return log;
    }
    log.resize(from.len().max(to.len()), 0);
    log[..header].copy_from_slice(&to[..header]);
    let (kept, garbage) = (random.below(101), random.below(2) == 0);
    for start in (0..to.len()).step_by(SECTOR) {
        let end = (start + SECTOR).min(to.len());
        if log[start..end] == to[start..end] {
            continue;
        }
        if random.below(100) < kept {
            log[start..end].copy_from_slice(&to[start..end]);
        } else if garbage && random.below(3) == 0 {
            log[start.max(header)..end].iter_mut().for_each(|byte| *byte = random.below(256) as u8);
        }
    }
    // That the file grew may not have been written down either.
    log.truncate(from.len() + random.below(log.len() - from.len() + 1));
    log
}

/// A store that refused to open after a power cut would be worse than the damage that it looks for.
#[test]
fn what_a_power_cut_tears_is_never_called_damage() {
    let mut random = Random::new();
    for _ in 0..12 {
        let count = 1 + random.below(6);
        let mut written = Written::new().transactions(count);
        for round in 0..4 {
            let count = 1 + random.below(5);
            written = if round % 2 == 0 { written.checkpointed() } else { written }.transactions(count);
        }
        for pair in written.logs.windows(2) {
            for _ in 0..20 {
                let log = torn(&pair[0], &pair[1], &mut random);
                assert_eq!(examined(&log), None);
            }
        }
    }
}

/// What was torn stays in the file behind what is written next, in the same generation, with a commit mark perhaps.
#[test]
fn what_an_earlier_power_cut_left_behind_the_end_is_never_called_damage() {
    let mut random = Random::new();
    for _ in 0..40 {
        let count = 2 + random.below(4);
        let mut written = Written::new().transactions(count);
        for _ in 0..3 {
            let last = written.logs.len() - 1;
            let log = torn(&written.logs[last - 1].clone(), &written.logs[last].clone(), &mut random);
            assert_eq!(examined(&log), None);
            // Opened after the cut, and written on.
            let dir = tempfile::tempdir().unwrap();
            fs::copy(written.dir.path().join("s.db"), dir.path().join("s.db")).unwrap();
            fs::write(dir.path().join("s.db-wal"), &log).unwrap();
            let conn = Connection::open(dir.path().join("s.db")).unwrap();
            conn.execute_batch("PRAGMA synchronous = FULL; PRAGMA wal_autocheckpoint = 0").unwrap();
            written = Written { dir, conn, logs: vec![log] }.transactions(1 + random.below(3));
            for log in &written.logs {
                assert_eq!(examined(log), None);
            }
        }
    }
}

/// Without a sync between them several transactions are torn at once, and the chain of the later ones goes on behind the
/// gap. That is why a store that is opened with [`Durability::Normal`](crate::Durability::Normal) is not refused.
#[test]
fn transactions_that_were_not_synced_one_by_one_look_like_damage() {
    let written = Written::new().transactions(6);
    let mut log = written.last().to_vec();
    let gap = HEADER_LEN + FRAME_HEADER_LEN + 512;
    log[gap..gap + SECTOR].fill(0);
    let damage = examined(&log).unwrap();
    assert_eq!((damage.frame, damage.patch), (2, None));
}

/// Turned in a high bit of a word, which SQLite's checksum does not tell from the same bit of other words.
#[test]
fn a_bit_that_could_be_one_of_several_is_not_guessed() {
    let written = Written::new().transactions(5);
    let mut log = written.last().to_vec();
    log[HEADER_LEN + FRAME_HEADER_LEN + 103] ^= 0x80;
    let damage = examined(&log).unwrap();
    assert_eq!((damage.frame, damage.commits_before, damage.patch), (1, 0, None));
    assert_eq!(damage.commits_behind, 5);
}

/// A log that a machine of the other byte order wrote is read as SQLite reads it.
#[test]
fn the_checksums_of_both_byte_orders_are_followed() {
    let written = Written::new().transactions(4);
    let mut log = written.last().to_vec();
    let order = match log[3] & 1 {
        0 => Order::Big,
        _ => Order::Little,
    };
    let put = |bytes: &mut [u8], Checksum(one, other): Checksum| {
        bytes[..4].copy_from_slice(&one.to_be_bytes());
        bytes[4..8].copy_from_slice(&other.to_be_bytes());
    };
    log[3] ^= 1;
    let mut checksum = Checksum::default().over(order, &log[..24]);
    put(&mut log[24..], checksum);
    for frame in log[HEADER_LEN..].chunks_exact_mut(FRAME_HEADER_LEN + 512) {
        checksum = Frame(frame).summed(order, checksum);
        put(&mut frame[16..], checksum);
    }
    assert_eq!(examined(&log), None);
    let dir = tempfile::tempdir().unwrap();
    fs::copy(written.dir.path().join("s.db"), dir.path().join("s.db")).unwrap();
    fs::write(dir.path().join("s.db-wal"), &log).unwrap();
    let rows = |conn: &Connection| conn.query_row("SELECT count(*) FROM t", [], |row| row.get::<_, i64>(0));
    assert_eq!(rows(&Connection::open(dir.path().join("s.db")).unwrap()), Ok(4));
    log[HEADER_LEN + FRAME_HEADER_LEN] ^= 1;
    let damage = examined(&log).unwrap();
    assert_eq!((damage.frame, damage.commits_behind), (1, 4));
    log[HEADER_LEN + FRAME_HEADER_LEN] ^= 1;
    assert!(patched(&log, &damage.patch.unwrap()) == log);
}

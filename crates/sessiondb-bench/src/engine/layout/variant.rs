//! The decisions of the storage layout, each as a variant in which one of them is other.

use sessiondb::sqlite::Durability;

use super::{
    super::by_hand::{Cache, Settings},
    change::Change,
    serves::{self, Read},
};

/// A store in which one thing is other.
pub(super) struct Variant {
    pub name: &'static str,
    /// What the decision is for.
    pub why: &'static str,
    pub change: Change,
    /// How whoever appends sets the connection; none where the variant makes no difference to appends.
    pub writer: Option<Settings>,
    /// How whoever reads sets it; none where it makes no difference to reads.
    pub reader: Option<Settings>,
    /// What an index that is missing is for.
    pub serves: Option<Read>,
}

/// By this every other is divided.
pub(super) const AS_IT_IS: &str = "as it is";

/// A connection as SessionDB sets that with which it writes, or one with which it reads.
const fn ours(cache: Cache) -> Settings {
    Settings { secure_delete: true, cell_size_check: true, ..Settings::new(Durability::Full, cache) }
}

const WRITER: Settings = ours(Cache::Writer);
const READER: Settings = ours(Cache::Reader);

impl Variant {
    /// The file is other.
    fn file(name: &'static str, why: &'static str, change: Change) -> Variant {
        Variant { name, why, change, writer: Some(WRITER), reader: Some(READER), serves: None }
    }

    /// An index is missing.
    fn without(name: &'static str, index: &'static str, why: &'static str, serves: Read) -> Variant {
        Variant { serves: Some(serves), ..Variant::file(name, why, Change::WithoutIndex(index)) }
    }

    /// The connection that appends is set otherwise.
    fn writer(name: &'static str, why: &'static str, writer: Settings) -> Variant {
        Variant { writer: Some(writer), reader: None, ..Variant::file(name, why, Change::Nothing) }
    }

    /// The connection that reads is set otherwise.
    fn reader(name: &'static str, why: &'static str, reader: Settings) -> Variant {
        Variant { writer: None, reader: Some(reader), ..Variant::file(name, why, Change::Nothing) }
    }

    /// Both are set otherwise.
    fn connections(name: &'static str, why: &'static str, set: fn(Settings) -> Settings) -> Variant {
        Variant {
            writer: Some(set(WRITER)),
            reader: Some(set(READER)),
            ..Variant::file(name, why, Change::Nothing)
        }
    }
}

/// All of them, and before them the layout as it is.
pub(super) fn all() -> Vec<Variant> {
    const MIB: i64 = 1 << 20;
    let writer_cache = |mib: i64| Settings { cache_kib: mib * 1024, ..WRITER };
    let reader_cache = |mib: i64| Settings { cache_kib: mib * 1024, ..READER };
    let checkpoint = |mib: i64| Settings { checkpoint_bytes: mib * MIB, ..WRITER };
    vec![
        Variant::file(
            AS_IT_IS,
            "what SessionDB has; every other line is divided by this one",
            Change::Nothing,
        ),
        Variant::file(
            "as it is, once more",
            "nothing is other: a line that differs no more than this one tells nothing",
            Change::Nothing,
        ),
        Variant::file(
            "idx_messages_created_at whole",
            "as seed 001 names it: all of a session's messages by their time, and not only late ones",
            Change::AllTimes,
        ),
        Variant::without(
            "no idx_messages_message_id",
            "idx_messages_message_id",
            "a message by its writer's id; the messages of this load have none, so nothing is in it",
            serves::MESSAGE_BY_ITS_ID,
        ),
        Variant::without(
            "no idx_sessions_agent_created",
            "idx_sessions_agent_created",
            "an agent's sessions in the order in which they were opened",
            serves::AGENTS_BY_CREATION,
        ),
        Variant::without(
            "no idx_sessions_updated_at",
            "idx_sessions_updated_at",
            "all sessions, the last changed first; each append moves its session in it",
            serves::ALL_BY_UPDATE,
        ),
        Variant::without(
            "no idx_sessions_created_at",
            "idx_sessions_created_at",
            "all sessions in the order in which they were opened",
            serves::ALL_BY_CREATION,
        ),
        Variant::without(
            "no idx_sessions_channel",
            "idx_sessions_channel",
            "an agent's sessions in one account, in that order",
            serves::ACCOUNTS_BY_CREATION,
        ),
        Variant::without(
            "no idx_sessions_peer_id",
            "idx_sessions_peer_id",
            "an agent's sessions with one peer, in that order",
            serves::PEERS_BY_CREATION,
        ),
        Variant::without(
            "no idx_sessions_status",
            "idx_sessions_status",
            "seed 001's, for people who write SQL: no query of the engine goes by it",
            serves::BY_STATUS,
        ),
        Variant::file(
            "no feed",
            "a row in `commits` for each commit, where commit ids live",
            Change::WithoutFeed,
        ),
        Variant::writer(
            "triggers on",
            "they are for rows of people who write SQL; with them each insert copies the pages that it changes",
            Settings { triggers: true, ..WRITER },
        ),
        Variant::file(
            "pages of 8 KiB",
            "as it is 4 KiB; a change writes whole pages, and a scattered read reads them",
            Change::PagesOf(8_192),
        ),
        Variant::file("pages of 16 KiB", "the same, further", Change::PagesOf(16_384)),
        Variant::writer(
            "writer's cache of 2 MiB",
            "as it is 64 MiB; what SQLite has by itself",
            writer_cache(2),
        ),
        Variant::writer("writer's cache of 16 MiB", "between the two", writer_cache(16)),
        Variant::writer("writer's cache of 256 MiB", "all of a store of this size", writer_cache(256)),
        Variant::writer(
            "checkpoint at 4 MiB",
            "as it is 32 MiB of log; 4 MiB is what SQLite has by itself; a page that changed often is copied once",
            checkpoint(4),
        ),
        Variant::writer(
            "checkpoint at 64 MiB",
            "the same; one that falls after the measured time is not paid for, so give more --seconds",
            checkpoint(64),
        ),
        Variant::reader(
            "readers' cache of 2 MiB",
            "as it is 8 MiB for each; what SQLite has by itself",
            reader_cache(2),
        ),
        Variant::reader("readers' cache of 64 MiB", "as much as the writer has", reader_cache(64)),
        Variant::reader(
            "readers map 256 MiB",
            "as it is none: an error of the disk ends a process that reads through a map",
            Settings { mmap_bytes: 256 * MIB, ..READER },
        ),
        Variant::connections(
            "statements compiled each time",
            "as it is each is compiled once for a connection",
            |set| Settings { statements_kept: 0, ..set },
        ),
        Variant::writer(
            "secure_delete off",
            "what is deleted is overwritten; an append deletes entries of indexes too",
            Settings { secure_delete: false, ..WRITER },
        ),
        Variant::connections(
            "cell_size_check off",
            "each page that is read is looked over for damage",
            |set| Settings { cell_size_check: false, ..set },
        ),
    ]
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use super::*;

    /// How many things of a connection are other.
    fn differences(set: Option<Settings>, ours: Settings) -> usize {
        let Some(set) = set else { return 0 };
        [
            set.durability != ours.durability,
            set.cache_kib != ours.cache_kib,
            set.checkpoint_bytes != ours.checkpoint_bytes,
            set.triggers != ours.triggers,
            set.secure_delete != ours.secure_delete,
            set.cell_size_check != ours.cell_size_check,
            set.mmap_bytes != ours.mmap_bytes,
            set.statements_kept != ours.statements_kept,
        ]
        .into_iter()
        .filter(|differs| *differs)
        .count()
    }

    #[test]
    fn in_each_variant_one_thing_is_other() {
        let all = all();
        assert_eq!(all.iter().map(|variant| variant.name).collect::<HashSet<_>>().len(), all.len());
        assert_eq!(all[0].name, AS_IT_IS);
        for (n, variant) in all.iter().enumerate() {
            let (writer, reader) = (differences(variant.writer, WRITER), differences(variant.reader, READER));
            let file = usize::from(variant.change != Change::Nothing);
            assert_eq!(file + writer.max(reader), usize::from(n > 1), "{}", variant.name);
            assert!(variant.writer.is_some() || variant.reader.is_some(), "{}", variant.name);
            // What makes no difference to a connection is not measured with it.
            assert!(file > 0 || n <= 1 || variant.writer.is_none() || writer == 1, "{}", variant.name);
            assert!(file > 0 || n <= 1 || variant.reader.is_none() || reader == 1, "{}", variant.name);
        }
    }
}

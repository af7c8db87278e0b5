//! What an import writes, from what a file has and what the store has: pure functions.

use std::collections::BTreeMap;

use serde_json::{Map, Value};
use sessiondb::{Commit, Expect, time};

use crate::{
    ChatMessage, RepositoryError, WorktreeInstance,
    instant::instant,
    layout::session_key,
    migration::{
        batch::{BATCH_BYTES_MAX, BATCH_CHANGES_MAX},
        files::{Entry, Refused, SessionFile},
        import::{FileVerdict, LeftOut, OnConflict},
        imported::{Imported, ImportedFile, document},
    },
    models::legal::validate,
    read::Stored,
    record::Record,
    writes,
};

/// What a file has, as far as an import is concerned.
pub(crate) struct Given {
    /// Its sessions, or those of them that are to be looked at.
    pub records: Vec<Record>,
    /// What in it is no session.
    pub refused: Vec<Refused>,
    /// The digest of its bytes.
    pub digest: Option<String>,
    /// Whether it may be a file that is just being written.
    pub blank: bool,
}

impl Given {
    pub(crate) fn of(file: SessionFile) -> Given {
        let SessionFile { entries, digest, blank } = file;
        let mut given = Given { records: Vec::new(), refused: Vec::new(), digest, blank };
        for entry in entries {
            match entry {
                Entry::Session(record) => given.records.push(*record),
                Entry::Refused(refused) => given.refused.push(refused),
            }
        }
        given
    }
}

/// What the store has of a workspace. It is read before the file: if nobody wrote to the store since, then nobody
/// imported a later file than the one that is read now.
pub(crate) struct Found {
    pub stored: Vec<Stored>,
    pub imported: BTreeMap<String, Imported>,
    /// The document that says what was imported of the file, and its revision, 0 if there is none.
    pub file: (Option<ImportedFile>, u64),
}

/// What came of each session, over all rounds: what is unchanged in the second was perhaps new in the first.
#[derive(Default)]
pub(crate) struct Outcomes(pub BTreeMap<String, Outcome>);

#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Outcome {
    New,
    Changed,
    Unchanged,
    Removed,
    Refused(String),
    Conflict(String),
    Own,
}

impl Outcomes {
    pub(crate) fn note(&mut self, id: &str, outcome: Outcome) {
        match (self.0.get(id), &outcome) {
            (Some(Outcome::New), Outcome::Changed | Outcome::Unchanged)
            | (Some(Outcome::Changed), Outcome::Unchanged) => {}
            _ => {
                self.0.insert(id.to_owned(), outcome);
            }
        }
    }

    pub(crate) fn count(&self, verdict: &mut FileVerdict) {
        for (id, outcome) in &self.0 {
            let left_out = |reason: &String| LeftOut { session: id.clone(), reason: reason.clone() };
            match outcome {
                Outcome::New => verdict.new += 1,
                Outcome::Changed => verdict.changed += 1,
                Outcome::Unchanged => verdict.unchanged += 1,
                Outcome::Removed => verdict.removed += 1,
                Outcome::Refused(reason) => verdict.refused.push(left_out(reason)),
                Outcome::Conflict(reason) => verdict.conflicts.push(left_out(reason)),
                Outcome::Own => verdict.own.push(id.clone()),
            }
        }
    }
}

/// One thing to write.
pub(crate) enum Step {
    /// Makes the store's session what the file has, or the beginning of it.
    Put { before: Option<Box<Stored>>, after: Box<Record>, digest: String, whole: bool },
    /// Notes that what the store has is what the file has.
    Note { stored: Box<Stored>, digest: String },
    /// Removes the session.
    Remove { stored: Box<Stored> },
}

impl Step {
    pub(crate) fn id(&self) -> &str {
        match self {
            Step::Put { after, .. } => &after.session.id,
            Step::Note { stored, .. } | Step::Remove { stored } => &stored.record.session.id,
        }
    }

    pub(crate) fn is_whole(&self) -> bool {
        !matches!(self, Step::Put { whole: false, .. })
    }

    /// They expect that nothing at all was written to the session since it was read, so that what is noted is true.
    pub(crate) fn commits(&self, directory: &str) -> Result<Vec<Commit>, RepositoryError> {
        let now = time::now();
        let (before, digest, mut commits) = match self {
            Step::Put { before, after, digest, .. } => {
                let before = before.as_deref();
                (before, digest, writes::commits(before, Some(after), now)?)
            }
            Step::Note { stored, digest } => (Some(stored.as_ref()), digest, Vec::new()),
            Step::Remove { stored } => return writes::commits(Some(stored), None, now),
        };
        let session = match self {
            Step::Put { after, .. } => &after.session,
            Step::Note { stored, .. } | Step::Remove { stored } => &stored.record.session,
        };
        let imported = Imported { directory: directory.to_owned(), digest: digest.clone() };
        let key = session_key(&session.workspace_hash, &session.id);
        let mut last = match commits.pop() {
            Some(last) => last,
            None => Commit::new(key),
        };
        if let Some(before) = before {
            last.expect = vec![Expect::State(before.revision), Expect::Head(before.head)];
        }
        // What is only noted does not change when the session was last changed.
        last.at = last.at.or_else(|| instant(&session.updated_at)).map(|at| at.min(now));
        last.writes.push(document(&imported)?);
        commits.push(last);
        Ok(commits)
    }
}

/// What to write, and what comes of it.
pub(crate) fn plan(
    hash: &str,
    given: Given,
    found: Found,
    directory: &str,
    on_conflict: OnConflict,
    outcomes: &mut Outcomes,
) -> Result<(Vec<Step>, FileVerdict), RepositoryError> {
    let Found { stored, mut imported, .. } = found;
    let mut stored: BTreeMap<String, Stored> =
        stored.into_iter().map(|one| (one.record.session.id.clone(), one)).collect();
    let mut verdict = FileVerdict { workspace_hash: hash.to_owned(), ..FileVerdict::default() };
    let mut steps = Vec::new();
    // A session that is in the file and cannot be read is not gone from it.
    let nameless = given.refused.iter().any(|refused| refused.id.is_none());
    for refused in given.refused {
        if let Some(id) = &refused.id
            && !given.records.iter().any(|record| record.session.id == *id)
        {
            stored.remove(id);
        }
        verdict.refused.push(LeftOut { session: refused.name(), reason: refused.reason });
    }
    for record in given.records {
        let id = record.session.id.clone();
        let before = stored.remove(&id);
        if let Err(error) = validate(&record.session) {
            outcomes.note(&id, Outcome::Refused(reason(error)?));
            continue;
        }
        let digest = record.digest()?;
        let known = imported.remove(&id);
        let Some(before) = before else {
            outcomes.note(&id, Outcome::New);
            steps.push(put(None, record, digest, BATCH)?);
            continue;
        };
        let is = before.record.digest()?;
        if is == digest {
            outcomes.note(&id, Outcome::Unchanged);
            if known != Some(Imported { directory: directory.to_owned(), digest: digest.clone() }) {
                steps.push(Step::Note { stored: Box::new(before), digest });
            }
            continue;
        }
        let conflict = match known.filter(|known| known.directory == directory) {
            Some(known) if known.digest == is => None,
            Some(known) if known.digest == digest => {
                Some("it was changed in the store after it was imported")
            }
            Some(_) => Some("it was changed in the file and in the store after it was imported"),
            None => Some("the store has another session of this id, which was not imported from here"),
        };
        match (conflict, on_conflict) {
            (Some(why), OnConflict::Keep) => outcomes.note(&id, Outcome::Conflict(why.to_owned())),
            _ => {
                outcomes.note(&id, Outcome::Changed);
                steps.push(put(Some(before), record, digest, BATCH)?);
            }
        }
    }
    for (id, before) in stored {
        let Some(known) = imported.remove(&id).filter(|known| known.directory == directory) else {
            outcomes.note(&id, Outcome::Own);
            continue;
        };
        if nameless {
            let why = "it came from the file, where something that cannot be read and has no id may be it";
            outcomes.note(&id, Outcome::Conflict(why.to_owned()));
            continue;
        }
        let conflict = if given.blank {
            Some("it came from the file, which is gone or has nothing in it now, not even an empty list")
        } else if known.digest != before.record.digest()? {
            Some("it is not in the file any more, and was changed in the store after it was imported")
        } else {
            None
        };
        match (conflict, on_conflict) {
            (Some(why), OnConflict::Keep) => outcomes.note(&id, Outcome::Conflict(why.to_owned())),
            _ => {
                outcomes.note(&id, Outcome::Removed);
                steps.push(Step::Remove { stored: Box::new(before) });
            }
        }
    }
    Ok((steps, verdict))
}

/// The reason of a refusal; other errors are none.
fn reason(error: RepositoryError) -> Result<String, RepositoryError> {
    match error {
        RepositoryError::Validation(reason) => Ok(reason),
        error => Err(error),
    }
}

const BATCH: (usize, usize) = (BATCH_CHANGES_MAX, BATCH_BYTES_MAX);

/// A session that is too large to be written at once is written from its beginning, a part each round: killed between
/// them, the import finds a session that is what was imported last and not yet what the file has.
fn put(
    before: Option<Stored>,
    record: Record,
    digest: String,
    (changes_max, bytes_max): (usize, usize),
) -> Result<Step, RepositoryError> {
    let known = before.as_ref().map(|before| &before.record);
    let kept = known.map_or(0, |known| {
        let pairs = known.session.chat_history.iter().zip(&record.session.chat_history);
        let same = |(old, new): &(&ChatMessage, &ChatMessage)| {
            old == new && known.message_others.get(&old.id) == record.message_others.get(&new.id)
        };
        pairs.take_while(same).count()
    });
    let others =
        |map: Option<&Map<String, Value>>| map.map_or(0, |map| Value::Object(map.clone()).to_string().len());
    let (mut changes, mut bytes) = (0, 0);
    let mut fits = |more: usize, size: usize| {
        let first = changes == 0;
        (changes, bytes) = (changes + more, bytes + size);
        // At least one, so that there is an end to it.
        first || (changes <= changes_max && bytes <= bytes_max)
    };
    let is_known = |instance: &WorktreeInstance| {
        let id = &instance.instance_id;
        known.is_some_and(|known| {
            known.session.instances.contains(instance)
                && known.instance_others.get(id) == record.instance_others.get(id)
        })
    };
    let instances = record.session.instances.iter().take_while(|instance| {
        let others = others(record.instance_others.get(&instance.instance_id));
        is_known(instance) || fits(2, json_bytes(instance.output.as_deref().unwrap_or_default()) + others)
    });
    let instances = instances.count();
    let all_instances = instances == record.session.instances.len();
    let new = record.session.chat_history.iter().skip(kept);
    let messages = match all_instances {
        true => {
            let size = |message: &ChatMessage| {
                json_bytes(&message.content) + others(record.message_others.get(&message.id))
            };
            kept + new.take_while(|message| fits(1, size(message))).count()
        }
        false => kept,
    };
    if all_instances && messages == record.session.chat_history.len() {
        let before = before.map(Box::new);
        return Ok(Step::Put { before, after: Box::new(record), digest, whole: true });
    }
    let mut beginning = record;
    for instance in beginning.session.instances.drain(instances..) {
        beginning.instance_others.remove(&instance.instance_id);
    }
    for message in beginning.session.chat_history.drain(messages..) {
        beginning.message_others.remove(&message.id);
    }
    let digest = beginning.digest()?;
    Ok(Step::Put { before: before.map(Box::new), after: Box::new(beginning), digest, whole: false })
}

/// The most bytes that a text and what stands beside it has as JSON.
fn json_bytes(text: &str) -> usize {
    const BESIDE: usize = 2_000;
    let escaped = text.bytes().map(|byte| match byte {
        b'"' | b'\\' => 2,
        0..0x20 => 6,
        _ => 1,
    });
    BESIDE + escaped.sum::<usize>()
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn record(instances: i64, messages: usize) -> Record {
        let instance = |id: i64| {
            json!({"instanceId": id, "worktreePath": "", "branch": "", "agentName": "", "status": "idle",
                "tmuxSessionId": "", "output": "\u{1}".repeat(1_000), "other": id})
        };
        let message =
            |n: usize| json!({"id": format!("m{n}"), "role": "user", "content": "", "timestamp": "", "n": n});
        let session = json!({"id": "s", "type": "debate", "task": "", "status": "idle", "createdAt": "",
            "updatedAt": "", "instances": (0..instances).map(instance).collect::<Vec<_>>(),
            "chatHistory": (0..messages).map(message).collect::<Vec<_>>()});
        Record::from_json("w", &session.to_string()).unwrap()
    }

    /// The parts in which a record is written: instances and messages after each, from what was written before.
    fn parts(record: &Record, budget: (usize, usize)) -> Vec<(usize, usize)> {
        let mut parts = Vec::new();
        let mut before = None;
        loop {
            let step = put(before, record.clone(), record.digest().unwrap(), budget).unwrap();
            let Step::Put { after, digest, whole, .. } = step else { panic!("a put") };
            assert_eq!(after.digest().unwrap(), digest);
            assert_eq!(after.instance_others.len(), after.session.instances.len());
            assert_eq!(after.message_others.len(), after.session.chat_history.len());
            parts.push((after.session.instances.len(), after.session.chat_history.len()));
            if whole {
                assert_eq!(*after, *record);
                return parts;
            }
            before = Some(Stored {
                record: *after,
                revision: 1,
                head: 0,
                seqs: Vec::new(),
                message_count: 0,
                opened_at: time::now(),
            });
        }
    }

    #[test]
    fn what_is_too_large_is_written_from_its_beginning() {
        assert_eq!(parts(&record(2, 3), BATCH), [(2, 3)]);
        assert_eq!(parts(&record(0, 5), (2, 1 << 20)), [(0, 2), (0, 4), (0, 5)]);
        assert_eq!(parts(&record(3, 1), (5, 1 << 20)), [(2, 0), (3, 1)]);
        // An output of a thousand characters that are escaped has 6,000 bytes, and 2,000 are allowed for what is beside.
        assert_eq!(parts(&record(3, 0), (100, 17_000)), [(2, 0), (3, 0)]);
        assert_eq!(parts(&record(2, 2), (100, 1)), [(1, 0), (2, 0), (2, 1), (2, 2)]);
    }
}

//! Searching: a look at every message.

use std::sync::Arc;

use super::{Entry, State};
use crate::{Hit, HitPage, LogId, Message, Search, search::Words};

impl State {
    pub(super) fn search(&self, search: &Search) -> HitPage {
        let mut words = Words::default();
        let mut found: Vec<(i64, Hit)> = Vec::new();
        for (log, messages) in &self.logs {
            for message in messages {
                let Some(entry) = self.reader(*log, message, search) else { continue };
                if let Some(snippet) = search.find(message, &mut words) {
                    let hit = Hit {
                        key: entry.session.key.clone(),
                        seq: message.seq,
                        role: message.role.clone(),
                        created_at: message.created_at,
                        shown: entry.session.view.contains(message.seq),
                        snippet,
                    };
                    found.push((message.id, hit));
                }
            }
        }
        let cursor = search.cursor.map_or(i64::MAX, |cursor| i64::try_from(cursor).unwrap_or(i64::MAX));
        found.retain(|(id, _)| *id < cursor);
        found.sort_unstable_by_key(|(id, _)| std::cmp::Reverse(*id));
        let more = found.len() > search.limit;
        found.truncate(search.limit);
        let next = found.last().filter(|_| more).map(|(id, _)| id.cast_unsigned());
        HitPage { hits: found.into_iter().map(|(_, hit)| hit).collect(), next }
    }

    /// The session under which a message is found: its own, or else the oldest fork that inherited it.
    fn reader(&self, log: LogId, message: &Arc<Message>, search: &Search) -> Option<&Entry> {
        let has = |entry: &&Entry| {
            let inherits = entry.ancestors.iter().any(|ancestor| {
                ancestor.log == log && (ancestor.first..=ancestor.last).contains(&message.seq)
            });
            let key = &entry.session.key;
            (entry.session.log == log || inherits) && !key.is_reserved() && search.scope.contains(key)
        };
        let forks_last = |entry: &&Entry| (entry.session.log != log, entry.session.log);
        self.sessions.values().filter(has).min_by_key(forks_last)
    }
}

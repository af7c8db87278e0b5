//! [`Feed`]: the store's feed, read once for all who follow it.
//!
//! One task reads what was committed and hands it to those who follow the session, or all of them. Nobody is waited for: who
//! reads too slowly for the buffer falls behind, and reads what it missed from the store.

use std::{
    collections::HashMap,
    sync::Arc,
    time::{Duration, Instant},
};

use parking_lot::Mutex;
use sessiondb::{Change, Result, SessionKey, Store, limits::PAGE_MAX};
use tokio::sync::{Notify, broadcast};

/// How many changes a follower may be behind before it reads the store by itself.
const BUFFER: usize = 256;
/// After its own write the server reads the feed at once, but not more often than this, so that many changes are told together.
const PAUSE: Duration = Duration::from_millis(20);
/// For each follower that is woken it waits so long: waking one takes about a tenth of it. So telling takes no more than a
/// tenth of the time, however many follow.
const PAUSE_EACH: Duration = Duration::from_micros(300);
/// So many are woken one after the other, between two such pauses: few, so that writers do not wait for them.
const TOGETHER: usize = 20;
/// How many changes are told together at most.
const CHANGES_MAX: usize = 10 * PAGE_MAX;
/// How often the feed is read for what other processes wrote.
const LOOK: Duration = Duration::from_millis(250);

/// What a follower hears.
#[derive(Debug, Clone)]
pub(crate) enum Told {
    /// This happened.
    Change(Arc<Event>),
    /// Something may have happened that is not told: it is in the store.
    Look,
}

/// A change, and what is sent of it: written once for all who hear it.
#[derive(Debug)]
pub(crate) struct Event {
    pub change: Change,
    pub text: String,
}

impl Event {
    /// As a server-sent event: its place, its kind, the change as JSON.
    pub fn of(change: Change) -> Event {
        // A change can be written as JSON; should it not, its place is still told.
        let data = serde_json::to_string(&change).unwrap_or_else(|_| "{}".into());
        let text = format!("id: {}\nevent: change\ndata: {data}\n\n", change.id);
        Event { change, text }
    }
}

/// The feed of a store.
#[derive(Clone)]
pub(crate) struct Feed {
    shared: Arc<Shared>,
}

struct Shared {
    store: Store,
    written: Notify,
    /// When the first write was answered that is not told yet.
    untold: Mutex<Option<Instant>>,
    /// Who follows what; `None` is everything.
    followed: Mutex<HashMap<Option<SessionKey>, broadcast::Sender<Told>>>,
}

impl Feed {
    pub fn new(store: Store) -> Feed {
        Feed {
            shared: Arc::new(Shared {
                store,
                written: Notify::new(),
                untold: Mutex::default(),
                followed: Mutex::default(),
            }),
        }
    }

    /// Something was written here.
    pub fn written(&self) {
        self.shared.untold.lock().get_or_insert_with(Instant::now);
        self.shared.written.notify_one();
    }

    /// What happens from now on to this session, or to all.
    pub fn follow(&self, key: Option<SessionKey>) -> broadcast::Receiver<Told> {
        let mut followed = self.shared.followed.lock();
        followed.retain(|_, sender| sender.receiver_count() > 0);
        followed.entry(key).or_insert_with(|| broadcast::Sender::new(BUFFER)).subscribe()
    }

    /// Reads the feed for ever. An error of the store is told and tried again.
    pub async fn run(self) {
        let mut place = None;
        loop {
            if let Err(error) = self.tell(&mut place).await {
                tracing::warn!(%error, "the feed cannot be read");
                // It may be another feed than it was, as after a restore.
                place = None;
            }
            let _ = tokio::time::timeout(LOOK, self.shared.written.notified()).await;
            tokio::time::sleep(PAUSE).await;
        }
    }

    /// Hands on what is new, session by session: whoever follows one is woken once.
    async fn tell(&self, place: &mut Option<u64>) -> Result<()> {
        let mut changes = Vec::new();
        let untold = self.shared.untold.lock().take();
        loop {
            let page = self.shared.store.changes(*place, PAGE_MAX).await?;
            if place.replace(page.last).is_none() {
                self.shared.followed.lock().values().for_each(|sender| drop(sender.send(Told::Look)));
            }
            changes.extend(page.changes);
            if !page.more || changes.len() >= CHANGES_MAX {
                break;
            }
        }
        let mut woken = 0;
        for (sender, changes) in self.interested(changes) {
            // Nobody may be there any more.
            changes.into_iter().for_each(|change| drop(sender.send(Told::Change(change))));
            woken += sender.receiver_count();
            if woken >= TOGETHER {
                tokio::time::sleep(PAUSE_EACH.saturating_mul(u32::try_from(woken).unwrap_or(u32::MAX))).await;
                woken = 0;
            }
        }
        if let Some(since) = untold {
            metrics::histogram!("sessiondb_feed_lag_seconds").record(since.elapsed());
        }
        Ok(())
    }

    /// What each who follows something is interested in, in its order.
    fn interested(&self, changes: Vec<Change>) -> Vec<(broadcast::Sender<Told>, Vec<Arc<Event>>)> {
        let followed = self.shared.followed.lock();
        let everything = followed.get(&None);
        let mut of_all = Vec::new();
        let mut of_sessions: HashMap<SessionKey, Vec<Arc<Event>>> = HashMap::new();
        for change in changes {
            let followed = followed.contains_key(&Some(change.key.clone()));
            if !followed && everything.is_none() {
                continue;
            }
            let event = Arc::new(Event::of(change));
            if followed {
                of_sessions.entry(event.change.key.clone()).or_default().push(Arc::clone(&event));
            }
            of_all.push(event);
        }
        let of_sessions = of_sessions
            .into_iter()
            .filter_map(|(key, events)| Some((followed.get(&Some(key))?.clone(), events)));
        let of_all = everything.map(|sender| (sender.clone(), of_all));
        of_sessions.chain(of_all).collect()
    }
}

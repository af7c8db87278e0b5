//! [`Feed`]: the store's feed, read once for all who follow it.
//!
//! One task reads what was committed and hands it to those who follow the session, or all of them. Nobody is waited for: who
//! reads too slowly for the buffer falls behind, and reads what it missed from the store.

use std::{collections::HashMap, sync::Arc, time::Duration};

use parking_lot::Mutex;
use sessiondb::{Change, Result, SessionKey, Store, limits::PAGE_MAX};
use tokio::sync::{Notify, broadcast};

/// How many changes a follower may be behind before it reads the store by itself.
const BUFFER: usize = 256;
/// After its own write the server reads the feed at once, but not more often than this, so that many changes are told together.
const PAUSE: Duration = Duration::from_millis(20);
/// How often the feed is read for what other processes wrote.
const LOOK: Duration = Duration::from_millis(250);

/// What a follower hears.
#[derive(Debug, Clone)]
pub(crate) enum Told {
    /// This happened.
    Change(Arc<Change>),
    /// Something may have happened that is not told: it is in the store.
    Look,
}

/// The feed of a store.
#[derive(Clone)]
pub(crate) struct Feed {
    shared: Arc<Shared>,
}

struct Shared {
    store: Store,
    written: Notify,
    /// Who follows what; `None` is everything.
    followed: Mutex<HashMap<Option<SessionKey>, broadcast::Sender<Told>>>,
}

impl Feed {
    pub fn new(store: Store) -> Feed {
        Feed { shared: Arc::new(Shared { store, written: Notify::new(), followed: Mutex::default() }) }
    }

    /// Something was written here.
    pub fn written(&self) {
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

    /// Hands on what is new.
    async fn tell(&self, place: &mut Option<u64>) -> Result<()> {
        loop {
            let page = self.shared.store.changes(*place, PAGE_MAX).await?;
            let begins = place.replace(page.last).is_none();
            let followed = self.shared.followed.lock();
            if begins {
                followed.values().for_each(|sender| drop(sender.send(Told::Look)));
            }
            for change in page.changes {
                let change = Arc::new(change);
                let of_session = followed.get(&Some(change.key.clone()));
                for sender in of_session.into_iter().chain(followed.get(&None)) {
                    // Nobody may be there any more.
                    let _ = sender.send(Told::Change(Arc::clone(&change)));
                }
            }
            if !page.more {
                return Ok(());
            }
        }
    }
}

//! [`App`]: what all routes share. [`Options`]: what may be chosen.

use std::{net::IpAddr, num::NonZeroU32, sync::Arc, time::Duration};

use governor::{
    DefaultKeyedRateLimiter, Quota,
    clock::{Clock, DefaultClock},
};
use sessiondb::{Result, Store};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

use crate::{
    access::Hosts,
    feed::Feed,
    problem::{Kind, Problem},
    tokens::{Refused, Tokens},
};

/// Addresses that are remembered before those are forgotten that have waited.
const ADDRESSES_MAX: usize = 10_000;

/// The address, or of IPv6 the network that one sender has to himself.
fn of_one_sender(address: IpAddr) -> IpAddr {
    match address {
        IpAddr::V4(_) => address,
        IpAddr::V6(address) => {
            let [a, b, c, d, ..] = address.segments();
            IpAddr::V6([a, b, c, d, 0, 0, 0, 0].into())
        }
    }
}

/// What may be chosen of a server's routes. Where it listens is [`Listen`](crate::Listen)'s.
#[derive(Debug, Clone)]
pub struct Options {
    /// Whether callers need a token. Without, everybody who reaches the server may do everything.
    pub tokens: bool,
    /// The names of this server beside those of the loopback.
    pub hosts: Vec<String>,
    /// Requests a second that one token may send on average, and how many at once.
    pub requests_per_second: u32,
    /// Tokens that are refused which one address may try in a minute, before it is told to wait.
    pub refused_per_minute: u32,
    /// How many writes may wait or be written at a time; more are answered 503. Many more than share a sync only make each other
    /// wait (docs/measured/serve.txt).
    pub writes_max: usize,
    /// How many reads may run at a time; more are answered 503.
    pub reads_max: usize,
    /// How many bytes of bodies are held in memory at a time, as whole KiB; what goes beyond is answered 503.
    pub body_bytes_max: usize,
    /// How many feeds may be followed at a time with one token.
    pub followers_max: usize,
    /// Whether the routes of interviews stand at the root too (`POST /sessions`), for front ends that know them there.
    pub interview_at_root: bool,
}

impl Default for Options {
    fn default() -> Options {
        Options {
            tokens: true,
            hosts: Vec::new(),
            requests_per_second: 20_000,
            refused_per_minute: 10,
            writes_max: 96,
            reads_max: 256,
            body_bytes_max: 256 << 20,
            followers_max: 2_000,
            interview_at_root: false,
        }
    }
}

/// What all routes share.
#[derive(Clone)]
pub(crate) struct App(Arc<Shared>);

impl std::ops::Deref for App {
    type Target = Shared;

    fn deref(&self) -> &Shared {
        &self.0
    }
}

pub(crate) struct Shared {
    pub store: Store,
    /// `None` where no token is asked for.
    pub tokens: Option<Tokens>,
    pub hosts: Hosts,
    pub limits: Arc<Limits>,
    pub feed: Feed,
}

impl App {
    /// Whether this caller's stream may go on.
    pub async fn accepts_still(&self, caller: &crate::tokens::Caller) -> bool {
        match &self.tokens {
            Some(tokens) => tokens.accepts_still(caller).await,
            None => true,
        }
    }

    pub fn new(store: Store, options: &Options) -> Result<App> {
        // Before anything is measured.
        crate::operations::recorder();
        let tokens = options.tokens.then(|| Tokens::of(&store)).transpose()?;
        Ok(App(Arc::new(Shared {
            feed: Feed::new(store.clone()),
            tokens,
            hosts: Hosts::new(options.hosts.iter().cloned()),
            limits: Arc::new(Limits::new(options)),
            store,
        })))
    }
}

/// What keeps one caller from taking all, and all from taking more than the server has.
pub(crate) struct Limits {
    requests: DefaultKeyedRateLimiter<Arc<str>>,
    clock: DefaultClock,
    writes: Arc<Semaphore>,
    reads: Arc<Semaphore>,
    /// In KiB.
    bodies: Arc<Semaphore>,
    body_bytes_max: usize,
    followers_max: usize,
    followers: parking_lot::Mutex<std::collections::HashMap<Arc<str>, usize>>,
    /// Addresses from which tokens came that were refused.
    refused: DefaultKeyedRateLimiter<IpAddr>,
    /// Tokens of the store that were refused, and why.
    noted: DefaultKeyedRateLimiter<(String, Refused)>,
}

/// The room that the bodies of one request take, given back when it is answered: until then what was read of them is in memory, in
/// one form or another.
#[derive(Clone, Default)]
pub(crate) struct Held(Arc<parking_lot::Mutex<Vec<OwnedSemaphorePermit>>>);

impl Held {
    pub fn hold(&self, room: OwnedSemaphorePermit) {
        self.0.lock().push(room);
    }
}

/// The place of one who follows a feed.
pub(crate) struct Seat {
    limits: Arc<Limits>,
    token: Arc<str>,
}

impl Drop for Seat {
    fn drop(&mut self) {
        let mut followers = self.limits.followers.lock();
        if let Some(count) = followers.get_mut(&self.token) {
            *count -= 1;
            if *count == 0 {
                followers.remove(&self.token);
            }
        }
    }
}

impl Limits {
    /// A place for one more who follows a feed with this token.
    pub fn seat(self: &Arc<Limits>, token: &Arc<str>) -> Result<Seat, Problem> {
        let mut followers = self.followers.lock();
        let count = followers.entry(Arc::clone(token)).or_default();
        if *count >= self.followers_max {
            let detail = format!("token {token} follows {count} feeds already, which is the most");
            return Err(Problem::new(Kind::TooManyRequests, detail));
        }
        *count += 1;
        Ok(Seat { limits: Arc::clone(self), token: Arc::clone(token) })
    }

    pub fn new(options: &Options) -> Limits {
        let rate = NonZeroU32::new(options.requests_per_second).unwrap_or(NonZeroU32::MIN);
        let refused = NonZeroU32::new(options.refused_per_minute).unwrap_or(NonZeroU32::MIN);
        Limits {
            requests: DefaultKeyedRateLimiter::keyed(Quota::per_second(rate)),
            clock: DefaultClock::default(),
            writes: Arc::new(Semaphore::new(options.writes_max)),
            reads: Arc::new(Semaphore::new(options.reads_max)),
            bodies: Arc::new(Semaphore::new(options.body_bytes_max >> 10)),
            body_bytes_max: options.body_bytes_max,
            followers_max: options.followers_max,
            followers: parking_lot::Mutex::default(),
            refused: DefaultKeyedRateLimiter::keyed(Quota::per_minute(refused)),
            noted: DefaultKeyedRateLimiter::keyed(Quota::per_hour(NonZeroU32::MIN)),
        }
    }

    /// A token from this address was refused; says after how many seconds it may try the next, if it has tried too many. One that
    /// is accepted is accepted all the same: many may share an address.
    pub fn refuse(&self, address: IpAddr) -> Result<(), u64> {
        if self.refused.len() > ADDRESSES_MAX {
            self.refused.retain_recent();
        }
        self.refused.check_key(&of_one_sender(address)).map_err(|not_until| {
            let wait: Duration = not_until.wait_time_from(self.clock.now());
            wait.as_secs() + 1
        })
    }

    /// Whether it shall be noted that this token was refused: once an hour for each of the store's and each reason, so that who has
    /// one, or only its id, cannot fill the disk with notes.
    pub fn may_note(&self, token: &str, why: Refused) -> bool {
        why != Refused::Unknown && self.noted.check_key(&(token.to_owned(), why)).is_ok()
    }

    /// Lets a request of this token in, or says after how many seconds it may come again.
    pub fn admit(&self, token: &Arc<str>) -> Result<(), u64> {
        self.requests.check_key(token).map_err(|not_until| {
            let wait: Duration = not_until.wait_time_from(self.clock.now());
            wait.as_secs() + 1
        })
    }

    /// Room for a write; `None` if there is none now.
    pub fn write(&self) -> Option<OwnedSemaphorePermit> {
        Arc::clone(&self.writes).try_acquire_owned().ok()
    }

    /// Room for a write of those who wait for it without holding up anybody.
    pub async fn write_later(&self) -> Option<OwnedSemaphorePermit> {
        // It is never closed.
        Arc::clone(&self.writes).acquire_owned().await.ok()
    }

    /// Room for a body of at most so many bytes.
    pub fn body(&self, bytes: usize) -> Result<OwnedSemaphorePermit, Problem> {
        if bytes > self.body_bytes_max {
            let detail =
                format!("the body has {bytes} bytes, and the server holds {} at a time", self.body_bytes_max);
            return Err(Problem::new(Kind::TooLarge, detail));
        }
        let kib = u32::try_from(bytes.div_ceil(1 << 10)).unwrap_or(u32::MAX);
        Arc::clone(&self.bodies).try_acquire_many_owned(kib).map_err(|_| {
            let detail = "as many bodies as the server holds are under way; nothing was done";
            Problem::new(Kind::Overloaded, detail).hint("try again after the time in Retry-After")
        })
    }

    /// Room for a read; `None` if there is none now.
    pub fn read(&self) -> Option<OwnedSemaphorePermit> {
        Arc::clone(&self.reads).try_acquire_owned().ok()
    }
}

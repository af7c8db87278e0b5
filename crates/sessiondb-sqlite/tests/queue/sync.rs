//! What the queue's threads wait with: shuttle's, which hand over wherever another thread could run, under the names that
//! the product has for its own.

use std::{
    cell::Cell,
    ops::{Deref, DerefMut},
    sync::PoisonError,
    time::Duration,
};

pub use shuttle::{
    future::block_on,
    thread::{Builder, JoinHandle, yield_now},
};

#[derive(Default)]
pub struct Mutex<T>(shuttle::sync::Mutex<T>);

/// `None` only while its `Condvar` waits.
pub struct MutexGuard<'a, T>(Option<shuttle::sync::MutexGuard<'a, T>>);

pub struct Condvar(shuttle::sync::Condvar);

impl<T> Mutex<T> {
    pub fn new(value: T) -> Mutex<T> {
        Mutex(shuttle::sync::Mutex::new(value))
    }

    pub fn lock(&self) -> MutexGuard<'_, T> {
        MutexGuard(Some(self.0.lock().unwrap_or_else(PoisonError::into_inner)))
    }

    pub fn try_lock(&self) -> Option<MutexGuard<'_, T>> {
        self.0.try_lock().ok().map(|guard| MutexGuard(Some(guard)))
    }
}

impl<T> MutexGuard<'_, T> {
    /// Who comes next is the schedule's choice in any case.
    pub fn unlock_fair(guard: Self) {
        drop(guard);
    }
}

impl<T> Deref for MutexGuard<'_, T> {
    type Target = T;

    fn deref(&self) -> &T {
        self.0.as_ref().unwrap()
    }
}

impl<T> DerefMut for MutexGuard<'_, T> {
    fn deref_mut(&mut self) -> &mut T {
        self.0.as_mut().unwrap()
    }
}

impl Condvar {
    pub fn new() -> Condvar {
        Condvar(shuttle::sync::Condvar::new())
    }

    pub fn wait<T>(&self, guard: &mut MutexGuard<'_, T>) {
        guard.0 = guard.0.take().map(|held| self.0.wait(held).unwrap_or_else(PoisonError::into_inner));
    }

    pub fn notify_one(&self) {
        self.0.notify_one();
    }

    pub fn notify_all(&self) {
        self.0.notify_all();
    }
}

/// Time passes as the schedule has it.
pub struct Stopwatch;

impl Stopwatch {
    pub fn start() -> Stopwatch {
        Stopwatch
    }

    pub fn share(self, _parts: u32, _most: Duration) -> Patience {
        Patience
    }
}

#[derive(Clone, Copy)]
pub struct Patience;

impl Patience {
    pub fn none() -> Patience {
        Patience
    }

    pub fn begin(self) -> Deadline {
        Deadline(Cell::new(2))
    }
}

/// Over after so many looks.
pub struct Deadline(Cell<u32>);

impl Deadline {
    pub fn is_over(&self) -> bool {
        let left = self.0.get();
        self.0.set(left.saturating_sub(1));
        left == 0
    }
}

//! What threads wait with. `tests/queue` compiles the queue with others of the same names, which try its orders.

pub(crate) use std::thread::{Builder, JoinHandle};

pub(crate) use parking_lot::{Condvar, Mutex, MutexGuard};
pub(crate) use pollster::block_on;

//! `Mutex<Connection>`: what most programs begin with. One thread a caller, one transaction an append.

use std::{path::Path, sync::Mutex};

use sessiondb::time;

use super::{
    append::{Appender, Load},
    by_hand::{Cache, Schema, connect, transact},
    callers::{self, Measured, Turn},
};
use crate::Outcome;

pub(super) struct MutexConnection {
    pub name: &'static str,
    pub schema: &'static dyn Schema,
}

impl MutexConnection {
    pub const SAME_SCHEMA: &str = "Mutex<Connection>, SessionDB's schema";
    pub const SEED_001: &str = "Mutex<Connection>, seed 001's schema";
}

impl Appender for MutexConnection {
    fn name(&self) -> &'static str {
        self.name
    }

    fn schema(&self) -> &'static dyn Schema {
        self.schema
    }

    fn append(&mut self, file: &Path, load: &Load) -> Outcome<Measured> {
        let conn = Mutex::new(connect(file, load.durability, Cache::Writer)?);
        callers::threads(load.callers, &Turn::begin(load.first, load.time), |n| {
            let conn = conn.lock().map_err(|_| "a caller panicked")?;
            let at = time::to_text(time::now());
            transact(&conn, || self.schema.append(&conn, load.key(n), &[load.content(n)], &at))
        })
    }
}

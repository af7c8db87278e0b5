//! `Mutex<Connection>`: what most programs begin with. One thread a caller, one transaction an append.

use std::{path::Path, sync::Mutex};

use sessiondb::time;

use super::{
    Outcome,
    append::{Appender, Load},
    callers::{self, Measured, Turn},
    schema::{Schema, execute},
};

pub(super) struct MutexConnection(pub Schema);

impl Appender for MutexConnection {
    fn name(&self) -> &'static str {
        match self.0 {
            Schema::SessionDb => "Mutex<Connection>, SessionDB's schema",
            Schema::Seed001 => "Mutex<Connection>, seed 001's schema",
        }
    }

    fn schema(&self) -> Schema {
        self.0
    }

    fn append(&self, file: &Path, load: &Load) -> Outcome<Measured> {
        let conn = Mutex::new(Schema::open(file, load.durability)?);
        callers::threads(load.callers, &Turn::begin(load.first, load.time), |n| {
            let conn = conn.lock().map_err(|_| "a caller panicked")?;
            execute(&conn, "BEGIN IMMEDIATE")?;
            self.0.append(&conn, load.key(n), load.content(n), &time::to_text(time::now()))?;
            Ok(execute(&conn, "COMMIT")?)
        })
    }
}

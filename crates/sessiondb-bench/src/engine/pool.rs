//! An r2d2 pool of 5 connections that fight for SQLite's lock, each waiting up to 5 s. One transaction an append.

use std::{
    path::{Path, PathBuf},
    time::Duration,
};

use r2d2::ManageConnection;
use rusqlite::Connection;
use sessiondb::{sqlite::Durability, time};

use super::{
    append::{Appender, Load},
    by_hand::{Cache, Schema, Seed001, connect, transact},
    callers::{self, Measured, Turn},
};
use crate::Outcome;

const CONNECTIONS: u32 = 5;

pub(super) struct Pool;

impl Pool {
    pub const NAME: &str = "r2d2, 5 connections, seed 001's schema";
}

/// r2d2_sqlite, for the rusqlite of this workspace.
struct Manager {
    file: PathBuf,
    durability: Durability,
}

impl ManageConnection for Manager {
    type Connection = Connection;
    type Error = rusqlite::Error;

    fn connect(&self) -> rusqlite::Result<Connection> {
        let conn = connect(&self.file, self.durability, Cache::Writer)
            .map_err(rusqlite::Error::ToSqlConversionFailure)?;
        conn.busy_timeout(Duration::from_secs(5))?;
        Ok(conn)
    }

    fn is_valid(&self, conn: &mut Connection) -> rusqlite::Result<()> {
        conn.execute_batch("")
    }

    fn has_broken(&self, _: &mut Connection) -> bool {
        false
    }
}

impl Appender for Pool {
    fn name(&self) -> &'static str {
        Pool::NAME
    }

    fn schema(&self) -> &'static dyn Schema {
        &Seed001
    }

    fn append(&mut self, file: &Path, load: &Load) -> Outcome<Measured> {
        let manager = Manager { file: file.to_owned(), durability: load.durability };
        let pool = r2d2::Pool::builder().max_size(CONNECTIONS).build(manager)?;
        callers::threads(load.callers, &Turn::begin(load.first, load.time), |n| {
            let conn = pool.get()?;
            let at = time::to_text(time::now());
            transact(&conn, || Seed001.append(&conn, load.key(n), &[load.content(n)], &at))
        })
    }
}

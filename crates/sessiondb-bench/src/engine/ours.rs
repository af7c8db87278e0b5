//! SessionDB, as programs call it: blocking from threads, and async on the two kinds of tokio runtime.

use std::{path::Path, sync::Arc};

use sessiondb::{
    NewMessage, Store, blocking,
    sqlite::{Durability, Options, SqliteBackend},
};
use tokio::runtime::{Builder, Runtime};

use super::{
    append::{Appender, Load},
    by_hand::{self, Schema},
    callers::{self, Measured, Turn},
};
use crate::Outcome;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum SessionDb {
    Blocking,
    CurrentThread,
    MultiThread,
}

pub(super) fn open(file: &Path, durability: Durability) -> Outcome<Store> {
    Ok(Store::new(Arc::new(SqliteBackend::open(Options::new(file).durability(durability))?)))
}

impl SessionDb {
    pub const BLOCKING: &str = "SessionDB, blocking";
    pub const CURRENT_THREAD: &str = "SessionDB, async, current thread";
    pub const MULTI_THREAD: &str = "SessionDB, async, 2 workers";

    pub fn runtime(self) -> Outcome<Runtime> {
        Ok(match self {
            SessionDb::MultiThread => Builder::new_multi_thread().worker_threads(2).build()?,
            _ => Builder::new_current_thread().build()?,
        })
    }
}

impl Appender for SessionDb {
    fn name(&self) -> &'static str {
        match self {
            SessionDb::Blocking => SessionDb::BLOCKING,
            SessionDb::CurrentThread => SessionDb::CURRENT_THREAD,
            SessionDb::MultiThread => SessionDb::MULTI_THREAD,
        }
    }

    fn schema(&self) -> &'static dyn Schema {
        &by_hand::SessionDb::Whole
    }

    fn append(&mut self, file: &Path, load: &Load) -> Outcome<Measured> {
        let store = open(file, load.durability)?;
        let measured = if *self == SessionDb::Blocking {
            let store = blocking::Store::from(store.clone());
            callers::threads(load.callers, &Turn::begin(load.first, load.time), |n| {
                let message = NewMessage::new("user", load.sample.content(n).clone());
                store.append(load.key(n), vec![message])?;
                Ok(())
            })?
        } else {
            let (store, load) = (store.clone(), Arc::new(load.clone()));
            let (callers, turn) = (load.callers, Turn::begin(load.first, load.time));
            callers::tasks(&self.runtime()?, callers, turn, move |n| {
                let (store, load) = (store.clone(), Arc::clone(&load));
                async move {
                    let message = NewMessage::new("user", load.sample.content(n).clone());
                    store.append(load.key(n), vec![message]).await?;
                    Ok(())
                }
            })?
        };
        pollster::block_on(store.close())?;
        Ok(measured)
    }
}

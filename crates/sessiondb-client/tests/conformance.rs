//! The promises of a store, kept through a server: a `Store` over HTTP is a store.

#![allow(clippy::unwrap_used, clippy::expect_used, reason = "a test: a panic is how it fails")]

use std::{net::SocketAddr, sync::mpsc};

use sessiondb_client::HttpBackend;
use sessiondb_core::Store;
use sessiondb_server::{Listen, Options};
use tempfile::TempDir;
use tokio::{runtime::Runtime, sync::oneshot};

/// A server of a new store in a file, with a client of it.
struct Server {
    _dir: TempDir,
    _end: oneshot::Sender<()>,
    _runtime: Runtime,
}

fn fresh() -> (Store, Server) {
    let dir = tempfile::tempdir().unwrap();
    let url = dir.path().join("s.db").display().to_string();
    let store = pollster::block_on(sessiondb::open(&url)).unwrap();
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().unwrap();
    let ((end, ended), (told, address)) = (oneshot::channel::<()>(), mpsc::channel::<SocketAddr>());
    runtime.spawn(async move {
        let listen = Listen { address: "127.0.0.1:0".parse().unwrap(), tls: None, behind_tls_proxy: false };
        let options = Options { tokens: false, ..Options::default() };
        let ended = async move { drop(ended.await) };
        sessiondb_server::serve(store, &options, listen, |address| told.send(address).unwrap(), ended)
            .await
            .unwrap();
    });
    let address = address.recv().unwrap();
    let client = HttpBackend::open(&format!("http://{address}"), None).unwrap();
    (Store::new(std::sync::Arc::new(client)), Server { _dir: dir, _end: end, _runtime: runtime })
}

mod asynchronous {
    use super::fresh;

    sessiondb_core::conformance_tests!(fresh);
}

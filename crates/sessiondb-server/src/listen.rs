//! [`serve`]: where the server listens, and how it ends.

use std::{io, net::SocketAddr, path::PathBuf, time::Duration};

use axum_server::{Handle, tls_rustls::RustlsConfig};
use sessiondb::Store;

use crate::{Options, routes};

/// How long open requests have to end when the server does.
const DRAIN: Duration = Duration::from_secs(10);
/// How long a client may take to send the head of a request.
const HEADER_TIME: Duration = Duration::from_secs(10);
/// Largest head of a request, in bytes.
const HEADER_BYTES_MAX: usize = 64 << 10;

/// Where to listen.
#[derive(Debug, Clone)]
pub struct Listen {
    /// The address. Other machines reach it only if it is not the loopback's.
    pub address: SocketAddr,
    /// With which certificate; none for plain HTTP.
    pub tls: Option<Tls>,
    /// Whether a proxy in front of it speaks TLS, so that plain HTTP may leave this machine.
    pub behind_tls_proxy: bool,
}

/// A certificate and its key, in PEM.
#[derive(Debug, Clone)]
pub struct Tls {
    /// The certificate and those that vouch for it.
    pub certificate: PathBuf,
    /// The private key.
    pub key: PathBuf,
}

/// Why a server did not start, or ended.
#[derive(Debug, thiserror::Error)]
pub enum ServeError {
    /// The address can be reached from other machines, and what is sent there could be read on the way.
    #[error("{0} can be reached from other machines, and nothing protects what is sent there")]
    Unprotected(SocketAddr),
    /// Nobody would be asked for a token, and other machines could come.
    #[error("{0} can be reached from other machines, and nobody would be asked for a token")]
    Open(SocketAddr),
    /// The certificate or its key cannot be used.
    #[error("the certificate {} and the key {} cannot be used: {reason}", tls.certificate.display(), tls.key.display())]
    Certificate {
        /// Which.
        tls: Tls,
        /// Why not.
        reason: io::Error,
    },
    /// The system does not let it listen.
    #[error("cannot listen on {address}: {reason}")]
    Listen {
        /// Where.
        address: SocketAddr,
        /// Why not.
        reason: io::Error,
    },
    /// The store refused.
    #[error(transparent)]
    Store(#[from] sessiondb::Error),
}

impl Listen {
    fn check(&self, options: &Options) -> Result<(), ServeError> {
        if self.address.ip().is_loopback() {
            return Ok(());
        }
        if !options.tokens {
            return Err(ServeError::Open(self.address));
        }
        if self.tls.is_none() && !self.behind_tls_proxy {
            return Err(ServeError::Unprotected(self.address));
        }
        Ok(())
    }
}

/// Serves the store until `end` is there; then takes no new requests, lets those that run come to their end, and answers.
/// `listening` is told the address once the server listens: with port 0 the system has chosen one.
///
/// # Errors
/// As [`ServeError`] says.
pub async fn serve(
    store: Store,
    options: &Options,
    listen: Listen,
    listening: impl FnOnce(SocketAddr),
    end: impl Future<Output = ()> + Send + 'static,
) -> Result<(), ServeError> {
    listen.check(options)?;
    let address = listen.address;
    let (router, feed) = routes(store, options)?;
    let failed = |reason| ServeError::Listen { address, reason };
    let listener = std::net::TcpListener::bind(address).map_err(failed)?;
    listener.set_nonblocking(true).map_err(failed)?;
    listening(listener.local_addr().map_err(failed)?);
    let feed = tokio::spawn(feed);
    let handle = Handle::new();
    let closing = handle.clone();
    tokio::spawn(async move {
        end.await;
        closing.graceful_shutdown(Some(DRAIN));
    });
    let service = router.into_make_service_with_connect_info::<SocketAddr>();
    let served = match listen.tls {
        None => {
            let mut server = axum_server::from_tcp(listener).map_err(failed)?.handle(handle);
            server.http_builder().http1().header_read_timeout(HEADER_TIME).max_buf_size(HEADER_BYTES_MAX);
            server.serve(service).await
        }
        Some(tls) => {
            // The one provider of cryptography, unless the program has chosen another.
            let _ = rustls::crypto::ring::default_provider().install_default();
            let config = RustlsConfig::from_pem_file(&tls.certificate, &tls.key).await;
            let config = config.map_err(|reason| ServeError::Certificate { tls, reason })?;
            let mut server = axum_server::from_tcp_rustls(listener, config).map_err(failed)?.handle(handle);
            server.http_builder().http1().header_read_timeout(HEADER_TIME).max_buf_size(HEADER_BYTES_MAX);
            server.serve(service).await
        }
    };
    feed.abort();
    served.map_err(failed)
}

//! The server: addresses, TLS, and what a client may take of it.
//!
//! Every wait has an end: a client that connects and says nothing, sends a byte a minute, or does not read its
//! answer is let go of, and the number of connections is limited. Who waits for one waits in the kernel.

use std::net::{IpAddr, SocketAddr};
use std::path::PathBuf;
use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use egress::error::{ApiError, ErrorCode, Fault};
use hyper::server::conn::http1;
use hyper_util::rt::{TokioIo, TokioTimer};
use hyper_util::service::TowerToHyperService;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{Semaphore, watch};
use tokio::task::JoinSet;
use tokio::time::timeout;
use tokio_rustls::TlsAcceptor;

use super::tls;

/// Connections at a time.
const CONNECTIONS: usize = 256;
/// How long TLS may take to begin.
const HANDSHAKE_WITHIN: Duration = Duration::from_secs(10);
/// How long the head of a request may take, and how long a connection may be idle before the next.
const HEAD_WITHIN: Duration = Duration::from_secs(10);
/// How long a connection is kept; the request that is under way is answered.
const CONNECTION_AT_MOST: Duration = Duration::from_secs(120);
/// How long that answer may take.
const LAST_ANSWER_WITHIN: Duration = Duration::from_secs(75);
/// The largest head of a request, bytes.
const LARGEST_HEAD: usize = 64 << 10;

/// Where a server listens.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Endpoint {
    /// Its address.
    pub bind: IpAddr,
    /// Its port; 0 for any that is free.
    pub port: u16,
    /// Certificate and key.
    pub tls: Option<Tls>,
}

/// The files of TLS.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Tls {
    /// The certificate and those that vouch for it, PEM.
    pub certificate: PathBuf,
    /// Its private key, PEM.
    pub key: PathBuf,
}

/// A server that has its address and does not answer yet.
pub struct Server {
    listener: TcpListener,
    tls: Option<TlsAcceptor>,
}

impl Server {
    /// Takes an address for calls that carry secrets: one of this computer, or with TLS.
    ///
    /// # Errors
    /// The address may be reached from elsewhere and there is no certificate, the certificate cannot be used, or
    /// the address cannot be had.
    pub async fn for_calls(endpoint: &Endpoint) -> Result<Self, ApiError> {
        if !endpoint.bind.is_loopback() && endpoint.tls.is_none() {
            return Err(ApiError::new(
                ErrorCode::InvalidArgument,
                Fault::Input,
                format!(
                    "The API would be open to the network at {} without encryption, and its requests carry keys.",
                    endpoint.bind
                ),
                "Set api.tls_cert and api.tls_key, or api.bind to 127.0.0.1 and put a proxy with TLS before it.",
            ));
        }
        Self::bind(endpoint).await
    }

    /// Takes an address for pages without secrets.
    ///
    /// # Errors
    /// The certificate cannot be used, or the address cannot be had.
    pub async fn bind(endpoint: &Endpoint) -> Result<Self, ApiError> {
        let tls = match &endpoint.tls {
            Some(files) => Some(tls::acceptor(&files.certificate, &files.key)?),
            None => None,
        };
        let address = SocketAddr::new(endpoint.bind, endpoint.port);
        let listener = TcpListener::bind(address).await.map_err(|error| {
            ApiError::new(
                ErrorCode::Unreachable,
                Fault::Environment,
                format!("The address {address} cannot be listened at."),
                "Choose another port, or stop the program that has it.",
            )
            .with_detail(error)
        })?;
        Ok(Self { listener, tls })
    }

    /// Where it listens.
    ///
    /// # Errors
    /// The system does not say.
    pub fn address(&self) -> std::io::Result<SocketAddr> {
        self.listener.local_addr()
    }

    /// Answers until `closing` is true or gone. Calls that are under way are answered then, for a while.
    pub async fn run(self, router: Router, mut closing: watch::Receiver<bool>) {
        let places = Arc::new(Semaphore::new(CONNECTIONS));
        let mut connections = JoinSet::new();
        loop {
            while connections.try_join_next().is_some() {}
            let accepted = async {
                let place = places.clone().acquire_owned().await.expect("it is never closed");
                (self.listener.accept().await, place)
            };
            let (accepted, place) = tokio::select! {
                _ = closing.wait_for(|closing| *closing) => break,
                accepted = accepted => accepted,
            };
            let stream = match accepted {
                Ok((stream, _)) => stream,
                Err(error) => {
                    // It may be that there are no files left to open: that passes.
                    tracing::warn!(%error, "a connection was not taken");
                    tokio::time::sleep(Duration::from_millis(100)).await;
                    continue;
                }
            };
            let (tls, router, closing) = (self.tls.clone(), router.clone(), closing.clone());
            connections.spawn(async move {
                connection(stream, tls, router, closing).await;
                drop(place);
            });
        }
        drop(self.listener);
        while connections.join_next().await.is_some() {}
    }
}

async fn connection(
    stream: TcpStream,
    tls: Option<TlsAcceptor>,
    router: Router,
    closing: watch::Receiver<bool>,
) {
    let _ = stream.set_nodelay(true);
    match tls {
        None => talk(stream, router, closing).await,
        Some(tls) => {
            if let Ok(Ok(stream)) = timeout(HANDSHAKE_WITHIN, tls.accept(stream)).await {
                talk(stream, router, closing).await;
            }
        }
    }
}

async fn talk<S: AsyncRead + AsyncWrite + Unpin>(
    stream: S,
    router: Router,
    mut closing: watch::Receiver<bool>,
) {
    let mut connection = pin!(
        http1::Builder::new()
            .timer(TokioTimer::new())
            .header_read_timeout(HEAD_WITHIN)
            .max_buf_size(LARGEST_HEAD)
            .serve_connection(TokioIo::new(stream), TowerToHyperService::new(router))
    );
    // What a client does wrong is its own affair: nothing of it is logged.
    tokio::select! {
        _ = connection.as_mut() => return,
        _ = closing.wait_for(|closing| *closing) => {}
        () = tokio::time::sleep(CONNECTION_AT_MOST) => {}
    }
    connection.as_mut().graceful_shutdown();
    let _ = timeout(LAST_ANSWER_WITHIN, connection).await;
}

//! Accepting connections, and finishing what was accepted.
//!
//! HTTP/1.1 alone: what speaks HTTP/2 to callers stands in front and brings TLS, and telling the two apart on a bare
//! connection would let a silent client hold it for ever.

use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::extract::ConnectInfo;
use axum::http::Request;
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper_util::rt::{TokioIo, TokioTimer};
use hyper_util::server::graceful::{GracefulShutdown, Watcher};
use hyper_util::service::TowerToHyperService;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;
use tower::ServiceExt;

/// Connections at once; the next ones wait in the listener's backlog.
const MOST_CONNECTIONS: usize = 10_000;
/// How long a connection may wait for (the rest of) a request's head. Longer than the minute for which load balancers
/// keep idle connections, so that it is they who close them.
const HEAD_TIME: Duration = Duration::from_secs(75);
/// How long accepted requests may take after the shutdown began.
const LAST_REQUESTS: Duration = Duration::from_secs(30);

/// Serves until `shutdown`, then stops accepting, lets accepted requests finish (for 30 seconds at most) and returns.
pub async fn serve(listener: TcpListener, router: Router, shutdown: CancellationToken) -> io::Result<()> {
    let open = Arc::new(Semaphore::new(MOST_CONNECTIONS));
    let graceful = GracefulShutdown::new();
    let mut connections = JoinSet::new();
    while let Some((stream, peer, permit)) = shutdown.run_until_cancelled(accept(&listener, &open)).await.transpose()? {
        connections.spawn(converse(stream, peer, router.clone(), graceful.watcher(), permit));
        while connections.try_join_next().is_some() {}
    }
    drop(listener);
    if tokio::time::timeout(LAST_REQUESTS, graceful.shutdown()).await.is_err() {
        tracing::warn!(connections = connections.len(), "requests were still running when the time was over");
    }
    connections.shutdown().await;
    Ok(())
}

/// The next connection, once there is room for one.
async fn accept(
    listener: &TcpListener,
    open: &Arc<Semaphore>,
) -> io::Result<(TcpStream, SocketAddr, OwnedSemaphorePermit)> {
    let permit = Arc::clone(open).acquire_owned().await.map_err(io::Error::other)?;
    loop {
        match listener.accept().await {
            Ok((stream, peer)) => return Ok((stream, peer, permit)),
            // The client went away, or we are out of file descriptors: neither is a reason to stop serving.
            Err(error) => {
                tracing::warn!(%error, "a connection could not be accepted");
                tokio::time::sleep(Duration::from_millis(100)).await;
            }
        }
    }
}

/// Serves one connection until it ends.
async fn converse(
    stream: TcpStream,
    peer: SocketAddr,
    router: Router,
    watcher: Watcher,
    _permit: OwnedSemaphorePermit,
) {
    // Answers are small: waiting to fill a packet only delays them. Without the option they are merely slower.
    let _ = stream.set_nodelay(true);
    let service = router.map_request(move |mut request: Request<Incoming>| {
        request.extensions_mut().insert(ConnectInfo(peer));
        request.map(axum::body::Body::new)
    });
    let mut server = http1::Builder::new();
    server.timer(TokioTimer::new()).header_read_timeout(HEAD_TIME);
    let connection = server.serve_connection(TokioIo::new(stream), TowerToHyperService::new(service));
    if let Err(error) = watcher.watch(connection).await {
        tracing::debug!(%error, "a connection ended early");
    }
}

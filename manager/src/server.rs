//! Accepts connections and speaks HTTP/1.1 on them, with TLS if configured.

use crate::app::AppState;
use crate::origin::Peer;
use axum::Router;
use axum::body::{Body, HttpBody as _};
use futures_util::{StreamExt as _, stream};
use hyper::body::Incoming;
use hyper::service::{Service as _, service_fn};
use hyper_util::rt::{TokioIo, TokioTimer};
use hyper_util::server::graceful::{GracefulShutdown, Watcher};
use hyper_util::service::TowerToHyperService;
use std::io;
use std::sync::Arc;
use std::time::Duration;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::Semaphore;
use tokio_rustls::TlsAcceptor;

/// Connections at once; further ones wait in the system's queue.
const CONNECTIONS_MAX: usize = 20_000;
/// Time for a TLS handshake, and for the head of a request after its first byte.
const HEAD_TIMEOUT: Duration = Duration::from_secs(30);
/// Requests in progress get this long when the manager stops.
const DRAIN_TIMEOUT: Duration = Duration::from_secs(5);
/// Pause after an accept that failed, for example because there are no file descriptors left.
const ACCEPT_PAUSE: Duration = Duration::from_millis(100);
/// A body that stands still for this long has been given up by its sender.
const BODY_TIMEOUT: Duration = Duration::from_mins(1);
/// Largest head of a request, in bytes.
const HEAD_LEN_MAX: usize = 32 << 10;

/// Serves until `stop` is ready, then lets requests in progress finish.
pub(crate) async fn serve(
    app: &AppState,
    router: Router,
    (listener, tls): (TcpListener, Option<TlsAcceptor>),
    stop: impl Future<Output = ()>,
) {
    let graceful = GracefulShutdown::new();
    let places = Arc::new(Semaphore::new(CONNECTIONS_MAX));
    tokio::pin!(stop);
    loop {
        let accepted = tokio::select! {
            accepted = accept(&listener, &places) => accepted,
            () = &mut stop => break,
        };
        let (stream, address, place) = match accepted {
            Ok(accepted) => accepted,
            Err(error) => {
                tracing::warn!(%error, "could not accept a connection");
                tokio::time::sleep(ACCEPT_PAUSE).await;
                continue;
            }
        };
        let (router, tls, watcher) = (router.clone(), tls.clone(), graceful.watcher());
        tokio::spawn(async move {
            let peer = Peer {
                address,
                tls: tls.is_some(),
            };
            connection(stream, tls, router, (peer, watcher)).await;
            drop(place);
        });
    }
    drop(listener);
    app.stopping.send_replace(true);
    app.presence.ring_all();
    if tokio::time::timeout(DRAIN_TIMEOUT, graceful.shutdown())
        .await
        .is_err()
    {
        tracing::warn!("some connections did not end in time");
    }
}

async fn accept(
    listener: &TcpListener,
    places: &Arc<Semaphore>,
) -> io::Result<(
    TcpStream,
    std::net::SocketAddr,
    tokio::sync::OwnedSemaphorePermit,
)> {
    let place = Arc::clone(places)
        .acquire_owned()
        .await
        .map_err(io::Error::other)?;
    let (stream, address) = listener.accept().await?;
    // Without this, small answers wait 40 ms for the client's delayed acknowledgement.
    stream.set_nodelay(true)?;
    Ok((stream, address, place))
}

async fn connection(
    stream: TcpStream,
    tls: Option<TlsAcceptor>,
    router: Router,
    (peer, watcher): (Peer, Watcher),
) {
    let Some(tls) = tls else {
        return http(stream, router, peer, watcher).await;
    };
    match Box::pin(tokio::time::timeout(HEAD_TIMEOUT, tls.accept(stream))).await {
        // Boxed, so that connections without TLS do not keep the room for it.
        Ok(Ok(stream)) => Box::pin(http(stream, router, peer, watcher)).await,
        Ok(Err(error)) => tracing::debug!(%error, client = %peer.address, "no TLS handshake"),
        Err(_) => tracing::debug!(client = %peer.address, "TLS handshake took too long"),
    }
}

async fn http<S>(stream: S, router: Router, peer: Peer, watcher: Watcher)
where
    S: AsyncRead + AsyncWrite + Unpin + Send + 'static,
{
    let inner = TowerToHyperService::new(router);
    let service = service_fn(move |mut request: hyper::Request<Incoming>| {
        request.extensions_mut().insert(peer);
        inner.call(request)
    });
    let connection = hyper::server::conn::http1::Builder::new()
        .timer(TokioTimer::new())
        .header_read_timeout(HEAD_TIMEOUT)
        .max_buf_size(HEAD_LEN_MAX)
        .serve_connection(TokioIo::new(stream), service);
    if let Err(error) = watcher.watch(connection).await {
        tracing::debug!(%error, client = %peer.address, "connection ended early");
    }
}

/// The same body, which ends with an error when its sender falls silent.
pub(crate) fn impatient(body: Body) -> Body {
    if body.is_end_stream() {
        return body;
    }
    let parts = stream::try_unfold(body.into_data_stream(), |mut parts| async move {
        match tokio::time::timeout(BODY_TIMEOUT, parts.next()).await {
            Ok(part) => Ok(part.transpose()?.map(|part| (part, parts))),
            Err(silence) => Err(axum::Error::new(silence)),
        }
    });
    Body::from_stream(parts)
}

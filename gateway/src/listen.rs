//! Connections: accepted within bounds, served by HTTP/1.1, drained at the end.

use std::collections::HashMap;
use std::convert::Infallible;
use std::io;
use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;

use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::{TokioIo, TokioTimer};
use hyper_util::server::graceful::GracefulShutdown;
use parking_lot::Mutex;
use tokio::net::{TcpListener, TcpStream};
use tokio::time::timeout;

use crate::flow::Flow;
use crate::metrics::Metrics;

/// Bounds on what peers may take.
#[derive(Clone, Debug)]
pub struct Bounds {
    /// Connections in all. 250 pods with a pool each, and room; 16 KiB of buffer each at the most.
    pub connections: usize,
    /// Connections of one address.
    pub connections_per_peer: usize,
    /// How long a request's head may take, and how long a connection may idle.
    pub head: Duration,
    /// How long open requests get at shutdown: longer than the longest wait of the flow.
    pub drain: Duration,
}

/// Fields of a request's head. SDKs send about ten.
const MAX_HEADERS: usize = 50;
/// Bytes of a request's head. SDKs send about 500.
const MAX_HEAD: usize = 16 * 1024;
/// A pause after a failed accept, which is nearly always "too many open files": it passes as others close.
const ACCEPT_PAUSE: Duration = Duration::from_millis(50);

impl Default for Bounds {
    fn default() -> Self {
        Self {
            connections: 4096,
            connections_per_peer: 128,
            head: Duration::from_secs(60),
            drain: Duration::from_secs(25),
        }
    }
}

/// Serves connections until `shutdown` resolves, then drains.
pub async fn serve(
    listener: TcpListener,
    flow: Arc<Flow>,
    bounds: Bounds,
    shutdown: impl Future<Output = ()>,
) {
    let doors = Doors::new(&bounds, Arc::clone(&flow.metrics));
    let graceful = GracefulShutdown::new();
    let mut shutdown = std::pin::pin!(shutdown);
    loop {
        let accepted = tokio::select! {
            accepted = listener.accept() => accepted,
            () = &mut shutdown => break,
        };
        match accepted {
            Ok((stream, peer)) => admit(stream, peer, &flow, &doors, &bounds, &graceful),
            Err(error) => refuse(&error).await,
        }
    }
    drop(listener);
    if timeout(bounds.drain, graceful.shutdown()).await.is_err() {
        tracing::warn!(
            seconds = bounds.drain.as_secs(),
            "connections were cut: they took longer to end than the drain allows"
        );
    }
}

async fn refuse(error: &io::Error) {
    tracing::warn!(%error, "a connection could not be accepted");
    tokio::time::sleep(ACCEPT_PAUSE).await;
}

fn admit(
    stream: TcpStream,
    peer: SocketAddr,
    flow: &Arc<Flow>,
    doors: &Doors,
    bounds: &Bounds,
    graceful: &GracefulShutdown,
) {
    let ip = peer.ip().to_canonical();
    let Some(place) = doors.enter(ip) else {
        return;
    };
    // Without it a small answer may wait for the peer's delayed acknowledgement.
    let _ = stream.set_nodelay(true);
    let flow = Arc::clone(flow);
    let service = service_fn(move |request| {
        let flow = Arc::clone(&flow);
        async move { Ok::<_, Infallible>(flow.serve(ip, &request).await) }
    });
    let connection = http1::Builder::new()
        .timer(TokioTimer::new())
        .header_read_timeout(bounds.head)
        .max_headers(MAX_HEADERS)
        .max_buf_size(MAX_HEAD)
        .half_close(false)
        .serve_connection(TokioIo::new(stream), service);
    let connection = graceful.watch(connection);
    tokio::spawn(async move {
        let _place = place;
        if let Err(error) = connection.await {
            tracing::debug!(peer = %ip, %error, "connection ended");
        }
    });
}

/// Counts who is in.
#[derive(Clone)]
struct Doors {
    inside: Arc<Mutex<Inside>>,
    metrics: Arc<Metrics>,
    total: usize,
    per_peer: usize,
}

#[derive(Default)]
struct Inside {
    total: usize,
    peers: HashMap<IpAddr, usize>,
}

/// A place inside; dropping it leaves.
struct Place {
    doors: Doors,
    ip: IpAddr,
}

impl Doors {
    fn new(bounds: &Bounds, metrics: Arc<Metrics>) -> Self {
        Self {
            inside: Arc::default(),
            metrics,
            total: bounds.connections,
            per_peer: bounds.connections_per_peer,
        }
    }

    fn enter(&self, ip: IpAddr) -> Option<Place> {
        let mut inside = self.inside.lock();
        let of_peer = inside.peers.get(&ip).copied().unwrap_or_default();
        let full = inside.total >= self.total;
        if full || of_peer >= self.per_peer {
            let reason = if full { "total" } else { "per_peer" };
            self.metrics.connection_refused(reason);
            return None;
        }
        inside.peers.insert(ip, of_peer + 1);
        inside.total += 1;
        self.metrics.connections(inside.total);
        Some(Place {
            doors: self.clone(),
            ip,
        })
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        let mut inside = self.doors.inside.lock();
        inside.total -= 1;
        if let Some(peer) = inside.peers.get_mut(&self.ip) {
            *peer -= 1;
            if *peer == 0 {
                inside.peers.remove(&self.ip);
            }
        }
        self.doors.metrics.connections(inside.total);
    }
}

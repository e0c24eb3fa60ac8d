//! Connections: accepted within bounds, each one pod's, served by HTTP/1.1, handed over and drained at the end.
//!
//! ```text
//!            ended                  queue empty            linger              drain
//! ─ serving ───┼─ new ones go to the ───┼─ an answer closes ───┼─ idle ones are ────┼─ the rest is cut ▶
//!              │  other gateway         │  its connection      │  closed, busy ones │
//!              │                        │                      │  after the answer  │
//! ```

use std::convert::Infallible;
use std::io;
use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;

use hyper::service::service_fn;
use tokio::net::{TcpListener, TcpStream};

use crate::flow::Flow;
use crate::pod::{Connection, Connections};
use crate::reply;

mod door;
mod drive;
mod handover;
mod places;
mod stall;

pub use door::Door;
pub(crate) use door::listen;
pub(crate) use drive::{Ending, drive};
use handover::hand_over;
use places::{Place, Places};

/// Bounds on what peers may take.
#[derive(Clone, Debug)]
pub struct Bounds {
    /// Connections in all. 250 pods with a pool each, and room; 16 KiB of buffer each at the most.
    pub connections: usize,
    /// Connections of one address.
    pub connections_per_peer: usize,
    /// How long a request's head may take, and how long a connection may idle.
    pub head: Duration,
    /// How long an idle connection is kept at shutdown, to be used once more and closed by that answer: closing it
    /// at once would cut off the request that is on its way.
    pub linger: Duration,
    /// How long open requests get at shutdown: longer than the longest wait of the flow.
    pub drain: Duration,
}

/// A pause after a failed accept, which is nearly always "too many open files": it passes as others close.
const ACCEPT_PAUSE: Duration = Duration::from_millis(50);

impl Default for Bounds {
    fn default() -> Self {
        Self {
            connections: 4096,
            connections_per_peer: 128,
            head: Duration::from_secs(60),
            linger: Duration::from_secs(3),
            drain: Duration::from_secs(25),
        }
    }
}

/// Serves connections until `shutdown` resolves, then hands over and drains.
pub async fn serve(
    door: Door,
    flow: Arc<Flow>,
    bounds: Bounds,
    shutdown: impl Future<Output = ()>,
) {
    let mut shutdown = std::pin::pin!(shutdown);
    let is_shared = door.is_shared();
    let listener = tokio::select! {
        listener = door.listening() => listener,
        () = &mut shutdown => return,
    };
    let server = Server::new(flow, bounds);
    let closing = server
        .connections
        .close_with_pods(server.flow.world.clone());
    let served = async {
        accept(&listener, &server, shutdown).await;
        server.ending.linger();
        let admit = |stream, peer| server.admit(stream, peer);
        let departure = hand_over(listener, is_shared, admit).await;
        tracing::info!(?departure, "no new connections any more");
        server
            .ending
            .drain(server.bounds.linger, server.bounds.drain)
            .await;
    };
    tokio::select! {
        () = served => {}
        // It never ends while the world is there, and the flow holds the world.
        () = closing => {}
    }
}

async fn accept(
    listener: &TcpListener,
    server: &Server,
    mut shutdown: impl Future<Output = ()> + Unpin,
) {
    loop {
        let accepted = tokio::select! {
            accepted = listener.accept() => accepted,
            () = &mut shutdown => return,
        };
        match accepted {
            Ok((stream, peer)) => server.admit(stream, peer),
            Err(error) => pause(&error).await,
        }
    }
}

pub(crate) async fn pause(error: &io::Error) {
    tracing::warn!(%error, "a connection could not be accepted");
    tokio::time::sleep(ACCEPT_PAUSE).await;
}

/// What every connection needs.
struct Server {
    flow: Arc<Flow>,
    bounds: Bounds,
    places: Places,
    connections: Connections,
    ending: Arc<Ending>,
}

impl Server {
    fn new(flow: Arc<Flow>, bounds: Bounds) -> Self {
        Self {
            places: Places::new(&bounds, Arc::clone(&flow.metrics)),
            flow,
            bounds,
            connections: Connections::default(),
            ending: Arc::default(),
        }
    }

    fn admit(&self, stream: TcpStream, peer: SocketAddr) {
        let ip = peer.ip().to_canonical();
        let Some(place) = self.places.enter(ip) else {
            return;
        };
        // Without it a small answer may wait for the peer's delayed acknowledgement.
        let _ = stream.set_nodelay(true);
        tokio::spawn(self.converse(stream, ip, place));
    }

    /// A connection from its first byte to its last.
    fn converse(
        &self,
        stream: TcpStream,
        ip: IpAddr,
        place: Place,
    ) -> impl Future<Output = ()> + Send + use<> {
        let (flow, ending) = (Arc::clone(&self.flow), Arc::clone(&self.ending));
        let connection: Arc<Connection> = Arc::new(self.connections.open(ip));
        let (open, head) = (self.ending.open(), self.bounds.head);
        async move {
            let _place = place;
            let service = service_fn(|request| {
                let (flow, ending, connection) = (&flow, &ending, &connection);
                async move {
                    let reply = flow.serve(connection, &request).await;
                    Ok::<_, Infallible>(match ending.is_lingering() {
                        true => reply::last(reply),
                        false => reply,
                    })
                }
            });
            let close = async {
                tokio::select! {
                    () = connection.closing() => {}
                    () = open.closing() => {}
                }
            };
            if let Err(error) = drive(stream, service, head, close).await {
                tracing::debug!(peer = %ip, %error, "connection ended");
            }
        }
    }
}

#[cfg(test)]
mod tests;

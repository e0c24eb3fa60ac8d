//! The listeners of the node's own drivers (CSI, FlexVolume), which ask for the tokens of pods by name.
//!
//! Trust root: the user whom the kernel reports for the other end of a Unix socket. The old gateway served whoever came
//! from 127.0.0.1; but every pod with hostNetwork does, and could ask for any pod's token. So loopback is off unless the
//! operator asks for it, and nothing of this is on the pods' listener.

use std::convert::Infallible;
use std::future::pending;
use std::net::{Ipv4Addr, SocketAddr};
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context, ensure};
use hyper::service::service_fn;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::TcpListener;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

use crate::flow::{Flow, HostPeer};
use crate::listen::{Ending, drive, listen, pause};
use crate::reply;

pub(crate) mod socket;

use socket::Socket;

/// Which listeners there are.
#[derive(Clone, Debug, Default)]
pub struct Settings {
    /// `--host-token-socket`
    pub socket: Option<PathBuf>,
    /// `--host-token-uids`: besides 0.
    pub uids: Vec<u32>,
    /// `--host-token-loopback`: a port of 127.0.0.1.
    pub loopback: Option<u16>,
    /// `--share-port`
    pub shared: bool,
}

/// The listeners, open.
pub struct HostDoor {
    socket: Option<Socket>,
    loopback: Option<TcpListener>,
    uids: Vec<u32>,
}

/// `/proc/sys/kernel/overflowuid`, as it is everywhere.
const OVERFLOW: u32 = 65534;
/// Connections at the same time, on both listeners together: a driver has one per mount.
const CONNECTIONS: usize = 64;
/// A driver that has not sent its head by then never will, and one that idles longer connects anew.
const HEAD: Duration = Duration::from_secs(10);
/// How long idle connections stay usable at shutdown.
const LINGER: Duration = Duration::from_millis(500);
/// As for pods.
const DRAIN: Duration = Duration::from_secs(25);

impl HostDoor {
    /// Opens what the settings name.
    ///
    /// # Errors
    /// The path or the port cannot be used.
    pub fn open(settings: &Settings) -> anyhow::Result<Self> {
        ensure!(
            !settings.uids.contains(&OVERFLOW),
            "--host-token-uids: {OVERFLOW} is what the kernel calls every user of another user namespace; name a real one"
        );
        let others = !settings.uids.is_empty();
        let socket = settings.socket.clone().map(|path| {
            let why = format!("--host-token-socket {}", path.display());
            Socket::open(path, others).context(why)
        });
        let loopback = settings.loopback.map(|port| {
            let address = SocketAddr::from((Ipv4Addr::LOCALHOST, port));
            listen(address, settings.shared).context("--host-token-loopback")
        });
        Ok(Self {
            socket: socket.transpose()?,
            loopback: loopback.transpose()?,
            uids: settings.uids.clone(),
        })
    }

    /// The loopback listener's address.
    pub fn loopback(&self) -> Option<SocketAddr> {
        self.loopback.as_ref()?.local_addr().ok()
    }

    /// Serves until `shutdown` resolves, then drains.
    pub async fn serve(self, flow: Arc<Flow>, shutdown: impl Future<Output = ()>) {
        let server = Server {
            flow,
            places: Arc::new(Semaphore::new(CONNECTIONS)),
            ending: Arc::default(),
        };
        let Self {
            socket,
            loopback,
            uids,
        } = self;
        tokio::select! {
            () = on_socket(socket, &uids, &server) => {}
            () = on_loopback(loopback, &server) => {}
            () = shutdown => {}
        }
        server.ending.drain(LINGER, DRAIN).await;
    }
}

async fn on_socket(socket: Option<Socket>, uids: &[u32], server: &Server) {
    let Some(mut socket) = socket else {
        return pending().await;
    };
    loop {
        let place = server.place().await;
        match socket.accept().await {
            Ok((stream, uid)) => server.admit(stream, peer(uid, uids), place),
            Err(error) => pause(&error).await,
        }
    }
}

/// Root may read every pod's memory anyway.
fn peer(uid: u32, uids: &[u32]) -> HostPeer {
    match uid == 0 || uids.contains(&uid) {
        true => HostPeer::Admitted { uid },
        false => HostPeer::Stranger { uid },
    }
}

async fn on_loopback(listener: Option<TcpListener>, server: &Server) {
    let Some(listener) = listener else {
        return pending().await;
    };
    loop {
        let place = server.place().await;
        match listener.accept().await {
            Ok((stream, peer)) => server.admit(stream, HostPeer::Loopback(peer.ip()), place),
            Err(error) => pause(&error).await,
        }
    }
}

struct Server {
    flow: Arc<Flow>,
    places: Arc<Semaphore>,
    ending: Arc<Ending>,
}

impl Server {
    /// Waits for a place; further drivers wait in the listener's queue.
    async fn place(&self) -> OwnedSemaphorePermit {
        match Arc::clone(&self.places).acquire_owned().await {
            Ok(place) => place,
            // Nobody closes the semaphore.
            Err(_) => pending().await,
        }
    }

    fn admit<I>(&self, stream: I, peer: HostPeer, place: OwnedSemaphorePermit)
    where
        I: AsyncRead + AsyncWrite + Unpin + Send + 'static,
    {
        let (flow, ending) = (Arc::clone(&self.flow), Arc::clone(&self.ending));
        let open = self.ending.open();
        tokio::spawn(async move {
            let _place = place;
            let service = service_fn(|request| {
                let (flow, ending) = (&flow, &ending);
                async move {
                    let reply = flow.serve_host(peer, &request).await;
                    Ok::<_, Infallible>(match ending.is_lingering() {
                        true => reply::last(reply),
                        false => reply,
                    })
                }
            });
            if let Err(error) = drive(stream, service, HEAD, open.closing()).await {
                tracing::debug!(%peer, %error, "a driver's connection ended");
            }
        });
    }
}

#[cfg(test)]
mod tests;

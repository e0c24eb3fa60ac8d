//! The pods' listener on its way to being one: bound at once, listening when it is its turn.
//!
//! Two gateways share the port while one takes over from the other (`SO_REUSEPORT`). The newer one is bound at once, so
//! that a foreign program on the port is found out, and listens when it can answer: until then the older one gets
//! everything. Where nobody else listens it does so at once, since a request that waits is better than one refused.

use std::io;
use std::net::{IpAddr, SocketAddr};
use std::time::Duration;

use anyhow::Context;
use socket2::{Domain, Socket, Type};
use tokio::net::{TcpListener, TcpStream, UdpSocket};
use tokio::time::timeout;

use crate::readiness::{Pending, Readiness};

/// Connections that wait to be accepted: those of the time that accepting pauses.
const BACKLOG: i32 = 1024;
/// How often a door that waits looks again.
const LOOK: Duration = Duration::from_millis(50);
/// Loopback answers in microseconds; a machine under load in less than this.
const KNOCK: Duration = Duration::from_secs(1);

/// The two things that readiness awaits here.
const ADDRESS: &str = "the pods' listener's address on this node";
const LISTENER: &str = "the pods' listener";

/// A bound socket, and the start-up task that it listens.
pub struct Door {
    socket: Socket,
    address: SocketAddr,
    shared: bool,
    listener: Option<TcpListener>,
    readiness: Readiness,
    missing: Option<Pending>,
    _pending: Pending,
}

impl Door {
    /// Binds `address`, which need not be on this node yet: the interception adds it. With `shared` another gateway
    /// may have the port as well.
    ///
    /// # Errors
    /// The port is another program's, or may not be taken.
    pub async fn open(
        address: SocketAddr,
        shared: bool,
        readiness: &Readiness,
    ) -> anyhow::Result<Self> {
        let why = || format!("listening on {address}; {}", hint(shared));
        let socket = bind(address, shared).with_context(why)?;
        let bound = socket.local_addr()?.as_socket();
        let mut door = Self {
            socket,
            address: bound.unwrap_or(address),
            shared,
            listener: None,
            readiness: readiness.clone(),
            missing: Some(readiness.pending(ADDRESS)),
            _pending: readiness.pending(LISTENER),
        };
        if !shared || door.is_alone().await {
            door.listen().with_context(why)?;
        }
        Ok(door)
    }

    /// The address with the port that was taken.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// Whether another gateway may have the port as well.
    pub fn is_shared(&self) -> bool {
        self.shared
    }

    /// The listener, once the address is here and it is this gateway's turn.
    pub(super) async fn listening(mut self) -> TcpListener {
        let mut told = false;
        loop {
            if let Err(error) = self.attempt().await {
                if !told {
                    tracing::error!(address = %self.address, %error, "cannot listen for pods yet; trying on");
                }
                told = true;
            }
            let waits = self.missing.is_some();
            if let Some(listener) = self.listener.take_if(|_| !waits) {
                return listener;
            }
            tokio::time::sleep(LOOK).await;
        }
    }

    async fn attempt(&mut self) -> io::Result<()> {
        if is_here(self.address.ip()).await {
            self.missing = None;
        }
        if self.listener.is_none() && (self.is_next() || self.is_alone().await) {
            self.listen()?;
        }
        Ok(())
    }

    /// Nothing else is awaited.
    fn is_next(&self) -> bool {
        let own = |task: &&str| [ADDRESS, LISTENER].contains(task);
        self.readiness.awaited().iter().all(own)
    }

    /// Nobody answers on the address. One that is not here is not asked: the question would leave the node.
    async fn is_alone(&self) -> bool {
        if !is_here(self.address.ip()).await {
            return false;
        }
        let answer = timeout(KNOCK, TcpStream::connect(self.address)).await;
        matches!(answer, Ok(Err(error)) if error.kind() == io::ErrorKind::ConnectionRefused)
    }

    fn listen(&mut self) -> io::Result<()> {
        self.socket.listen(BACKLOG)?;
        let listener = TcpListener::from_std(self.socket.try_clone()?.into())?;
        self.listener = Some(listener);
        Ok(())
    }
}

pub(super) fn bind(address: SocketAddr, shared: bool) -> io::Result<Socket> {
    let socket = Socket::new(
        Domain::for_address(address),
        Type::STREAM.nonblocking(),
        None,
    )?;
    // Connections of before in TIME_WAIT would keep the port for a minute.
    socket.set_reuse_address(true)?;
    socket.set_reuse_port(shared)?;
    match address {
        SocketAddr::V4(_) => socket.set_freebind_v4(true)?,
        SocketAddr::V6(_) => socket.set_freebind_v6(true)?,
    }
    socket.bind(&address.into())?;
    Ok(socket)
}

/// A listener that is one at once, for the ports that take part in no handover.
///
/// # Errors
/// The port is another program's, or may not be taken.
pub(crate) fn listen(address: SocketAddr, shared: bool) -> anyhow::Result<TcpListener> {
    let listen = || {
        let socket = bind(address, shared)?;
        socket.listen(BACKLOG)?;
        TcpListener::from_std(socket.into())
    };
    listen().with_context(|| format!("listening on {address}; {}", hint(shared)))
}

/// Whether an address is this node's: a socket without freebind can have it.
async fn is_here(ip: IpAddr) -> bool {
    UdpSocket::bind(SocketAddr::new(ip, 0)).await.is_ok()
}

fn hint(shared: bool) -> &'static str {
    match shared {
        true => "does another program have the port? (a gateway of the same user may share it)",
        false => "is another gateway running? (two may share the port with --share-port)",
    }
}

//! TLS before a server that has none.

use std::net::SocketAddr;

use tokio::io::copy_bidirectional;
use tokio::net::{TcpListener, TcpStream};
use tokio::task::{JoinHandle, JoinSet};
use tokio_rustls::TlsAcceptor;

use crate::SimError;
use crate::sim::tls;

/// Takes connections on a port of loopback, with a certificate for `localhost`, and hands on what they say. It ends with
/// this object.
#[derive(Debug)]
pub struct TlsFront {
    address: SocketAddr,
    ca_pem: String,
    task: JoinHandle<()>,
}

impl TlsFront {
    /// In front of this server.
    ///
    /// # Errors
    /// There is no free port, or no certificate can be made.
    pub async fn start(server: SocketAddr) -> Result<Self, SimError> {
        let listener = TcpListener::bind("127.0.0.1:0").await;
        let listener = listener.map_err(|why| SimError::Tls(why.to_string()))?;
        let address = listener.local_addr();
        let address = address.map_err(|why| SimError::Tls(why.to_string()))?;
        let endpoint = tls::endpoint(address.ip(), &[])?;
        let acceptor = TlsAcceptor::from(endpoint.server);
        Ok(Self {
            address,
            ca_pem: endpoint.ca_pem,
            task: tokio::spawn(accept(listener, acceptor, server)),
        })
    }

    /// `localhost` and its port.
    pub fn authority(&self) -> String {
        format!("localhost:{}", self.address.port())
    }

    /// Whom to trust.
    pub fn ca_pem(&self) -> &str {
        &self.ca_pem
    }
}

impl Drop for TlsFront {
    fn drop(&mut self) {
        self.task.abort();
    }
}

async fn accept(listener: TcpListener, acceptor: TlsAcceptor, server: SocketAddr) {
    let mut connections = JoinSet::new();
    while let Ok((stream, _)) = listener.accept().await {
        let acceptor = acceptor.clone();
        // Who does not trust the certificate goes away, which is what some tests are about.
        connections.spawn(async move {
            let mut outside = acceptor.accept(stream).await?;
            let mut inside = TcpStream::connect(server).await?;
            copy_bidirectional(&mut outside, &mut inside).await
        });
    }
}

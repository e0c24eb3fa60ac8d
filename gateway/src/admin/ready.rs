//! `podgate-gateway ready`: the readiness of the one gateway whose socket this is.
//!
//! kubelet's probes go to an address and a port, and during an update two gateways of a node have the same ones.

use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::{Context, ensure};
use bytes::Bytes;
use clap::Parser;
use http::header::HOST;
use http::{Request, StatusCode};
use http_body_util::{BodyExt, Empty, Limited};
use hyper::client::conn::http1;
use hyper_util::rt::TokioIo;
use tokio::net::UnixStream;

/// A gateway that does not answer by then does not answer.
const DEADLINE: Duration = Duration::from_secs(4);
/// The page has a line for each task and each problem.
const MAX_PAGE: usize = 64 * 1024;

/// Ask a gateway whether it is ready: exit code 0 if it is, 1 if not, with what is awaited on standard output.
#[derive(Clone, Debug, Parser)]
#[command(
    name = "podgate-gateway ready",
    bin_name = "podgate-gateway ready",
    version,
    max_term_width = 110
)]
pub struct Ready {
    /// The gateway's `--admin-socket`.
    #[arg(long, env = "PODGATE_ADMIN_SOCKET", value_name = "PATH")]
    socket: PathBuf,
}

impl Ready {
    /// Whether it is ready, and its page `/readyz`.
    ///
    /// # Errors
    /// Nobody answers on the socket.
    pub async fn ask(&self) -> anyhow::Result<(bool, String)> {
        let answer = tokio::time::timeout(DEADLINE, page(&self.socket)).await;
        let answer = answer.unwrap_or_else(|_| Err(anyhow::anyhow!("no answer in {DEADLINE:?}")));
        answer.with_context(|| format!("asking the gateway on {}", self.socket.display()))
    }
}

async fn page(socket: &Path) -> anyhow::Result<(bool, String)> {
    let stream = UnixStream::connect(socket).await.context("connecting")?;
    let (mut sender, connection) = http1::handshake(TokioIo::new(stream)).await?;
    let request = Request::get("/readyz")
        .header(HOST, "localhost")
        .body(Empty::<Bytes>::new())?;
    let exchange = async {
        let answer = sender.send_request(request).await?;
        let status = answer.status();
        let body = Limited::new(answer.into_body(), MAX_PAGE).collect().await;
        // The error is a boxed one, which is no `std::error::Error` itself.
        let body = body.map_err(|error| anyhow::anyhow!("{error}"))?;
        anyhow::Ok((status, body.to_bytes()))
    };
    let (answer, _) = tokio::join!(exchange, connection);
    let (status, body) = answer?;
    ensure!(
        [StatusCode::OK, StatusCode::SERVICE_UNAVAILABLE].contains(&status),
        "it answered {status}"
    );
    let page = String::from_utf8_lossy(&body).into_owned();
    Ok((status == StatusCode::OK, page))
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::*;
    use crate::admin::Admin;
    use crate::host::socket::Socket;
    use crate::readiness::Readiness;

    fn mk_ready(folder: &Path) -> Ready {
        Ready {
            socket: folder.join("admin.sock"),
        }
    }

    #[tokio::test]
    async fn the_gateway_on_the_socket_says_what_it_awaits_and_when_it_is_ready() {
        let folder = tempfile::tempdir().unwrap();
        let ready = mk_ready(folder.path());
        let readiness = Readiness::default();
        let pending = readiness.pending("the pods of the node");
        let admin = Arc::new(Admin {
            flow: std::sync::OnceLock::new(),
            metrics: Arc::default(),
            readiness: readiness.clone(),
        });
        let socket = Socket::open(ready.socket.clone(), false).unwrap();
        let serving = tokio::spawn(admin.serve_socket(socket));
        let (is_ready, page) = ready.ask().await.unwrap();
        assert!(
            !is_ready && page.contains("awaited: the pods of the node"),
            "{page}"
        );
        drop(pending);
        assert_eq!(ready.ask().await.unwrap(), (true, "ready\n".to_owned()));
        serving.abort();
        assert!(serving.await.is_err());
        let told = format!("{:#}", ready.ask().await.unwrap_err());
        assert!(told.contains("admin.sock"), "{told}");
    }
}

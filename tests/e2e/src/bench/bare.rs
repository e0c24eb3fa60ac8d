//! The floor: hyper, answering with the same bytes and nothing else.

use std::convert::Infallible;
use std::net::SocketAddr;
use std::path::Path;
use std::process::Stdio;

use anyhow::Context;
use bytes::Bytes;
use http::Response;
use http::header::{CACHE_CONTROL, CONTENT_TYPE};
use http_body_util::Full;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::{TokioIo, TokioTimer};
use tokio::io::{AsyncBufReadExt, BufReader};
use tokio::net::TcpListener;
use tokio::process::{Child, Command};

/// Serves for good; prints its address first.
pub async fn serve(body: Vec<u8>) -> anyhow::Result<()> {
    let body = Bytes::from(body);
    let listener = TcpListener::bind("127.0.0.1:0").await?;
    println!("{}", listener.local_addr()?);
    loop {
        let (stream, _) = listener.accept().await?;
        stream.set_nodelay(true)?;
        let body = body.clone();
        let service = service_fn(move |_request| {
            let body = body.clone();
            async move {
                let response = Response::builder()
                    .header(CONTENT_TYPE, "application/json; charset=utf-8")
                    .header(CACHE_CONTROL, "no-store")
                    .body(Full::new(body));
                Ok::<_, Infallible>(response.unwrap_or_default())
            }
        });
        let connection = http1::Builder::new()
            .timer(TokioTimer::new())
            .serve_connection(TokioIo::new(stream), service);
        tokio::spawn(connection);
    }
}

/// A bare server as a process of its own.
pub struct Bare {
    /// Where it listens.
    pub address: SocketAddr,
    /// Its process id.
    pub pid: u32,
    _child: Child,
}

impl Bare {
    /// Starts this very program in the role of the bare server.
    pub async fn start(body: &Path) -> anyhow::Result<Self> {
        let mut child = Command::new(std::env::current_exe()?)
            .arg("bare")
            .arg(body)
            .stdout(Stdio::piped())
            .kill_on_drop(true)
            .spawn()?;
        let stdout = child.stdout.take().context("stdout")?;
        let line = BufReader::new(stdout).lines().next_line().await?;
        Ok(Self {
            address: line.context("the bare server ended")?.parse()?,
            pid: child.id().context("the bare server ended")?,
            _child: child,
        })
    }
}

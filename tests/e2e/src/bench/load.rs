//! A bounded load over loopback: keep-alive connections, one request at a time on each.

use std::net::{IpAddr, SocketAddr};
use std::time::{Duration, Instant};

use anyhow::{Context, ensure};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpSocket, TcpStream};
use tokio::task::JoinSet;

/// Where a load goes and how hard.
#[derive(Clone, Copy, Debug)]
pub struct Load {
    /// The server; loopback only.
    pub target: SocketAddr,
    /// The address it comes from.
    pub source: IpAddr,
    /// Connections.
    pub connections: usize,
    /// How long.
    pub length: Duration,
    /// Requests per second in all; as many as go where there is none.
    pub rate: Option<f64>,
}

/// What came of it.
#[derive(Clone, Debug)]
pub struct Outcome {
    /// Answers with status 200.
    pub requests: u64,
    /// Wall time.
    pub elapsed: Duration,
    /// Latencies in microseconds, sorted.
    latencies: Vec<u32>,
}

/// The request of every measurement: what a Python SDK sends.
pub const REQUEST: &[u8] = b"GET /metadata/identity/oauth2/token?api-version=2018-02-01&resource=https://vault.azure.net HTTP/1.1\r\n\
Host: 169.254.169.254\r\nMetadata: true\r\nx-client-SKU: MSAL.Python\r\nx-client-Ver: 1.39.0\r\n\
Accept: */*\r\nAccept-Encoding: gzip, deflate\r\nConnection: keep-alive\r\nUser-Agent: bench\r\n\r\n";

impl Load {
    /// Runs it.
    pub async fn run(self) -> anyhow::Result<Outcome> {
        ensure!(
            self.target.ip().is_loopback(),
            "a load goes to loopback only"
        );
        let start = Instant::now();
        let mut workers = JoinSet::new();
        for _ in 0..self.connections {
            workers.spawn(self.worker(start));
        }
        let mut latencies = Vec::new();
        while let Some(worker) = workers.join_next().await {
            latencies.append(&mut worker??);
        }
        let elapsed = start.elapsed();
        latencies.sort_unstable();
        Ok(Outcome {
            requests: latencies.len() as u64,
            elapsed,
            latencies,
        })
    }

    async fn worker(self, start: Instant) -> anyhow::Result<Vec<u32>> {
        let mut stream = self.connect().await?;
        let mut buffer = vec![0; 16 * 1024];
        let mut latencies = Vec::new();
        let pause = self
            .rate
            .map(|rate| Duration::from_secs_f64(self.connections as f64 / rate));
        while start.elapsed() < self.length {
            let sent = Instant::now();
            stream.write_all(REQUEST).await?;
            answer(&mut stream, &mut buffer).await?;
            let took = sent.elapsed();
            latencies.push(u32::try_from(took.as_micros()).unwrap_or(u32::MAX));
            if let Some(rest) = pause.and_then(|pause| pause.checked_sub(took)) {
                tokio::time::sleep(rest).await;
            }
        }
        Ok(latencies)
    }

    async fn connect(&self) -> anyhow::Result<TcpStream> {
        let socket = TcpSocket::new_v4()?;
        socket.bind(SocketAddr::new(self.source, 0))?;
        let stream = socket.connect(self.target).await?;
        stream.set_nodelay(true)?;
        Ok(stream)
    }
}

impl Outcome {
    /// Requests per second.
    pub fn per_second(&self) -> f64 {
        self.requests as f64 / self.elapsed.as_secs_f64()
    }

    /// A latency that this share of the requests did not exceed, in microseconds.
    pub fn percentile(&self, share: f64) -> f64 {
        let last = self.latencies.len().saturating_sub(1);
        let at = (last as f64 * share).round() as usize;
        self.latencies.get(at).copied().unwrap_or_default().into()
    }
}

/// Reads one answer and checks that it is a good one.
async fn answer(stream: &mut TcpStream, buffer: &mut [u8]) -> anyhow::Result<()> {
    let mut filled = 0;
    loop {
        let read = stream.read(&mut buffer[filled..]).await?;
        ensure!(read > 0, "the server closed the connection");
        filled += read;
        if let Some(length) = length(&buffer[..filled])? {
            ensure!(
                length <= buffer.len(),
                "the answer is too long for the measurement"
            );
            if filled >= length {
                return Ok(());
            }
        }
    }
}

/// The length of the whole answer, once its head is there.
fn length(bytes: &[u8]) -> anyhow::Result<Option<usize>> {
    let Some(frame) = frame(bytes)? else {
        return Ok(None);
    };
    let head = String::from_utf8_lossy(&bytes[..frame.body]);
    ensure!(frame.status == 200, "{head}");
    Ok(Some(frame.length))
}

/// What an answer's head says of it.
pub(super) struct Frame {
    pub(super) status: u16,
    /// Where the body begins.
    pub(super) body: usize,
    /// Of head and body.
    pub(super) length: usize,
    /// Whether it is the connection's last one.
    pub(super) closes: bool,
}

/// Reads the head, once all of it is there.
pub(super) fn frame(bytes: &[u8]) -> anyhow::Result<Option<Frame>> {
    let Some(end) = bytes.windows(4).position(|window| window == b"\r\n\r\n") else {
        return Ok(None);
    };
    let head = std::str::from_utf8(&bytes[..end])?;
    let value = |wanted: &str| {
        let mut fields = head.lines().filter_map(|line| line.split_once(':'));
        let field = fields.find(|(name, _)| name.eq_ignore_ascii_case(wanted));
        field.map(|(_, value)| value.trim())
    };
    let status = head
        .strip_prefix("HTTP/1.1 ")
        .and_then(|rest| rest.get(..3));
    let length = value("content-length").and_then(|text| text.parse::<usize>().ok());
    let body = end + 4;
    Ok(Some(Frame {
        status: status.context("no HTTP/1.1 answer")?.parse()?,
        body,
        length: body + length.context("no content-length")?,
        closes: value("connection").is_some_and(|value| value.eq_ignore_ascii_case("close")),
    }))
}

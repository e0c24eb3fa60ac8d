//! Clients that ask without a pause, from inside a pod, while something happens to the node.

use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use anyhow::{Result, ensure};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

use podgate_testkit::netns::METADATA;

use crate::node::Outcome;

/// Something whose network requests can be made from.
pub trait Inside: Sync {
    /// Runs something inside its network.
    fn within<T: Send>(&self, work: impl Future<Output = T> + Send) -> Result<T>;
}

/// What a load has seen.
#[derive(Debug, Default)]
pub struct Seen {
    /// Answered with a token.
    pub granted: u64,
    /// Refused connections, resets, answers that are no token; the first few in words.
    pub failed: u64,
    /// Those words.
    pub failures: Vec<String>,
    /// The longest time from one success to the next of one client.
    pub longest_gap: Duration,
}

/// A pause between requests of one client: the load is constant, not maximal.
const PACE: Duration = Duration::from_millis(2);
/// Of a request.
const DEADLINE: Duration = Duration::from_secs(10);

/// Half of each one's clients make a connection per request, half keep theirs, until `work` is done.
pub fn under_load<P: Inside, T: Send>(
    pods: &[&P],
    clients: usize,
    work: impl FnOnce() -> Result<T> + Send,
) -> Result<(T, Seen)> {
    let stop = AtomicBool::new(false);
    let stop = &stop;
    std::thread::scope(|scope| {
        let mut threads = Vec::new();
        for pod in pods {
            for client in 0..clients {
                threads.push(scope.spawn(move || pod.within(ask(client % 2 == 0, stop))));
            }
        }
        // The clients are at work when it begins, and go on a while when it is done.
        std::thread::sleep(Duration::from_millis(300));
        let done = work();
        std::thread::sleep(Duration::from_millis(300));
        stop.store(true, Ordering::Relaxed);
        let mut seen = Seen::default();
        for client in threads {
            seen.join(
                client
                    .join()
                    .map_err(|_| anyhow::anyhow!("a client panicked"))??,
            );
        }
        ensure!(seen.granted > 0, "no client got anything: {seen:?}");
        Ok((done?, seen))
    })
}

async fn ask(keep: bool, stop: &AtomicBool) -> Seen {
    let (mut seen, mut kept, mut last) = (Seen::default(), None, Instant::now());
    while !stop.load(Ordering::Relaxed) {
        let connection = kept.take();
        match tokio::time::timeout(DEADLINE, request(connection, keep)).await {
            Ok(Ok(connection)) => {
                seen.granted += 1;
                seen.longest_gap = seen.longest_gap.max(last.elapsed());
                last = Instant::now();
                kept = connection;
            }
            Ok(Err(error)) => seen.fail(format!("keep {keep}: {error:#}")),
            Err(_) => seen.fail(format!("keep {keep}: nothing within {DEADLINE:?}")),
        }
        tokio::time::sleep(PACE).await;
    }
    seen
}

/// One request; the connection, if it can be used again.
async fn request(kept: Option<TcpStream>, keep: bool) -> Result<Option<TcpStream>> {
    let mut stream = match kept {
        Some(stream) => stream,
        None => TcpStream::connect((METADATA, 80)).await?,
    };
    let connection = if keep { "keep-alive" } else { "close" };
    let head = format!(
        "GET /metadata/identity/oauth2/token?api-version=2018-02-01&resource=https://vault.azure.net HTTP/1.1\r\n\
         Host: 169.254.169.254\r\nMetadata: true\r\nConnection: {connection}\r\n\r\n"
    );
    stream.write_all(head.as_bytes()).await?;
    let answer = answer(&mut stream).await?;
    ensure!(
        answer.starts_with("HTTP/1.1 200"),
        "{}",
        answer.lines().next().unwrap_or_default()
    );
    ensure!(answer.contains("access_token"), "no token in the answer");
    let closes = answer.to_ascii_lowercase().contains("connection: close");
    Ok((keep && !closes).then_some(stream))
}

/// Head and body; the body's length is always declared.
async fn answer(stream: &mut TcpStream) -> Result<String> {
    let mut bytes = Vec::with_capacity(4096);
    loop {
        let read = stream.read_buf(&mut bytes).await?;
        ensure!(read > 0, "the connection ended after {} bytes", bytes.len());
        if let Some(head) = bytes.windows(4).position(|window| window == b"\r\n\r\n") {
            let text = String::from_utf8_lossy(&bytes[..head]).to_ascii_lowercase();
            let length = text
                .lines()
                .find_map(|line| line.strip_prefix("content-length: "));
            let length: usize = length.unwrap_or("0").trim().parse()?;
            if bytes.len() >= head + 4 + length {
                return Ok(String::from_utf8_lossy(&bytes).into_owned());
            }
        }
    }
}

impl Seen {
    fn fail(&mut self, failure: String) {
        self.failed += 1;
        if self.failures.len() < 5 {
            self.failures.push(failure);
        }
    }

    fn join(&mut self, other: Self) {
        self.granted += other.granted;
        self.failed += other.failed;
        self.failures.extend(other.failures);
        self.failures.truncate(5);
        self.longest_gap = self.longest_gap.max(other.longest_gap);
    }

    /// What the report keeps.
    pub fn figures(&self) -> Outcome {
        [
            ("requests", (self.granted + self.failed) as f64),
            ("failed", self.failed as f64),
            ("longest gap ms", self.longest_gap.as_secs_f64() * 1e3),
        ]
        .into()
    }
}

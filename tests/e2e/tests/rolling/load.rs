//! Clients on threads of their own, one request at a time each, that count every failure.

use std::fmt;
use std::io::{self, Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

/// What a pod asks.
const REQUEST: &[u8] =
    b"GET /metadata/identity/oauth2/token?resource=https://vault.azure.net HTTP/1.1\r\n\
Host: 169.254.169.254\r\nMetadata: true\r\n\r\n";

/// How a client goes about it.
#[derive(Clone, Copy)]
pub(crate) struct Pace {
    keeps: bool,
    pause: Duration,
}

/// A running crowd.
pub(crate) struct Load {
    stop: Arc<AtomicBool>,
    clients: Vec<JoinHandle<Count>>,
}

/// A request without a good answer.
pub(crate) struct Failure {
    /// When its connection was begun.
    pub(crate) connected: Instant,
    /// When it had failed.
    pub(crate) ended: Instant,
    /// The request's number on its connection.
    pub(crate) number: usize,
    /// What came instead.
    pub(crate) why: String,
}

#[derive(Default)]
struct Count {
    anew: usize,
    kept: usize,
    failures: Vec<Failure>,
}

/// What came of all.
pub(crate) struct Outcome {
    /// Good answers on a connection's first request.
    pub(crate) anew: usize,
    /// Good answers on a kept connection.
    pub(crate) kept: usize,
    pub(crate) failures: Vec<Failure>,
}

impl Pace {
    pub(crate) fn anew(pause: Duration) -> Self {
        Self {
            keeps: false,
            pause,
        }
    }

    pub(crate) fn kept(pause: Duration) -> Self {
        Self { keeps: true, pause }
    }
}

impl Load {
    pub(crate) fn start(target: SocketAddr, paces: &[Pace]) -> Self {
        let stop = Arc::new(AtomicBool::new(false));
        let client = |pace: &Pace| {
            let (stop, pace) = (Arc::clone(&stop), *pace);
            std::thread::spawn(move || pace.run(target, &stop))
        };
        let clients = paces.iter().map(client).collect();
        Self { stop, clients }
    }

    pub(crate) fn stop(self) -> Outcome {
        self.stop.store(true, Ordering::Relaxed);
        let mut outcome = Outcome {
            anew: 0,
            kept: 0,
            failures: Vec::new(),
        };
        for client in self.clients {
            let count = client.join().unwrap();
            outcome.anew += count.anew;
            outcome.kept += count.kept;
            outcome.failures.extend(count.failures);
        }
        outcome
    }
}

impl Pace {
    fn run(self, target: SocketAddr, stop: &AtomicBool) -> Count {
        let mut count = Count::default();
        while !stop.load(Ordering::Relaxed) {
            self.connection(target, stop, &mut count);
        }
        count
    }

    /// A connection's life: to the answer that says it is the last one, as every HTTP client goes about it.
    fn connection(self, target: SocketAddr, stop: &AtomicBool, count: &mut Count) {
        let connected = Instant::now();
        let fail = |number, why: String| Failure {
            connected,
            ended: Instant::now(),
            number,
            why,
        };
        let mut stream = match connect(target) {
            Ok(stream) => stream,
            Err(error) => return count.failures.push(fail(0, error.to_string())),
        };
        for number in 0.. {
            let is_last = match exchange(&mut stream) {
                Err(error) => return count.failures.push(fail(number, error.to_string())),
                Ok(is_last) => is_last,
            };
            match number {
                0 => count.anew += 1,
                _ => count.kept += 1,
            }
            std::thread::sleep(self.pause);
            if is_last || !self.keeps || stop.load(Ordering::Relaxed) {
                return;
            }
        }
    }
}

fn connect(target: SocketAddr) -> io::Result<TcpStream> {
    let stream = TcpStream::connect(target)?;
    stream.set_nodelay(true)?;
    stream.set_read_timeout(Some(Duration::from_secs(10)))?;
    Ok(stream)
}

/// One request and its answer; whether the answer is the connection's last.
fn exchange(stream: &mut TcpStream) -> io::Result<bool> {
    stream.write_all(REQUEST)?;
    let (mut answer, mut buffer) = (Vec::new(), [0; 8192]);
    loop {
        let read = stream.read(&mut buffer)?;
        if read == 0 {
            return Err(io::Error::other(format!(
                "closed after {} bytes",
                answer.len()
            )));
        }
        answer.extend_from_slice(&buffer[..read]);
        if let Some(head) = complete(&answer) {
            return match head.starts_with("http/1.1 200") {
                true => Ok(head.contains("connection: close")),
                false => Err(io::Error::other(head)),
            };
        }
    }
}

/// The head in lower case, once head and body are there.
fn complete(answer: &[u8]) -> Option<String> {
    let end = answer.windows(4).position(|window| window == b"\r\n\r\n")?;
    let head = String::from_utf8_lossy(&answer[..end]).to_lowercase();
    let (_, length) = head.split_once("content-length: ")?;
    let length: usize = length.lines().next()?.trim().parse().ok()?;
    (answer.len() >= end + 4 + length).then_some(head)
}

impl fmt::Display for Outcome {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "{} on new connections, {} on kept ones, {} failed",
            self.anew,
            self.kept,
            self.failures.len()
        )?;
        let first = self.failures.iter().take(5);
        first
            .into_iter()
            .try_for_each(|failure| write!(f, "; request {}: {}", failure.number, failure.why))
    }
}

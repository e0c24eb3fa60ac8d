//! Pods that ask again and again, and whether each answer is one that they may be given.

use std::collections::BTreeMap;
use std::fmt;
use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use anyhow::{Result, ensure};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpSocket, TcpStream};
use tokio::sync::watch;
use tokio::task::JoinSet;
use tokio::time::timeout;

use super::misdeed::Misdeed;
use crate::bench::load::frame;

/// Of a request: an SDK would not wait longer.
const DEADLINE: Duration = Duration::from_secs(20);
/// The last one begins by then.
const SOON: Duration = Duration::from_millis(100);
/// Answers that are shown in words.
const SHOWN: usize = 5;

/// One connection's worth of a pod.
pub struct Asker {
    /// The pod's address.
    pub source: IpAddr,
    /// Whether it keeps its connection; else it makes one for each request.
    pub keeps: bool,
    /// Between two requests.
    pub pause: Pause,
    /// What for.
    pub audience: String,
    /// What it may be told.
    pub expects: Expected,
}

/// What a pod may be told.
#[derive(Clone, Copy, Debug)]
pub enum Expected {
    /// A token of the identity with this client id.
    Token(&'static str),
    /// A token.
    Answered,
    /// What the misdeed explains.
    Explained(Misdeed),
}

/// A time that can be changed while others use it.
#[derive(Clone)]
pub struct Pause(Arc<AtomicU64>);

/// Pods at work.
pub struct Crowd {
    stop: watch::Sender<bool>,
    askers: JoinSet<Seen>,
}

/// What they were told.
#[derive(Default)]
pub struct Seen {
    /// All answers.
    pub answers: u64,
    /// Those that they should not have been given, and requests without any.
    pub unexplained: u64,
    statuses: BTreeMap<u16, u64>,
    /// In microseconds.
    waits: Vec<u32>,
    words: Vec<String>,
}

struct Answer {
    status: u16,
    body: String,
    connection: Option<TcpStream>,
}

// === impl Pause ===

impl Pause {
    /// Of this length.
    pub fn of(length: Duration) -> Self {
        let pause = Self(Arc::default());
        pause.set(length);
        pause
    }

    /// From the next one on.
    pub fn set(&self, length: Duration) {
        let micros = u64::try_from(length.as_micros()).unwrap_or(u64::MAX);
        self.0.store(micros, Ordering::Relaxed);
    }

    /// Becomes as long as another one.
    pub fn become_like(&self, other: &Self) {
        self.set(other.get());
    }

    fn get(&self) -> Duration {
        Duration::from_micros(self.0.load(Ordering::Relaxed))
    }

    /// Half of it to one and a half: askers whose timers end in one millisecond would else go on asking together.
    fn about(&self) -> Duration {
        self.get().mul_f64(0.5 + fastrand::f64())
    }
}

// === impl Crowd ===

impl Crowd {
    /// They begin one after the other, soon: all in one moment they would wait for each other.
    pub fn start(target: SocketAddr, askers: Vec<Asker>) -> Self {
        let stop = watch::Sender::new(false);
        let mut set = JoinSet::new();
        let crowd = askers.len() as u32;
        for (place, asker) in (0..).zip(askers) {
            let first = asker.pause.get().min(SOON) * place / crowd;
            set.spawn(asker.run(target, first, stop.subscribe()));
        }
        Self { stop, askers: set }
    }

    /// Each ends with the answer it is waiting for.
    pub async fn stop(mut self) -> Result<Seen> {
        self.stop.send_replace(true);
        let mut seen = Seen::default();
        while let Some(of_one) = self.askers.join_next().await {
            seen.join(of_one?);
        }
        Ok(seen)
    }
}

// === impl Asker ===

impl Asker {
    /// Whether it depends on one of these guests.
    pub fn is_of(&self, misdeeds: &[Misdeed]) -> bool {
        matches!(self.expects, Expected::Explained(misdeed) if misdeeds.contains(&misdeed))
    }

    async fn run(
        self,
        target: SocketAddr,
        first: Duration,
        mut stop: watch::Receiver<bool>,
    ) -> Seen {
        let (mut seen, mut kept) = (Seen::default(), None);
        let _ = timeout(first, stop.changed()).await;
        while !*stop.borrow() {
            let asked = Instant::now();
            match timeout(DEADLINE, self.ask(target, kept.take())).await {
                Ok(Ok(answer)) => {
                    seen.enter(asked.elapsed(), &answer, self.expects);
                    kept = answer.connection;
                }
                Ok(Err(error)) => seen.fail(format!("{}: {error:#}", self.source)),
                Err(_) => seen.fail(format!("{}: nothing within {DEADLINE:?}", self.source)),
            }
            // Ends with the pause, or with the crowd.
            let _ = timeout(self.pause.about(), stop.changed()).await;
        }
        seen
    }

    /// As an SDK words it.
    fn request(&self) -> String {
        format!(
            "GET /metadata/identity/oauth2/token?api-version=2018-02-01&resource={} HTTP/1.1\r\n\
             Host: 169.254.169.254\r\nMetadata: true\r\nAccept: */*\r\nUser-Agent: bench\r\n\r\n",
            self.audience
        )
    }

    async fn ask(&self, target: SocketAddr, kept: Option<TcpStream>) -> Result<Answer> {
        let mut stream = match kept {
            Some(stream) => stream,
            None => connect(self.source, target).await?,
        };
        stream.write_all(self.request().as_bytes()).await?;
        let mut bytes = Vec::with_capacity(4096);
        loop {
            let read = stream.read_buf(&mut bytes).await?;
            ensure!(read > 0, "the connection ended after {} bytes", bytes.len());
            let Some(frame) = frame(&bytes)?.filter(|frame| bytes.len() >= frame.length) else {
                continue;
            };
            return Ok(Answer {
                status: frame.status,
                body: String::from_utf8_lossy(&bytes[frame.body..]).into_owned(),
                connection: (self.keeps && !frame.closes).then_some(stream),
            });
        }
    }
}

async fn connect(source: IpAddr, target: SocketAddr) -> Result<TcpStream> {
    ensure!(target.ip().is_loopback(), "a load goes to loopback only");
    let socket = TcpSocket::new_v4()?;
    // A port of its own for each connection of an address, chosen when it is made: else a thousand of them were all.
    socket.bind(SocketAddr::new(source, 0))?;
    let stream = socket.connect(target).await?;
    stream.set_nodelay(true)?;
    Ok(stream)
}

impl Expected {
    fn explains(self, answer: &Answer) -> bool {
        let Answer { status, body, .. } = answer;
        match self {
            Self::Token(client_id) => *status == 200 && body.contains(client_id),
            Self::Answered => *status == 200,
            Self::Explained(misdeed) => misdeed.explains(*status, body),
        }
    }
}

// === impl Seen ===

impl Seen {
    fn enter(&mut self, wait: Duration, answer: &Answer, expects: Expected) {
        self.answers += 1;
        *self.statuses.entry(answer.status).or_default() += 1;
        let micros = u32::try_from(wait.as_micros()).unwrap_or(u32::MAX);
        self.waits.push(micros);
        if !expects.explains(answer) {
            let body: String = answer.body.chars().take(300).collect();
            self.fail(format!("{expects:?} was told {}: {body}", answer.status));
        }
    }

    fn fail(&mut self, words: String) {
        self.unexplained += 1;
        if self.words.len() < SHOWN {
            self.words.push(words);
        }
    }

    /// Those of others as well.
    pub fn join(&mut self, other: Self) {
        self.answers += other.answers;
        self.unexplained += other.unexplained;
        for (status, count) in other.statuses {
            *self.statuses.entry(status).or_default() += count;
        }
        self.waits.extend(other.waits);
        self.words.extend(other.words);
        self.words.truncate(SHOWN);
    }

    /// A wait that this share of the answers did not exceed, in microseconds.
    pub fn percentile(&self, share: f64) -> f64 {
        let mut waits = self.waits.clone();
        waits.sort_unstable();
        let last = waits.len().saturating_sub(1);
        let at = (last as f64 * share).round() as usize;
        waits.get(at).copied().unwrap_or_default().into()
    }

    /// Answers with this status.
    pub fn with_status(&self, status: u16) -> u64 {
        self.statuses.get(&status).copied().unwrap_or_default()
    }
}

impl fmt::Display for Seen {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:?}, {} unexplained", self.statuses, self.unexplained)?;
        self.words
            .iter()
            .try_for_each(|words| write!(f, "; {words}"))
    }
}

//! Small HTTP servers that count, and clients.

use std::io::{self, Read, Write};
use std::net::{IpAddr, Ipv4Addr, SocketAddr, TcpListener, TcpStream, UdpSocket};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use socket2::{Domain, Protocol, Socket, Type};

use crate::fixture::{METADATA, Namespace};

/// No answer in a test takes longer, unless there is none.
const PATIENCE: Duration = Duration::from_secs(1);

/// As long as one of many tries waits.
const STRIKE: Duration = Duration::from_millis(200);

/// A server that answers every request with its name and the peer's address.
pub(crate) struct Server {
    requests: Arc<AtomicU64>,
    ending: Arc<AtomicBool>,
    thread: Option<JoinHandle<()>>,
}

impl Server {
    pub(crate) fn start(namespace: &Namespace, address: SocketAddr, name: &'static str) -> Self {
        Self::answering(namespace, address, move |_, peer| {
            ("200 OK", format!("{name} {}", peer.ip()))
        })
    }

    /// A server whose answers depend on the request's head and body.
    pub(crate) fn answering(
        namespace: &Namespace,
        address: SocketAddr,
        answer: impl Fn(&str, SocketAddr) -> (&'static str, String) + Send + Sync + 'static,
    ) -> Self {
        let listener = namespace.within(|| TcpListener::bind(address).unwrap());
        listener.set_nonblocking(true).unwrap();
        let (requests, ending) = (Arc::default(), Arc::<AtomicBool>::default());
        let (counter, ended) = (Arc::clone(&requests), Arc::clone(&ending));
        let answer = Arc::new(answer);
        let accept = move || {
            while !ended.load(Ordering::Relaxed) {
                let Ok((stream, peer)) = listener.accept() else {
                    std::thread::sleep(Duration::from_millis(1));
                    continue;
                };
                let (counter, answer) = (Arc::clone(&counter), Arc::clone(&answer));
                std::thread::spawn(move || converse(stream, peer, &counter, &*answer));
            }
        };
        Self {
            requests,
            ending,
            thread: Some(std::thread::spawn(accept)),
        }
    }

    /// How many requests came so far.
    pub(crate) fn requests(&self) -> u64 {
        self.requests.load(Ordering::SeqCst)
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        self.ending.store(true, Ordering::Relaxed);
        let _ = self.thread.take().map(JoinHandle::join);
    }
}

/// Requests of one connection, until it ends.
fn converse(
    mut stream: TcpStream,
    peer: SocketAddr,
    counter: &AtomicU64,
    answer: &dyn Fn(&str, SocketAddr) -> (&'static str, String),
) {
    stream.set_nonblocking(false).unwrap();
    stream
        .set_read_timeout(Some(Duration::from_secs(20)))
        .unwrap();
    while let Ok(request) = read_message(&mut stream) {
        counter.fetch_add(1, Ordering::SeqCst);
        let (status, body) = answer(&request, peer);
        let head = format!(
            "HTTP/1.1 {status}\r\ncontent-type: application/json\r\ncontent-length: {}\r\n\r\n",
            body.len()
        );
        if stream.write_all((head + &body).as_bytes()).is_err() {
            return;
        }
    }
}

/// A head, and the body it announces.
fn read_message(stream: &mut TcpStream) -> io::Result<String> {
    let mut bytes = Vec::new();
    loop {
        let text = String::from_utf8_lossy(&bytes).into_owned();
        if let Some((head, body)) = text.split_once("\r\n\r\n") {
            let announced = head
                .lines()
                .filter_map(|line| line.split_once(':'))
                .find(|(name, _)| name.eq_ignore_ascii_case("content-length"))
                .map_or(0, |(_, length)| length.trim().parse().unwrap());
            if body.len() >= announced {
                return Ok(text);
            }
        }
        let mut chunk = [0; 4096];
        match stream.read(&mut chunk)? {
            0 => return Err(io::ErrorKind::UnexpectedEof.into()),
            length => bytes.extend_from_slice(&chunk[..length]),
        }
    }
}

/// A connection to keep open.
pub(crate) struct Client(TcpStream);

impl Client {
    pub(crate) fn connect(from: &Namespace, to: SocketAddr) -> io::Result<Self> {
        let stream = from.within(|| TcpStream::connect_timeout(&to, PATIENCE))?;
        stream.set_read_timeout(Some(PATIENCE))?;
        Ok(Self(stream))
    }

    /// One request; the answer's body.
    pub(crate) fn get(&mut self) -> io::Result<String> {
        self.0
            .write_all(b"GET /metadata/identity/oauth2/token HTTP/1.1\r\nhost: x\r\n\r\n")?;
        let message = read_message(&mut self.0)?;
        let (_, body) = message.split_once("\r\n\r\n").unwrap();
        Ok(body.to_owned())
    }
}

/// One request on a connection of its own.
pub(crate) fn get(from: &Namespace, to: SocketAddr) -> io::Result<String> {
    Client::connect(from, to)?.get()
}

/// One request to the metadata address.
pub(crate) fn ask(from: &Namespace) -> io::Result<String> {
    get(from, (METADATA, 80).into())
}

/// What the gateway says to a pod whose address it sees.
pub(crate) fn gateway_saw(address: IpAddr) -> String {
    format!("gateway {address}")
}

/// Sends a datagram of this size to a port where nobody needs to listen.
pub(crate) fn send_datagram(from: &Namespace, to: SocketAddr, size: usize) {
    from.within(|| {
        let socket = UdpSocket::bind("0.0.0.0:0").unwrap();
        // Refused or not: what counts is what arrives.
        let _ = socket.send_to(&vec![7; size], to);
    });
}

/// Whether an echo request is answered.
pub(crate) fn is_pinged(from: &Namespace, address: Ipv4Addr) -> bool {
    // Type 8, the checksum, and zeros.
    const REQUEST: [u8; 8] = [8, 0, 0xf7, 0xff, 0, 0, 0, 0];
    // Behind an IP header without options.
    const TYPE: usize = 20;
    from.within(|| {
        let mut socket = Socket::new(Domain::IPV4, Type::RAW, Some(Protocol::ICMPV4)).unwrap();
        socket
            .set_read_timeout(Some(Duration::from_millis(300)))
            .unwrap();
        let target: SocketAddr = (address, 0).into();
        let _ = socket.send_to(&REQUEST, &target.into());
        let mut answer = [0; 128];
        // What else there may be: the node saying that it is prohibited.
        socket
            .read(&mut answer)
            .is_ok_and(|length| length > TYPE && answer[TYPE] == 0)
    })
}

/// What came of asking again and again.
#[derive(Debug, Default)]
pub(crate) struct Hammered {
    pub(crate) gateway: u64,
    pub(crate) real: u64,
    pub(crate) failed: u64,
    /// The longest time without an answer of the gateway.
    pub(crate) gap: Duration,
}

/// Asks for metadata from inside `from`, a new connection each time, for as long as `during` runs.
pub(crate) fn hammer(from: &Namespace, during: impl FnOnce()) -> Hammered {
    let ending = AtomicBool::new(false);
    std::thread::scope(|scope| {
        let hammering = scope.spawn(|| from.within(|| strike(&ending)));
        // Let it start, and see what follows: longer than one try without an answer takes.
        std::thread::sleep(Duration::from_millis(100));
        during();
        std::thread::sleep(2 * STRIKE);
        ending.store(true, Ordering::Relaxed);
        hammering.join().unwrap()
    })
}

fn strike(ending: &AtomicBool) -> Hammered {
    let mut hammered = Hammered::default();
    let mut last = Instant::now();
    while !ending.load(Ordering::Relaxed) {
        match once() {
            Ok(body) if body.starts_with("gateway") => {
                hammered.gateway += 1;
                hammered.gap = hammered.gap.max(last.elapsed());
                last = Instant::now();
            }
            Ok(_) => hammered.real += 1,
            Err(_) => hammered.failed += 1,
        }
    }
    hammered
}

fn once() -> io::Result<String> {
    let stream = TcpStream::connect_timeout(&(METADATA, 80).into(), STRIKE)?;
    stream.set_read_timeout(Some(STRIKE))?;
    Client(stream).get()
}

//! A small HTTP/1.1 client for tests: it chooses its source address and may send anything at all.

use std::net::{IpAddr, Ipv4Addr, SocketAddr, TcpListener};
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use http::{HeaderMap, HeaderName, HeaderValue};
use rustls::{ClientConfig, RootCertStore};
use rustls_pki_types::pem::PemObject;
use rustls_pki_types::{CertificateDer, ServerName};
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::net::{TcpSocket, TcpStream};
use tokio_rustls::TlsConnector;

/// Long enough for a busy CI machine; a test that waits on purpose sets its own.
const DEADLINE: Duration = Duration::from_secs(10);

/// More than any head in a test.
const MAX_HEADERS: usize = 100;

/// Sends requests, each on a connection of its own.
///
/// ```no_run
/// # async fn demo() -> Result<(), podgate_testkit::ClientError> {
/// use podgate_testkit::Client;
///
/// let pod = Client::new(([127, 0, 0, 1], 2579).into()).from_source([127, 0, 0, 2].into());
/// let answer = pod.get("/metadata/identity/oauth2/token", &[("Metadata", "true")]).await?;
/// assert_eq!(answer.status, 400);
/// # Ok(()) }
/// ```
#[derive(Clone)]
pub struct Client {
    target: SocketAddr,
    source: Option<IpAddr>,
    deadline: Duration,
    tls: Option<(TlsConnector, ServerName<'static>)>,
}

/// A complete answer.
#[derive(Clone, Debug)]
pub struct Answer {
    /// The status code.
    pub status: u16,
    /// The header fields, in order.
    pub headers: HeaderMap,
    /// The body, chunks joined.
    pub body: Bytes,
}

/// Why there is no answer.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ClientError {
    /// The connection failed, or ended (a reset says so in `source`).
    #[error("the connection to {target} failed: {source}")]
    Io {
        /// The address.
        target: SocketAddr,
        /// The operating system's reason.
        source: std::io::Error,
    },
    /// The connection ended before the answer was complete.
    #[error(
        "the connection to {target} ended before the answer was complete, after {received} bytes"
    )]
    Incomplete {
        /// The address.
        target: SocketAddr,
        /// Bytes of the answer, head included.
        received: usize,
    },
    /// Nothing complete came in time.
    #[error("no complete answer from {target} within {deadline:?}")]
    Timeout {
        /// The address.
        target: SocketAddr,
        /// The client's deadline.
        deadline: Duration,
    },
    /// What came is not HTTP/1.1.
    #[error("the answer of {target} is not HTTP/1.1: {why}")]
    Invalid {
        /// The address.
        target: SocketAddr,
        /// What is wrong.
        why: String,
    },
}

impl Client {
    /// A client of `target` with a deadline of ten seconds.
    pub fn new(target: SocketAddr) -> Self {
        Self {
            target,
            source: None,
            deadline: DEADLINE,
            tls: None,
        }
    }

    /// Binds the source address: on Linux any of 127.0.0.0/8 is ours.
    #[must_use]
    pub fn from_source(mut self, source: IpAddr) -> Self {
        self.source = Some(source);
        self
    }

    /// The time for connecting, sending and receiving together.
    #[must_use]
    pub fn deadline(mut self, deadline: Duration) -> Self {
        self.deadline = deadline;
        self
    }

    /// Speaks https, trusts the certificates in `ca_pem` only, and expects the server to be `name`.
    ///
    /// # Panics
    /// When `ca_pem` holds no certificate or `name` is no DNS name: both are written in the test.
    #[must_use]
    pub fn https(mut self, ca_pem: &str, name: &str) -> Self {
        let mut roots = RootCertStore::empty();
        for certificate in CertificateDer::pem_slice_iter(ca_pem.as_bytes()) {
            let certificate = certificate.expect("ca_pem is PEM");
            roots
                .add(certificate)
                .expect("ca_pem holds CA certificates");
        }
        let config = ClientConfig::builder_with_provider(Arc::new(
            rustls::crypto::aws_lc_rs::default_provider(),
        ))
        .with_safe_default_protocol_versions()
        .expect("the provider has TLS 1.2 and 1.3")
        .with_root_certificates(roots)
        .with_no_client_auth();
        let name =
            ServerName::try_from(name.to_owned()).expect("the name is a DNS name or an address");
        self.tls = Some((TlsConnector::from(Arc::new(config)), name));
        self
    }

    /// `GET path` with these header fields, a right `Host` unless one is given, and `Connection: close`.
    ///
    /// # Errors
    /// See [`ClientError`]; a status of any kind is an answer.
    pub async fn get(&self, path: &str, headers: &[(&str, &str)]) -> Result<Answer, ClientError> {
        self.request("GET", path, headers, b"").await
    }

    /// `POST path` with a body.
    ///
    /// # Errors
    /// See [`ClientError`].
    pub async fn post(
        &self,
        path: &str,
        headers: &[(&str, &str)],
        body: &[u8],
    ) -> Result<Answer, ClientError> {
        self.request("POST", path, headers, body).await
    }

    /// Any method; `Content-Length` is written when there is a body.
    ///
    /// # Errors
    /// See [`ClientError`].
    pub async fn request(
        &self,
        method: &str,
        path: &str,
        headers: &[(&str, &str)],
        body: &[u8],
    ) -> Result<Answer, ClientError> {
        let mut head = format!("{method} {path} HTTP/1.1\r\n");
        if !headers
            .iter()
            .any(|(name, _)| name.eq_ignore_ascii_case("host"))
        {
            head.push_str(&format!("Host: {}\r\n", self.host()));
        }
        headers
            .iter()
            .for_each(|(name, value)| head.push_str(&format!("{name}: {value}\r\n")));
        if !body.is_empty() {
            head.push_str(&format!("Content-Length: {}\r\n", body.len()));
        }
        head.push_str("Connection: close\r\n\r\n");
        self.send(&[head.as_bytes(), body].concat()).await
    }

    /// Sends these bytes as they are and reads one answer.
    ///
    /// # Errors
    /// See [`ClientError`].
    pub async fn send(&self, raw: &[u8]) -> Result<Answer, ClientError> {
        let (target, deadline) = (self.target, self.deadline);
        let exchange = async {
            let stream = self
                .connect()
                .await
                .map_err(|source| ClientError::Io { target, source })?;
            match &self.tls {
                None => self.exchange(stream, raw).await,
                Some((tls, name)) => {
                    let stream = tls.connect(name.clone(), stream).await;
                    self.exchange(
                        stream.map_err(|source| ClientError::Io { target, source })?,
                        raw,
                    )
                    .await
                }
            }
        };
        tokio::time::timeout(deadline, exchange)
            .await
            .unwrap_or(Err(ClientError::Timeout { target, deadline }))
    }

    fn host(&self) -> String {
        match &self.tls {
            Some((_, name)) => format!("{}:{}", name.to_str(), self.target.port()),
            None => self.target.to_string(),
        }
    }

    /// A connection from the source address, for tests that speak for themselves.
    ///
    /// # Errors
    /// When the source address is not ours, or nobody listens at the target.
    pub async fn connect(&self) -> std::io::Result<TcpStream> {
        let socket = if self.target.is_ipv4() {
            TcpSocket::new_v4()?
        } else {
            TcpSocket::new_v6()?
        };
        if let Some(source) = self.source {
            socket.bind(SocketAddr::new(source, 0))?;
        }
        socket.connect(self.target).await
    }

    async fn exchange<S: AsyncRead + AsyncWrite + Unpin>(
        &self,
        mut stream: S,
        raw: &[u8],
    ) -> Result<Answer, ClientError> {
        // A server may answer and close before it has read everything: then the answer counts, not the failed write.
        let sent = async { stream.write_all(raw).await.and(stream.flush().await) }.await;
        let mut received = Vec::new();
        loop {
            match parse(&received, false) {
                Ok(Some(answer)) => return Ok(answer),
                Ok(None) => {}
                Err(why) => {
                    return Err(ClientError::Invalid {
                        target: self.target,
                        why,
                    });
                }
            }
            match stream.read_buf(&mut received).await {
                Ok(0) => return self.at_end(&received),
                Ok(_) => {}
                Err(source) => {
                    let source = sent.err().unwrap_or(source);
                    return Err(ClientError::Io {
                        target: self.target,
                        source,
                    });
                }
            }
        }
    }

    fn at_end(&self, received: &[u8]) -> Result<Answer, ClientError> {
        let target = self.target;
        match parse(received, true) {
            Ok(Some(answer)) => Ok(answer),
            Ok(None) => Err(ClientError::Incomplete {
                target,
                received: received.len(),
            }),
            Err(why) => Err(ClientError::Invalid { target, why }),
        }
    }
}

impl Answer {
    /// The body as text, what is not UTF-8 replaced.
    pub fn text(&self) -> String {
        String::from_utf8_lossy(&self.body).into_owned()
    }

    /// The body as JSON.
    ///
    /// # Panics
    /// When it is something else; the message shows status and body.
    pub fn json(&self) -> serde_json::Value {
        let parsed = serde_json::from_slice(&self.body);
        parsed.unwrap_or_else(|why| panic!("not JSON ({why}): {} {}", self.status, self.text()))
    }

    /// A header field's value, if it is there and is text.
    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers.get(name)?.to_str().ok()
    }
}

/// The answer in `received`, `None` while it is incomplete.
fn parse(received: &[u8], at_end: bool) -> Result<Option<Answer>, String> {
    let mut fields = [httparse::EMPTY_HEADER; MAX_HEADERS];
    let mut head = httparse::Response::new(&mut fields);
    let httparse::Status::Complete(length) = head.parse(received).map_err(|why| why.to_string())?
    else {
        return Ok(None);
    };
    let headers = header_map(head.headers)?;
    let status = head.code.ok_or("there is no status")?;
    let body = body(&received[length..], &headers, status, at_end)?;
    Ok(body.map(|body| Answer {
        status,
        headers,
        body,
    }))
}

fn header_map(fields: &[httparse::Header<'_>]) -> Result<HeaderMap, String> {
    let mut map = HeaderMap::new();
    for field in fields {
        let name = HeaderName::from_bytes(field.name.as_bytes()).map_err(|why| why.to_string())?;
        map.append(
            name,
            HeaderValue::from_bytes(field.value).map_err(|why| why.to_string())?,
        );
    }
    Ok(map)
}

fn body(
    rest: &[u8],
    headers: &HeaderMap,
    status: u16,
    at_end: bool,
) -> Result<Option<Bytes>, String> {
    let text = |name: &str| headers.get(name).and_then(|value| value.to_str().ok());
    if status == 204 || status == 304 {
        return Ok(Some(Bytes::new()));
    }
    if text("transfer-encoding").is_some_and(|coding| coding.eq_ignore_ascii_case("chunked")) {
        return chunks(rest);
    }
    match text("content-length") {
        Some(length) => {
            let length = length
                .parse::<usize>()
                .map_err(|why| format!("content-length: {why}"))?;
            Ok(rest.get(..length).map(Bytes::copy_from_slice))
        }
        None => Ok(at_end.then(|| Bytes::copy_from_slice(rest))),
    }
}

fn chunks(mut rest: &[u8]) -> Result<Option<Bytes>, String> {
    let mut body = Vec::new();
    loop {
        let size = httparse::parse_chunk_size(rest).map_err(|_| "a chunk has no size")?;
        let httparse::Status::Complete((start, size)) = size else {
            return Ok(None);
        };
        let size = usize::try_from(size).map_err(|_| "a chunk is too large")?;
        let Some(data) = rest[start..].get(..size + 2) else {
            return Ok(None);
        };
        if size == 0 {
            return Ok(Some(body.into()));
        }
        body.extend_from_slice(&data[..size]);
        rest = &rest[start + size + 2..];
    }
}

/// A TCP port of 127.0.0.1 that was free a moment ago. Prefer port 0 where the program can say which port it took.
///
/// # Panics
/// When no port is free.
pub fn free_port() -> u16 {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).expect("a loopback port is free");
    listener
        .local_addr()
        .expect("a listener has an address")
        .port()
}

//! A server on loopback that answers as a test says, down to what no library would send.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::sync::Arc;

use parking_lot::Mutex;
use tokio::io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt, BufReader};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::{JoinHandle, JoinSet};

/// A request as it came.
#[derive(Clone, Debug, Default)]
pub(super) struct Call {
    pub(super) method: String,
    pub(super) target: String,
    /// Names in lower case.
    pub(super) headers: BTreeMap<String, String>,
    pub(super) body: Vec<u8>,
}

/// What comes back.
pub(super) enum Reply {
    /// Status, header fields, body.
    Whole(u16, Vec<(String, String)>, Vec<u8>),
    /// A body that announces more than it has.
    Cut(Vec<u8>),
    /// A body without a length or an end.
    Endless,
    /// Nothing.
    Silence,
}

/// The server. It ends with this object.
pub(super) struct Server {
    pub(super) address: SocketAddr,
    calls: Arc<Mutex<Vec<Call>>>,
    task: JoinHandle<()>,
}

impl Call {
    pub(super) fn header(&self, name: &str) -> Option<&str> {
        self.headers.get(name).map(String::as_str)
    }
}

impl Reply {
    pub(super) fn of(status: u16, body: impl Into<Vec<u8>>) -> Self {
        Self::Whole(status, Vec::new(), body.into())
    }

    pub(super) fn with(status: u16, name: &str, value: impl Into<String>) -> Self {
        Self::Whole(status, vec![(name.to_owned(), value.into())], Vec::new())
    }
}

impl Server {
    pub(super) async fn start(answer: impl Fn(&Call) -> Reply + Send + Sync + 'static) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let calls = Arc::<Mutex<Vec<Call>>>::default();
        let (kept, answer) = (Arc::clone(&calls), Arc::new(answer));
        let task = tokio::spawn(async move {
            let mut connections = JoinSet::new();
            while let Ok((stream, _)) = listener.accept().await {
                let (kept, answer) = (Arc::clone(&kept), Arc::clone(&answer));
                connections.spawn(async move {
                    let mut stream = BufReader::new(stream);
                    if let Some(call) = read(&mut stream).await {
                        kept.lock().push(call.clone());
                        write(stream.into_inner(), answer(&call)).await;
                    }
                });
            }
        });
        Self {
            address,
            calls,
            task,
        }
    }

    pub(super) fn calls(&self) -> Vec<Call> {
        self.calls.lock().clone()
    }

    pub(super) fn url(&self, path: &str) -> String {
        format!("http://{}{path}", self.address)
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        self.task.abort();
    }
}

async fn read(stream: &mut BufReader<TcpStream>) -> Option<Call> {
    let mut call = Call::default();
    let mut line = String::new();
    stream.read_line(&mut line).await.ok()?;
    let mut words = line.split_whitespace();
    call.method = words.next()?.to_owned();
    call.target = words.next()?.to_owned();
    loop {
        let mut line = String::new();
        stream.read_line(&mut line).await.ok()?;
        let Some((name, value)) = line.split_once(':') else {
            break;
        };
        let (name, value) = (name.to_ascii_lowercase(), value.trim().to_owned());
        call.headers.insert(name, value);
    }
    let length = call.header("content-length").unwrap_or("0").parse().ok()?;
    call.body = vec![0; length];
    stream.read_exact(&mut call.body).await.ok()?;
    Some(call)
}

async fn write(mut stream: TcpStream, reply: Reply) {
    // A client that goes away in the middle is what some tests are about.
    let _ = match reply {
        Reply::Whole(status, headers, body) => {
            let head = head(status, &headers, Some(body.len()));
            stream.write_all(&[head.as_bytes(), &body].concat()).await
        }
        Reply::Cut(body) => {
            let head = head(200, &[], Some(body.len() + 1));
            stream.write_all(&[head.as_bytes(), &body].concat()).await
        }
        Reply::Endless => endless(&mut stream).await,
        Reply::Silence => std::future::pending().await,
    };
}

async fn endless(stream: &mut TcpStream) -> std::io::Result<()> {
    stream.write_all(head(200, &[], None).as_bytes()).await?;
    loop {
        stream.write_all(&[b'x'; 65536]).await?;
    }
}

fn head(status: u16, headers: &[(String, String)], length: Option<usize>) -> String {
    let mut head = format!("HTTP/1.1 {status} said\r\nconnection: close\r\n");
    for (name, value) in headers {
        head.push_str(&format!("{name}: {value}\r\n"));
    }
    if let Some(length) = length {
        head.push_str(&format!("content-length: {length}\r\n"));
    }
    head + "\r\n"
}

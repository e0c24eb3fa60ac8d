//! Small real servers on loopback for tests: they record every call, and can be slow, broken or endless.

use std::convert::Infallible;
use std::future::Future;
use std::sync::Arc;
use std::time::Duration;

use ::http::{HeaderMap, Method, Request, Response, StatusCode};
use bytes::Bytes;
use http_body_util::{BodyExt, Full};
use hyper::body::Incoming;
use hyper::service::service_fn;
use hyper_util::rt::TokioIo;
use parking_lot::Mutex;
use rcgen::{CertifiedKey, generate_simple_self_signed};
use rustls::crypto::aws_lc_rs;
use rustls_pki_types::PrivateKeyDer;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::{TcpListener, TcpStream};
use tokio_rustls::TlsAcceptor;

/// What a server saw.
#[derive(Clone, Debug)]
pub(crate) struct Call {
    pub(crate) method: Method,
    /// Path and query, as they were sent.
    pub(crate) target: String,
    pub(crate) headers: HeaderMap,
    pub(crate) body: String,
}

/// What a server says, and how long it thinks first.
#[derive(Clone)]
pub(crate) struct Answer {
    pub(crate) response: Response<Full<Bytes>>,
    pub(crate) delay: Duration,
}

pub(crate) struct Loopback {
    /// With a trailing slash.
    pub(crate) url: String,
    /// The server's certificate, where it speaks TLS: it is its own authority.
    pub(crate) ca_pem: Vec<u8>,
    calls: Arc<Mutex<Vec<Call>>>,
}

type Answers = Arc<dyn Fn(&Call) -> Answer + Send + Sync>;

impl Answer {
    pub(crate) fn new(status: u16, body: impl Into<Bytes>) -> Self {
        let mut response = Response::new(Full::new(body.into()));
        *response.status_mut() = StatusCode::from_u16(status).unwrap();
        Self {
            response,
            delay: Duration::ZERO,
        }
    }

    pub(crate) fn header(mut self, name: &'static str, value: &str) -> Self {
        let headers = self.response.headers_mut();
        headers.insert(name, value.parse().unwrap());
        self
    }

    pub(crate) fn after(self, delay: Duration) -> Self {
        Self { delay, ..self }
    }
}

impl Loopback {
    /// A server of `http` that answers by this function.
    pub(crate) async fn http(answers: impl Fn(&Call) -> Answer + Send + Sync + 'static) -> Self {
        let calls: Arc<Mutex<Vec<Call>>> = Arc::default();
        let (seen, answers) = (Arc::clone(&calls), Arc::new(answers) as Answers);
        let url = listen("http", move |stream| {
            serve(stream, Arc::clone(&seen), Arc::clone(&answers))
        })
        .await;
        Self {
            url,
            ca_pem: Vec::new(),
            calls,
        }
    }

    /// The same for `https`, at `localhost`.
    pub(crate) async fn https(answers: impl Fn(&Call) -> Answer + Send + Sync + 'static) -> Self {
        let calls: Arc<Mutex<Vec<Call>>> = Arc::default();
        let (seen, answers) = (Arc::clone(&calls), Arc::new(answers) as Answers);
        let (acceptor, ca_pem) = tls();
        let url = listen("https", move |stream| {
            let (acceptor, seen, answers) =
                (acceptor.clone(), Arc::clone(&seen), Arc::clone(&answers));
            async move {
                if let Ok(stream) = acceptor.accept(stream).await {
                    serve(stream, seen, answers).await;
                }
            }
        })
        .await;
        let url = url.replace("127.0.0.1", "localhost");
        Self { url, ca_pem, calls }
    }

    /// A server that does as it likes with each connection.
    pub(crate) async fn raw<F>(connection: impl Fn(TcpStream) -> F + Send + 'static) -> Self
    where
        F: Future<Output = ()> + Send + 'static,
    {
        Self {
            url: listen("http", connection).await,
            ca_pem: Vec::new(),
            calls: Arc::default(),
        }
    }

    pub(crate) fn calls(&self) -> Vec<Call> {
        self.calls.lock().clone()
    }

    pub(crate) fn only_call(&self) -> Call {
        let calls = self.calls();
        assert_eq!(calls.len(), 1, "{calls:?}");
        calls[0].clone()
    }
}

async fn listen<F>(scheme: &str, connection: impl Fn(TcpStream) -> F + Send + 'static) -> String
where
    F: Future<Output = ()> + Send + 'static,
{
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("{scheme}://{}/", listener.local_addr().unwrap());
    tokio::spawn(async move {
        while let Ok((stream, _)) = listener.accept().await {
            tokio::spawn(connection(stream));
        }
    });
    url
}

async fn serve<S>(stream: S, calls: Arc<Mutex<Vec<Call>>>, answers: Answers)
where
    S: AsyncRead + AsyncWrite + Unpin + Send + 'static,
{
    let service =
        service_fn(move |request| answer(request, Arc::clone(&calls), Arc::clone(&answers)));
    let connection = hyper::server::conn::http1::Builder::new();
    // A client that hangs up is none of the server's business.
    let _ = connection
        .serve_connection(TokioIo::new(stream), service)
        .await;
}

async fn answer(
    request: Request<Incoming>,
    calls: Arc<Mutex<Vec<Call>>>,
    answers: Answers,
) -> Result<Response<Full<Bytes>>, Infallible> {
    let (parts, body) = request.into_parts();
    let body = body.collect().await.unwrap().to_bytes();
    let call = Call {
        method: parts.method,
        target: parts.uri.path_and_query().unwrap().to_string(),
        headers: parts.headers,
        body: String::from_utf8(body.to_vec()).unwrap(),
    };
    calls.lock().push(call.clone());
    let Answer { response, delay } = answers(&call);
    tokio::time::sleep(delay).await;
    Ok(response)
}

fn tls() -> (TlsAcceptor, Vec<u8>) {
    let CertifiedKey { cert, signing_key } =
        generate_simple_self_signed(["localhost".to_owned()]).unwrap();
    let key = PrivateKeyDer::try_from(signing_key.serialize_der()).unwrap();
    let config =
        rustls::ServerConfig::builder_with_provider(Arc::new(aws_lc_rs::default_provider()))
            .with_safe_default_protocol_versions()
            .unwrap()
            .with_no_client_auth()
            .with_single_cert(vec![cert.der().clone()], key)
            .unwrap();
    (TlsAcceptor::from(Arc::new(config)), cert.pem().into_bytes())
}

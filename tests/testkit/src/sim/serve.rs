//! Accepting connections, reading requests, delivering outcomes.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use http::header::CONTENT_LENGTH;
use http::request::Parts;
use http::{HeaderName, HeaderValue, Request, Response};
use http_body_util::{BodyExt, Limited};
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::{TokioIo, TokioTimer};
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinSet;
use tokio_rustls::TlsAcceptor;

use super::body::{AnswerBody, BrokenOff};
use super::faults::Target;
use super::line::{Line, ResetFlag};
use super::record::now_ms;
use super::reply::{Outcome, Reply};
use super::{Call, World, admin, arm, entra, imds};

/// No request to any service is longer; a hostile one must not fill the memory of a test run.
const MAX_BODY: usize = 256 * 1024;

/// A client that has not sent its head by then never will.
const HEAD_DEADLINE: Duration = Duration::from_secs(30);

/// One request, its body read.
pub(crate) struct Visit {
    pub(crate) head: Parts,
    pub(crate) body: Bytes,
    pub(crate) peer: SocketAddr,
    /// Our end of the connection: what `Host` may name.
    pub(crate) local: SocketAddr,
}

impl Visit {
    pub(crate) fn path(&self) -> &str {
        self.head.uri.path()
    }

    pub(crate) fn query(&self) -> Option<&str> {
        self.head.uri.query()
    }

    /// All values of a header.
    pub(crate) fn header_values(&self, name: &HeaderName) -> Vec<&HeaderValue> {
        self.head.headers.get_all(name).iter().collect()
    }

    /// What the record keeps of it.
    pub(crate) fn call(&self, target: Target) -> Call {
        Call {
            at_ms: now_ms(),
            target,
            method: self.head.method.to_string(),
            path: self.path().to_owned(),
            query: self.query().map(super::record::without_secrets),
            form: Vec::new(),
            status: None,
            refusal: None,
            faulted: false,
            forbidden: false,
            body: None,
            charges: Vec::new(),
            peer: self.peer,
        }
    }
}

/// Who is at the two ends of a connection, and how to break it.
struct Ends {
    peer: SocketAddr,
    local: SocketAddr,
    reset: ResetFlag,
}

/// Serves one of the services until the task is aborted; its connections end with it.
pub(crate) async fn run(
    listener: TcpListener,
    tls: Option<TlsAcceptor>,
    target: Target,
    world: Arc<World>,
) {
    let mut connections = JoinSet::new();
    loop {
        match listener.accept().await {
            Ok((stream, peer)) => {
                connections.spawn(connection(stream, peer, tls.clone(), target, world.clone()));
            }
            Err(why) => {
                // Out of file descriptors, most likely: the connections that end will free some.
                tracing::warn!(%why, "cannot accept a connection");
                tokio::time::sleep(Duration::from_millis(10)).await;
            }
        }
        while connections.try_join_next().is_some() {}
    }
}

async fn connection(
    stream: TcpStream,
    peer: SocketAddr,
    tls: Option<TlsAcceptor>,
    target: Target,
    world: Arc<World>,
) {
    let Ok(local) = stream.local_addr() else {
        return;
    };
    // Small answers, each waited for.
    let _ = stream.set_nodelay(true);
    let (line, reset) = Line::new(stream);
    let ends = Arc::new(Ends { peer, local, reset });
    let Some(tls) = tls else {
        return converse(line, ends, target, world).await;
    };
    match tls.accept(line).await {
        Ok(line) => converse(line, ends, target, world).await,
        Err(why) => tracing::debug!(%peer, %why, "the tls handshake failed"),
    }
}

async fn converse<L>(line: L, ends: Arc<Ends>, target: Target, world: Arc<World>)
where
    L: AsyncRead + AsyncWrite + Unpin + Send + 'static,
{
    let peer = ends.peer;
    let service = service_fn(move |request| handle(request, ends.clone(), target, world.clone()));
    let mut http = http1::Builder::new();
    http.timer(TokioTimer::new())
        .header_read_timeout(HEAD_DEADLINE);
    if let Err(why) = http.serve_connection(TokioIo::new(line), service).await {
        tracing::debug!(%peer, %why, "the connection ended early");
    }
}

async fn handle(
    request: Request<Incoming>,
    ends: Arc<Ends>,
    target: Target,
    world: Arc<World>,
) -> Result<Response<AnswerBody>, BrokenOff> {
    let visit = read(request, &ends).await?;
    let outcome = match target {
        Target::Imds if admin::is_for(&visit) => admin::answer(&world, &visit).into(),
        Target::Imds => imds::answer(&world, &visit).await,
        Target::Entra => entra::answer(&world, &visit).await,
        Target::Arm => arm::answer(&world, &visit).await,
    };
    deliver(outcome, &ends.reset)
}

async fn read(request: Request<Incoming>, ends: &Ends) -> Result<Visit, BrokenOff> {
    let (head, body) = request.into_parts();
    let body = Limited::new(body, MAX_BODY)
        .collect()
        .await
        .map_err(|_| BrokenOff)?
        .to_bytes();
    Ok(Visit {
        head,
        body,
        peer: ends.peer,
        local: ends.local,
    })
}

fn deliver(outcome: Outcome, reset: &ResetFlag) -> Result<Response<AnswerBody>, BrokenOff> {
    match outcome {
        Outcome::Whole(reply) => Ok(respond(&reply, AnswerBody::whole(reply.body.clone()))),
        Outcome::Cut(reply) => Ok(cut(reply)),
        Outcome::Huge(bytes) => Ok(respond(
            &Reply::json(http::StatusCode::OK, &()),
            AnswerBody::huge(bytes),
        )),
        Outcome::Reset => {
            reset.set();
            Err(BrokenOff)
        }
    }
}

fn cut(reply: Reply) -> Response<AnswerBody> {
    let half = reply.body.slice(..reply.body.len() / 2);
    let mut response = respond(&reply, AnswerBody::cut(half));
    response
        .headers_mut()
        .insert(CONTENT_LENGTH, HeaderValue::from(reply.body.len()));
    response
}

fn respond(reply: &Reply, body: AnswerBody) -> Response<AnswerBody> {
    let mut response = Response::new(body);
    *response.status_mut() = reply.status;
    response.headers_mut().clone_from(&reply.headers);
    response
}

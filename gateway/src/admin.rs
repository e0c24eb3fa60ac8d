//! The admin port: health, readiness, metrics, explain. Never on the port that pods reach.

use std::convert::Infallible;
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use bytes::Bytes;
use http::header::{CONTENT_TYPE, HOST, HeaderValue};
use http::{Method, Request, Response, StatusCode};
use http_body_util::Full;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::{TokioIo, TokioTimer};
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

use crate::explain;
use crate::flow::Flow;
use crate::host::socket::Socket;
use crate::metrics::Metrics;
use crate::readiness::Readiness;
use crate::reply::Reply;

mod ready;

pub use ready::Ready;

/// Places for the node itself: kubelet's probes, which have to get in whatever others do, and a person.
const OURS: usize = 32;
/// Places for all others: scrapers, where `--admin-address` lets them in.
const STRANGERS: usize = 32;
/// Of a whole connection. A probe that has not asked by then never will.
const CONNECTION: Duration = Duration::from_secs(5);

/// After a failed accept.
const PAUSE: Duration = Duration::from_millis(50);

/// What the admin port shows.
pub struct Admin {
    /// The path of requests, for explanations; set once it stands.
    pub flow: OnceLock<Arc<Flow>>,
    /// What was counted.
    pub metrics: Arc<Metrics>,
    /// The start-up tasks.
    pub readiness: Readiness,
}

impl Admin {
    /// Serves until the process ends.
    pub async fn serve(self: Arc<Self>, listener: TcpListener) {
        let (ours, strangers) = (
            Arc::new(Semaphore::new(OURS)),
            Arc::new(Semaphore::new(STRANGERS)),
        );
        loop {
            let Ok((stream, peer)) = listener.accept().await else {
                // Nearly always "too many open files": it passes as others close.
                tokio::time::sleep(PAUSE).await;
                continue;
            };
            let places = if is_of_this_node(&stream, peer) {
                &ours
            } else {
                &strangers
            };
            // Without a place it is closed: a probe or a scraper comes again.
            if let Ok(place) = Arc::clone(places).try_acquire_owned() {
                tokio::spawn(Arc::clone(&self).converse(stream, peer.ip(), place));
            }
        }
    }

    /// The same on the gateway's own socket, which no other gateway of the node shares. Whoever may open it is on the node.
    pub(crate) async fn serve_socket(self: Arc<Self>, mut socket: Socket) {
        let places = Arc::new(Semaphore::new(OURS));
        loop {
            let Ok((stream, _)) = socket.accept().await else {
                tokio::time::sleep(PAUSE).await;
                continue;
            };
            if let Ok(place) = Arc::clone(&places).try_acquire_owned() {
                let peer = Ipv4Addr::LOCALHOST.into();
                tokio::spawn(Arc::clone(&self).converse(stream, peer, place));
            }
        }
    }

    /// One request, one answer, in bounded time: neither a slow head nor an answer that nobody reads keeps a place.
    async fn converse<S: AsyncRead + AsyncWrite + Unpin + Send + 'static>(
        self: Arc<Self>,
        stream: S,
        peer: IpAddr,
        _place: OwnedSemaphorePermit,
    ) {
        let service = service_fn(|request| {
            let admin = Arc::clone(&self);
            async move { Ok::<_, Infallible>(admin.answer(peer, &request).await) }
        });
        let connection = http1::Builder::new()
            .timer(TokioTimer::new())
            .header_read_timeout(CONNECTION)
            .keep_alive(false)
            .serve_connection(TokioIo::new(stream), service);
        // Whoever did not get an answer asks again.
        let _ = tokio::time::timeout(CONNECTION, connection).await;
    }

    async fn answer<B>(&self, peer: IpAddr, request: &Request<B>) -> Reply {
        if request.method() != Method::GET {
            return text(StatusCode::METHOD_NOT_ALLOWED, "use GET\n".to_owned());
        }
        match request.uri().path() {
            // The old gateway's words, which operators' scripts look for.
            "/healthz" => text(StatusCode::OK, "Active".to_owned()),
            "/readyz" => self.ready(peer),
            "/metrics" => metrics(self.metrics.render()),
            "/explain" => self.explain(peer, request).await,
            _ => text(
                StatusCode::NOT_FOUND,
                "there are /healthz, /readyz, /metrics and /explain?pod=NAMESPACE/NAME\n"
                    .to_owned(),
            ),
        }
    }

    /// An old state is served, so it is told and changes nothing: an outage of the API server must not take every
    /// node's gateway out of service. Details name Secrets, so they are for whoever is on the node.
    /// The same holds for plugins that could not be reloaded.
    fn ready(&self, peer: IpAddr) -> Reply {
        let awaited = self.readiness.awaited();
        let (status, first) = match awaited.is_empty() {
            true => (StatusCode::OK, "ready".to_owned()),
            false => {
                let awaited = format!("awaited: {}", awaited.join(", "));
                (StatusCode::SERVICE_UNAVAILABLE, awaited)
            }
        };
        let problems = match peer.to_canonical().is_loopback() {
            true => [
                self.metrics.freshness().problems(),
                self.readiness.problems(),
            ]
            .concat(),
            false => Vec::new(),
        };
        let lines: Vec<String> = std::iter::once(first).chain(problems).collect();
        text(status, lines.join("\n") + "\n")
    }

    /// Names identities and bindings, so it is for whoever is on the node.
    async fn explain<B>(&self, peer: IpAddr, request: &Request<B>) -> Reply {
        if !peer.to_canonical().is_loopback() {
            return text(
                StatusCode::FORBIDDEN,
                "explain answers on loopback only\n".to_owned(),
            );
        }
        if !is_address(request.headers().get(HOST)) {
            return text(
                StatusCode::FORBIDDEN,
                "explain is asked by address: http://127.0.0.1:PORT/explain\n".to_owned(),
            );
        }
        let Some(flow) = self.flow.get() else {
            return self.ready(peer);
        };
        match explain::explain(flow, request.uri().query().unwrap_or_default()).await {
            Ok(explanation) => {
                let mut reply = text(StatusCode::OK, format!("{explanation:#}\n"));
                let json = HeaderValue::from_static("application/json");
                reply.headers_mut().insert(CONTENT_TYPE, json);
                reply
            }
            Err(problem) => text(StatusCode::BAD_REQUEST, format!("{problem}\n")),
        }
    }
}

/// kubelet probes a hostNetwork pod at the node's address, from that address.
fn is_of_this_node(stream: &TcpStream, peer: SocketAddr) -> bool {
    let ip = peer.ip().to_canonical();
    ip.is_loopback()
        || stream
            .local_addr()
            .is_ok_and(|own| own.ip().to_canonical() == ip)
}

/// A page in a browser on the node reaches this port under a name of its own (DNS rebinding), never under an address.
fn is_address(host: Option<&HeaderValue>) -> bool {
    let host = host.and_then(|host| host.to_str().ok()).unwrap_or_default();
    let name = host.rsplit_once(':').map_or(host, |(name, _)| name);
    host.parse::<SocketAddr>().is_ok() || host.parse::<IpAddr>().is_ok() || name == "localhost"
}

fn metrics(body: String) -> Reply {
    let mut reply = text(StatusCode::OK, body);
    let open_metrics =
        HeaderValue::from_static("application/openmetrics-text; version=1.0.0; charset=utf-8");
    reply.headers_mut().insert(CONTENT_TYPE, open_metrics);
    reply
}

fn text(status: StatusCode, body: String) -> Reply {
    let mut reply = Response::new(Full::new(Bytes::from(body)));
    *reply.status_mut() = status;
    let plain = HeaderValue::from_static("text/plain; charset=utf-8");
    reply.headers_mut().insert(CONTENT_TYPE, plain);
    reply
}

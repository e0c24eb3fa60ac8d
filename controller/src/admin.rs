//! Two ports: probes for the kubelet, metrics for Prometheus. Every pod of the cluster can reach them, so they tell
//! strangers little, and nobody can take all places.

use std::convert::Infallible;
use std::io;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use http::header::{CONTENT_TYPE, HeaderValue};
use http::{Method, Request, Response, StatusCode};
use http_body_util::Full;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::{TokioIo, TokioTimer};
use podgate_daemon::readiness::Readiness;
use podgate_watch::Freshness;
use thiserror::Error;
use tokio::net::{TcpListener, TcpStream};

use crate::lease::Leadership;
use crate::metrics::Metrics;

mod places;

use places::{Place, Places};

/// Of a whole connection. A probe that has not asked by then never will.
const CONNECTION: Duration = Duration::from_secs(5);
/// After a failed accept, which is nearly always "too many open files": it passes as others close.
const PAUSE: Duration = Duration::from_millis(50);
/// Fields of a request's head. Probes and scrapers send about five.
const MAX_HEADERS: usize = 50;
/// Bytes of a request's head.
const MAX_HEAD: usize = 16 * 1024;

type Reply = Response<Full<Bytes>>;

/// What the ports show.
pub struct Admin {
    /// Whether this controller is the one that writes.
    pub leadership: Leadership,
    /// The start-up tasks.
    pub readiness: Readiness,
    /// How old what the watches brought is.
    pub freshness: Arc<Freshness>,
    /// What was counted.
    pub metrics: Arc<Metrics>,
}

/// One of the two ports.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Port {
    /// `/healthz` and `/readyz`
    Probes,
    /// `/metrics`
    Metrics,
}

/// A port that cannot be had.
#[derive(Debug, Error)]
#[error("listening on {address} for {port}: {source}; does another program have the port?")]
pub struct ListenError {
    address: SocketAddr,
    port: Port,
    source: io::Error,
}

/// Listens on an address, or on all of them: IPv6 and IPv4 where there is IPv6.
///
/// # Errors
/// The port is another program's, or may not be taken.
pub async fn listen(
    address: Option<IpAddr>,
    number: u16,
    port: Port,
) -> Result<TcpListener, ListenError> {
    let all = SocketAddr::new(Ipv6Addr::UNSPECIFIED.into(), number);
    if address.is_none()
        && let Ok(listener) = TcpListener::bind(all).await
    {
        return Ok(listener);
    }
    let ip = address.unwrap_or(Ipv4Addr::UNSPECIFIED.into());
    let address = SocketAddr::new(ip, number);
    let listener = TcpListener::bind(address).await;
    listener.map_err(|source| ListenError {
        address,
        port,
        source,
    })
}

impl Admin {
    /// Serves until the process ends.
    pub async fn serve(self: Arc<Self>, listener: TcpListener, port: Port) {
        let places = Places::default();
        loop {
            let Ok((stream, peer)) = listener.accept().await else {
                tokio::time::sleep(PAUSE).await;
                continue;
            };
            let ip = peer.ip().to_canonical();
            // Without a place it is closed: a probe or a scraper comes again.
            if let Some(place) = places.enter(ip) {
                tokio::spawn(Arc::clone(&self).converse(stream, ip, port, place));
            }
        }
    }

    /// One request, one answer, in bounded time: neither a slow head nor an answer that nobody reads keeps a place.
    async fn converse(self: Arc<Self>, stream: TcpStream, peer: IpAddr, port: Port, _place: Place) {
        let service = service_fn(|request| {
            let answer = self.answer(port, peer, &request);
            async move { Ok::<_, Infallible>(answer) }
        });
        let connection = http1::Builder::new()
            .timer(TokioTimer::new())
            .header_read_timeout(CONNECTION)
            .max_headers(MAX_HEADERS)
            .max_buf_size(MAX_HEAD)
            .keep_alive(false)
            .serve_connection(TokioIo::new(stream), service);
        // Whoever did not get an answer asks again.
        let _ = tokio::time::timeout(CONNECTION, connection).await;
    }

    fn answer<B>(&self, port: Port, peer: IpAddr, request: &Request<B>) -> Reply {
        if request.method() != Method::GET {
            return text(StatusCode::METHOD_NOT_ALLOWED, "use GET\n".to_owned());
        }
        match (port, request.uri().path()) {
            (Port::Probes, "/healthz") => text(StatusCode::OK, self.health().to_owned()),
            (Port::Probes, "/readyz") => self.ready(peer),
            (Port::Metrics, "/metrics") => metrics(self.metrics.render()),
            (Port::Probes, _) => text(
                StatusCode::NOT_FOUND,
                "there are /healthz and /readyz\n".to_owned(),
            ),
            (Port::Metrics, _) => text(StatusCode::NOT_FOUND, "there is /metrics\n".to_owned()),
        }
    }

    /// The old controller's words, which operators' scripts look for. The status is 200 in any case: one that stands by is
    /// as healthy as one that leads.
    fn health(&self) -> &'static str {
        match self.leadership.tenure() {
            Some(_) => "Active",
            None => "Not Active",
        }
    }

    /// Ready is who knows everything, whether it leads or stands by. What is wrong later changes nothing about that. Details
    /// name objects, so they are for whoever is in the pod: `kubectl port-forward` is.
    fn ready(&self, peer: IpAddr) -> Reply {
        let awaited = self.readiness.awaited();
        let (status, first) = match awaited.is_empty() {
            true => (StatusCode::OK, "ready".to_owned()),
            false => {
                let awaited = format!("awaited: {}", awaited.join(", "));
                (StatusCode::SERVICE_UNAVAILABLE, awaited)
            }
        };
        let details = match peer.is_loopback() {
            true => self.details(),
            false => Vec::new(),
        };
        let lines: Vec<String> = std::iter::once(first).chain(details).collect();
        text(status, lines.join("\n") + "\n")
    }

    fn details(&self) -> Vec<String> {
        let leader = match (self.leadership.tenure(), self.leadership.leader()) {
            (Some(_), _) => "this controller leads".to_owned(),
            (None, Some(leader)) => format!("{leader} leads"),
            (None, None) => "nobody leads".to_owned(),
        };
        let mut lines = vec![leader];
        lines.extend(self.leadership.problem());
        lines.extend(self.freshness.problems());
        lines.extend(self.readiness.problems());
        lines
    }
}

impl std::fmt::Display for Port {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            Self::Probes => "probes (--http-probe-port)",
            Self::Metrics => "metrics (--prometheus-port)",
        })
    }
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

#[cfg(test)]
mod tests;

//! HTTP/1.1 over hyper: one request, one whole answer, bounded in time and size.
//!
//! No redirects, no proxies from the environment, no cookies, and nothing that was sent is sent again: a redirect
//! could carry a credential to another host, and a proxy must never stand between a node and its IMDS.

use std::error::Error;
use std::fmt;
use std::time::Duration;

use ::http::uri::Scheme;
use ::http::{Request, Response, Uri};
use bytes::Bytes;
use http_body_util::{BodyExt, LengthLimitError, Limited};
use hyper::body::{Body, Incoming};
use hyper_rustls::HttpsConnector;
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::client::legacy::{Builder, Client};
use hyper_util::rt::{TokioExecutor, TokioTimer};
use thiserror::Error;

mod outgoing;
mod tls;

pub use outgoing::Gate;
use outgoing::{Outgoing, Withheld};
pub use tls::TlsError;

/// Time to connect to one address. Login hosts have several: one that is gone must not use up the deadline.
const CONNECT: Duration = Duration::from_secs(5);

/// Idle connections are dropped before the shortest idle limit of the usual middle boxes (Azure's load
/// balancer: 4 minutes), so that a request seldom meets a dead one.
const IDLE: Duration = Duration::from_secs(90);

/// Idle connections per host. IMDS takes five requests at a time; more would never be used at once.
const IDLE_PER_HOST: usize = 5;

/// Longest head of an answer, in bytes. Entra's, with its cookies and policies, has some 3 KiB.
const MAX_HEAD: usize = 64 * 1024;

/// A client. Clones share its connections.
#[derive(Clone)]
pub struct HttpClient(Transport);

#[derive(Clone)]
enum Transport {
    Https(Client<HttpsConnector<HttpConnector>, Outgoing>),
    Plain(Client<HttpConnector, Outgoing>),
}

/// What one exchange may take.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Bounds {
    /// From the call to the last byte of the answer.
    pub deadline: Duration,
    /// Longest body of the answer, in bytes.
    pub max_body: usize,
}

/// Why there is no answer. Targets are named without their query, which may hold what is nobody's business.
#[derive(Debug, Error)]
pub enum HttpError {
    /// No connection, or it broke: name resolution, TLS, reset, no HTTP.
    #[error("{target} cannot be reached: {reason}")]
    Unreachable {
        /// Scheme, host, port and path.
        target: String,
        /// The causes, outermost first.
        reason: String,
    },
    /// The deadline passed.
    #[error("{target} did not answer within {deadline:?}")]
    Timeout {
        /// Scheme, host, port and path.
        target: String,
        /// What it had.
        deadline: Duration,
    },
    /// The answer is longer than the caller allows.
    #[error("{target} answered with more than {limit} bytes")]
    TooLarge {
        /// Scheme, host, port and path.
        target: String,
        /// What is allowed, in bytes.
        limit: usize,
    },
    /// The request itself cannot be sent by this client.
    #[error("a request to {target} cannot be sent: {reason}")]
    Invalid {
        /// Scheme, host, port and path.
        target: String,
        /// What is wrong with it.
        reason: String,
    },
    /// Its [`Gate`] was closed: nothing of it was sent.
    #[error("{target}: not sent")]
    Withheld {
        /// Scheme, host, port and path.
        target: String,
    },
}

// === impl HttpClient ===

impl HttpClient {
    /// A client for `https` only. It trusts the certificate authorities of Mozilla's list and those in
    /// `extra_roots_pem`, each a PEM file with one certificate or more.
    ///
    /// # Errors
    /// One of the PEM files holds no certificate, or one that cannot be an authority.
    pub fn https(extra_roots_pem: &[Vec<u8>]) -> Result<Self, TlsError> {
        let connector = hyper_rustls::HttpsConnectorBuilder::new()
            .with_tls_config(tls::config(extra_roots_pem)?)
            .https_only()
            .enable_http1()
            .wrap_connector(tcp());
        Ok(Self(Transport::Https(builder().build(connector))))
    }

    /// A client for `http` only, for IMDS, which knows no TLS.
    pub fn plain() -> Self {
        let mut connector = tcp();
        connector.enforce_http(true);
        Self(Transport::Plain(builder().build(connector)))
    }

    /// Sends a request and waits for the whole answer, whatever its status.
    ///
    /// # Errors
    /// There is no whole answer within the bounds.
    pub async fn send(
        &self,
        request: Request<Bytes>,
        bounds: Bounds,
    ) -> Result<Response<Bytes>, HttpError> {
        self.send_outgoing(request.map(Outgoing::free), bounds)
            .await
    }

    /// The same for a request with a body that may be sent only while its `gate` is open. The gate is asked when a
    /// connection is there and the first byte would be written: dialling may take seconds, in which it may close.
    ///
    /// # Errors
    /// As above, or the gate was closed.
    pub async fn send_through(
        &self,
        gate: Gate,
        request: Request<Bytes>,
        bounds: Bounds,
    ) -> Result<Response<Bytes>, HttpError> {
        let request = request.map(|body| Outgoing::behind(gate, body));
        self.send_outgoing(request, bounds).await
    }

    async fn send_outgoing(
        &self,
        request: Request<Outgoing>,
        bounds: Bounds,
    ) -> Result<Response<Bytes>, HttpError> {
        let target = target(request.uri());
        self.check(request.uri(), &target)?;
        let exchange = self.exchange(request, &target, bounds.max_body);
        match tokio::time::timeout(bounds.deadline, exchange).await {
            Ok(answer) => answer,
            Err(_) => Err(HttpError::Timeout {
                target,
                deadline: bounds.deadline,
            }),
        }
    }

    fn check(&self, uri: &Uri, target: &str) -> Result<(), HttpError> {
        let scheme = match &self.0 {
            Transport::Https(_) => Scheme::HTTPS,
            Transport::Plain(_) => Scheme::HTTP,
        };
        let invalid = |reason: String| HttpError::Invalid {
            target: target.to_owned(),
            reason,
        };
        if uri.scheme() != Some(&scheme) {
            return Err(invalid(format!("this client speaks {scheme} only")));
        }
        match uri.authority() {
            Some(authority) if !authority.as_str().contains('@') => Ok(()),
            _ => Err(invalid("it needs a host, and no user before it".to_owned())),
        }
    }

    async fn exchange(
        &self,
        request: Request<Outgoing>,
        target: &str,
        limit: usize,
    ) -> Result<Response<Bytes>, HttpError> {
        let answer = match &self.0 {
            Transport::Https(client) => client.request(request).await,
            Transport::Plain(client) => client.request(request).await,
        };
        let (parts, body) = answer.map_err(|error| broken(target, &error))?.into_parts();
        let body = read(body, target, limit).await?;
        tracing::debug!(
            target_url = target,
            status = parts.status.as_u16(),
            bytes = body.len(),
            "answered"
        );
        Ok(Response::from_parts(parts, body))
    }
}

impl fmt::Debug for HttpClient {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self.0 {
            Transport::Https(_) => "HttpClient(https)",
            Transport::Plain(_) => "HttpClient(http)",
        })
    }
}

fn tcp() -> HttpConnector {
    let mut connector = HttpConnector::new();
    connector.enforce_http(false);
    connector.set_connect_timeout(Some(CONNECT));
    connector.set_nodelay(true);
    connector
}

fn builder() -> Builder {
    let mut builder = Client::builder(TokioExecutor::new());
    builder
        .timer(TokioTimer::new())
        .pool_timer(TokioTimer::new())
        .pool_idle_timeout(IDLE)
        .pool_max_idle_per_host(IDLE_PER_HOST)
        .http1_max_buf_size(MAX_HEAD);
    builder
}

/// A body that says beforehand that it is too long is not read at all.
async fn read(body: Incoming, target: &str, limit: usize) -> Result<Bytes, HttpError> {
    let too_large = || HttpError::TooLarge {
        target: target.to_owned(),
        limit,
    };
    if usize::try_from(body.size_hint().lower()).map_or(true, |announced| announced > limit) {
        return Err(too_large());
    }
    match Limited::new(body, limit).collect().await {
        Ok(whole) => Ok(whole.to_bytes()),
        Err(error) if error.is::<LengthLimitError>() => Err(too_large()),
        Err(error) => Err(broken(target, &*error)),
    }
}

fn target(uri: &Uri) -> String {
    let scheme = uri.scheme_str().unwrap_or("-");
    // A user before the host is refused later on, and not repeated.
    let authority = uri.authority().map_or("-", |authority| authority.as_str());
    let host = authority.rsplit('@').next().unwrap_or_default();
    format!("{scheme}://{host}{}", uri.path())
}

/// The libraries' outermost error says little more than "client error": the causes are what helps.
fn broken(target: &str, error: &(dyn Error + 'static)) -> HttpError {
    let mut reasons = vec![error.to_string()];
    let mut cause = error.source();
    while let Some(error) = cause {
        if error.is::<Withheld>() {
            return HttpError::Withheld {
                target: target.to_owned(),
            };
        }
        reasons.push(error.to_string());
        cause = error.source();
    }
    reasons.dedup();
    HttpError::Unreachable {
        target: target.to_owned(),
        reason: reasons.join(": "),
    }
}

#[cfg(test)]
mod tests;

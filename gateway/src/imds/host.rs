//! `/host/token`: the node's own drivers ask for a pod's token by the pod's name.
//!
//! The question of the old gateway's route: no `Metadata` header, and the pod in the headers `podns` and `podname`.

use http::header::{HeaderMap, HeaderValue};
use http::{Method, Request};

use super::{Query, Route, TokenQuestion, body, target, token, unknown};
use crate::refusal::Refusal;
use crate::world::ObjectRef;

/// The one path.
pub(super) const HOST_TOKEN: &str = "/host/token";
/// A label of RFC 1123 has 63 characters and a pod's name 253.
const MAX_NAME: usize = 253;

/// A driver's request for the token of a pod.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct HostQuestion {
    /// The pod it is for.
    pub pod: ObjectRef,
    /// What is asked.
    pub token: TokenQuestion,
}

/// Reads a request of the host's listeners.
///
/// # Errors
/// What is wrong with it; the old gateway's words where it had some.
pub fn parse_host<B>(request: &Request<B>) -> Result<HostQuestion, Refusal> {
    let path = target(request)?;
    if path.as_str() != HOST_TOKEN {
        return Err(unknown(&path));
    }
    if request.method() != Method::GET {
        return Err(Refusal::MethodNotAllowed(request.method().to_string()));
    }
    body(request.headers())?;
    let pod = pod(request.headers())?;
    let query =
        Query::parse(request.uri().query().unwrap_or_default()).map_err(Refusal::BadRequest)?;
    let token = token(&query, Route::HostToken)?;
    Ok(HostQuestion { pod, token })
}

/// A page in a browser on the node reaches loopback under a name of its own (DNS rebinding), never under an address.
///
/// # Errors
/// Host is such a name.
pub fn addressed(host: Option<&HeaderValue>) -> Result<(), Refusal> {
    let named = |host: &HeaderValue| {
        let host = host.to_str().unwrap_or_default();
        let name = host.split_once(':').map_or(host, |(name, _)| name);
        !host.starts_with('[') && name.parse::<std::net::IpAddr>().is_err() && name != "localhost"
    };
    match host.is_some_and(named) {
        true => Err(Refusal::BadRequest(
            "the Host header is neither an address nor localhost".to_owned(),
        )),
        false => Ok(()),
    }
}

fn pod(headers: &HeaderMap) -> Result<ObjectRef, Refusal> {
    match (name(headers, "podns"), name(headers, "podname")) {
        (Some(namespace), Some(name)) => Ok(ObjectRef::new(namespace, name)),
        _ => Err(Refusal::BadRequest(
            "missing 'podname' and 'podns' from request header".to_owned(),
        )),
    }
}

/// A header that is there once and may be the name of something in Kubernetes.
fn name<'a>(headers: &'a HeaderMap, name: &str) -> Option<&'a str> {
    let mut values = headers.get_all(name).iter();
    let value = values.next()?.to_str().ok()?;
    let plain =
        |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || b"-.".contains(&byte);
    let good = !value.is_empty() && value.len() <= MAX_NAME && value.bytes().all(plain);
    (good && values.next().is_none()).then_some(value)
}

#[cfg(test)]
mod tests;

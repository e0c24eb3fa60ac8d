//! What every request must look like, whatever it asks for.

use http::header::{HOST, HeaderName};
use http::{Method, StatusCode};

use super::refusal::Refusal;
use crate::sim::serve::Visit;

const METADATA: HeaderName = HeaderName::from_static("metadata");
const FORWARDED: HeaderName = HeaderName::from_static("x-forwarded-for");

/// The real address of IMDS: what `Host` names when a redirect brought the request here.
const LINK_LOCAL: [&str; 2] = ["169.254.169.254", "169.254.169.254:80"];

/// Refuses a request that IMDS refuses, and one that only a careless client sends.
pub(super) fn check(visit: &Visit) -> Result<(), Refusal> {
    method(visit)?;
    metadata_header(visit)?;
    forwarded(visit)?;
    host(visit)?;
    body(visit)
}

/// The docs: 405 for every other method.
fn method(visit: &Visit) -> Result<(), Refusal> {
    if visit.head.method == Method::GET {
        return Ok(());
    }
    Err(Refusal::oauth(
        StatusCode::METHOD_NOT_ALLOWED,
        "method_not_allowed",
        "Method not allowed",
    ))
}

fn metadata_header(visit: &Visit) -> Result<(), Refusal> {
    match visit.header_values(&METADATA)[..] {
        [only] if only == "true" => Ok(()),
        [] => Err(Refusal::invalid("Required metadata header not specified")),
        [_] => Err(Refusal::invalid(
            "azure-sim: the value of the Metadata header is exactly `true`, in lower case",
        )),
        _ => Err(Refusal::invalid(
            "azure-sim: the Metadata header comes once",
        )),
    }
}

/// The docs name it as a rule against forwarded requests: any value is refused.
fn forwarded(visit: &Visit) -> Result<(), Refusal> {
    match visit.header_values(&FORWARDED).is_empty() {
        true => Ok(()),
        false => Err(Refusal::invalid(
            "Requests with an X-Forwarded-For header are refused",
        )),
    }
}

fn host(visit: &Visit) -> Result<(), Refusal> {
    if visit.head.uri.authority().is_some() {
        return Err(Refusal::invalid(
            "azure-sim: the request line names a path, not an absolute address",
        ));
    }
    let own = visit.local.to_string();
    match visit.header_values(&HOST)[..] {
        [only] if LINK_LOCAL.iter().any(|name| only == name) || *only == own => Ok(()),
        [_] => Err(Refusal::invalid(format!(
            "azure-sim: Host is 169.254.169.254 or {own}"
        ))),
        _ => Err(Refusal::invalid("azure-sim: exactly one Host header")),
    }
}

fn body(visit: &Visit) -> Result<(), Refusal> {
    match visit.body.is_empty() {
        true => Ok(()),
        false => Err(Refusal::invalid("azure-sim: a GET has no body")),
    }
}

//! Whether a guest's request may be sent.

use ::http::{HeaderName, HeaderValue};
use url::Url;

use super::{Allowance, Origin};
use crate::bindings::credential::podgate::types::http::{Error, Header, Method, Request};
use crate::{OutboundRequest, text};

/// Longest URL: what servers take without a word.
const MAX_URL: usize = 8 * 1024;
/// Header fields of one request: a token request has three.
const MAX_HEADERS: usize = 32;
/// Bytes of all header fields: what servers take without a word.
const MAX_HEADER_BYTES: usize = 16 * 1024;
/// The fields that say where a message ends and whom it is for (RFC 9110 §7.6.1, RFC 9112 §6): the host's.
const FORBIDDEN: [&str; 11] = [
    "host",
    "content-length",
    "transfer-encoding",
    "connection",
    "keep-alive",
    "upgrade",
    "te",
    "trailer",
    "expect",
    "proxy-connection",
    "http2-settings",
];

/// A request that may be sent. The URL that is sent is the one that was checked, written anew.
pub(super) fn request(allowance: &Allowance, request: Request) -> Result<OutboundRequest, Error> {
    let url = url(&request.url)?;
    // Never more of the URL than the host in an error: its query may carry what is secret.
    let origin = Origin::of(&url).ok_or_else(|| invalid("the URL has no host"))?;
    if !allowance.permits(&origin) {
        return Err(Error::NotGranted(text::clean(
            &origin.to_string(),
            text::MAX_SHOWN,
        )));
    }
    body(&request, allowance.max_body)?;
    Ok(OutboundRequest {
        method: request.method.into(),
        url: url.into(),
        headers: headers(request.headers)?,
        body: request.body,
    })
}

fn url(text: &str) -> Result<Url, Error> {
    if text.len() > MAX_URL {
        return Err(invalid("the URL is longer than 8 KiB"));
    }
    let mut url =
        Url::parse(text).map_err(|error| Error::Invalid(format!("the URL is none: {error}")))?;
    match () {
        () if url.scheme() != "https" => Err(invalid("the URL is not https")),
        () if !url.username().is_empty() || url.password().is_some() => {
            Err(invalid("the URL has a user; send an authorization header"))
        }
        () => {
            url.set_fragment(None);
            Ok(url)
        }
    }
}

fn body(request: &Request, max_body: usize) -> Result<(), Error> {
    match request.method {
        Method::Get if !request.body.is_empty() => Err(invalid("a GET has no body")),
        _ if request.body.len() > max_body => Err(invalid("the body is too long")),
        _ => Ok(()),
    }
}

fn headers(headers: Vec<Header>) -> Result<Vec<(String, String)>, Error> {
    let bytes: usize = headers
        .iter()
        .map(|header| header.name.len() + header.value.len())
        .sum();
    if headers.len() > MAX_HEADERS || bytes > MAX_HEADER_BYTES {
        return Err(invalid(
            "at most 32 header fields of together 16 KiB can be sent",
        ));
    }
    headers.into_iter().map(header).collect()
}

fn header(Header { name, value }: Header) -> Result<(String, String), Error> {
    let shown = || text::clean(&name, 64);
    if HeaderName::from_lowercase(name.as_bytes()).is_err() {
        return Err(Error::Invalid(format!(
            "`{}` is no header name in lower case",
            shown()
        )));
    }
    if FORBIDDEN.contains(&name.as_str()) || name.starts_with("proxy-auth") {
        return Err(Error::Invalid(format!(
            "the header `{name}` is the host's to set"
        )));
    }
    match HeaderValue::from_str(&value) {
        Ok(_) => Ok((name, value)),
        Err(_) => Err(Error::Invalid(format!(
            "the value of header `{name}` has a character it may not have"
        ))),
    }
}

fn invalid(cause: &str) -> Error {
    Error::Invalid(cause.to_owned())
}

#[cfg(test)]
mod tests;

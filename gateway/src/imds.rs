//! The wire in: a request line and headers become a question, or a refusal.
//!
//! What is checked, in this order: the form of the target, the path, the route, the method, the Metadata
//! header, X-Forwarded-For, Host, the query. The header-less probe of every SDK is answered before any
//! look-up, in microseconds; IMDSv2's paths do not exist, header or not.

use http::header::{CONTENT_LENGTH, HOST, HeaderMap, TRANSFER_ENCODING};
use http::{Method, Request, Version};
use podgate_api::Resource;
use podgate_azure::imds::Selector;

use crate::refusal::Refusal;

mod host;
mod path;
mod query;

use host::HOST_TOKEN;
pub use host::{HostQuestion, addressed, parse_host};
pub use path::CanonicalPath;
pub use query::Query;

/// What the front door checks.
#[derive(Clone, Debug)]
pub struct Rules {
    /// `--metadata-header-required`
    pub metadata_header_required: bool,
    /// `--block-instance-metadata`
    pub block_instance_metadata: bool,
    /// The values of Host that are served; a DNS name that was rebound to the address is not among them.
    pub hosts: Vec<String>,
}

/// A request that may go on.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Question {
    /// A pod's request for a token.
    Token(TokenQuestion),
    /// Other metadata, from the allow-list.
    Metadata(MetadataQuestion),
}

/// A request for a token.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct TokenQuestion {
    /// The audience.
    pub resource: Resource,
    /// The identity that is named.
    pub selector: Selector,
    /// `bypass_cache=true`: the token is fetched again, within limits.
    pub bypass_cache: bool,
    /// By which route it came: [`Route::Token`] or [`Route::HostToken`]. Policies may tell them apart.
    pub route: Route,
}

/// A request for other metadata: the upstream's is built from these, never forwarded.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct MetadataQuestion {
    /// The canonical path.
    pub path: CanonicalPath,
    /// `api-version=`
    pub api_version: Option<String>,
    /// `format=json` or `format=text`
    pub format: Option<&'static str>,
}

/// The routes. Everything else does not exist.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Route {
    /// `/metadata/identity/oauth2/token`
    Token,
    /// `/host/token`: never on the pods' listener.
    HostToken,
    /// `/metadata/identity/info`
    Info,
    /// `/metadata/instance…`
    Instance,
    /// `/metadata/versions`
    Versions,
    /// Anything else.
    Unknown,
}

/// Reads a request whose path is known by [`target`].
///
/// # Errors
/// The first check that fails, in the order of the module's text.
pub fn parse<B>(
    request: &Request<B>,
    path: CanonicalPath,
    rules: &Rules,
) -> Result<Question, Refusal> {
    let route = Route::of(&path);
    if route == Route::Unknown {
        return Err(unknown(&path));
    }
    guard(request, route, rules)?;
    let query =
        Query::parse(request.uri().query().unwrap_or_default()).map_err(Refusal::BadRequest)?;
    match route {
        Route::Token => token(&query, route).map(Question::Token),
        Route::Info | Route::Instance | Route::Versions => metadata(path, &query),
        Route::HostToken | Route::Unknown => Err(unknown(&path)),
    }
}

impl Route {
    /// Exact matches on the canonical spelling.
    pub fn of(path: &CanonicalPath) -> Self {
        match path.as_str() {
            "/metadata/identity/oauth2/token" => Self::Token,
            "/metadata/identity/info" => Self::Info,
            "/metadata/versions" => Self::Versions,
            "/metadata/instance" => Self::Instance,
            other if other.starts_with("/metadata/instance/") => Self::Instance,
            _ => Self::Unknown,
        }
    }

    /// The route's name in metrics, `operation_type` there: a closed set.
    pub fn name(self) -> &'static str {
        match self {
            Self::Token => "/metadata/identity/oauth2/token",
            Self::HostToken => HOST_TOKEN,
            Self::Info => "/metadata/identity/info",
            Self::Instance => "/metadata/instance",
            Self::Versions => "/metadata/versions",
            Self::Unknown => "other",
        }
    }
}

/// The path of a request. Origin form only (RFC 9112 §3.2.1): this is neither a proxy nor a tunnel.
///
/// # Errors
/// Another form, another version of HTTP, or a path that is not canonical.
pub fn target<B>(request: &Request<B>) -> Result<CanonicalPath, Refusal> {
    let bad = |text: &str| Refusal::BadRequest(text.to_owned());
    if request.method() == Method::CONNECT || request.uri().authority().is_some() {
        return Err(bad(
            "only origin-form request targets are served; this is no proxy",
        ));
    }
    if !matches!(request.version(), Version::HTTP_10 | Version::HTTP_11) {
        return Err(bad("only HTTP/1.0 and HTTP/1.1 are served"));
    }
    CanonicalPath::parse(request.uri().path()).map_err(bad)
}

/// Everything that needs no query.
fn guard<B>(request: &Request<B>, route: Route, rules: &Rules) -> Result<(), Refusal> {
    if request.method() != Method::GET {
        return Err(Refusal::MethodNotAllowed(request.method().to_string()));
    }
    let headers = request.headers();
    if rules.metadata_header_required && !has_metadata_header(headers) {
        return Err(Refusal::NoMetadataHeader);
    }
    if headers.contains_key("x-forwarded-for") {
        let text = "X-Forwarded-For is refused: a proxied request may come from anywhere";
        return Err(Refusal::BadRequest(text.to_owned()));
    }
    host(request, rules)?;
    body(headers)?;
    if route == Route::Instance && rules.block_instance_metadata {
        return Err(Refusal::InstanceMetadataBlocked);
    }
    Ok(())
}

/// Exactly once, exactly `true`: "all in lower case", says Microsoft.
fn has_metadata_header(headers: &HeaderMap) -> bool {
    let mut values = headers.get_all("metadata").iter();
    values.next().is_some_and(|value| value == "true") && values.next().is_none()
}

/// Guards against DNS rebinding. HTTP/1.0 clients may leave Host out.
fn host<B>(request: &Request<B>, rules: &Rules) -> Result<(), Refusal> {
    let mut values = request.headers().get_all(HOST).iter();
    let (first, second) = (values.next(), values.next());
    let known = |value: &http::HeaderValue| {
        rules
            .hosts
            .iter()
            .any(|host| value.as_bytes().eq_ignore_ascii_case(host.as_bytes()))
    };
    match (first, second) {
        (None, _) if request.version() == Version::HTTP_10 => Ok(()),
        (Some(value), None) if known(value) => Ok(()),
        _ => Err(Refusal::BadRequest(
            "the Host header is not the metadata service's address".to_owned(),
        )),
    }
}

/// A GET has no body; one that has is an attempt to smuggle something.
fn body(headers: &HeaderMap) -> Result<(), Refusal> {
    let length = headers.get(CONTENT_LENGTH);
    if headers.contains_key(TRANSFER_ENCODING) || length.is_some_and(|value| value != "0") {
        return Err(Refusal::BadRequest(
            "a GET with a body is refused".to_owned(),
        ));
    }
    Ok(())
}

fn token(query: &Query, route: Route) -> Result<TokenQuestion, Refusal> {
    api_version(query)?;
    let bad = |text: String| Refusal::BadRequest(text);
    let resource = query
        .get("resource")
        .ok_or_else(|| bad("parameter resource cannot be empty".to_owned()))?
        .parse()
        .map_err(|error| bad(format!("parameter resource: {error}")))?;
    Ok(TokenQuestion {
        resource,
        selector: selector(query)?,
        bypass_cache: bypass_cache(query)?,
        route,
    })
}

/// At most one identity may be named. `mi_res_id` is what Java sends, `msi_res_id` what IMDS documents.
pub(crate) fn selector(query: &Query) -> Result<Selector, Refusal> {
    let bad = |name: &str, error: String| Refusal::BadRequest(format!("parameter {name}: {error}"));
    let mut named = Vec::new();
    if let Some(text) = query.get("client_id") {
        let id = text.parse().map_err(|e| bad("client_id", format!("{e}")))?;
        named.push(Selector::ClientId(id));
    }
    if let Some(text) = query.get("object_id") {
        let id = text.parse().map_err(|e| bad("object_id", format!("{e}")))?;
        named.push(Selector::ObjectId(id));
    }
    for name in ["msi_res_id", "mi_res_id"] {
        if let Some(text) = query.get(name) {
            let id = text.parse().map_err(|e| bad(name, format!("{e}")))?;
            named.push(Selector::ResourceId(id));
        }
    }
    named.dedup();
    match named.len() {
        0 => Ok(Selector::Unspecified),
        1 => Ok(named.remove(0)),
        _ => Err(Refusal::BadRequest(
            "client_id, object_id and msi_res_id exclude one another; name one".to_owned(),
        )),
    }
}

/// "The only accepted value is true", says the service's own description.
fn bypass_cache(query: &Query) -> Result<bool, Refusal> {
    match query.get("bypass_cache") {
        None => Ok(false),
        Some("true") => Ok(true),
        Some(_) => Err(Refusal::BadRequest(
            "parameter bypass_cache: the only value is true".to_owned(),
        )),
    }
}

/// The first version with tokens. A request without one is served, as the old gateway did.
const OLDEST: &str = "2018-02-01";

fn api_version(query: &Query) -> Result<(), Refusal> {
    match query.get("api-version") {
        None => Ok(()),
        Some(version) if is_date(version) && version >= OLDEST => Ok(()),
        Some(_) => Err(Refusal::BadRequest(format!(
            "parameter api-version: a date from {OLDEST} on"
        ))),
    }
}

/// `YYYY-MM-DD`, so that text order is date order.
fn is_date(text: &str) -> bool {
    text.len() == 10
        && text.bytes().enumerate().all(|(at, byte)| match at {
            4 | 7 => byte == b'-',
            _ => byte.is_ascii_digit(),
        })
}

fn metadata(path: CanonicalPath, query: &Query) -> Result<Question, Refusal> {
    let api_version = query.get("api-version");
    if api_version.is_some_and(|version| !is_date(version)) {
        let text = "parameter api-version: a date such as 2021-02-01";
        return Err(Refusal::BadRequest(text.to_owned()));
    }
    let format = match query.get("format") {
        None => None,
        Some("json") => Some("json"),
        Some("text") => Some("text"),
        Some(_) => {
            let text = "parameter format: json or text";
            return Err(Refusal::BadRequest(text.to_owned()));
        }
    };
    Ok(Question::Metadata(MetadataQuestion {
        path,
        api_version: api_version.map(str::to_owned),
        format,
    }))
}

fn unknown(path: &CanonicalPath) -> Refusal {
    let text = match path.as_str() {
        HOST_TOKEN => "/host/token is for the node's own drivers: see --host-token-socket",
        path if path.starts_with("/metadata/") => "this metadata is not served to pods",
        _ => "no such path",
    };
    Refusal::NotFound(text.to_owned())
}

#[cfg(test)]
mod tests;

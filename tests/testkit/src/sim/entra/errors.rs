//! Entra's errors, with their AADSTS numbers.

use http::header::{ALLOW, CACHE_CONTROL, HeaderValue, RETRY_AFTER};
use http::{Method, StatusCode};
use serde_json::json;
use uuid::Uuid;

use crate::sim::reply::Reply;

/// Entra's answer to clients that ask too often (MSAL docs, "client and server throttling").
const RETRY_AFTER_S: u32 = 60;

/// Number, status, OAuth error, and what Entra says when the condition cannot be arranged but is scripted.
///
/// Source: Entra docs "Microsoft Entra authentication error codes" and recorded answers; the certificate numbers are
/// the list Microsoft.Identity.Web reloads certificates on.
const CATALOGUE: &[(u32, u16, &str, &str)] = &[
    (50012, 401, "invalid_client", "Authentication failed."),
    (
        50027,
        401,
        "invalid_client",
        "JWT token is invalid or malformed.",
    ),
    (
        50196,
        400,
        "invalid_grant",
        "The server terminated an operation because it encountered a client request loop.",
    ),
    (
        70001,
        400,
        "unauthorized_client",
        "The application is disabled.",
    ),
    (
        70003,
        400,
        "unsupported_grant_type",
        "The app requested an unsupported grant type.",
    ),
    (
        70011,
        400,
        "invalid_scope",
        "The provided request must include a 'scope' input parameter.",
    ),
    (
        70021,
        401,
        "invalid_client",
        "No matching federated identity record found for presented assertion.",
    ),
    (
        70025,
        401,
        "invalid_client",
        "The client has no configured federated identity credentials.",
    ),
    (90002, 400, "invalid_request", "Tenant not found."),
    (
        90023,
        400,
        "invalid_request",
        "The authentication service request isn't valid.",
    ),
    (
        90033,
        503,
        "temporarily_unavailable",
        "A transient error has occurred. Please try again.",
    ),
    (
        90055,
        429,
        "temporarily_unavailable",
        "There are too many incoming requests.",
    ),
    (
        500011,
        400,
        "invalid_resource",
        "The resource principal was not found in the tenant.",
    ),
    (
        501661,
        400,
        "invalid_request",
        "Request to External OIDC endpoint failed.",
    ),
    (
        700016,
        400,
        "unauthorized_client",
        "Application was not found in the directory.",
    ),
    (
        700021,
        401,
        "invalid_client",
        "Client assertion application identifier doesn't match 'client_id' parameter.",
    ),
    (
        700023,
        401,
        "invalid_client",
        "Client assertion audience claim does not match Realm issuer.",
    ),
    (
        700024,
        401,
        "invalid_client",
        "Client assertion is not within its valid time range.",
    ),
    (
        700027,
        401,
        "invalid_client",
        "Client assertion failed signature validation.",
    ),
    (
        700030,
        401,
        "invalid_client",
        "Invalid certificate - subject name in certificate isn't authorized.",
    ),
    (
        700211,
        401,
        "invalid_client",
        "No matching federated identity record found for presented assertion issuer.",
    ),
    (
        700212,
        401,
        "invalid_client",
        "No matching federated identity record found for presented assertion audience.",
    ),
    (
        700213,
        401,
        "invalid_client",
        "No matching federated identity record found for presented assertion subject.",
    ),
    (
        900144,
        400,
        "invalid_request",
        "The request body must contain the following parameter.",
    ),
    (
        900561,
        405,
        "invalid_request",
        "The endpoint only accepts POST requests.",
    ),
    (
        1000502,
        401,
        "invalid_client",
        "The provided certificate is not within its specified validity window.",
    ),
    (
        1002012,
        400,
        "invalid_scope",
        "The provided value for scope is not valid.",
    ),
    (
        7000214,
        401,
        "invalid_client",
        "Certificate has been revoked.",
    ),
    (
        7000215,
        401,
        "invalid_client",
        "Invalid client secret provided.",
    ),
    (
        7000218,
        401,
        "invalid_client",
        "The request body must contain the following parameter: 'client_assertion' or 'client_secret'.",
    ),
    (
        7000222,
        401,
        "invalid_client",
        "The provided client secret keys are expired.",
    ),
    (
        7000272,
        401,
        "invalid_client",
        "The certificate used to sign the federated credential could not be found in the metadata of the identity provider.",
    ),
    (
        7000274,
        401,
        "invalid_client",
        "Certificate is not within its validity period.",
    ),
    (7000277, 401, "invalid_client", "Certificate was revoked."),
    (
        7002138,
        401,
        "invalid_client",
        "No matching federated identity record found: the subject matches with case-insensitive comparison only.",
    ),
    (
        9002313,
        400,
        "invalid_request",
        "Invalid request. Request is malformed or invalid.",
    ),
];

/// A refusal of Entra's.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Refusal {
    pub(crate) code: u32,
    pub(crate) status: StatusCode,
    pub(crate) error: &'static str,
    pub(crate) message: String,
}

impl Refusal {
    /// The refusal with this number; one that is not in the catalogue is an `invalid_request`.
    pub(crate) fn new(code: u32, message: impl Into<String>) -> Self {
        let entry = CATALOGUE.iter().find(|(known, ..)| *known == code);
        let (status, error) = entry.map_or((400, "invalid_request"), |(_, status, error, _)| {
            (*status, *error)
        });
        let status = StatusCode::from_u16(status).unwrap_or(StatusCode::BAD_REQUEST);
        Self {
            code,
            status,
            error,
            message: message.into(),
        }
    }

    /// A rule that Entra may not have: AADSTS9002313, a malformed request.
    pub(crate) fn strict(message: impl Into<String>) -> Self {
        Self::new(9_002_313, message)
    }

    /// A token endpoint was not POSTed to.
    pub(crate) fn post_only(method: &Method) -> Self {
        Self::new(
            900_561,
            format!("The endpoint only accepts POST requests. Received a {method} request."),
        )
    }

    /// A field is missing or empty.
    pub(crate) fn missing(name: &str) -> Self {
        Self::new(
            900_144,
            format!("The request body must contain the following parameter: '{name}'."),
        )
    }

    /// Too many requests of one application.
    pub(crate) fn throttled() -> Self {
        Self::new(90_055, "There are too many incoming requests.")
    }

    /// The answer. `asked` is the client's own correlation id, which Entra repeats when it is a GUID.
    pub(crate) fn into_reply(self, asked: Option<&str>) -> Reply {
        let correlation = asked
            .and_then(|id| Uuid::try_parse(id).ok())
            .unwrap_or_else(Uuid::new_v4);
        let trace = Uuid::new_v4();
        let at = jiff::Timestamp::now()
            .strftime("%Y-%m-%d %H:%M:%SZ")
            .to_string();
        let Self {
            code,
            status,
            error,
            message,
        } = self;
        let why = format!("AADSTS{code}: {message}");
        let body = json!({
            "error": error,
            "error_description": format!("{why}\r\nTrace ID: {trace}\r\nCorrelation ID: {correlation}\r\nTimestamp: {at}"),
            "error_codes": [code],
            "timestamp": at,
            "trace_id": trace.to_string(),
            "correlation_id": correlation.to_string(),
            "error_uri": format!("https://login.microsoftonline.com/error?code={code}"),
        });
        with_headers(Reply::json(status, &body).because(why))
    }
}

fn with_headers(reply: Reply) -> Reply {
    let status = reply.status;
    let reply = reply.header(
        CACHE_CONTROL,
        HeaderValue::from_static("no-store, no-cache"),
    );
    match status {
        StatusCode::METHOD_NOT_ALLOWED => reply.header(ALLOW, HeaderValue::from_static("POST")),
        StatusCode::TOO_MANY_REQUESTS => {
            reply.header(RETRY_AFTER, HeaderValue::from(RETRY_AFTER_S))
        }
        _ => reply,
    }
}

/// The error with this number, as a script asks for it.
pub(crate) fn catalogued(code: u32) -> Reply {
    let message = CATALOGUE
        .iter()
        .find(|(known, ..)| *known == code)
        .map_or("Scripted error.", |(.., text)| text);
    Refusal::new(code, message).into_reply(None)
}

/// What Entra says with this status, when a script gives no body.
pub(crate) fn documented(status: StatusCode) -> Reply {
    let code = match status.as_u16() {
        401 => 7_000_215,
        429 => 90_055,
        500..=599 => 90_033,
        _ => 90_023,
    };
    let mut reply = catalogued(code);
    reply.status = status;
    // A scripted 429 carries the header only where the script says so.
    reply.headers.remove(RETRY_AFTER);
    reply
}

/// Entra answers unknown paths without JSON.
pub(crate) fn not_found() -> Reply {
    Reply::raw(StatusCode::NOT_FOUND, "").because("there is nothing at this path")
}

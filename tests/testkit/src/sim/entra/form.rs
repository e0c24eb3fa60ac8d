//! The form of a token request: each field once, nothing unknown, everything the dialect needs.

use http::header::CONTENT_TYPE;
use serde_json::{Map, Value};
use url::form_urlencoded;

use super::Dialect;
use super::errors::Refusal;
use crate::sim::serve::Visit;

/// What `client_assertion_type` must say (RFC 7523).
const JWT_BEARER: &str = "urn:ietf:params:oauth:client-assertion-type:jwt-bearer";

/// What the client credentials flow has.
const FIELDS: [&str; 8] = [
    "grant_type",
    "client_id",
    "client_secret",
    "client_assertion",
    "client_assertion_type",
    "resource",
    "scope",
    "claims",
];

/// What Microsoft's own libraries add: telemetry, correlation, and a request for account data.
const LIBRARY_FIELDS: [&str; 10] = [
    "x-client-SKU",
    "x-client-VER",
    "x-client-Ver",
    "x-client-OS",
    "x-client-CPU",
    "x-app-name",
    "x-app-ver",
    "x-ms-lib-capability",
    "client-request-id",
    "client_info",
];

/// A token request's form.
pub(crate) struct TokenForm {
    pub(crate) client_id: String,
    /// The audience: `resource`, or `scope` without `/.default`.
    pub(crate) resource: String,
    pub(crate) credential: Credential,
}

/// What a client proves itself with.
pub(crate) enum Credential {
    Secret(String),
    Assertion(String),
}

/// Scopes of OpenID Connect, which MSAL adds to each request. They mean nothing without a user, and are let pass.
const OPENID_SCOPES: [&str; 4] = ["openid", "offline_access", "profile", "email"];

type Pairs = [(String, String)];

/// The fields in order, each once.
pub(super) fn pairs(visit: &Visit) -> Result<Vec<(String, String)>, Refusal> {
    content_type(visit)?;
    let mut pairs = Vec::<(String, String)>::new();
    for (name, value) in form_urlencoded::parse(&visit.body) {
        if pairs.iter().any(|(known, _)| *known == name) {
            return Err(Refusal::strict(format!(
                "azure-sim: the field '{name}' is repeated"
            )));
        }
        pairs.push((name.into_owned(), value.into_owned()));
    }
    Ok(pairs)
}

fn content_type(visit: &Visit) -> Result<(), Refusal> {
    let values = visit.header_values(&CONTENT_TYPE);
    let text = values
        .first()
        .and_then(|value| value.to_str().ok())
        .unwrap_or_default();
    let (kind, parameters) = text.split_once(';').unwrap_or((text, "charset=utf-8"));
    let right = kind
        .trim()
        .eq_ignore_ascii_case("application/x-www-form-urlencoded")
        && parameters.trim().eq_ignore_ascii_case("charset=utf-8");
    match values.len() == 1 && right {
        true => Ok(()),
        // Entra does not parse a body of another type, and so misses the first field.
        false => Err(Refusal::missing("grant_type")),
    }
}

/// v1 may carry `api-version=1.0` (adal does); nothing else belongs into a token endpoint's query.
pub(super) fn query(query: Option<&str>, dialect: Dialect) -> Result<(), Refusal> {
    match (query, dialect) {
        (None, _) | (Some("api-version=1.0"), Dialect::V1 | Dialect::Adfs) => Ok(()),
        (Some(_), Dialect::V2) => Err(Refusal::strict(
            "azure-sim: the v2 token endpoint has no query",
        )),
        (Some(_), _) => Err(Refusal::strict(
            "azure-sim: the query of a v1 token endpoint is api-version=1.0 or absent",
        )),
    }
}

impl TokenForm {
    pub(super) fn parse(pairs: &Pairs, dialect: Dialect) -> Result<Self, Refusal> {
        grant_type(pairs)?;
        known(pairs)?;
        claims(pairs, dialect)?;
        let client_id = required(pairs, "client_id")?.to_owned();
        Ok(Self {
            client_id,
            resource: audience(pairs, dialect)?,
            credential: credential(pairs)?,
        })
    }
}

fn grant_type(pairs: &Pairs) -> Result<(), Refusal> {
    match required(pairs, "grant_type")? {
        "client_credentials" => Ok(()),
        other => Err(Refusal::new(
            70_003,
            format!("The app requested an unsupported grant type '{other}'."),
        )),
    }
}

fn known(pairs: &Pairs) -> Result<(), Refusal> {
    let unknown = |name: &str| !FIELDS.contains(&name) && !LIBRARY_FIELDS.contains(&name);
    match pairs.iter().find(|(name, _)| unknown(name)) {
        Some((name, _)) => Err(Refusal::strict(format!(
            "azure-sim: unknown field '{name}'"
        ))),
        None => Ok(()),
    }
}

fn get<'a>(pairs: &'a Pairs, name: &str) -> Option<&'a str> {
    pairs
        .iter()
        .find(|(known, _)| known == name)
        .map(|(_, value)| value.as_str())
}

fn required<'a>(pairs: &'a Pairs, name: &str) -> Result<&'a str, Refusal> {
    get(pairs, name)
        .filter(|value| !value.is_empty())
        .ok_or_else(|| Refusal::missing(name))
}

fn audience(pairs: &Pairs, dialect: Dialect) -> Result<String, Refusal> {
    match (get(pairs, "resource"), get(pairs, "scope"), dialect) {
        (Some(_), Some(_), _) => Err(Refusal::strict(
            "azure-sim: resource and scope exclude one another",
        )),
        (None, Some(_), Dialect::V1) => Err(Refusal::strict(
            "azure-sim: the v1 endpoint takes resource, not scope",
        )),
        (Some(_), None, Dialect::V2) => Err(Refusal::strict(
            "azure-sim: the v2 endpoint takes scope, not resource",
        )),
        (None, Some(scope), Dialect::Adfs) | (None, Some(scope), Dialect::V2) => from_scope(scope),
        (None, None, Dialect::V2) => Err(Refusal::missing("scope")),
        (_, None, _) => required(pairs, "resource").map(ToOwned::to_owned),
    }
}

/// One resource's `/.default`; beside it OpenID's scopes, each once, a blank between them (RFC 6749 §3.3).
fn from_scope(scope: &str) -> Result<String, Refusal> {
    let words: Vec<&str> = scope.split(' ').collect();
    let (openid, resources): (Vec<&str>, Vec<&str>) =
        words.iter().partition(|word| OPENID_SCOPES.contains(word));
    let once = (1..openid.len()).all(|n| !openid[..n].contains(&openid[n]));
    let [resource] = resources[..] else {
        return Err(wrong_scope(scope));
    };
    if !once || resource.is_empty() || resource.contains(char::is_whitespace) {
        return Err(wrong_scope(scope));
    }
    match resource.strip_suffix("/.default") {
        Some(resource) if !resource.is_empty() => Ok(resource.to_owned()),
        _ => Err(Refusal::new(
            1_002_012,
            format!(
                "The provided value for scope {scope} is not valid. Client credential flows must have a scope value \
                 with /.default suffixed to the resource identifier (application ID URI)."
            ),
        )),
    }
}

fn wrong_scope(scope: &str) -> Refusal {
    Refusal::new(
        70_011,
        format!(
            "The provided request must include a 'scope' input parameter. The provided value for the input parameter \
             'scope' is not valid. The scope {scope} is not valid."
        ),
    )
}

/// The claims request of OpenID Connect Core §5.5. Clients name in it that they understand continuous access
/// evaluation (`xms_cc`), and repeat what a resource's challenge asked for.
fn claims(pairs: &Pairs, dialect: Dialect) -> Result<(), Refusal> {
    let Some(text) = get(pairs, "claims") else {
        return Ok(());
    };
    let wrong = |why: &str| Err(Refusal::strict(format!("azure-sim: claims {why}")));
    if dialect == Dialect::Adfs {
        return wrong("is not a field of AD FS");
    }
    let Ok(claims) = serde_json::from_str::<Map<String, Value>>(text) else {
        return wrong("is a JSON object");
    };
    let tokens = ["access_token", "id_token", "userinfo"];
    if claims.is_empty() || !claims.keys().all(|key| tokens.contains(&key.as_str())) {
        return wrong("is for one or more of access_token, id_token and userinfo");
    }
    let of_a_token = |token: &Value| {
        token
            .as_object()
            .is_some_and(|all| all.values().all(is_claim))
    };
    match claims.values().all(of_a_token) {
        true => Ok(()),
        false => wrong("asks for each claim with null, essential, value or values"),
    }
}

fn is_claim(asked: &Value) -> bool {
    let Some(members) = asked.as_object() else {
        return asked.is_null();
    };
    members.iter().all(|(name, value)| match name.as_str() {
        "essential" => value.is_boolean(),
        "value" => !value.is_null(),
        "values" => value.as_array().is_some_and(|all| !all.is_empty()),
        _ => false,
    })
}

fn credential(pairs: &Pairs) -> Result<Credential, Refusal> {
    let kind = get(pairs, "client_assertion_type");
    match (get(pairs, "client_secret"), get(pairs, "client_assertion")) {
        (Some(_), Some(_)) => Err(Refusal::strict(
            "azure-sim: client_secret and client_assertion exclude one another",
        )),
        (Some(secret), None) if kind.is_none() => Ok(Credential::Secret(secret.to_owned())),
        (Some(_), None) => Err(Refusal::strict(
            "azure-sim: client_assertion_type belongs to client_assertion",
        )),
        (None, Some(assertion)) if kind == Some(JWT_BEARER) => {
            Ok(Credential::Assertion(assertion.to_owned()))
        }
        (None, Some(_)) => Err(Refusal::strict(format!(
            "azure-sim: client_assertion_type is {JWT_BEARER}"
        ))),
        (None, None) => Err(Refusal::new(
            7_000_218,
            "The request body must contain the following parameter: 'client_assertion' or 'client_secret'.",
        )),
    }
}

//! The body of a PATCH: `{"identity": {"type", "userAssignedIdentities"}}` and nothing else.

use std::collections::BTreeSet;

use http::header::IF_MATCH;
use serde_json::{Map, Value};

use super::errors::Refusal;
use super::route::Request;
use crate::sim::serve::Visit;

/// Identities that one request may name.
const MOST: usize = 150;

/// What a PATCH asks for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Change {
    /// Whether the type names the system-assigned identity.
    pub(super) system: bool,
    /// Whether the type names user-assigned ones.
    pub(super) user: bool,
    /// Ids with `{}`.
    pub(super) add: Vec<String>,
    /// Ids with `null`.
    pub(super) remove: Vec<String>,
    pub(super) if_match: Option<String>,
}

impl Change {
    pub(super) fn parse(body: &[u8], visit: &Visit, request: &Request) -> Result<Self, Refusal> {
        let body: Map<String, Value> = serde_json::from_slice(body).map_err(|why| {
            Refusal::new(
                http::StatusCode::BAD_REQUEST,
                "InvalidRequestContent",
                format!("The request content was invalid: {why}"),
            )
        })?;
        only(&body, &["identity"], "the body of a PATCH")?;
        let identity = body.get("identity").and_then(Value::as_object);
        let identity =
            identity.ok_or_else(|| Refusal::strict("azure-sim: identity is an object"))?;
        only(identity, &["type", "userAssignedIdentities"], "identity")?;
        let (system, user) = kinds(identity)?;
        let (add, remove) = lists(identity)?;
        let change = Self {
            system,
            user,
            add,
            remove,
            if_match: if_match(visit, request)?,
        };
        change.agrees()
    }

    /// Whether type and list fit together.
    fn agrees(self) -> Result<Self, Refusal> {
        let named = self.add.len() + self.remove.len();
        if named > MOST {
            return Err(Refusal::invalid_parameter(format!(
                "azure-sim: a request names at most {MOST} identities, not {named}"
            )));
        }
        match (self.user, named) {
            (false, 1..) => Err(Refusal::invalid_parameter(
                "Required parameter 'identity.type' must name 'UserAssigned' when 'userAssignedIdentities' is there.",
            )),
            (true, 0) => Err(Refusal::invalid_parameter(
                "The identity ids must not be null or empty for 'UserAssigned' identity type.",
            )),
            _ => Ok(self),
        }
    }
}

fn only(object: &Map<String, Value>, known: &[&str], what: &str) -> Result<(), Refusal> {
    match object.keys().find(|key| !known.contains(&key.as_str())) {
        Some(key) => Err(Refusal::strict(format!(
            "azure-sim: Could not find member '{key}': {what} holds {known:?} and nothing else"
        ))),
        None => Ok(()),
    }
}

/// Documented are the four words, the pair with a blank after its comma.
fn kinds(identity: &Map<String, Value>) -> Result<(bool, bool), Refusal> {
    match identity.get("type").and_then(Value::as_str) {
        Some("None") => Ok((false, false)),
        Some("SystemAssigned") => Ok((true, false)),
        Some("UserAssigned") => Ok((false, true)),
        Some("SystemAssigned, UserAssigned") => Ok((true, true)),
        other => Err(Refusal::invalid_parameter(format!(
            "azure-sim: identity.type is one of the four documented words, not {other:?}"
        ))),
    }
}

fn lists(identity: &Map<String, Value>) -> Result<(Vec<String>, Vec<String>), Refusal> {
    let (mut add, mut remove, mut seen) = (Vec::new(), Vec::new(), BTreeSet::new());
    let none = Map::new();
    let listed = match identity.get("userAssignedIdentities") {
        None => &none,
        Some(listed) => listed
            .as_object()
            .ok_or_else(|| Refusal::strict("azure-sim: userAssignedIdentities is an object"))?,
    };
    for (id, value) in listed {
        well_formed(id)?;
        if !seen.insert(id.to_lowercase()) {
            return Err(Refusal::invalid_parameter(format!(
                "Duplicate identity id '{id}' found, ids ignore case."
            )));
        }
        match value {
            Value::Null => remove.push(id.clone()),
            Value::Object(fields) if fields.is_empty() => add.push(id.clone()),
            _ => {
                return Err(Refusal::strict(format!(
                    "azure-sim: '{id}' is {{}} or null: its ids are read-only"
                )));
            }
        }
    }
    Ok((add, remove))
}

fn well_formed(id: &str) -> Result<(), Refusal> {
    let segments: Vec<&str> = id.split('/').collect();
    let shaped = matches!(segments[..], ["", s, sub, g, group, p, provider, kind, name]
        if s.eq_ignore_ascii_case("subscriptions") && g.eq_ignore_ascii_case("resourceGroups")
            && p.eq_ignore_ascii_case("providers") && provider.eq_ignore_ascii_case("Microsoft.ManagedIdentity")
            && kind.eq_ignore_ascii_case("userAssignedIdentities")
            && [sub, group, name].iter().all(|part| !part.is_empty()));
    match shaped {
        true => Ok(()),
        false => Err(Refusal::new(
            http::StatusCode::BAD_REQUEST,
            "InvalidIdentityResourceId",
            format!("The identity id '{id}' is invalid."),
        )),
    }
}

fn if_match(visit: &Visit, request: &Request) -> Result<Option<String>, Refusal> {
    let values = visit.header_values(&IF_MATCH);
    match values[..] {
        [] => Ok(None),
        [value] if request.has_etags() => Ok(value.to_str().ok().map(str::to_owned)),
        _ => Err(Refusal::strict(
            "azure-sim: If-Match comes once, and to a version of the API with etags",
        )),
    }
}

//! `/metadata/identity/oauth2/token`.

use http::StatusCode;
use serde_json::{Value, json};

use super::metadata::VERSIONS;
use super::query::Query;
use super::refusal::Refusal;
use crate::ManagedIdentity;
use crate::sim::World;
use crate::sim::jwt::{Grant, Minted};
use crate::sim::reply::Reply;

/// Older versions of the API have no identity endpoint.
const FIRST_VERSION: &str = "2018-02-01";

const KNOWN: [&str; 7] = [
    "api-version",
    "resource",
    "client_id",
    "object_id",
    "msi_res_id",
    "mi_res_id",
    "bypass_cache",
];

/// The names that choose an identity; they exclude one another.
const SELECTORS: [&str; 4] = ["client_id", "object_id", "msi_res_id", "mi_res_id"];

/// A well-formed token request.
pub(super) struct Request {
    pub(super) resource: String,
    /// The name as it stood in the query, and the value.
    selector: Option<(&'static str, String)>,
}

impl Request {
    pub(super) fn parse(query: &Query) -> Result<Self, Refusal> {
        let version = query.required("api-version")?;
        if !VERSIONS.contains(&version) || version < FIRST_VERSION {
            return Err(Refusal::invalid(
                "azure-sim: api-version is none that the identity endpoint has",
            ));
        }
        let resource = query.required("resource")?.to_owned();
        query.only(&KNOWN)?;
        if query
            .get("bypass_cache")
            .is_some_and(|value| value != "true")
        {
            return Err(Refusal::invalid(
                "azure-sim: the only legal value of bypass_cache is `true`",
            ));
        }
        Ok(Self {
            resource,
            selector: selector(query)?,
        })
    }

    pub(super) fn client_id(&self) -> Option<&str> {
        self.selector
            .as_ref()
            .filter(|(name, _)| *name == "client_id")
            .map(|(_, value)| value.as_str())
    }

    fn selects(&self, identity: &ManagedIdentity) -> bool {
        let Some((name, value)) = &self.selector else {
            return false;
        };
        let own = match *name {
            "client_id" => &identity.client_id,
            "object_id" => &identity.object_id,
            _ => &identity.resource_id,
        };
        own.eq_ignore_ascii_case(value)
    }
}

fn selector(query: &Query) -> Result<Option<(&'static str, String)>, Refusal> {
    let mut named = SELECTORS
        .into_iter()
        .filter_map(|name| Some((name, query.get(name)?.to_owned())));
    match (named.next(), named.next()) {
        (Some((name, value)), None) if value.is_empty() => Err(Refusal::invalid(format!(
            "azure-sim: query variable '{name}' is empty"
        ))),
        (first, None) => Ok(first),
        (_, Some(_)) => Err(Refusal::invalid(
            "azure-sim: client_id, object_id and msi_res_id exclude one another",
        )),
    }
}

/// The token, or the documented reason why there is none.
pub(super) fn reply(world: &World, request: &Request) -> Reply {
    let identities = world.directory.identities();
    let identity = match choose(&identities, request) {
        Ok(identity) => identity,
        Err(refusal) => return refusal.into(),
    };
    if !world.directory.has_resource(&request.resource) {
        return unknown_resource(&request.resource, world.directory.tenant()).into();
    }
    let minted = mint(world, identity, &request.resource);
    Reply::json(StatusCode::OK, &success(request, identity, &minted))
}

/// Without a name: the system-assigned identity if there is one, else the only user-assigned one, else an error
/// (Entra docs, managed identities FAQ).
fn choose<'a>(
    identities: &'a [ManagedIdentity],
    request: &Request,
) -> Result<&'a ManagedIdentity, Refusal> {
    if request.selector.is_some() {
        return identities
            .iter()
            .find(|one| request.selects(one))
            .ok_or_else(no_identity);
    }
    match identities {
        [] => Err(no_identity()),
        [only] => Ok(only),
        several => several.iter().find(|one| one.is_system_assigned()).ok_or_else(|| {
            Refusal::invalid(
                "Multiple user assigned identities exist, please specify the clientId / resourceId of the identity in \
                 the token request",
            )
        }),
    }
}

fn no_identity() -> Refusal {
    Refusal::invalid("Identity not found")
}

fn unknown_resource(resource: &str, tenant: &str) -> Refusal {
    let description = format!(
        "AADSTS500011: The resource principal named {resource} was not found in the tenant named {tenant}. This can \
         happen if the application has not been installed by the administrator of the tenant or consented to by any \
         user in the tenant. You might have sent your authentication request to the wrong tenant."
    );
    Refusal::oauth(StatusCode::BAD_REQUEST, "invalid_resource", description)
}

fn mint(world: &World, identity: &ManagedIdentity, resource: &str) -> Minted {
    let mirid = match identity.is_system_assigned() {
        true => super::metadata::VM_RESOURCE_ID,
        false => &identity.resource_id,
    };
    world.mint.mint(&Grant {
        resource,
        tenant: world.directory.tenant(),
        client_id: &identity.client_id,
        object_id: &identity.object_id,
        by_secret: false,
        version: "1.0",
        mirid: Some(mirid),
    })
}

/// All values are strings (the published OpenAPI file, and what the Rust SDK insists on).
fn success(request: &Request, identity: &ManagedIdentity, minted: &Minted) -> Value {
    let mut body = json!({
        "access_token": minted.token,
        "client_id": identity.client_id,
        "expires_in": minted.expires_in.to_string(),
        "expires_on": minted.expires_on.to_string(),
        "ext_expires_in": minted.expires_in.to_string(),
        "not_before": minted.not_before.to_string(),
        "resource": request.resource,
        "token_type": "Bearer",
    });
    // The OpenAPI file: object_id and msi_res_id "as specified in the request, if any".
    match &request.selector {
        Some(("object_id", value)) => body["object_id"] = json!(value),
        Some(("msi_res_id" | "mi_res_id", value)) => body["msi_res_id"] = json!(value),
        _ => {}
    }
    body
}

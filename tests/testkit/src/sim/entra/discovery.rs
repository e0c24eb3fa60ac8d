//! What a client reads before it asks, and a resource before it trusts: OpenID configuration, keys, instances.

use http::{Method, StatusCode};
use serde_json::{Value, json};

use super::errors::{Refusal, not_found};
use crate::sim::World;
use crate::sim::reply::Reply;
use crate::sim::serve::Visit;

/// A document, of a tenant where it has one.
pub(super) enum Document<'a> {
    Configuration { tenant: &'a str, v2: bool },
    Keys,
    Instances,
}

impl<'a> Document<'a> {
    pub(super) fn of(segments: &[&'a str]) -> Option<Self> {
        match segments {
            [tenant, ".well-known", "openid-configuration"] => {
                Some(Self::Configuration { tenant, v2: false })
            }
            [tenant, "v2.0", ".well-known", "openid-configuration"] => {
                Some(Self::Configuration { tenant, v2: true })
            }
            [_, "discovery", "keys"] | [_, "discovery", "v2.0", "keys"] => Some(Self::Keys),
            ["common", "discovery", "instance"] => Some(Self::Instances),
            _ => None,
        }
    }

    pub(super) fn reply(&self, world: &World, visit: &Visit) -> Reply {
        if visit.head.method != Method::GET {
            return not_found();
        }
        match self {
            Self::Configuration { tenant, .. } if !world.directory.has_tenant(tenant) => {
                Refusal::new(90_002, format!("Tenant '{tenant}' not found.")).into_reply(None)
            }
            Self::Configuration { tenant, v2 } => {
                Reply::json(StatusCode::OK, &configuration(world, tenant, *v2))
            }
            Self::Keys => Reply::json(StatusCode::OK, world.mint.jwks()),
            Self::Instances => Reply::json(StatusCode::OK, &instances(world)),
        }
    }
}

fn configuration(world: &World, tenant: &str, v2: bool) -> Value {
    let base = format!("{}{tenant}", world.entra_url);
    let (oauth, discovery, version) = match v2 {
        true => ("oauth2/v2.0", "discovery/v2.0", "2.0"),
        false => ("oauth2", "discovery", "1.0"),
    };
    json!({
        "issuer": world.mint.issuer(tenant, version),
        "authorization_endpoint": format!("{base}/{oauth}/authorize"),
        "token_endpoint": format!("{base}/{oauth}/token"),
        "jwks_uri": format!("{base}/{discovery}/keys"),
        "token_endpoint_auth_methods_supported": ["client_secret_post", "private_key_jwt"],
        "response_types_supported": ["code"],
        "subject_types_supported": ["pairwise"],
        "id_token_signing_alg_values_supported": ["RS256"],
    })
}

/// MSAL asks whether a host it does not know is an Entra instance.
fn instances(world: &World) -> Value {
    let tenant = world.directory.tenant();
    let hosts = &world.entra_hosts;
    json!({
        "tenant_discovery_endpoint": format!("{}{tenant}/v2.0/.well-known/openid-configuration", world.entra_url),
        "api-version": "1.1",
        "metadata": [{"preferred_network": hosts[0], "preferred_cache": hosts[0], "aliases": hosts}],
    })
}

//! An AzureIdentity, parsed once into what can be used.

use std::fmt;
use std::sync::Arc;

use podgate_api::{AzureIdentity, ClientId, IdentityType, ResourceId, TenantId, is_namespaced};
use podgate_azure::cloud::{Authority, AuthorityHosts};
use thiserror::Error;

use super::ObjectRef;
use super::object::{hash, is_name};

/// Auxiliary tenants that one identity may name, as the old gateway's library allowed.
const MAX_AUXILIARY_TENANTS: usize = 3;

/// What makes an identity usable on this gateway.
#[derive(Clone, Debug)]
pub struct IdentityRules {
    /// The authority of identities without `adEndpoint`.
    pub authority: Authority,
    /// Where a credential may be sent. Whoever may write an AzureIdentity chooses `adEndpoint`, so an
    /// unlimited one would carry any secret the gateway can read to any host.
    pub hosts: AuthorityHosts,
    /// An identity may name a Secret of another namespace. Off, since it lets whoever may write
    /// identities in one namespace use the secrets of all.
    pub foreign_secrets: bool,
}

/// A usable identity.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Identity {
    /// Namespace and name of the AzureIdentity.
    pub object: ObjectRef,
    /// Distinguishes identities and their editions in the token cache: uid and a hash of the spec.
    pub edition: Arc<str>,
    /// Bound to pods of its own namespace only, by its annotation.
    pub namespaced: bool,
    /// How it gets its tokens.
    pub way: Way,
}

/// The three types of AzureIdentity.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Way {
    /// Type 0: a user-assigned managed identity, through the node's IMDS. At least one id is there.
    Managed {
        /// `spec.clientID`
        client_id: Option<ClientId>,
        /// `spec.resourceID`
        resource_id: Option<ResourceId>,
    },
    /// Type 1: a service principal with a client secret.
    Secret(ServicePrincipal),
    /// Type 2: a service principal with a certificate.
    Certificate(ServicePrincipal),
    /// Type 2 without a Secret: an application that trusts what a credential plugin has of its own.
    Federated(Application),
}

/// An application in Entra ID.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Application {
    /// `spec.clientID`
    pub client_id: ClientId,
    /// `spec.tenantID`
    pub tenant: TenantId,
    /// `spec.adEndpoint` or the cloud's.
    pub authority: Authority,
}

/// What types 1 and 2 share.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ServicePrincipal {
    /// `spec.clientID`
    pub client_id: ClientId,
    /// `spec.tenantID`
    pub tenant: TenantId,
    /// `spec.auxiliaryTenantIDs`, type 1 only.
    pub auxiliary_tenants: Vec<TenantId>,
    /// `spec.adEndpoint` or the cloud's.
    pub authority: Authority,
    /// `spec.clientPassword`
    pub secret: ObjectRef,
}

/// Why an AzureIdentity cannot be used.
#[derive(Clone, Debug, Error, PartialEq, Eq)]
#[error("AzureIdentity {object} cannot be used: {problem}")]
pub struct InvalidIdentity {
    /// Namespace and name.
    pub object: ObjectRef,
    /// The field, what is wrong with it and what would be right.
    pub problem: String,
}

// === impl Identity ===

impl Identity {
    /// Parses the object as it is on the wire.
    ///
    /// # Errors
    /// The first field that cannot be used, by name.
    pub fn parse(wire: &AzureIdentity, rules: &IdentityRules) -> Result<Self, InvalidIdentity> {
        let object = ObjectRef::of(&wire.metadata);
        let way = way(wire, &object, rules).map_err(|problem| InvalidIdentity {
            object: object.clone(),
            problem,
        })?;
        let uid = wire.metadata.uid.as_deref().unwrap_or("standalone");
        Ok(Self {
            edition: format!("{object}/{uid}/{:016x}", hash(&format!("{way:?}"))).into(),
            namespaced: is_namespaced(wire),
            object,
            way,
        })
    }

    /// The client id, where the identity has one.
    pub fn client_id(&self) -> Option<&ClientId> {
        match &self.way {
            Way::Managed { client_id, .. } => client_id.as_ref(),
            Way::Secret(principal) | Way::Certificate(principal) => Some(&principal.client_id),
            Way::Federated(application) => Some(&application.client_id),
        }
    }

    /// The ARM resource id, of a managed identity.
    pub fn resource_id(&self) -> Option<&ResourceId> {
        match &self.way {
            Way::Managed { resource_id, .. } => resource_id.as_ref(),
            Way::Secret(_) | Way::Certificate(_) | Way::Federated(_) => None,
        }
    }

    /// The Secret that holds its credential.
    pub fn secret(&self) -> Option<&ObjectRef> {
        match &self.way {
            Way::Managed { .. } | Way::Federated(_) => None,
            Way::Secret(principal) | Way::Certificate(principal) => Some(&principal.secret),
        }
    }
}

impl fmt::Display for Identity {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "AzureIdentity {}", self.object)
    }
}

fn way(wire: &AzureIdentity, object: &ObjectRef, rules: &IdentityRules) -> Result<Way, String> {
    match wire.spec.identity_type {
        IdentityType::UserAssignedManagedIdentity => managed(wire),
        IdentityType::ServicePrincipal => Ok(Way::Secret(principal(wire, object, rules)?)),
        IdentityType::ServicePrincipalCertificate if names_no_secret(wire) => {
            Ok(Way::Federated(application(wire, rules)?))
        }
        // The old gateway passed over auxiliary tenants here, so they are no mistake.
        IdentityType::ServicePrincipalCertificate => {
            Ok(Way::Certificate(principal(wire, object, rules)?))
        }
        IdentityType::Unknown(other) => Err(format!(
            "spec.type: {other} is unknown; use 0 (managed identity), 1 (client secret) or 2 (certificate)"
        )),
    }
}

fn managed(wire: &AzureIdentity) -> Result<Way, String> {
    let client_id = optional(&wire.spec.client_id)
        .map(|text| parse("spec.clientID", text))
        .transpose()?;
    // The old gateway never read the resource id in managed mode, so a malformed one only goes unused.
    let resource_id = optional(&wire.spec.resource_id).and_then(|text| text.parse().ok());
    if client_id.is_none() && resource_id.is_none() {
        return Err(
            "neither spec.clientID nor a well-formed spec.resourceID is there; set clientID to the \
             identity's client id (field names are case-sensitive: `clientID`, not `ClientID`)"
                .into(),
        );
    }
    Ok(Way::Managed {
        client_id,
        resource_id,
    })
}

fn principal(
    wire: &AzureIdentity,
    object: &ObjectRef,
    rules: &IdentityRules,
) -> Result<ServicePrincipal, String> {
    let spec = &wire.spec;
    Ok(ServicePrincipal {
        client_id: parse("spec.clientID", required("spec.clientID", &spec.client_id)?)?,
        tenant: parse("spec.tenantID", required("spec.tenantID", &spec.tenant_id)?)?,
        auxiliary_tenants: auxiliary_tenants(&spec.auxiliary_tenant_ids)?,
        authority: authority(&spec.ad_endpoint, rules)?,
        secret: secret(wire, object, rules)?,
    })
}

fn application(wire: &AzureIdentity, rules: &IdentityRules) -> Result<Application, String> {
    let spec = &wire.spec;
    Ok(Application {
        client_id: parse("spec.clientID", required("spec.clientID", &spec.client_id)?)?,
        tenant: parse("spec.tenantID", required("spec.tenantID", &spec.tenant_id)?)?,
        authority: authority(&spec.ad_endpoint, rules)?,
    })
}

/// Nothing of it: half a reference is a mistake.
fn names_no_secret(wire: &AzureIdentity) -> bool {
    let reference = wire.spec.client_password.as_ref();
    reference.is_none_or(|reference| {
        optional(&reference.name).is_none() && optional(&reference.namespace).is_none()
    })
}

fn auxiliary_tenants(texts: &[String]) -> Result<Vec<TenantId>, String> {
    if texts.len() > MAX_AUXILIARY_TENANTS {
        return Err(format!(
            "spec.auxiliaryTenantIDs: {} tenants, at most {MAX_AUXILIARY_TENANTS} are allowed",
            texts.len()
        ));
    }
    texts
        .iter()
        .map(|text| parse("spec.auxiliaryTenantIDs", text))
        .collect()
}

fn authority(endpoint: &Option<String>, rules: &IdentityRules) -> Result<Authority, String> {
    let Some(text) = optional(endpoint) else {
        return Ok(rules.authority.clone());
    };
    let authority: Authority = parse("spec.adEndpoint", text)?;
    if rules.hosts.permits(&authority) {
        Ok(authority)
    } else {
        Err(format!(
            "spec.adEndpoint: {authority} is no known login host; an operator who trusts it adds \
             --authority-hosts to the gateway"
        ))
    }
}

fn secret(
    wire: &AzureIdentity,
    object: &ObjectRef,
    rules: &IdentityRules,
) -> Result<ObjectRef, String> {
    let reference = wire.spec.client_password.as_ref();
    let name = reference
        .and_then(|reference| optional(&reference.name))
        .ok_or("spec.clientPassword.name: missing; name the Secret that holds the credential")?;
    let namespace = reference
        .and_then(|reference| optional(&reference.namespace))
        .unwrap_or(&object.namespace);
    if !is_name(name) || !is_name(namespace) {
        return Err(
            "spec.clientPassword: name or namespace is no name that a Secret can have".into(),
        );
    }
    if namespace != object.namespace && !rules.foreign_secrets {
        return Err(format!(
            "spec.clientPassword.namespace: {namespace} is not the identity's own namespace; move the \
             Secret, or start the gateway with --allow-foreign-secrets"
        ));
    }
    Ok(ObjectRef::new(namespace, name))
}

/// The empty string and a missing field are one on the wire.
fn optional(field: &Option<String>) -> Option<&str> {
    field
        .as_deref()
        .map(str::trim)
        .filter(|text| !text.is_empty())
}

fn required<'a>(name: &str, field: &'a Option<String>) -> Result<&'a str, String> {
    optional(field).ok_or_else(|| format!("{name}: missing; {CASING_HINT}"))
}

/// The mistake that v1.6 of the old project made common.
const CASING_HINT: &str = "field names are case-sensitive and lower-camel (`clientID`)";

fn parse<T: std::str::FromStr>(name: &str, text: &str) -> Result<T, String>
where
    T::Err: fmt::Display,
{
    text.parse().map_err(|error| format!("{name}: {error}"))
}

#[cfg(test)]
mod tests;

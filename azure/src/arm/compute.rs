//! A virtual machine or scale set as ARM shows it: what of it concerns identities.

use std::collections::{BTreeMap, HashMap};
use std::fmt;

use podgate_api::{ClientId, ObjectId, ResourceId};
use serde::Deserialize;

use super::id::ComputeId;

/// Longest etag that is kept, in bytes. ARM's are a number or a GUID in quotes.
const MAX_ETAG: usize = 256;

/// Which identities a virtual machine or scale set has: `identity.type`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum IdentityType {
    /// None at all.
    #[default]
    None,
    /// The one that lives and dies with the resource. Never podgate's to add or take.
    SystemAssigned,
    /// One or more of their own.
    UserAssigned,
    /// Both.
    Both,
}

/// What has become of the last change of the resource: `properties.provisioningState`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum ProvisioningState {
    /// It came to its end.
    Succeeded,
    /// It did not, and nothing is under way.
    Failed,
    /// It was given up, and nothing is under way.
    Canceled,
    /// A change is under way.
    Updating,
    /// The resource is going: no change is taken any more.
    Deleting,
}

/// What ARM says of an identity that is on the resource. Both are missing while it is being assigned, and stay
/// missing where the identity was deleted without being taken off.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct AssignedIds {
    /// The client id.
    pub client_id: Option<ClientId>,
    /// The principal's object id.
    pub principal_id: Option<ObjectId>,
}

/// An etag: unchanged since it was read, if ARM still has the same. Opaque.
#[derive(Clone, PartialEq, Eq)]
pub struct Etag(String);

/// A virtual machine or scale set.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Compute {
    /// Which one.
    pub id: ComputeId,
    /// The region: `westeurope`.
    pub location: String,
    /// Whether a change is under way.
    pub state: ProvisioningState,
    /// There since the API of 2023-09-01.
    pub etag: Option<Etag>,
    /// Which kinds of identities it has.
    pub identity: IdentityType,
    /// The user-assigned ones.
    pub user_assigned: BTreeMap<ResourceId, AssignedIds>,
    /// User-assigned ones whose ids are not of the known form. They are never touched, but they are there.
    pub unreadable: usize,
}

// === impl IdentityType ===

impl IdentityType {
    /// The type of a resource with or without each of the two.
    pub fn of(system: bool, user: bool) -> Self {
        match (system, user) {
            (false, false) => Self::None,
            (true, false) => Self::SystemAssigned,
            (false, true) => Self::UserAssigned,
            (true, true) => Self::Both,
        }
    }

    /// Whether the system-assigned identity is on.
    pub fn has_system_assigned(self) -> bool {
        matches!(self, Self::SystemAssigned | Self::Both)
    }

    /// As ARM writes it.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::None => "None",
            Self::SystemAssigned => "SystemAssigned",
            Self::UserAssigned => "UserAssigned",
            Self::Both => "SystemAssigned, UserAssigned",
        }
    }

    /// ARM writes `SystemAssigned, UserAssigned`, some of its documents `SystemAssigned,UserAssigned`.
    fn read(text: &str) -> Option<Self> {
        let (mut system, mut user) = (false, false);
        for word in text.split(',').map(str::trim) {
            match word.to_ascii_lowercase().as_str() {
                "systemassigned" => system = true,
                "userassigned" => user = true,
                "none" | "" => {}
                _ => return None,
            }
        }
        Some(Self::of(system, user))
    }
}

// === impl ProvisioningState ===

impl ProvisioningState {
    /// Whatever is no end is a change that is under way: `Creating`, `Migrating`, and what is yet to come.
    pub(super) fn read(text: &str) -> Self {
        match text.to_ascii_lowercase().as_str() {
            "succeeded" => Self::Succeeded,
            "failed" => Self::Failed,
            "canceled" | "cancelled" => Self::Canceled,
            "deleting" => Self::Deleting,
            _ => Self::Updating,
        }
    }
}

// === impl Etag ===

impl Etag {
    fn read(text: String) -> Option<Self> {
        let fits = (1..=MAX_ETAG).contains(&text.len());
        (fits && text.bytes().all(|byte| byte.is_ascii_graphic())).then_some(Self(text))
    }

    /// For an `If-Match`.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for Etag {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Etag({})", self.0)
    }
}

// === impl Compute ===

#[derive(Deserialize)]
struct Body {
    #[serde(default)]
    location: String,
    #[serde(default)]
    etag: Option<String>,
    #[serde(default)]
    identity: Option<Identity>,
    properties: Properties,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Properties {
    provisioning_state: String,
}

#[derive(Default, Deserialize)]
#[serde(rename_all = "camelCase")]
struct Identity {
    #[serde(default, rename = "type")]
    kind: Option<String>,
    #[serde(default)]
    user_assigned_identities: Option<HashMap<String, Option<Ids>>>,
}

#[derive(Default, Deserialize)]
#[serde(rename_all = "camelCase")]
struct Ids {
    #[serde(default)]
    client_id: Option<String>,
    #[serde(default)]
    principal_id: Option<String>,
}

impl Compute {
    /// Reads the body of a success.
    ///
    /// # Errors
    /// What is wrong with it.
    pub(super) fn read(id: &ComputeId, body: &[u8]) -> Result<Self, &'static str> {
        let body: Body = serde_json::from_slice(body)
            .map_err(|_| "the answer is no JSON object of a virtual machine or scale set")?;
        let identity = body.identity.unwrap_or_default();
        let listed = identity.user_assigned_identities.unwrap_or_default();
        let total = listed.len();
        let user_assigned: BTreeMap<_, _> = listed.into_iter().filter_map(assigned).collect();
        let kind = IdentityType::read(&identity.kind.unwrap_or_default())
            .ok_or("the answer has an identity type that is not known")?;
        Ok(Self {
            id: id.clone(),
            location: body
                .location
                .chars()
                .filter(|c| c.is_ascii_alphanumeric())
                .take(64)
                .collect(),
            state: ProvisioningState::read(&body.properties.provisioning_state),
            etag: body.etag.and_then(Etag::read),
            identity: IdentityType::of(kind.has_system_assigned(), total > 0),
            unreadable: total - user_assigned.len(),
            user_assigned,
        })
    }

    /// Whether this identity is on it.
    pub fn has(&self, identity: &ResourceId) -> bool {
        self.user_assigned.contains_key(identity)
    }
}

/// The type alone does not say whether there are any: ARM has shown `UserAssigned` with an empty list.
fn assigned((id, ids): (String, Option<Ids>)) -> Option<(ResourceId, AssignedIds)> {
    let ids = ids.unwrap_or_default();
    let known = AssignedIds {
        client_id: ids.client_id.and_then(|id| id.parse().ok()),
        principal_id: ids.principal_id.and_then(|id| id.parse().ok()),
    };
    Some((id.parse().ok()?, known))
}

#[cfg(test)]
mod tests;

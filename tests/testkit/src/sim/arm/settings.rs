//! What ARM is told at the start.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::fleet::Fleet;
use crate::ManagedIdentity;

/// Azure's audiences for ARM; with and without a slash are both taken.
const AUDIENCES: [&str; 2] = [
    "https://management.azure.com",
    "https://management.core.windows.net",
];

/// ARM's resources, rules and times.
#[derive(Clone, Debug, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct ArmSettings {
    /// What a token must be for, compared without a trailing slash.
    pub audiences: Vec<String>,
    /// Many virtual machines, scale sets and identities, beside those that are listed.
    pub fleet: Option<Fleet>,
    /// The virtual machines and scale sets.
    pub computes: Vec<Compute>,
    /// The user-assigned identities that exist; each needs a `resource_id`.
    pub identities: Vec<ManagedIdentity>,
    /// Those of them that nobody may assign: the role Managed Identity Operator is missing.
    pub unassignable: Vec<String>,
    /// Client ids that may change virtual machines and scale sets (Virtual Machine Contributor). `None`: everybody.
    pub writers: Option<Vec<String>>,
    /// Client ids that may list virtual machines and scale sets (Reader). `None`: everybody.
    pub readers: Option<Vec<String>>,
    /// How many are on a page of a list. `None`: all.
    pub page_size: Option<usize>,
    /// How long a change takes, milliseconds. 0: it is done when it is answered. Azure takes 10 to 60 s.
    pub operation_ms: u64,
    /// Time does not pass by itself, for operations, deletions and throttling buckets, but by `advance`.
    pub manual_time: bool,
    /// A change takes the place of one that is under way, which ends `Canceled` (`OperationPreempted`) and without
    /// effect. Otherwise the second one is a conflict.
    pub preempts: bool,
    /// `Retry-After` of a change and of each poll, seconds. `None`: not sent.
    pub retry_after_seconds: Option<u64>,
    /// The length of a minute of the throttling buckets, milliseconds.
    pub minute_ms: u64,
    /// Buckets that are not as documented.
    pub buckets: BTreeMap<ArmLimit, ArmBucket>,
    /// Which virtual machine or scale set each node is, by the node's name.
    pub nodes: BTreeMap<String, String>,
    /// The node whose IMDS this simulation is: it then has the identities that ARM gave that node, and no others.
    /// `None`: IMDS has the `managed_identities`.
    pub imds_node: Option<String>,
}

impl Default for ArmSettings {
    fn default() -> Self {
        Self {
            audiences: AUDIENCES.map(str::to_owned).to_vec(),
            fleet: None,
            computes: Vec::new(),
            identities: Vec::new(),
            unassignable: Vec::new(),
            writers: None,
            readers: None,
            page_size: None,
            operation_ms: 15_000,
            manual_time: false,
            preempts: false,
            retry_after_seconds: Some(5),
            minute_ms: 60_000,
            buckets: BTreeMap::new(),
            nodes: BTreeMap::new(),
            imds_node: None,
        }
    }
}

/// One virtual machine or scale set.
#[derive(Clone, Debug, Default, Deserialize, Serialize, PartialEq, Eq)]
#[serde(deny_unknown_fields)]
pub struct Compute {
    /// Its ARM id: `/subscriptions/…/providers/Microsoft.Compute/virtualMachineScaleSets/…` or `…/virtualMachines/…`.
    pub id: String,
    /// The region; `westeurope` where it is not said.
    #[serde(default = "region")]
    pub location: String,
    /// Its system-assigned identity, if that is on.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub system_assigned: Option<SystemIdentity>,
    /// Resource ids of the user-assigned identities that are on it.
    #[serde(default)]
    pub identities: Vec<String>,
    /// `Succeeded`, `Updating`, `Failed`, `Deleting`.
    #[serde(default = "succeeded")]
    pub state: String,
}

/// A system-assigned identity.
#[derive(Clone, Debug, Default, Deserialize, Serialize, PartialEq, Eq)]
#[serde(deny_unknown_fields)]
pub struct SystemIdentity {
    /// The application (client) id.
    pub client_id: String,
    /// The principal (object) id.
    pub object_id: String,
}

fn region() -> String {
    "westeurope".to_owned()
}

fn succeeded() -> String {
    "Succeeded".to_owned()
}

/// The throttling policies. Compute's are documented; their names on the wire are not, so these are azure-sim's.
#[derive(Clone, Copy, Debug, Deserialize, Serialize, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[serde(rename_all = "snake_case")]
pub enum ArmLimit {
    /// Low Cost Get of one scale set.
    ScaleSetGet,
    /// Low Cost Get of all scale sets of a subscription in a region.
    ScaleSetGetAll,
    /// Update of one scale set.
    ScaleSetUpdate,
    /// Update of all scale sets of a subscription in a region.
    ScaleSetUpdateAll,
    /// Low Cost Get of one virtual machine.
    MachineGet,
    /// Low Cost Get of all virtual machines of a subscription in a region.
    MachineGetAll,
    /// Update of one virtual machine.
    MachineUpdate,
    /// Update of all virtual machines of a subscription in a region.
    MachineUpdateAll,
    /// Get Operation of one resource's operations.
    Operation,
    /// Get Operation of a subscription in a region.
    OperationAll,
    /// Reads of a subscription by one principal, at the front door.
    Reads,
    /// Writes of a subscription by one principal, at the front door.
    Writes,
}

/// A token bucket.
#[derive(Clone, Copy, Debug, Deserialize, Serialize, PartialEq, Eq)]
#[serde(deny_unknown_fields)]
pub struct ArmBucket {
    /// Tokens of a full one.
    pub capacity: u32,
    /// Tokens that come every minute.
    pub per_minute: u32,
}

impl ArmLimit {
    /// The documented bucket.
    pub fn documented(self) -> ArmBucket {
        let (capacity, per_minute) = match self {
            Self::ScaleSetGet | Self::MachineGet => (36, 12),
            Self::ScaleSetUpdate | Self::MachineUpdate => (12, 4),
            Self::ScaleSetGetAll => (2_400, 800),
            Self::MachineGetAll => (24_000, 8_000),
            Self::ScaleSetUpdateAll | Self::MachineUpdateAll => (1_500, 500),
            Self::Operation => (45, 15),
            Self::OperationAll => (15_000, 5_000),
            Self::Reads => (250, 1_500),
            Self::Writes => (200, 600),
        };
        ArmBucket {
            capacity,
            per_minute,
        }
    }

    /// Whether it is one of the front door's, which name themselves in another header.
    pub(super) fn is_front_door(self) -> bool {
        matches!(self, Self::Reads | Self::Writes)
    }

    /// As it stands in headers and errors.
    pub(super) fn name(self) -> &'static str {
        match self {
            Self::ScaleSetGet => "GetVMScaleSetResource",
            Self::ScaleSetGetAll => "GetVMScaleSetSubscription",
            Self::ScaleSetUpdate => "UpdateVMScaleSetResource",
            Self::ScaleSetUpdateAll => "UpdateVMScaleSetSubscription",
            Self::MachineGet => "GetVMResource",
            Self::MachineGetAll => "GetVMSubscription",
            Self::MachineUpdate => "UpdateVMResource",
            Self::MachineUpdateAll => "UpdateVMSubscription",
            Self::Operation => "GetOperationResource",
            Self::OperationAll => "GetOperationSubscription",
            Self::Reads => "reads",
            Self::Writes => "writes",
        }
    }
}

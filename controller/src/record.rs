//! AzureAssignedIdentity: what it says, and how it is written.
//!
//! Everything that must outlive the controller's process stands in the record itself, before Azure is asked for it: which
//! virtual machine or scale set holds the identity, and what the record held before it was changed. Both are annotations,
//! which the old controller passes over, so either may take over the other's records.

use std::collections::BTreeMap;
use std::sync::Arc;

use k8s_openapi::apimachinery::pkg::apis::meta::v1::ObjectMeta;
use podgate_api::{
    ASSIGNED_FINALIZER, AssignedState, AzureAssignedIdentity, AzureAssignedIdentitySpec,
    AzureAssignedIdentityStatus, ClientId, NODE_LABEL, ObjectRef, ResourceId,
};
use podgate_azure::arm::ComputeId;

use crate::index::{client_id, edition, resource};
use crate::matching::Assignment;

/// The ARM id of what holds the identity: a node that is gone no longer tells.
pub const COMPUTE_ANNOTATION: &str = "podgate.io/compute";

/// What the record held before its identity or its pod's node changed, and still has to be let go: lines of an ARM id of a
/// virtual machine or scale set, a space, and the ARM id of an identity.
pub const RELEASES_ANNOTATION: &str = "podgate.io/releases";

/// What the old controller writes, and nobody reads.
const REPLICAS: i32 = 1;

/// An identity on a virtual machine or scale set.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Hold {
    /// What holds it.
    pub compute: ComputeId,
    /// What is held.
    pub resource: ResourceId,
}

/// A record, as far as the controller needs it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Record {
    /// Namespace and name.
    pub object: ObjectRef,
    /// `metadata.uid`
    pub uid: String,
    /// `metadata.resourceVersion`
    pub version: String,
    /// How far the assignment is.
    pub state: AssignedState,
    /// Somebody deleted it, and the finalizer keeps it.
    pub deleting: bool,
    /// The controller's finalizer is there.
    pub finalized: bool,
    /// Whom it is for.
    pub pod: ObjectRef,
    /// The pod's node.
    pub node: String,
    /// The AzureIdentity that it embeds.
    pub identity: ObjectRef,
    /// Which edition of it.
    pub edition: u64,
    /// What the node holds: nothing for a service principal, nor where the embedded identity has no usable id.
    pub resource: Option<ResourceId>,
    /// The client id of the embedded identity.
    pub client_id: Option<ClientId>,
    /// The AzureIdentityBinding that it embeds.
    pub binding: ObjectRef,
    /// Where, by its annotation; records of the old controller have none.
    pub compute: Option<ComputeId>,
    /// What is still to be let go.
    pub releases: Vec<Hold>,
    /// What other people wrote into its metadata: nothing, nearly always.
    others: Option<Box<Others>>,
}

/// Metadata of a record that is not the controller's, and stays as it is.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Others {
    /// `metadata.finalizers` without the controller's.
    pub finalizers: Vec<String>,
    labels: BTreeMap<String, String>,
    annotations: BTreeMap<String, String>,
}

// === impl Record ===

impl Record {
    /// Reads one, podgate's own or the old controller's.
    pub fn read(wire: &AzureAssignedIdentity) -> Arc<Self> {
        let (metadata, spec) = (&wire.metadata, &wire.spec);
        let identity = &spec.azure_identity_ref;
        let annotation = |name: &str| metadata.annotations.as_ref()?.get(name);
        let finalizers = metadata.finalizers.iter().flatten();
        let others = Others::of(metadata);
        Arc::new(Self {
            object: ObjectRef::of(metadata),
            uid: metadata.uid.clone().unwrap_or_default(),
            version: metadata.resource_version.clone().unwrap_or_default(),
            state: wire.state(),
            deleting: metadata.deletion_timestamp.is_some(),
            finalized: finalizers
                .into_iter()
                .any(|name| name == ASSIGNED_FINALIZER),
            pod: ObjectRef::new(&spec.pod_namespace, &spec.pod),
            node: spec.node_name.clone(),
            identity: ObjectRef::of(&identity.metadata),
            edition: edition(&identity.spec),
            resource: resource(&identity.spec).ok().flatten(),
            client_id: client_id(&identity.spec),
            binding: ObjectRef::of(&spec.azure_binding_ref.metadata),
            compute: annotation(COMPUTE_ANNOTATION).and_then(|text| text.parse().ok()),
            releases: annotation(RELEASES_ANNOTATION).map_or_else(Vec::new, |text| parse(text)),
            others: (others != Others::default()).then(|| Box::new(others)),
        })
    }

    /// What other people wrote into its metadata.
    pub fn others(&self) -> &Others {
        static NOTHING: Others = Others {
            finalizers: Vec::new(),
            labels: BTreeMap::new(),
            annotations: BTreeMap::new(),
        };
        self.others.as_deref().unwrap_or(&NOTHING)
    }

    /// `metadata.finalizers` as they are to be.
    pub fn finalizers(&self) -> Vec<String> {
        let mut finalizers = self.others().finalizers.clone();
        finalizers.push(ASSIGNED_FINALIZER.to_owned());
        finalizers
    }

    /// Whether the record says what is wanted, whatever its state.
    pub fn says(&self, wanted: &Assignment) -> bool {
        let elsewhere = self.compute.is_some() && self.compute.as_ref() != wanted.compute();
        self.pod == wanted.pod
            && self.node == wanted.node
            && self.identity == wanted.identity.object
            && self.edition == wanted.identity.edition
            && self.binding == wanted.binding.object
            && !elsewhere
    }

    /// Whether this edition is a later one. The API server's versions are numbers that grow, by its documents
    /// ("Resource versions", Kubernetes API concepts); where they are not, nothing is later.
    pub fn is_newer_than(&self, other: &Self) -> bool {
        let number = |record: &Self| record.version.parse::<u64>().ok();
        self.uid == other.uid
            && number(self)
                .zip(number(other))
                .is_some_and(|(own, other)| own > other)
    }
}

impl Others {
    fn of(metadata: &ObjectMeta) -> Self {
        let without = |all: &Option<BTreeMap<String, String>>, own: &[&str]| {
            let all = all.iter().flatten();
            all.filter(|(name, _)| !own.contains(&name.as_str()))
                .map(|(name, text)| (name.clone(), text.clone()))
                .collect()
        };
        let finalizers = metadata.finalizers.iter().flatten();
        Self {
            finalizers: finalizers
                .filter(|name| *name != ASSIGNED_FINALIZER)
                .cloned()
                .collect(),
            labels: without(&metadata.labels, &[NODE_LABEL]),
            annotations: without(
                &metadata.annotations,
                &[COMPUTE_ANNOTATION, RELEASES_ANNOTATION],
            ),
        }
    }
}

/// The record of an assignment. With `before` it replaces that one: the same object, of which nothing is lost that
/// still has to be let go, nor what other people wrote into its metadata.
pub fn write(
    wanted: &Assignment,
    state: AssignedState,
    before: Option<(&Record, &[Hold])>,
) -> AzureAssignedIdentity {
    let spec = AzureAssignedIdentitySpec {
        azure_identity_ref: wanted.identity.wire.clone(),
        azure_binding_ref: wanted.binding.wire.clone(),
        pod: wanted.pod.name.clone(),
        pod_namespace: wanted.pod.namespace.clone(),
        node_name: wanted.node.clone(),
        replicas: None,
    };
    let mut record = AzureAssignedIdentity::new(&wanted.record.name, spec);
    record.metadata = metadata(wanted, before);
    record.status = Some(AzureAssignedIdentityStatus {
        status: state.as_str().to_owned(),
        available_replicas: Some(REPLICAS),
    });
    record
}

fn metadata(wanted: &Assignment, before: Option<(&Record, &[Hold])>) -> ObjectMeta {
    let releases = before.map_or(&[] as &[Hold], |(_, releases)| releases);
    let mut metadata = ObjectMeta {
        name: Some(wanted.record.name.clone()),
        namespace: Some(wanted.record.namespace.clone()),
        labels: Some([(NODE_LABEL.to_owned(), wanted.node.clone())].into()),
        annotations: Some(annotations(wanted, releases)),
        finalizers: Some(vec![ASSIGNED_FINALIZER.to_owned()]),
        ..ObjectMeta::default()
    };
    if let Some((before, _)) = before {
        let others = before.others().clone();
        metadata.uid = Some(before.uid.clone());
        metadata.resource_version = Some(before.version.clone());
        metadata.finalizers = Some(before.finalizers());
        metadata
            .labels
            .get_or_insert_default()
            .extend(others.labels);
        let annotations = metadata.annotations.get_or_insert_default();
        annotations.extend(others.annotations);
    }
    metadata
}

fn annotations(wanted: &Assignment, releases: &[Hold]) -> BTreeMap<String, String> {
    let compute = wanted
        .compute()
        .map(|compute| (COMPUTE_ANNOTATION.to_owned(), compute.as_str().to_owned()));
    let releases = (!releases.is_empty()).then(|| (RELEASES_ANNOTATION.to_owned(), text(releases)));
    compute.into_iter().chain(releases).collect()
}

/// The text of [`RELEASES_ANNOTATION`].
pub fn text(releases: &[Hold]) -> String {
    let lines: Vec<String> = releases
        .iter()
        .map(|hold| format!("{} {}", hold.compute.as_str(), hold.resource))
        .collect();
    lines.join("\n")
}

/// What cannot be read was not written by the controller, and is passed over.
fn parse(text: &str) -> Vec<Hold> {
    let hold = |line: &str| {
        let (compute, resource) = line.split_once(' ')?;
        Some(Hold {
            compute: compute.parse().ok()?,
            resource: resource.parse().ok()?,
        })
    };
    text.lines().filter_map(hold).collect()
}

#[cfg(test)]
mod tests;

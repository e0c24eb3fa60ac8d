//! What people are told, as Events of Kubernetes.

use podgate_api::ObjectRef;
use podgate_azure::arm::{ArmError, ComputeId};

use crate::index::InvalidIdentity;
use crate::matching::{About, Assignment, Problem};
use crate::record::Record;

/// An Event to be written.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Notice {
    /// What it is about.
    pub subject: Subject,
    /// Whether somebody has to do something.
    pub is_warning: bool,
    /// One of the old controller's reasons where it had one: people search for them.
    pub reason: &'static str,
    /// What happened, and what to do.
    pub message: String,
}

/// What an Event is about.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Subject {
    /// `Pod`, `Node`, `AzureIdentity`, `AzureIdentityBinding` or `AzureAssignedIdentity`
    pub kind: &'static str,
    /// `v1`, or `aadpodidentity.k8s.io/v1`
    pub api_version: &'static str,
    /// Namespace and name; a node's namespace is empty.
    pub object: ObjectRef,
    /// `metadata.uid`; `kubectl describe` finds Events by it.
    pub uid: String,
}

const APPLIED: &str = "binding applied";
const APPLY_ERROR: &str = "binding apply error";
const REMOVED: &str = "binding removed";
const REMOVE_ERROR: &str = "binding remove error";
const STATUS_ERROR: &str = "status update error";

/// The group's version, for Events.
pub(super) const GROUP: &str = "aadpodidentity.k8s.io/v1";

impl Notice {
    fn warning(subject: Subject, reason: &'static str, message: String) -> Self {
        Self {
            subject,
            is_warning: true,
            reason,
            message,
        }
    }

    fn normal(subject: Subject, reason: &'static str, message: String) -> Self {
        Self {
            subject,
            is_warning: false,
            reason,
            message,
        }
    }

    /// A record is Assigned: told of the binding, as ever, and of the pod.
    pub(super) fn applied(assignment: &Assignment, pod_uid: &str) -> [Self; 2] {
        let Assignment {
            binding,
            node,
            record,
            identity,
            ..
        } = assignment;
        let name = &binding.object.name;
        let binding = Self::normal(
            Subject::binding(assignment),
            APPLIED,
            format!(
                "Binding {name} applied on node {node} for pod {}",
                record.name
            ),
        );
        let pod = Self::normal(
            Subject::pod(assignment, pod_uid),
            "IdentityAssigned",
            format!(
                "AzureIdentity {} is assigned on node {node}",
                identity.object
            ),
        );
        [binding, pod]
    }

    /// A record is gone.
    pub(super) fn removed(record: &Record, binding_uid: &str) -> Self {
        Self::normal(
            Subject::of_binding(&record.binding, binding_uid),
            REMOVED,
            format!(
                "Binding {} removed from node {} for pod {}",
                record.binding.name, record.node, record.object.name
            ),
        )
    }

    /// The API server did not take a record.
    pub(super) fn not_written(assignment: &Assignment, why: &str) -> Self {
        Self::warning(
            Subject::binding(assignment),
            APPLY_ERROR,
            format!(
                "AzureAssignedIdentity {} could not be written: {why}",
                assignment.record
            ),
        )
    }

    /// The API server did not take a record's new state.
    pub(super) fn not_updated(record: &Record, why: &str) -> Self {
        Self::warning(
            Subject::record(record),
            STATUS_ERROR,
            format!("the record could not be updated: {why}"),
        )
    }

    /// Azure did not take an identity away. Told of the record too: the binding may be gone by now.
    pub(super) fn not_removed(
        record: &Record,
        binding_uid: &str,
        compute: &ComputeId,
        error: &ArmError,
    ) -> [Self; 2] {
        let message = format!(
            "the identity of AzureAssignedIdentity {} is still on {compute}: {error}",
            record.object
        );
        let binding = Subject::of_binding(&record.binding, binding_uid);
        [
            Self::warning(binding, REMOVE_ERROR, message.clone()),
            Self::warning(Subject::record(record), REMOVE_ERROR, message),
        ]
    }

    /// Azure did not assign the identity.
    pub(super) fn not_assigned(assignment: &Assignment, error: &ArmError) -> [Self; 2] {
        let message = format!(
            "AzureIdentity {} is not assigned to the node's {}: {error}",
            assignment.identity.object,
            assignment
                .compute()
                .map_or("machine", |compute| compute.kind().resource_type())
        );
        let identity = Subject {
            kind: "AzureIdentity",
            api_version: GROUP,
            object: assignment.identity.object.clone(),
            uid: assignment.identity.uid.clone(),
        };
        [
            Self::warning(Subject::binding(assignment), APPLY_ERROR, message.clone()),
            Self::warning(identity, APPLY_ERROR, message),
        ]
    }

    /// Two pods mean one record.
    pub(super) fn outbid(loser: &Assignment, winner: &Assignment) -> Self {
        Self::warning(
            Subject::binding(loser),
            APPLY_ERROR,
            format!(
                "pod {} does not get AzureIdentity {}: pod {} has the AzureAssignedIdentity {} already, by binding {}, \
                 and names of both would be the same; rename one of the AzureIdentities, or keep bindings in their \
                 namespaces (--forceNamespaced)",
                loser.pod, loser.identity.object, winner.pod, winner.record, winner.binding.object
            ),
        )
    }

    /// Somebody took an identity away that pods need.
    pub(super) fn drifted(assignment: &Assignment, compute: &ComputeId) -> Self {
        Self::warning(
            Subject::binding(assignment),
            "identity missing",
            format!(
                "AzureIdentity {} had been assigned to {compute} and is not there any more; assigning it again",
                assignment.identity.object
            ),
        )
    }

    /// An identity that nobody can be given.
    pub(super) fn invalid(invalid: &InvalidIdentity) -> Self {
        Self::unusable(Problem {
            about: About::Identity(invalid.object.clone(), invalid.uid.clone()),
            text: invalid.to_string(),
        })
    }

    /// A binding that gives nothing.
    pub(super) fn unusable(problem: Problem) -> Self {
        let subject = match problem.about {
            About::Identity(object, uid) => Subject {
                kind: "AzureIdentity",
                api_version: GROUP,
                object,
                uid,
            },
            About::Binding(object, uid) => Subject::of_binding(&object, &uid),
            About::Node(name) => Subject {
                kind: "Node",
                api_version: "v1",
                // kubelet writes its node's Events with the name as uid, and `kubectl describe node` looks for that.
                uid: name.clone(),
                object: ObjectRef::new("", name),
            },
        };
        Self::warning(subject, APPLY_ERROR, problem.text)
    }
}

impl Subject {
    fn binding(assignment: &Assignment) -> Self {
        Self::of_binding(&assignment.binding.object, &assignment.binding.uid)
    }

    fn record(record: &Record) -> Self {
        Self {
            kind: "AzureAssignedIdentity",
            api_version: GROUP,
            object: record.object.clone(),
            uid: record.uid.clone(),
        }
    }

    fn of_binding(object: &ObjectRef, uid: &str) -> Self {
        Self {
            kind: "AzureIdentityBinding",
            api_version: GROUP,
            object: object.clone(),
            uid: uid.to_owned(),
        }
    }

    fn pod(assignment: &Assignment, uid: &str) -> Self {
        Self {
            kind: "Pod",
            api_version: "v1",
            object: assignment.pod.clone(),
            uid: uid.to_owned(),
        }
    }
}

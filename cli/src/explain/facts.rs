//! What was read of a cluster about one pod, and what could not be: everything that [`super::diagnose`] knows.

use std::collections::BTreeMap;
use std::fmt;

use jiff::Timestamp;
use k8s_openapi::api::coordination::v1::Lease;
use podgate_api::{
    AzureAssignedIdentity, AzureIdentity, AzureIdentityBinding, AzurePodIdentityException,
    ClientId, ObjectRef,
};
use serde::Serialize;

use super::answer::Answer;
use super::component::Component;
use super::pod::PodFacts;
use super::view::Rules;

/// Something that was read, or why it was not.
#[derive(Clone, Debug)]
pub(crate) enum Fact<T> {
    /// It is so.
    Known(T),
    /// Nobody can tell.
    Unknown(Gap),
}

/// Why something is not known.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Gap {
    /// What it is.
    pub(crate) what: String,
    /// What the API server said.
    pub(crate) why: Why,
}

/// Why something could not be read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Why {
    /// This right is missing.
    Forbidden(Right),
    /// The API server has no such kind.
    NoSuchKind,
    /// Anything else, in words.
    Failed(String),
}

/// A right, as RBAC has it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Right {
    /// `get` or `list`
    pub(crate) verb: &'static str,
    /// `pods`, `azureidentities.aadpodidentity.k8s.io`
    pub(crate) resource: String,
    /// `portforward`
    pub(crate) subresource: Option<&'static str>,
    /// Of one object.
    pub(crate) name: Option<String>,
    /// Where; none for what is in no namespace.
    pub(crate) scope: Scope,
}

/// Where a right is needed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Scope {
    /// In all namespaces.
    Everywhere,
    /// In one.
    Namespace(String),
    /// The kind has no namespaces.
    Cluster,
}

/// What is asked.
#[derive(Clone, Debug)]
pub(crate) struct Asked {
    /// About which pod.
    pub(crate) pod: ObjectRef,
    /// With this `client_id` in the token request.
    pub(crate) client_id: Option<ClientId>,
}

/// Everything that was read.
#[derive(Clone, Debug)]
pub(crate) struct Facts {
    /// What is asked.
    pub(crate) asked: Asked,
    /// When it was read, for ages.
    pub(crate) now: Timestamp,
    /// The pod; known and none where there is no such pod.
    pub(crate) pod: Fact<Option<PodFacts>>,
    /// Of all namespaces, or of the pod's alone: [`Facts::elsewhere`] tells.
    pub(crate) bindings: Fact<Vec<AzureIdentityBinding>>,
    /// As the bindings.
    pub(crate) identities: Fact<Vec<AzureIdentity>>,
    /// Why nothing of other namespaces was read.
    pub(crate) elsewhere: Option<Gap>,
    /// Of the pod's namespace.
    pub(crate) exceptions: Fact<Vec<AzurePodIdentityException>>,
    /// The controller's records, by the identity they are about.
    pub(crate) records: BTreeMap<ObjectRef, Fact<Option<AzureAssignedIdentity>>>,
    /// Whether each Secret is there that one of the identities names.
    pub(crate) secrets: BTreeMap<ObjectRef, Fact<bool>>,
    /// `spec.providerID` of the pod's node.
    pub(crate) provider_id: Fact<Option<String>>,
    /// podgate's gateways on the pod's node, and the old ones.
    pub(crate) gateways: Fact<Vec<Component>>,
    /// podgate's controllers, and the old ones.
    pub(crate) controllers: Fact<Vec<Component>>,
    /// The Lease that the working controller holds.
    pub(crate) lease: Fact<Option<LeaseFacts>>,
    /// What the gateway of the node answers; none where there is none to ask.
    pub(crate) answer: Option<Fact<Answer>>,
    /// Events of podgate on the pod, its bindings and identities, and the pod's own warnings; the newest first.
    pub(crate) events: Vec<EventFacts>,
    /// Whose Events could not be read.
    pub(crate) unread_events: Vec<Gap>,
}

/// A Lease of leader election.
#[derive(Clone, Debug)]
pub(crate) struct LeaseFacts {
    /// `spec.holderIdentity`
    pub(crate) holder: Option<String>,
    /// `spec.renewTime`
    pub(crate) renewed: Option<Timestamp>,
    /// `spec.leaseDurationSeconds`
    pub(crate) seconds: i32,
}

/// An Event.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub(crate) struct EventFacts {
    /// When it last happened.
    pub(crate) at: Option<Timestamp>,
    /// `Warning` rather than `Normal`.
    pub(crate) warning: bool,
    /// Kind and name of what it is about.
    pub(crate) about: String,
    /// `reason`
    pub(crate) reason: String,
    /// `message`
    pub(crate) message: String,
}

// === impl Fact ===

impl<T> Fact<T> {
    /// What is known.
    pub(crate) fn known(&self) -> Option<&T> {
        match self {
            Self::Known(known) => Some(known),
            Self::Unknown(_) => None,
        }
    }

    /// Why it is not known.
    pub(crate) fn gap(&self) -> Option<&Gap> {
        match self {
            Self::Known(_) => None,
            Self::Unknown(gap) => Some(gap),
        }
    }

    /// The same of something else.
    pub(crate) fn map<U>(self, of: impl FnOnce(T) -> U) -> Fact<U> {
        match self {
            Self::Known(known) => Fact::Known(of(known)),
            Self::Unknown(gap) => Fact::Unknown(gap),
        }
    }
}

impl<T> Fact<Vec<T>> {
    /// What is known of the list, which is nothing where it could not be read.
    pub(crate) fn all(&self) -> &[T] {
        self.known().map(Vec::as_slice).unwrap_or_default()
    }
}

// === impl Gap ===

impl Gap {
    /// The right that would fill it.
    pub(crate) fn right(&self) -> Option<&Right> {
        match &self.why {
            Why::Forbidden(right) => Some(right),
            Why::NoSuchKind | Why::Failed(_) => None,
        }
    }
}

impl fmt::Display for Gap {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.why {
            Why::Forbidden(right) => write!(f, "{}: you may not {right}", self.what),
            Why::NoSuchKind => write!(f, "{}: the API server has no such kind", self.what),
            Why::Failed(why) => write!(f, "{}: {why}", self.what),
        }
    }
}

// === impl Right ===

impl Right {
    /// The command that says whether one has it.
    pub(crate) fn can_i(&self) -> String {
        let name = self.name.as_ref().map(|name| format!("/{name}"));
        let sub = self.subresource.map(|sub| format!(" --subresource={sub}"));
        let scope = match &self.scope {
            Scope::Everywhere => " -A".to_owned(),
            Scope::Namespace(namespace) => format!(" -n {namespace}"),
            Scope::Cluster => String::new(),
        };
        format!(
            "kubectl auth can-i {} {}{}{}{scope}",
            self.verb,
            self.resource,
            name.unwrap_or_default(),
            sub.unwrap_or_default()
        )
    }
}

impl fmt::Display for Right {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let resource = self.resource.split('.').next().unwrap_or_default();
        write!(f, "{} {resource}", self.verb)?;
        if let Some(sub) = self.subresource {
            write!(f, "/{sub}")?;
        }
        match &self.scope {
            Scope::Everywhere => f.write_str(" in all namespaces"),
            Scope::Namespace(namespace) => write!(f, " in namespace {namespace}"),
            Scope::Cluster => Ok(()),
        }
    }
}

// === impl Facts ===

impl Facts {
    /// The pod, where it is there.
    pub(crate) fn pod(&self) -> Option<&PodFacts> {
        self.pod.known().and_then(Option::as_ref)
    }

    /// What the gateway said.
    pub(crate) fn answered(&self) -> Option<&Answer> {
        self.answer.as_ref().and_then(Fact::known)
    }

    /// Everything that is not known, the most important first.
    pub(crate) fn gaps(&self) -> Vec<&Gap> {
        let answer = self.answer.as_ref().and_then(Fact::gap);
        let mut gaps: Vec<&Gap> = [
            self.pod.gap(),
            answer,
            self.bindings.gap(),
            self.identities.gap(),
            self.gateways.gap(),
        ]
        .into_iter()
        .flatten()
        .collect();
        gaps.extend(self.records.values().filter_map(Fact::gap));
        gaps.extend(self.controllers.gap());
        gaps.extend(self.lease.gap());
        gaps.extend(self.exceptions.gap());
        // Where namespaces count, nothing of others does.
        let near = Rules::of(self).namespaced == Some(true);
        gaps.extend(self.elsewhere.as_ref().filter(|_| !near));
        gaps.extend(self.secrets.values().filter_map(Fact::gap));
        gaps.extend(self.provider_id.gap());
        gaps.extend(&self.unread_events);
        gaps
    }
}

// === impl LeaseFacts ===

/// Of client-go, where a Lease does not say.
const LEASE_SECONDS: i32 = 15;

impl LeaseFacts {
    /// What matters of a Lease.
    pub(crate) fn of(lease: &Lease) -> Self {
        let spec = lease.spec.as_ref();
        Self {
            holder: spec
                .and_then(|spec| spec.holder_identity.clone())
                .filter(|holder| !holder.is_empty()),
            renewed: spec
                .and_then(|spec| spec.renew_time.as_ref())
                .map(|time| time.0),
            seconds: spec
                .and_then(|spec| spec.lease_duration_seconds)
                .unwrap_or(LEASE_SECONDS),
        }
    }

    /// Somebody holds it. Twice its duration, since the clocks of two machines are compared.
    pub(crate) fn is_held(&self, now: Timestamp) -> bool {
        let patience = i64::from(self.seconds.max(1)) * 2;
        let fresh = |renewed: Timestamp| now.as_second() - renewed.as_second() <= patience;
        self.holder.is_some() && self.renewed.is_some_and(fresh)
    }
}

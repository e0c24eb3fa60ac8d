//! The facts, put together: which rules hold, which bindings mean the pod, who controls.

use std::cmp::Reverse;

use podgate_api::{
    AzureIdentity, AzureIdentityBinding, AzurePodIdentityException, BINDING_LABEL, ClientId,
    ObjectRef, is_namespaced, selects,
};

use super::component::{Component, Role};
use super::facts::Facts;
use super::identity;
use super::pod::PodFacts;

/// The settings of gateway and controller that decide. Unknown ones are podgate's defaults.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Rules {
    /// `--operation-mode=managed`: bindings alone decide.
    pub(crate) managed: Option<bool>,
    /// Pod, binding and identity must share a namespace.
    pub(crate) namespaced: Option<bool>,
    /// `--default-identity=first`
    pub(crate) first: bool,
    /// `--allow-foreign-secrets`
    pub(crate) foreign_secrets: bool,
}

/// A binding whose selector is the pod's label.
#[derive(Debug)]
pub(crate) struct Candidate<'a> {
    /// The binding.
    pub(crate) binding: &'a AzureIdentityBinding,
    /// What it names.
    pub(crate) identity: ObjectRef,
    /// The same, where it is there.
    pub(crate) wire: Option<&'a AzureIdentity>,
    /// Why it gives nothing.
    pub(crate) flaw: Option<Flaw>,
}

/// Why a binding gives a pod nothing.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Flaw {
    /// Binding and pod are of two namespaces, and namespaces count.
    Foreign,
    /// The identity alone is for pods of its namespace, by its annotation.
    ForeignIdentity,
    /// There is no such AzureIdentity.
    Missing,
    /// The API server dropped these fields.
    OldCasing(Vec<String>),
    /// A field of it cannot be used.
    Invalid(String),
}

/// Whether somebody assigns.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Control {
    /// This one does.
    Works(String),
    /// There is no controller in the cluster.
    Nobody,
    /// There is, and none of its pods is ready.
    NotReady(ObjectRef, Option<String>),
    /// Its pods are ready, and none holds the Lease.
    NoLeader(ObjectRef),
    /// It could not be read.
    Unknown,
}

/// The facts of a pod that is there.
pub(crate) struct View<'a> {
    /// As they were read.
    pub(crate) facts: &'a Facts,
    /// The pod.
    pub(crate) pod: &'a PodFacts,
    /// What holds.
    pub(crate) rules: Rules,
    /// Its bindings, in the order in which they count.
    pub(crate) candidates: Vec<Candidate<'a>>,
}

impl Rules {
    /// From the flags of the node's gateway, or else of a controller.
    pub(crate) fn of(facts: &Facts) -> Self {
        let Some(gateway) = ours(facts.gateways.all(), Role::Gateway) else {
            let mut controllers = facts.controllers.all().iter();
            return Self {
                namespaced: controllers.find_map(Component::namespaced),
                ..Self::default()
            };
        };
        let managed = gateway.flag(&["operation-mode"]) == Some("managed");
        Self {
            managed: Some(managed),
            namespaced: Some(managed || gateway.namespaced().unwrap_or(true)),
            first: gateway.flag(&["default-identity"]) == Some("first"),
            foreign_secrets: gateway.flag(&["allow-foreign-secrets"]) == Some("true"),
        }
    }

    /// Bindings alone decide.
    pub(crate) fn is_managed(self) -> bool {
        self.managed.unwrap_or(false)
    }

    /// Whether namespaces count.
    pub(crate) fn is_namespaced(self) -> bool {
        self.namespaced.unwrap_or(true)
    }
}

/// The one to talk to: a ready one before others, then the newest.
pub(crate) fn ours(components: &[Component], role: Role) -> Option<&Component> {
    let of_role = components.iter().filter(|component| component.role == role);
    of_role.max_by_key(|component| (component.ready, component.since))
}

/// The bindings that mean the pod, the pod's own namespace first, then the heavier one.
pub(crate) fn candidates<'a>(facts: &'a Facts, pod: &PodFacts, rules: Rules) -> Vec<Candidate<'a>> {
    let own = &facts.asked.pod.namespace;
    let mut bindings: Vec<&AzureIdentityBinding> = facts
        .bindings
        .all()
        .iter()
        .filter(|binding| selects(binding, &pod.labels))
        .collect();
    bindings.sort_by_key(|binding| {
        let object = ObjectRef::of(&binding.metadata);
        (
            object.namespace != *own,
            Reverse(binding.spec.weight),
            object,
        )
    });
    let candidate = |binding| candidate(facts, rules, binding);
    bindings.into_iter().map(candidate).collect()
}

fn candidate<'a>(
    facts: &'a Facts,
    rules: Rules,
    binding: &'a AzureIdentityBinding,
) -> Candidate<'a> {
    let namespace = ObjectRef::of(&binding.metadata).namespace;
    let identity = ObjectRef::new(namespace, &binding.spec.azure_identity);
    let mut all = facts.identities.all().iter();
    let wire = all.find(|wire| ObjectRef::of(&wire.metadata) == identity);
    let near = identity.namespace == facts.asked.pod.namespace;
    let flaw = match wire {
        _ if rules.is_namespaced() && !near => Some(Flaw::Foreign),
        Some(wire) if is_namespaced(wire) && !near => Some(Flaw::ForeignIdentity),
        Some(wire) => flaw(wire, rules),
        None if binding.spec.azure_identity.is_empty() => {
            let dropped = identity::dropped_of_binding(&binding.metadata);
            (!dropped.is_empty())
                .then_some(Flaw::OldCasing(dropped))
                .or(Some(Flaw::Missing))
        }
        None => facts.identities.known().map(|_| Flaw::Missing),
    };
    Candidate {
        binding,
        identity,
        wire,
        flaw,
    }
}

fn flaw(wire: &AzureIdentity, rules: Rules) -> Option<Flaw> {
    let problem = identity::problem(wire, rules)?;
    let dropped = identity::dropped_of_identity(&wire.metadata);
    Some(match dropped.is_empty() {
        true => Flaw::Invalid(problem),
        false => Flaw::OldCasing(dropped),
    })
}

impl<'a> View<'a> {
    /// None where the pod is not there or not known.
    pub(crate) fn of(facts: &'a Facts) -> Option<Self> {
        let pod = facts.pod()?;
        let rules = Rules::of(facts);
        Some(Self {
            facts,
            pod,
            rules,
            candidates: candidates(facts, pod, rules),
        })
    }

    /// The pod's label, where it has one.
    pub(crate) fn label(&self) -> Option<&str> {
        let label = self.pod.labels.get(BINDING_LABEL)?;
        Some(label.as_str()).filter(|label| !label.is_empty())
    }

    /// Bindings whose identity is there and well-formed, one for each identity.
    pub(crate) fn usable(&self) -> Vec<&Candidate<'a>> {
        let mut usable: Vec<&Candidate<'a>> = Vec::new();
        for candidate in &self.candidates {
            let known = |other: &&Candidate<'_>| other.identity == candidate.identity;
            if candidate.flaw.is_none() && !usable.iter().any(known) {
                usable.push(candidate);
            }
        }
        usable
    }

    /// Those of them that the request names, or all where it names none.
    pub(crate) fn meant(&self) -> Vec<&Candidate<'a>> {
        let mut usable = self.usable();
        match self.named() {
            Some(named) => usable.retain(|candidate| candidate.is(named.as_ref())),
            None if self.rules.first => usable.truncate(1),
            None => {}
        }
        usable
    }

    /// The client id that the pod asks with: the one of the command line, else the first one of its environment. A
    /// malformed one of the environment is none at all, in the inner option.
    pub(crate) fn named(&self) -> Option<Option<ClientId>> {
        if let Some(asked) = &self.facts.asked.client_id {
            return Some(Some(asked.clone()));
        }
        self.pod.client_ids.first().map(|id| id.parse().ok())
    }

    /// The first exception that matches the pod, by the rule of the built-in exception-matcher: any label of it.
    pub(crate) fn exception(&self) -> Option<&'a AzurePodIdentityException> {
        if self.facts.answered().and_then(|answer| answer.excepts()) == Some(false) {
            return None;
        }
        let mut all = self.facts.exceptions.all().iter();
        all.find(|exception| {
            exception.spec.pod_labels.iter().any(|(name, value)| {
                let own = self.pod.labels.get(name);
                own.is_some_and(|own| own.eq_ignore_ascii_case(value))
            })
        })
    }

    /// Whether somebody assigns.
    pub(crate) fn control(&self) -> Control {
        Control::of(self.facts)
    }
}

impl Candidate<'_> {
    /// It has this client id.
    pub(crate) fn is(&self, named: Option<&ClientId>) -> bool {
        let own = self.wire.and_then(|wire| wire.spec.client_id.as_deref());
        named.is_some() && own.and_then(|own| own.parse().ok()).as_ref() == named
    }
}

impl Control {
    /// By the pods and the Lease; the Lease alone where the pods could not be read. The old controller holds no Lease.
    pub(crate) fn of(facts: &Facts) -> Self {
        let lease = facts.lease.known().and_then(Option::as_ref);
        let leader = lease
            .filter(|lease| lease.is_held(facts.now))
            .and_then(|lease| lease.holder.clone());
        let Some(all) = facts.controllers.known() else {
            return leader.map_or(Self::Unknown, Self::Works);
        };
        let old = all
            .iter()
            .find(|old| old.role == Role::OldController && old.ready);
        if let (None, Some(old)) = (&leader, old) {
            return Self::Works(format!("the old controller, {}", old.object));
        }
        match (leader, ours(all, Role::Controller).or_else(|| all.first())) {
            (Some(leader), _) => Self::Works(leader),
            (None, None) => Self::Nobody,
            (None, Some(one)) if !one.ready => {
                Self::NotReady(one.object.clone(), one.problem.clone())
            }
            (None, Some(one)) => match facts.lease.known() {
                Some(_) => Self::NoLeader(one.object.clone()),
                None => Self::Works(one.object.to_string()),
            },
        }
    }
}

//! From the facts to the one thing to do next: a table of checks, of which the first that finds something speaks.

use serde::Serialize;

use super::check;
use super::facts::{Facts, Gap, Why};
use super::view::View;

/// What the matter is. docs/cli.md has a row for each.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum Cause {
    /// Nothing.
    GetsTokens,
    /// An exception gives the pod the node's identities, and nothing was to give it others.
    NodeIdentities,
    /// There is no such pod.
    NoSuchPod,
    /// The pod has ended.
    PodEnded,
    /// The pod uses the node's network.
    HostNetwork,
    /// An exception gives the pod the node's identities instead of its own.
    ExceptionMatches,
    /// The old gateway is on the node.
    OldGateway,
    /// The pod has no node yet.
    NotScheduled,
    /// The pod has no address yet.
    NoAddress,
    /// The kinds are not installed.
    NotInstalled,
    /// The pod has no label.
    NoLabel,
    /// No binding has the label as its selector.
    NoBinding,
    /// Fields of a binding or an identity were dropped, since they are spelt the old way.
    OldCasing,
    /// The binding that would fit is of another namespace.
    WrongNamespace,
    /// The binding names an identity that is not there.
    IdentityMissing,
    /// The identity's fields cannot be used.
    IdentityInvalid,
    /// The pod names an identity that it is not bound to.
    NamedNotBound,
    /// The identity's Secret is not there.
    SecretMissing,
    /// No gateway is on the pod's node.
    NoGateway,
    /// The gateway on the pod's node is not ready.
    GatewayNotReady,
    /// Several identities are bound and none is named.
    SeveralIdentities,
    /// Nobody assigns.
    NoController,
    /// The controller has not begun.
    NoRecord,
    /// The record is of another pod.
    NameTaken,
    /// The record is of the node before.
    StaleRecord,
    /// The controller is at it.
    OnItsWay,
    /// The controller has not succeeded for long.
    NotAssigned,
    /// The gateway says no.
    GatewayRefuses,
    /// Not enough could be read.
    CannotTell,
}

/// What it comes to.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum Verdict {
    /// The pod gets tokens.
    GetsTokens,
    /// Somebody has to do something.
    SomethingToDo,
    /// Nobody can tell.
    CannotTell,
}

/// The answer.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub(crate) struct Diagnosis {
    /// What it comes to.
    pub(crate) verdict: Verdict,
    /// What the matter is.
    pub(crate) cause: Cause,
    /// The same in a sentence.
    pub(crate) what: String,
    /// The one thing to do next.
    pub(crate) next: Option<Next>,
}

/// What to do.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub(crate) struct Next {
    /// In words.
    pub(crate) what: String,
    /// As a command.
    pub(crate) command: Option<String>,
}

/// What a check found.
pub(crate) type Finding = Option<Diagnosis>;

type Check = fn(&View<'_>) -> Finding;

/// What counts even where the gateway would give a token: it would be another identity's, or another program's.
const ALWAYS: [Check; 4] = [
    check::pod::has_ended,
    check::pod::uses_the_nodes_network,
    check::node::has_the_old_gateway,
    check::binding::is_overridden_by_an_exception,
];

/// What keeps a pod from its tokens, from the pod to Azure. The gateway's word comes first, then the reasons for it.
const BLOCKERS: [Check; 17] = [
    check::pod::is_not_scheduled,
    check::pod::has_no_address,
    check::binding::kinds_are_missing,
    check::binding::no_label,
    check::binding::no_binding,
    check::binding::identity_cannot_be_used,
    check::binding::named_is_not_bound,
    check::binding::secret_is_missing,
    check::node::has_no_gateway,
    check::node::has_no_ready_gateway,
    check::binding::several_and_none_named,
    check::record::is_anothers,
    check::record::is_of_another_node,
    check::record::is_missing,
    check::record::is_not_assigned,
    check::node::gateway_starts,
    check::node::gateway_refuses,
];

/// Says what the matter is.
pub(crate) fn diagnose(facts: &Facts) -> Diagnosis {
    let Some(view) = View::of(facts) else {
        return no_pod(facts);
    };
    let found = |checks: &[Check]| checks.iter().find_map(|check| check(&view));
    if let Some(diagnosis) = found(&ALWAYS) {
        return diagnosis;
    }
    if facts.answered().is_some_and(|answer| answer.gives()) {
        return gets_tokens(&view);
    }
    found(&BLOCKERS).unwrap_or_else(|| cannot_tell(facts))
}

fn no_pod(facts: &Facts) -> Diagnosis {
    if facts.pod.gap().is_some() {
        return cannot_tell(facts);
    }
    let pod = &facts.asked.pod;
    Cause::NoSuchPod
        .because(format!(
            "there is no pod {} in namespace {}",
            pod.name, pod.namespace
        ))
        .next("correct the name, or name its namespace with -n")
        .with(format!("kubectl get pods -n {}", pod.namespace))
}

fn gets_tokens(view: &View<'_>) -> Diagnosis {
    let gateway_excepts = view.facts.answered().and_then(|answer| answer.excepts()) == Some(true);
    if gateway_excepts {
        return Cause::NodeIdentities.because(
            "an exception matches the pod: it gets tokens of the node's own identities".to_owned(),
        );
    }
    let meant = view.meant();
    let whose = match meant.as_slice() {
        [one] => format!(" of AzureIdentity {}", one.identity),
        _ => String::new(),
    };
    Cause::GetsTokens.because(format!("the gateway would ask for a token{whose}"))
}

/// Which right, or which failure, stands in the way.
fn cannot_tell(facts: &Facts) -> Diagnosis {
    let gaps = facts.gaps();
    let Some(gap) = gaps.first() else {
        return Cause::CannotTell
            .because("nothing wrong was found, and no gateway could be asked".to_owned())
            .next("ask again once the pod runs on a node with a gateway");
    };
    let diagnosis = Cause::CannotTell.because(format!("not known: {gap}"));
    match &gap.why {
        Why::Forbidden(right) => diagnosis
            .next(&format!(
                "ask somebody who may, or for the right to {right}"
            ))
            .with(right.can_i()),
        Why::NoSuchKind => diagnosis.next("install podgate, or its custom resource definitions"),
        Why::Failed(_) => diagnosis.next("try again; if this lasts, look at what failed"),
    }
}

// === impl Cause ===

impl Cause {
    /// All of them.
    #[cfg(test)]
    pub(crate) const ALL: [Self; 29] = [
        Self::GetsTokens,
        Self::NodeIdentities,
        Self::NoSuchPod,
        Self::PodEnded,
        Self::HostNetwork,
        Self::ExceptionMatches,
        Self::OldGateway,
        Self::NotScheduled,
        Self::NoAddress,
        Self::NotInstalled,
        Self::NoLabel,
        Self::NoBinding,
        Self::OldCasing,
        Self::WrongNamespace,
        Self::IdentityMissing,
        Self::IdentityInvalid,
        Self::NamedNotBound,
        Self::SecretMissing,
        Self::NoGateway,
        Self::GatewayNotReady,
        Self::SeveralIdentities,
        Self::NoController,
        Self::NoRecord,
        Self::NameTaken,
        Self::StaleRecord,
        Self::OnItsWay,
        Self::NotAssigned,
        Self::GatewayRefuses,
        Self::CannotTell,
    ];

    /// A diagnosis with this sentence.
    pub(crate) fn because(self, what: String) -> Diagnosis {
        let verdict = match self {
            Self::GetsTokens | Self::NodeIdentities => Verdict::GetsTokens,
            Self::CannotTell => Verdict::CannotTell,
            _ => Verdict::SomethingToDo,
        };
        Diagnosis {
            verdict,
            cause: self,
            what,
            next: None,
        }
    }
}

// === impl Diagnosis ===

impl Diagnosis {
    /// What to do.
    pub(crate) fn next(mut self, what: &str) -> Self {
        self.next = Some(Next {
            what: what.to_owned(),
            command: None,
        });
        self
    }

    /// The same as a command. One with a word of somebody else's that a shell would take for its own is left out.
    pub(crate) fn with(mut self, command: String) -> Self {
        let plain = |c: char| c.is_ascii_alphanumeric() || " -_./:=,@".contains(c);
        if let Some(next) = &mut self.next {
            next.command = Some(command).filter(|command| command.chars().all(plain));
        }
        self
    }
}

// === impl Verdict ===

impl Verdict {
    /// What the process exits with.
    pub(crate) fn code(self) -> u8 {
        match self {
            Self::GetsTokens => 0,
            Self::SomethingToDo => 1,
            Self::CannotTell => 2,
        }
    }
}

/// The kind of something is not there at all.
pub(crate) fn is_missing_kind(gap: Option<&Gap>) -> bool {
    gap.is_some_and(|gap| gap.why == Why::NoSuchKind)
}

#[cfg(test)]
mod tests;

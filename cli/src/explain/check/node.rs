//! The pod's node and its gateway.

use crate::explain::answer::Answer;
use crate::explain::component::{Component, Role};
use crate::explain::diagnose::{Cause, Finding};
use crate::explain::view::{View, ours};

pub(crate) fn has_the_old_gateway(view: &View<'_>) -> Finding {
    let old = ours(view.facts.gateways.all(), Role::OldGateway)?;
    let node = view.pod.node.as_deref()?;
    let (what, next) = match gateway(view) {
        Some(own) => (
            format!(
                "the old gateway {} is on node {node} besides podgate's {}: either may get the pod's requests",
                old.object, own.object
            ),
            "take the old gateway (nmi) off the node, so that one program holds the rules of the firewall",
        ),
        None => (
            format!(
                "node {node} is served by the old gateway {}, not by podgate",
                old.object
            ),
            "put podgate's gateway on the node and take the old one off, or ask the old one's log",
        ),
    };
    let command = format!(
        "kubectl get pod {} -n {} --show-labels",
        old.object.name, old.object.namespace
    );
    Some(Cause::OldGateway.because(what).next(next).with(command))
}

pub(crate) fn has_no_gateway(view: &View<'_>) -> Finding {
    view.facts.gateways.known()?;
    let node = view.pod.node.as_deref()?;
    gateway(view).is_none().then(|| {
        Cause::NoGateway
            .because(format!("no gateway of podgate is on node {node}"))
            .next(
                "see which nodes its DaemonSet is for: its nodeSelector, affinity and tolerations",
            )
            .with("kubectl get daemonsets -A -l app.kubernetes.io/component=gateway".to_owned())
    })
}

pub(crate) fn has_no_ready_gateway(view: &View<'_>) -> Finding {
    let gateway = gateway(view).filter(|gateway| !gateway.ready)?;
    let problem = gateway.problem.as_deref().unwrap_or("no reason is given");
    let object = &gateway.object;
    Some(
        Cause::GatewayNotReady
            .because(format!(
                "the gateway of the node, {object}, is not ready: {problem}"
            ))
            .next("read why in its log")
            .with(logs(gateway)),
    )
}

pub(crate) fn gateway_starts(view: &View<'_>) -> Finding {
    let Answer::Starting(awaited) = view.facts.answered()? else {
        return None;
    };
    let gateway = gateway(view)?;
    Some(
        Cause::GatewayNotReady
            .because(format!(
                "the gateway of the node, {}, has not started yet: {awaited}",
                gateway.object
            ))
            .next("wait a moment; if this lasts, read its log")
            .with(logs(gateway)),
    )
}

/// Nothing else was found, so its words are all there is.
pub(crate) fn gateway_refuses(view: &View<'_>) -> Finding {
    let Answer::Explained(explanation) = view.facts.answered()? else {
        return None;
    };
    let gateway = gateway(view)?;
    let stale = view
        .facts
        .answered()
        .map(Answer::problems)
        .unwrap_or_default();
    let next = match stale.first() {
        Some(stale) => format!("the gateway is not up to date ({stale}): mend that first"),
        None => "do what it says; docs/refusals.md explains each refusal".to_owned(),
    };
    Some(
        Cause::GatewayRefuses
            .because(format!(
                "the gateway of the node says: {}",
                explanation.outcome
            ))
            .next(&next)
            .with(logs(gateway)),
    )
}

fn gateway<'a>(view: &View<'a>) -> Option<&'a Component> {
    ours(view.facts.gateways.all(), Role::Gateway)
}

fn logs(component: &Component) -> String {
    let object = &component.object;
    format!(
        "kubectl logs {} -n {} --tail=50",
        object.name, object.namespace
    )
}

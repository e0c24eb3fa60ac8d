//! The pod itself.

use crate::explain::diagnose::{Cause, Finding};
use crate::explain::view::View;

pub(crate) fn has_ended(view: &View<'_>) -> Finding {
    let phase = &view.pod.phase;
    view.pod.has_ended().then(|| {
        Cause::PodEnded
            .because(format!(
                "the pod has ended ({phase}); its identities are released"
            ))
            .next("ask about a pod that runs")
            .with(format!(
                "kubectl get pods -n {}",
                view.facts.asked.pod.namespace
            ))
    })
}

pub(crate) fn uses_the_nodes_network(view: &View<'_>) -> Finding {
    let bound = match view.label() {
        Some(_) => ", and its bindings have no effect",
        None => "",
    };
    view.pod.host_network.then(|| {
        Cause::HostNetwork
            .because(format!(
                "the pod uses the node's network (hostNetwork): no gateway sees its requests, which get the node's own \
                 identities{bound}"
            ))
            .next("take hostNetwork out of the pod's template, if it is to have an identity of its own")
    })
}

pub(crate) fn is_not_scheduled(view: &View<'_>) -> Finding {
    view.pod.node.is_none().then(|| {
        Cause::NotScheduled
            .because("the pod is on no node yet: identities are assigned to nodes".to_owned())
            .next("see why it is not scheduled")
            .with(describe(view))
    })
}

pub(crate) fn has_no_address(view: &View<'_>) -> Finding {
    view.pod.address.is_none().then(|| {
        Cause::NoAddress
            .because(
                "the pod has no address yet: the gateway knows pods by their address".to_owned(),
            )
            .next("see what its start waits for")
            .with(describe(view))
    })
}

fn describe(view: &View<'_>) -> String {
    let pod = &view.facts.asked.pod;
    format!("kubectl describe pod {} -n {}", pod.name, pod.namespace)
}

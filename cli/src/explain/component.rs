//! podgate's own pods, and those of its predecessor.

use jiff::Timestamp;
use k8s_openapi::api::core::v1 as core;
use podgate_api::ObjectRef;

/// What a pod of podgate, or of the old project, is there for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Role {
    /// podgate's gateway.
    Gateway,
    /// podgate's controller.
    Controller,
    /// The old project's gateway (NMI).
    OldGateway,
    /// The old project's controller (MIC).
    OldController,
}

/// One of those pods.
#[derive(Clone, Debug)]
pub(crate) struct Component {
    /// What it is there for.
    pub(crate) role: Role,
    /// Namespace and name.
    pub(crate) object: ObjectRef,
    /// Every container is ready.
    pub(crate) ready: bool,
    /// Why it is not, in Kubernetes' words.
    pub(crate) problem: Option<String>,
    /// Since when it exists.
    pub(crate) since: Option<Timestamp>,
    /// Its commands' words.
    arguments: Vec<String>,
    /// FORCENAMESPACED of the environment.
    namespaced_variable: Option<String>,
}

/// The chart's label, and that of the old project's manifests.
const COMPONENT_LABELS: [&str; 2] = ["app.kubernetes.io/component", "component"];
const NAME_LABEL: &str = "app.kubernetes.io/name";
/// On the chart's controller, whatever its release is called.
const CONTROLLER_LABEL: &str = "podgate.io/exception";

/// Which labels to list gateways and controllers by, each a request: label selectors know no "or" of two keys.
pub(crate) const GATEWAY_SELECTORS: [&str; 2] = [
    "app.kubernetes.io/component in (gateway,nmi)",
    "component=nmi,!app.kubernetes.io/component",
];
pub(crate) const CONTROLLER_SELECTORS: [&str; 2] = [
    "app.kubernetes.io/component in (controller,mic)",
    "component=mic,!app.kubernetes.io/component",
];

impl Component {
    /// What the pod is, where it is one of those.
    pub(crate) fn of(pod: &core::Pod) -> Option<Self> {
        let arguments = arguments(pod);
        let role = role(pod, &arguments)?;
        let ready = is_ready(pod);
        Some(Self {
            role,
            object: ObjectRef::of(&pod.metadata),
            ready,
            problem: (!ready).then(|| problem(pod)).flatten(),
            since: pod.metadata.creation_timestamp.as_ref().map(|time| time.0),
            arguments,
            namespaced_variable: variable(pod, "FORCENAMESPACED"),
        })
    }

    /// The value of a flag, by any of its names. The last one counts.
    pub(crate) fn flag(&self, names: &[&str]) -> Option<&str> {
        let mut found = None;
        for (at, argument) in self.arguments.iter().enumerate() {
            let Some(text) = argument.strip_prefix('-') else {
                continue;
            };
            let text = text.strip_prefix('-').unwrap_or(text);
            let (name, value) = match text.split_once('=') {
                Some((name, value)) => (name, Some(value)),
                None => (text, self.arguments.get(at + 1).map(String::as_str)),
            };
            if names.contains(&name) {
                found = value.or(found);
            }
        }
        found
    }

    /// `--forceNamespaced`, or its variable.
    pub(crate) fn namespaced(&self) -> Option<bool> {
        let flag = self.flag(&["forceNamespaced", "force-namespaced"]);
        let text = flag.or(self.namespaced_variable.as_deref())?;
        Some(!text.eq_ignore_ascii_case("false"))
    }
}

fn role(pod: &core::Pod, arguments: &[String]) -> Option<Role> {
    let labels = pod.metadata.labels.as_ref()?;
    let component = COMPONENT_LABELS.iter().find_map(|label| labels.get(*label));
    let named = labels.get(NAME_LABEL).is_some_and(|name| name == "podgate");
    let has = |flag: &str| arguments.iter().any(|argument| argument.starts_with(flag));
    // Others call their pods gateway and controller as well.
    match component?.as_str() {
        "gateway" if named || has("--operation-mode=") => Some(Role::Gateway),
        "controller" if named || labels.contains_key(CONTROLLER_LABEL) => Some(Role::Controller),
        "nmi" => Some(Role::OldGateway),
        "mic" => Some(Role::OldController),
        _ => None,
    }
}

fn containers(pod: &core::Pod) -> &[core::Container] {
    pod.spec
        .as_ref()
        .map(|spec| spec.containers.as_slice())
        .unwrap_or_default()
}

fn arguments(pod: &core::Pod) -> Vec<String> {
    let words = |container: &core::Container| {
        let command = container.command.clone().unwrap_or_default();
        [command, container.args.clone().unwrap_or_default()].concat()
    };
    containers(pod).iter().flat_map(words).collect()
}

fn variable(pod: &core::Pod, name: &str) -> Option<String> {
    let mut all = containers(pod)
        .iter()
        .flat_map(|container| container.env.iter().flatten());
    all.find(|variable| variable.name == name)?.value.clone()
}

fn is_ready(pod: &core::Pod) -> bool {
    let conditions = pod
        .status
        .as_ref()
        .and_then(|status| status.conditions.as_ref());
    let ready =
        |condition: &core::PodCondition| condition.type_ == "Ready" && condition.status == "True";
    conditions.is_some_and(|conditions| conditions.iter().any(ready))
        && pod.metadata.deletion_timestamp.is_none()
}

/// The first container that waits or is not ready, else the phase.
fn problem(pod: &core::Pod) -> Option<String> {
    if pod.metadata.deletion_timestamp.is_some() {
        return Some("being deleted".to_owned());
    }
    let status = pod.status.as_ref()?;
    let all = status
        .init_container_statuses
        .iter()
        .chain(&status.container_statuses)
        .flatten();
    let waiting = |container: &core::ContainerStatus| {
        let waiting = container.state.as_ref()?.waiting.as_ref()?;
        Some(format!(
            "container {}: {}",
            container.name,
            waiting.reason.as_deref()?
        ))
    };
    let unready = |container: &core::ContainerStatus| {
        (!container.ready && container.state.as_ref()?.running.is_some())
            .then(|| format!("container {} is not ready", container.name))
    };
    all.clone()
        .find_map(waiting)
        .or_else(|| all.clone().find_map(unready))
        .or_else(|| status.phase.clone())
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;

    fn component(labels: Value, arguments: Value) -> Option<Component> {
        let pod = json!({"metadata": {"namespace": "podgate", "name": "p", "labels": labels},
            "spec": {"containers": [{"name": "gateway", "args": arguments}]}});
        Component::of(&serde_json::from_value(pod).unwrap())
    }

    #[test]
    fn the_charts_pods_are_known_whatever_their_release_is_called_and_other_peoples_are_not() {
        let role = |labels, arguments| component(labels, arguments).map(|component| component.role);
        let gateway =
            json!({"app.kubernetes.io/component": "gateway", "app.kubernetes.io/name": "podgate"});
        assert_eq!(role(gateway, json!([])), Some(Role::Gateway));
        let renamed =
            json!({"app.kubernetes.io/component": "gateway", "app.kubernetes.io/name": "tokens"});
        assert_eq!(
            role(renamed.clone(), json!(["--operation-mode=managed"])),
            Some(Role::Gateway)
        );
        assert_eq!(
            role(renamed, json!(["proxy"])),
            None,
            "somebody else's gateway"
        );
        let renamed = json!({"app.kubernetes.io/component": "controller", "podgate.io/exception": "tokens-controller"});
        assert_eq!(role(renamed, json!([])), Some(Role::Controller));
        let ingress = json!({"app.kubernetes.io/component": "controller", "app.kubernetes.io/name": "ingress-nginx"});
        assert_eq!(role(ingress, json!([])), None);
        assert_eq!(
            role(
                json!({"component": "nmi", "k8s-app": "aad-pod-id"}),
                json!([])
            ),
            Some(Role::OldGateway)
        );
        assert_eq!(
            role(json!({"app.kubernetes.io/component": "mic"}), json!([])),
            Some(Role::OldController)
        );
    }

    #[test]
    fn a_flag_is_read_in_both_forms_and_the_last_one_counts() {
        let labels = json!({"component": "nmi"});
        let arguments = json!([
            "--http-probe-port=1",
            "-forceNamespaced",
            "false",
            "--http-probe-port",
            "8086"
        ]);
        let component = component(labels, arguments).unwrap();
        assert_eq!(
            component.flag(&["http-probe-port", "admin-port"]),
            Some("8086")
        );
        assert_eq!(component.namespaced(), Some(false));
        assert_eq!(component.flag(&["operation-mode"]), None);
    }

    #[test]
    fn what_a_pod_waits_for_is_its_problem() {
        let pod = json!({"metadata": {"name": "p", "labels": {"component": "nmi"}}, "status": {"phase": "Running",
            "conditions": [{"type": "Ready", "status": "False"}],
            "containerStatuses": [
                {"name": "gateway", "image": "g", "imageID": "", "ready": false, "restartCount": 4,
                 "state": {"waiting": {"reason": "CrashLoopBackOff"}}}]}});
        let component = Component::of(&serde_json::from_value(pod).unwrap()).unwrap();
        assert!(!component.ready);
        assert_eq!(
            component.problem.as_deref(),
            Some("container gateway: CrashLoopBackOff")
        );
    }
}

//! The pod that is asked about.

use std::collections::BTreeMap;

use jiff::Timestamp;
use k8s_openapi::api::core::v1 as core;

/// A pod, as far as it matters here.
#[derive(Clone, Debug, Default)]
pub(crate) struct PodFacts {
    /// `metadata.uid`
    pub(crate) uid: String,
    /// `metadata.labels`
    pub(crate) labels: BTreeMap<String, String>,
    /// Kind and name of what made it, such as `ReplicaSet/web-5d8f`: what it changes on the pod is undone.
    pub(crate) owner: Option<String>,
    /// `spec.nodeName`
    pub(crate) node: Option<String>,
    /// `status.phase`
    pub(crate) phase: String,
    /// `spec.hostNetwork`
    pub(crate) host_network: bool,
    /// `status.podIP`
    pub(crate) address: Option<String>,
    /// Since when: its start, or its creation.
    pub(crate) since: Option<Timestamp>,
    /// The values of AZURE_CLIENT_ID in its containers, in order, each once.
    pub(crate) client_ids: Vec<String>,
    /// Some container takes AZURE_CLIENT_ID from elsewhere.
    pub(crate) names_indirectly: bool,
}

impl PodFacts {
    /// What matters of a pod.
    pub(crate) fn of(pod: &core::Pod) -> Self {
        let metadata = &pod.metadata;
        let (spec, status) = (pod.spec.as_ref(), pod.status.as_ref());
        let started = status.and_then(|status| status.start_time.as_ref());
        let environment = Environment::of(spec);
        Self {
            uid: metadata.uid.clone().unwrap_or_default(),
            labels: metadata.labels.clone().unwrap_or_default(),
            owner: metadata
                .owner_references
                .iter()
                .flatten()
                .next()
                .map(|owner| format!("{}/{}", owner.kind, owner.name)),
            node: spec
                .and_then(|spec| spec.node_name.clone())
                .filter(|node| !node.is_empty()),
            phase: status
                .and_then(|status| status.phase.clone())
                .unwrap_or_default(),
            host_network: spec.and_then(|spec| spec.host_network).unwrap_or_default(),
            address: status
                .and_then(|status| status.pod_ip.clone())
                .filter(|ip| !ip.is_empty()),
            since: started
                .or(metadata.creation_timestamp.as_ref())
                .map(|time| time.0),
            client_ids: environment.values,
            names_indirectly: environment.indirect,
        }
    }

    /// It asks for nothing any more.
    pub(crate) fn has_ended(&self) -> bool {
        matches!(self.phase.as_str(), "Succeeded" | "Failed")
    }
}

/// AZURE_CLIENT_ID, which every SDK of Azure takes for the identity that it names.
#[derive(Default)]
struct Environment {
    values: Vec<String>,
    indirect: bool,
}

impl Environment {
    fn of(spec: Option<&core::PodSpec>) -> Self {
        let mut environment = Self::default();
        let Some(spec) = spec else {
            return environment;
        };
        let containers = spec
            .init_containers
            .iter()
            .flatten()
            .chain(&spec.containers);
        for variable in containers.flat_map(|container| container.env.iter().flatten()) {
            if variable.name == "AZURE_CLIENT_ID" {
                environment.add(variable);
            }
        }
        environment
    }

    fn add(&mut self, variable: &core::EnvVar) {
        let value = variable.value.as_deref().unwrap_or_default();
        // `$(NAME)` is another variable's value, which only the kubelet knows.
        if variable.value_from.is_some() || value.contains("$(") {
            self.indirect = true;
        } else if !value.is_empty() && !self.values.iter().any(|known| known == value) {
            self.values.push(value.to_owned());
        }
    }
}

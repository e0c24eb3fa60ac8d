//! What users, kubelets and the cloud's controllers write.

use std::fmt::Debug;
use std::sync::Arc;

use k8s_openapi::api::core::v1::{Event, Namespace, Node, Pod};
use kube::api::{Api, DeleteParams, ListParams, Patch, PatchParams, PostParams};
use kube::core::NamespaceResourceScope;
use kube::{Client, Resource};
use podgate_api::{AzureAssignedIdentity, AzureIdentity, AzureIdentityBinding, BINDING_LABEL};
use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::{Value, json};
use tokio::task::JoinSet;

use crate::scene::Scene;

const GROUP: &str = "aadpodidentity.k8s.io/v1";
/// Requests that are under way together where many objects are made.
const WORKERS: usize = 16;

/// Does something so many times, several at a time.
pub(crate) async fn each<F>(count: usize, act: impl Fn(usize) -> F + Send + Sync + 'static)
where
    F: Future<Output = ()> + Send,
{
    let act = Arc::new(act);
    let mut workers = JoinSet::new();
    for worker in 0..WORKERS {
        let act = Arc::clone(&act);
        workers.spawn(async move {
            for number in (worker..count).step_by(WORKERS) {
                act(number).await;
            }
        });
    }
    while let Some(ended) = workers.join_next().await {
        ended.unwrap();
    }
}

pub(crate) async fn create<K>(kube: &Client, object: Value)
where
    K: Resource<Scope = NamespaceResourceScope, DynamicType = ()>,
    K: Clone + Debug + DeserializeOwned + Serialize,
{
    let namespace = object["metadata"]["namespace"].as_str().unwrap();
    let api: Api<K> = Api::namespaced(kube.clone(), namespace);
    let object = serde_json::from_value(object).unwrap();
    api.create(&PostParams::default(), &object).await.unwrap();
}

/// A pod as its user wrote it and the scheduler placed it.
pub(crate) fn pod(namespace: &str, name: &str, node: &str, selector: &str) -> Value {
    json!({"apiVersion": "v1", "kind": "Pod",
        "metadata": {"namespace": namespace, "name": name, "labels": {BINDING_LABEL: selector}},
        "spec": {"nodeName": node, "containers": [{"name": "app", "image": "app:1"}]}})
}

impl Scene {
    pub(crate) async fn namespace(&self, name: &str) {
        let namespace =
            json!({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": name}});
        let api: Api<Namespace> = Api::all(self.kube.clone());
        let namespace = serde_json::from_value(namespace).unwrap();
        api.create(&PostParams::default(), &namespace)
            .await
            .unwrap();
    }

    pub(crate) async fn create_nodes(&self) {
        let (kube, nodes) = (self.kube.clone(), self.nodes.clone());
        let count = nodes.len();
        each(count, move |number| {
            let (kube, node) = (kube.clone(), nodes[number].clone());
            async move { create_node(&kube, &node.name, &node.provider_id).await }
        })
        .await;
    }

    pub(crate) async fn delete_node(&self, number: usize) {
        let api: Api<Node> = Api::all(self.kube.clone());
        let name = &self.nodes[number].name;
        api.delete(name, &DeleteParams::default()).await.unwrap();
    }

    /// An AzureIdentity of the fleet's identity with this number.
    pub(crate) async fn identity(&self, namespace: &str, name: &str, number: usize) {
        let identity = self.fleet.identity(number);
        let object = json!({"apiVersion": GROUP, "kind": "AzureIdentity",
            "metadata": {"namespace": namespace, "name": name},
            "spec": {"type": 0, "resourceID": identity.resource_id, "clientID": identity.client_id}});
        create::<AzureIdentity>(&self.kube, object).await;
    }

    pub(crate) async fn binding(
        &self,
        namespace: &str,
        name: &str,
        identity: &str,
        selector: &str,
    ) {
        let object = json!({"apiVersion": GROUP, "kind": "AzureIdentityBinding",
            "metadata": {"namespace": namespace, "name": name},
            "spec": {"azureIdentity": identity, "selector": selector}});
        create::<AzureIdentityBinding>(&self.kube, object).await;
    }

    /// An identity, and a binding of the same name to a selector of the same name.
    pub(crate) async fn cast(&self, namespace: &str, name: &str, number: usize) {
        self.identity(namespace, name, number).await;
        self.binding(namespace, name, name, name).await;
    }

    pub(crate) async fn pod(&self, namespace: &str, name: &str, node: usize, selector: &str) {
        let object = pod(namespace, name, &self.nodes[node].name, selector);
        create::<Pod>(&self.kube, object).await;
    }

    pub(crate) async fn delete_pod(&self, namespace: &str, name: &str) {
        let api: Api<Pod> = Api::namespaced(self.kube.clone(), namespace);
        let at_once = DeleteParams::default().grace_period(0);
        api.delete(name, &at_once).await.unwrap();
    }

    /// All pods of a namespace.
    pub(crate) async fn delete_pods(&self, namespace: &str) {
        let api: Api<Pod> = Api::namespaced(self.kube.clone(), namespace);
        let at_once = DeleteParams::default().grace_period(0);
        let all = ListParams::default();
        api.delete_collection(&at_once, &all).await.unwrap();
    }

    pub(crate) async fn relabel(&self, namespace: &str, name: &str, selector: &str) {
        let patch = json!({"metadata": {"labels": {BINDING_LABEL: selector}}});
        self.edit::<Pod>(namespace, name, patch).await;
    }

    /// What the kubelet says.
    pub(crate) async fn status(&self, namespace: &str, name: &str, status: Value) {
        let api: Api<Pod> = Api::namespaced(self.kube.clone(), namespace);
        let patch = Patch::Merge(json!({"status": status}));
        api.patch_status(name, &PatchParams::default(), &patch)
            .await
            .unwrap();
    }

    pub(crate) async fn edit<K>(&self, namespace: &str, name: &str, patch: Value) -> K
    where
        K: Resource<Scope = NamespaceResourceScope, DynamicType = ()>,
        K: Clone + Debug + DeserializeOwned,
    {
        let api: Api<K> = Api::namespaced(self.kube.clone(), namespace);
        let patch = Patch::Merge(patch);
        api.patch(name, &PatchParams::default(), &patch)
            .await
            .unwrap()
    }

    pub(crate) async fn delete<K>(&self, namespace: &str, name: &str)
    where
        K: Resource<Scope = NamespaceResourceScope, DynamicType = ()>,
        K: Clone + Debug + DeserializeOwned,
    {
        let api: Api<K> = Api::namespaced(self.kube.clone(), namespace);
        api.delete(name, &DeleteParams::default()).await.unwrap();
    }

    /// A record of the namespace `default`.
    pub(crate) async fn record(&self, name: &str) -> AzureAssignedIdentity {
        let api: Api<AzureAssignedIdentity> = Api::namespaced(self.kube.clone(), "default");
        api.get(name).await.unwrap()
    }

    /// The Events of an object.
    pub(crate) async fn events(&self, kind: &str, name: &str) -> Vec<Event> {
        let api: Api<Event> = Api::all(self.kube.clone());
        let about = format!("involvedObject.kind={kind},involvedObject.name={name}");
        api.list(&ListParams::default().fields(&about))
            .await
            .unwrap()
            .items
    }

    /// Waits for an Event, and answers with its words.
    pub(crate) async fn event(&self, kind: &str, name: &str, reason: &str) -> String {
        let mut message = None;
        let what = format!("the Event {reason:?} of {kind} {name}");
        self.until(&what, async || {
            let events = self.events(kind, name).await.into_iter();
            let mut said = events.filter(|event| event.reason.as_deref() == Some(reason));
            message = said.next().and_then(|event| event.message);
            message.is_some()
        })
        .await;
        message.unwrap()
    }
}

pub(crate) async fn create_node(kube: &Client, name: &str, provider_id: &str) {
    let node = json!({"apiVersion": "v1", "kind": "Node", "metadata": {"name": name}, "spec": {"providerID": provider_id}});
    let api: Api<Node> = Api::all(kube.clone());
    let node = serde_json::from_value(node).unwrap();
    api.create(&PostParams::default(), &node).await.unwrap();
}

//! The objects of the API server: what a cluster's users, its kubelet and its controller write.

use std::collections::BTreeMap;
use std::net::Ipv4Addr;

use anyhow::{Context, Result};
use k8s_openapi::api::core::v1::{Namespace, Pod, Secret};
use kube::api::{Api, DeleteParams, DynamicObject, Patch, PatchParams, PostParams};
use kube::core::GroupVersionKind;
use kube::discovery::ApiResource;
use kube::{Client, ResourceExt};
use podgate_api::{
    ASSIGNED_FINALIZER, AzureAssignedIdentity, AzureAssignedIdentitySpec,
    AzureAssignedIdentityStatus, AzureIdentity, AzureIdentityBinding, NODE_LABEL, assigned_name,
};
use serde_json::{Value, json};

use super::NODE_NAME;
use crate::demo;

/// Who writes all this.
const WRITER: &str = "podgate-e2e";

/// A pod as its user and its kubelet wrote it: running on the node, with an address.
#[derive(Clone, Debug)]
pub struct PodObject {
    /// `metadata.namespace`
    pub namespace: &'static str,
    /// `metadata.name`
    pub name: String,
    /// `metadata.labels`
    pub labels: BTreeMap<String, String>,
    /// `status.podIP`
    pub ip: Ipv4Addr,
    /// `spec.hostNetwork`
    pub host_network: bool,
}

impl PodObject {
    /// A pod of the namespace `shop` that asks for the identities of a binding with this selector.
    pub fn bound(name: &str, selector: &str, ip: Ipv4Addr) -> Self {
        Self::labelled("shop", name, "aadpodidbinding", selector, ip)
    }

    /// A pod with one label.
    pub fn labelled(
        namespace: &'static str,
        name: &str,
        label: &str,
        value: &str,
        ip: Ipv4Addr,
    ) -> Self {
        Self {
            namespace,
            name: name.to_owned(),
            labels: [(label.to_owned(), value.to_owned())].into(),
            ip,
            host_network: false,
        }
    }

    /// Creates it, running.
    pub async fn create(&self, kube: &Client) -> Result<()> {
        let pods: Api<Pod> = Api::namespaced(kube.clone(), self.namespace);
        let pod = json!({"apiVersion": "v1", "kind": "Pod",
            "metadata": {"name": self.name, "labels": self.labels},
            "spec": {"nodeName": NODE_NAME, "hostNetwork": self.host_network, "containers": [{"name": "app", "image": "app:1"}]}});
        pods.create(&PostParams::default(), &serde_json::from_value(pod)?)
            .await?;
        self.run(kube).await
    }

    /// What the kubelet says once the pod has its network.
    async fn run(&self, kube: &Client) -> Result<()> {
        let pods: Api<Pod> = Api::namespaced(kube.clone(), self.namespace);
        let status = json!({"status": {"phase": "Running", "podIP": self.ip.to_string(),
            "podIPs": [{"ip": self.ip.to_string()}]}});
        let parameters = PatchParams::default();
        pods.patch_status(&self.name, &parameters, &Patch::Merge(status))
            .await?;
        Ok(())
    }

    /// Deletes it at once.
    pub async fn delete(&self, kube: &Client) -> Result<()> {
        let pods: Api<Pod> = Api::namespaced(kube.clone(), self.namespace);
        pods.delete(&self.name, &DeleteParams::default().grace_period(0))
            .await?;
        Ok(())
    }

    /// Writes the record of this pod and an identity, in this state, as the controller does.
    pub async fn assign(&self, kube: &Client, binding: &str, state: &str) -> Result<()> {
        let records: Api<AzureAssignedIdentity> = Api::namespaced(kube.clone(), "default");
        let mut record = self.record(kube, binding).await?;
        // At once: a record without a state is an old controller's, and means Assigned.
        record.status = Some(status(state));
        if records.get_opt(&record.name_any()).await?.is_none() {
            records.create(&PostParams::default(), &record).await?;
        }
        set_state(&records, &record.name_any(), state).await
    }

    async fn record(&self, kube: &Client, binding: &str) -> Result<AzureAssignedIdentity> {
        let bindings: Api<AzureIdentityBinding> = Api::namespaced(kube.clone(), self.namespace);
        let identities: Api<AzureIdentity> = Api::namespaced(kube.clone(), self.namespace);
        let azure_binding_ref = bindings.get(binding).await?;
        let azure_identity_ref = identities
            .get(&azure_binding_ref.spec.azure_identity)
            .await?;
        let name = assigned_name(&self.name, self.namespace, &azure_identity_ref.name_any());
        let spec = AzureAssignedIdentitySpec {
            azure_identity_ref,
            azure_binding_ref,
            pod: self.name.clone(),
            pod_namespace: self.namespace.to_owned(),
            node_name: NODE_NAME.to_owned(),
            ..AzureAssignedIdentitySpec::default()
        };
        let mut record = AzureAssignedIdentity::new(&name, spec);
        record
            .labels_mut()
            .insert(NODE_LABEL.to_owned(), NODE_NAME.to_owned());
        record.finalizers_mut().push(ASSIGNED_FINALIZER.to_owned());
        Ok(record)
    }
}

fn status(state: &str) -> AzureAssignedIdentityStatus {
    AzureAssignedIdentityStatus {
        status: state.to_owned(),
        ..Default::default()
    }
}

/// The records have no status sub-resource: their state is written like the rest.
async fn set_state(records: &Api<AzureAssignedIdentity>, name: &str, state: &str) -> Result<()> {
    let patch = Patch::Merge(json!({"status": status(state)}));
    records.patch(name, &PatchParams::default(), &patch).await?;
    Ok(())
}

/// The namespace, identities, bindings, exceptions and Secrets of the demo.
pub(super) async fn cast(kube: &Client) -> Result<()> {
    let namespace = json!({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": "shop"}});
    let namespaces: Api<Namespace> = Api::all(kube.clone());
    let namespace = serde_json::from_value(namespace)?;
    namespaces
        .create(&PostParams::default(), &namespace)
        .await?;
    let text = std::fs::read_to_string(demo::manifests().join("identities.yaml"))?;
    apply(kube, &text).await?;
    apply(kube, &rights()?).await?;
    for secret in demo::secrets()["items"].as_array().context("secrets")? {
        let secrets: Api<Secret> = Api::namespaced(kube.clone(), "shop");
        let secret = serde_json::from_value(secret.clone())?;
        secrets.create(&PostParams::default(), &secret).await?;
    }
    Ok(())
}

/// The rights of the gateway as docs/rbac.md has them, for both Secrets of the demo.
fn rights() -> Result<String> {
    let page = std::fs::read_to_string(demo::manifests().join("../../docs/rbac.md"))?;
    let blocks = page
        .split("```yaml\n")
        .skip(1)
        .filter_map(|block| block.split("```").next());
    let text: Vec<&str> = blocks.collect();
    Ok(text
        .join("---\n")
        .replace("[worker-secret]", "[worker-secret, ledger-certificate]"))
}

/// `kubectl apply` of a text of several documents.
pub async fn apply(kube: &Client, text: &str) -> Result<()> {
    let documents: Vec<Value> = serde_saphyr::from_multiple(text)?;
    for document in documents.into_iter().filter(|document| !document.is_null()) {
        let object: DynamicObject = serde_json::from_value(document)?;
        let types = object.types.as_ref().context("apiVersion and kind")?;
        let resource = ApiResource::from_gvk(&GroupVersionKind::try_from(types)?);
        let api: Api<DynamicObject> = match object.namespace() {
            Some(namespace) => Api::namespaced_with(kube.clone(), &namespace, &resource),
            None => Api::all_with(kube.clone(), &resource),
        };
        let parameters = PatchParams::apply(WRITER).force();
        api.patch(&object.name_any(), &parameters, &Patch::Apply(&object))
            .await
            .with_context(|| format!("{} {}", types.kind, object.name_any()))?;
    }
    Ok(())
}

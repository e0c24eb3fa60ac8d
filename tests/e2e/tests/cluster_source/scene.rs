//! The API server, azure-sim and a gateway between them.

use std::fmt::Debug;
use std::net::{Ipv4Addr, SocketAddr};
use std::path::PathBuf;
use std::time::Duration;

use anyhow::{Context, ensure};
use clap::Parser;
use k8s_openapi::api::core::v1::{Namespace, Secret};
use kube::api::{Api, DeleteParams, Patch, PatchParams, PostParams};
use kube::core::NamespaceResourceScope;
use podgate_api::{
    AzureAssignedIdentity, AzureIdentity, AzureIdentityBinding, NODE_LABEL, assigned_name,
};
use podgate_e2e::node::{NODE_NAME, PodObject, apply};
use podgate_e2e::{demo, stage};
use podgate_gateway::app::Gateway;
use podgate_gateway::config::Config;
use podgate_testkit::{Answer, AzureSim, Client, ControlPlane};
use serde::de::DeserializeOwned;
use serde_json::{Value, json};
use tempfile::TempDir;
use tokio::time::{Instant, sleep};

/// Much longer than anything but a frozen API server takes.
pub(crate) const SOON: Duration = Duration::from_secs(60);
const ACCOUNT: &str = "system:serviceaccount:podgate:podgate-gateway";

/// A cluster without a gateway.
pub(crate) struct Cluster {
    pub(crate) plane: ControlPlane,
    pub(crate) kube: kube::Client,
    pub(crate) sim: AzureSim,
    folder: TempDir,
}

/// A cluster and a gateway of one of its nodes.
pub(crate) struct Scene {
    pub(crate) cluster: Cluster,
    pub(crate) gateway: Gateway,
}

impl Cluster {
    /// The four kinds and the objects of the demo, but for its pods.
    pub(crate) async fn start() -> anyhow::Result<Self> {
        let cluster = Self::bare().await?;
        cluster.plane.apply_crds().await?;
        cluster.cast().await?;
        Ok(cluster)
    }

    /// The rights of the gateway's ServiceAccount, and nothing else.
    pub(crate) async fn bare() -> anyhow::Result<Self> {
        let sim = AzureSim::start(demo::directory()?).await?;
        let plane = ControlPlane::start().await?;
        let folder = tempfile::tempdir()?;
        std::fs::write(folder.path().join("ca.pem"), sim.ca_pem())?;
        let kube = plane.client().await?;
        let shop = json!({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": "shop"}});
        let namespaces: Api<Namespace> = Api::all(kube.clone());
        namespaces
            .create(&PostParams::default(), &serde_json::from_value(shop)?)
            .await?;
        for rules in rbac() {
            apply(&kube, &rules).await?;
        }
        let cluster = Self {
            plane,
            kube,
            sim,
            folder,
        };
        std::fs::write(
            cluster.kubeconfig(),
            cluster
                .plane
                .kubeconfig_for(ACCOUNT, "system:serviceaccounts")?,
        )?;
        Ok(cluster)
    }

    /// Identities, bindings and Secrets of the demo.
    pub(crate) async fn cast(&self) -> anyhow::Result<()> {
        let text = std::fs::read_to_string(demo::manifests().join("identities.yaml"))?;
        // The namespace of the exception is there in every cluster.
        apply(&self.kube, &text).await?;
        let secrets: Api<Secret> = Api::namespaced(self.kube.clone(), "shop");
        for secret in demo::secrets()["items"].as_array().context("secrets")? {
            secrets
                .create(
                    &PostParams::default(),
                    &serde_json::from_value(secret.clone())?,
                )
                .await?;
        }
        Ok(())
    }

    pub(crate) fn kubeconfig(&self) -> PathBuf {
        self.folder.path().join("gateway.kubeconfig")
    }

    /// A client with the gateway's rights.
    pub(crate) async fn as_gateway(&self) -> anyhow::Result<kube::Client> {
        let text = std::fs::read_to_string(self.kubeconfig())?;
        podgate_testkit::client_of(&text).await
    }

    /// A gateway that need not be ready.
    pub(crate) async fn gateway(&self, flags: &[&str]) -> anyhow::Result<Gateway> {
        let mut arguments = stage::arguments(
            &self.sim,
            &self.kubeconfig(),
            &self.folder.path().join("ca.pem"),
        );
        arguments.retain(|argument| !argument.starts_with("--standalone"));
        arguments.extend([
            format!("--node={NODE_NAME}"),
            format!("--kubeconfig={}", self.kubeconfig().display()),
            "--share-port=false".to_owned(),
            "--nmi-port=0".to_owned(),
            "--http-probe-port=0".to_owned(),
        ]);
        arguments.extend(flags.iter().map(|flag| (*flag).to_owned()));
        Gateway::start(&Config::try_parse_from(arguments)?).await
    }

    /// The Secret's one key gets this content.
    pub(crate) async fn rotate(&self, name: &str, content: &str) -> anyhow::Result<()> {
        let secrets: Api<Secret> = Api::namespaced(self.kube.clone(), "shop");
        let patch = Patch::Merge(json!({"stringData": {"clientSecret": content}}));
        secrets.patch(name, &PatchParams::default(), &patch).await?;
        Ok(())
    }

    /// A record that is in this state from its beginning: one without a state is an old controller's word for
    /// Assigned.
    pub(crate) async fn record(
        &self,
        pod: &PodObject,
        identity: &str,
        state: &str,
    ) -> anyhow::Result<()> {
        let name = assigned_name(&pod.name, pod.namespace, identity);
        let record = json!({"apiVersion": "aadpodidentity.k8s.io/v1", "kind": "AzureAssignedIdentity",
            "metadata": {"name": name, "namespace": "default", "labels": {NODE_LABEL: NODE_NAME}},
            "spec": {
                "azureIdentityRef": self.named::<AzureIdentity>(identity).await?,
                "azureBindingRef": self.named::<AzureIdentityBinding>(identity).await?,
                "pod": pod.name, "podNamespace": pod.namespace, "nodename": NODE_NAME,
            },
            "status": {"status": state}});
        let records: Api<AzureAssignedIdentity> = Api::namespaced(self.kube.clone(), "default");
        records
            .create(&PostParams::default(), &serde_json::from_value(record)?)
            .await?;
        Ok(())
    }

    async fn named<K>(&self, name: &str) -> anyhow::Result<K>
    where
        K: kube::Resource<Scope = NamespaceResourceScope, DynamicType = ()>,
        K: Clone + Debug + DeserializeOwned,
    {
        let api: Api<K> = Api::namespaced(self.kube.clone(), "shop");
        Ok(api.get(name).await?)
    }

    pub(crate) async fn unbind(&self, binding: &str) -> anyhow::Result<()> {
        let bindings: Api<AzureIdentityBinding> = Api::namespaced(self.kube.clone(), "shop");
        bindings.delete(binding, &DeleteParams::default()).await?;
        Ok(())
    }
}

impl Scene {
    pub(crate) async fn start(flags: &[&str]) -> anyhow::Result<Self> {
        Self::of(Cluster::start().await?, flags).await
    }

    pub(crate) async fn of(cluster: Cluster, flags: &[&str]) -> anyhow::Result<Self> {
        let gateway = cluster.gateway(flags).await?;
        let scene = Self { cluster, gateway };
        scene
            .until("readiness", async || {
                Ok(scene.gateway.readiness.awaited().is_empty())
            })
            .await?;
        Ok(scene)
    }

    pub(crate) async fn until(
        &self,
        what: &str,
        there: impl AsyncFnMut() -> anyhow::Result<bool>,
    ) -> anyhow::Result<Duration> {
        until(&self.gateway, SOON, what, there).await
    }

    /// A pod of the namespace `shop`, running.
    pub(crate) async fn pod(
        &self,
        name: &str,
        selector: &str,
        last: u8,
    ) -> anyhow::Result<PodObject> {
        let pod = PodObject::bound(name, selector, Ipv4Addr::new(127, 0, 0, last));
        pod.create(&self.cluster.kube).await?;
        Ok(pod)
    }

    pub(crate) async fn token(&self, last: u8, resource: &str) -> anyhow::Result<Answer> {
        token(self.gateway.address, last, resource).await
    }

    /// The client id of the token's identity.
    pub(crate) fn identity(&self, answer: &Answer) -> anyhow::Result<String> {
        ensure!(answer.status == 200, "{}: {}", answer.status, answer.text());
        let json = answer.json();
        let token = json["access_token"].as_str().context("access_token")?;
        Ok(self.cluster.sim.verify(token)?.appid)
    }

    pub(crate) async fn admin(&self, path: &str) -> anyhow::Result<Answer> {
        admin(&self.gateway, path).await
    }

    /// What the gateway says it watches, and how old it is.
    pub(crate) async fn watches(&self) -> anyhow::Result<Vec<Value>> {
        let explained = self.admin("/explain?pod=shop/none").await?.json();
        Ok(explained["state"].as_array().cloned().unwrap_or_default())
    }

    /// The Secrets among them.
    pub(crate) async fn secrets(&self) -> anyhow::Result<Vec<String>> {
        let watches = self.watches().await?;
        let names = watches
            .iter()
            .filter_map(|watch| watch["of"].as_str()?.strip_prefix("Secret "));
        Ok(names.map(str::to_owned).collect())
    }

    pub(crate) async fn metrics(&self) -> anyhow::Result<String> {
        Ok(self.admin("/metrics").await?.text().to_string())
    }
}

/// Waits, and says how long that was.
pub(crate) async fn until(
    gateway: &Gateway,
    patience: Duration,
    what: &str,
    mut there: impl AsyncFnMut() -> anyhow::Result<bool>,
) -> anyhow::Result<Duration> {
    let begun = Instant::now();
    while !there().await? {
        if begun.elapsed() > patience {
            anyhow::bail!(
                "{what} never came: {}",
                admin(gateway, "/readyz").await?.text()
            );
        }
        sleep(Duration::from_millis(10)).await;
    }
    Ok(begun.elapsed())
}

pub(crate) async fn admin(gateway: &Gateway, path: &str) -> anyhow::Result<Answer> {
    let host = gateway.admin.to_string();
    Ok(Client::new(gateway.admin)
        .get(path, &[("Host", &host)])
        .await?)
}

/// A request of the pod with this address.
pub(crate) async fn token(gateway: SocketAddr, last: u8, resource: &str) -> anyhow::Result<Answer> {
    let path =
        format!("/metadata/identity/oauth2/token?api-version=2018-02-01&resource={resource}");
    let headers = [("Metadata", "true"), ("Host", "169.254.169.254")];
    let client = Client::new(gateway)
        .from_source(Ipv4Addr::new(127, 0, 0, last).into())
        .deadline(SOON);
    Ok(client.get(&path, &headers).await?)
}

/// The gateway's YAML of docs/rbac.md.
fn rbac() -> Vec<String> {
    let page = include_str!("../../../../docs/rbac.md");
    let (gateway, _) = page
        .split_once("## The controller")
        .expect("the controller's part comes last");
    let blocks: Vec<String> = gateway
        .split("```yaml\n")
        .skip(1)
        .filter_map(|rest| Some(rest.split_once("```")?.0.to_owned()))
        .collect();
    assert!(
        blocks.len() >= 2,
        "one for everywhere, one for the Secrets of a namespace"
    );
    blocks
}

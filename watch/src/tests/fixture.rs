//! A watch, its fake API server, and the objects of both.

use std::collections::BTreeMap;
use std::net::IpAddr;
use std::sync::Arc;
use std::time::Duration;

use parking_lot::Mutex;
use prometheus_client::encoding::text::encode;
use prometheus_client::registry::Registry;
use serde::Deserialize;
use serde_json::{Value, json};
use tokio::task::JoinHandle;
use tokio::time::{Instant, sleep};

use crate::testing::Fake;
use crate::{Api, Freshness, InDoubt, Kind, Patience, Reading, Selectors, Sink, Watch};

/// One kind of each sort.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Thing {
    /// Selected by their node.
    Pods,
    /// Of no namespace.
    Nodes,
    /// Brought by a definition.
    Identities,
    /// Likewise, and they stand when in doubt.
    Bindings,
    /// One object, whose absence is told.
    Secret,
}

#[derive(Deserialize)]
struct Wire {
    metadata: Metadata,
}

#[derive(Deserialize)]
struct Metadata {
    uid: String,
    #[serde(default)]
    labels: BTreeMap<String, String>,
}

#[derive(Deserialize)]
struct Pod {
    spec: Spec,
    #[serde(rename = "status")]
    _status: Status,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Spec {
    node_name: String,
    #[serde(rename = "containers")]
    _containers: Vec<Value>,
}

#[derive(Deserialize)]
struct Status {
    #[serde(rename = "podIP")]
    _ip: IpAddr,
}

/// A key, and what is told of its object: its uid and its edition, or why there is none.
pub(crate) type Told = (String, String);

impl Kind for Thing {
    type Key = String;
    type Object = Told;

    fn name(&self) -> &'static str {
        match self {
            Self::Pods => "Pod",
            Self::Nodes => "Node",
            Self::Identities => "AzureIdentity",
            Self::Bindings => "AzureIdentityBinding",
            Self::Secret => "Secret",
        }
    }

    fn what(&self) -> String {
        format!("{} list", self.name())
    }

    fn path(&self) -> String {
        match self {
            Self::Pods => "/api/v1/pods",
            Self::Nodes => "/api/v1/nodes",
            Self::Identities => "/apis/aadpodidentity.k8s.io/v1/azureidentities",
            Self::Bindings => "/apis/aadpodidentity.k8s.io/v1/azureidentitybindings",
            Self::Secret => "/api/v1/namespaces/shop/secrets",
        }
        .to_owned()
    }

    fn selectors(&self) -> Selectors {
        let (fields, labels) = match self {
            Self::Pods => (Some("spec.nodeName=node-1".to_owned()), None),
            Self::Nodes => (None, Some("kubernetes.io/os=linux".to_owned())),
            Self::Secret => (Some("metadata.name=login".to_owned()), None),
            Self::Identities | Self::Bindings => (None, None),
        };
        Selectors { fields, labels }
    }

    fn definition(&self) -> Option<String> {
        let plural = match self {
            Self::Identities => "azureidentities",
            Self::Bindings => "azureidentitybindings",
            _ => return None,
        };
        Some(format!("{plural}.aadpodidentity.k8s.io"))
    }

    fn in_doubt(&self) -> InDoubt {
        match self {
            Self::Bindings => InDoubt::Stands,
            _ => InDoubt::Gone,
        }
    }

    fn needs(&self) -> String {
        match self {
            Self::Pods => "list and watch pods",
            Self::Nodes => "list and watch nodes",
            Self::Identities => "list and watch azureidentities.aadpodidentity.k8s.io",
            Self::Bindings => "list and watch azureidentitybindings.aadpodidentity.k8s.io",
            Self::Secret => "list and watch Secret shop/login",
        }
        .to_owned()
    }

    fn key(&self, namespace: Option<&str>, name: &str) -> Option<String> {
        match self {
            Self::Nodes => Some(name.to_owned()),
            _ => Some(format!("{}/{name}", namespace?)),
        }
    }

    fn read(&self, key: &String, json: &str) -> Reading<Told> {
        let read = match self {
            Self::Pods => serde_json::from_str(json).map(|pod: Pod| pod.is_own()),
            _ => Ok(true),
        };
        let read = read.and_then(|own| Ok((own, serde_json::from_str::<Wire>(json)?)));
        match read {
            Ok((false, _)) => Reading::Foreign,
            Ok((true, wire)) => Reading::Object((key.clone(), wire.told())),
            Err(error) => Reading::Unreadable {
                problem: error.to_string(),
                stand_in: matches!(self, Self::Identities)
                    .then(|| (key.clone(), "unreadable".to_owned())),
            },
        }
    }

    fn absent(&self) -> Option<Told> {
        matches!(self, Self::Secret).then(|| ("shop/login".to_owned(), "absent".to_owned()))
    }

    fn forbidden(&self) -> Option<Told> {
        matches!(self, Self::Secret).then(|| ("shop/login".to_owned(), "forbidden".to_owned()))
    }
}

impl Pod {
    fn is_own(&self) -> bool {
        self.spec.node_name == "node-1"
    }
}

impl Wire {
    fn told(self) -> String {
        let edition = self.metadata.labels.get("edition").cloned();
        format!("{} {}", self.metadata.uid, edition.unwrap_or_default())
    }
}

/// What has come through the sink.
#[derive(Clone, Default)]
pub(crate) struct Known(Arc<Mutex<State>>);

#[derive(Default)]
struct State {
    objects: BTreeMap<String, String>,
    complete: usize,
    unreadable: usize,
}

impl Known {
    pub(crate) fn objects(&self) -> BTreeMap<String, String> {
        self.0.lock().objects.clone()
    }

    pub(crate) fn keys(&self) -> Vec<String> {
        self.0.lock().objects.keys().cloned().collect()
    }

    pub(crate) fn told(&self, key: &str) -> Option<String> {
        self.0.lock().objects.get(key).cloned()
    }

    pub(crate) fn complete(&self) -> usize {
        self.0.lock().complete
    }

    pub(crate) fn unreadable(&self) -> usize {
        self.0.lock().unreadable
    }
}

impl Sink<Thing> for Known {
    async fn apply(&mut self, (key, told): Told) {
        self.0.lock().objects.insert(key, told);
    }

    async fn remove(&mut self, key: &String) {
        let removed = self.0.lock().objects.remove(key);
        assert!(
            removed.is_some(),
            "{key} was never there, and is taken away"
        );
    }

    async fn complete(&mut self) {
        self.0.lock().complete += 1;
    }

    fn unreadable(&mut self) {
        self.0.lock().unreadable += 1;
    }
}

/// A watch of a fake API server.
pub(crate) struct Fixture {
    pub(crate) fake: Fake,
    pub(crate) known: Known,
    freshness: Arc<Freshness>,
    task: JoinHandle<()>,
}

/// Much longer than anything here takes, and shorter than a reader's patience.
const DEADLINE: Duration = Duration::from_secs(20);
/// Longer than a busy machine takes to answer, and short for a test of it.
pub(crate) const SILENCE: Duration = Duration::from_millis(700);

impl Fixture {
    pub(crate) async fn start(kind: Thing, script: impl FnOnce(&Fake)) -> Self {
        let known = Known::default();
        Self::into(kind, known.clone(), known, script).await
    }

    /// With another sink than what is known.
    pub(crate) async fn into<S: Sink<Thing>>(
        kind: Thing,
        sink: S,
        known: Known,
        script: impl FnOnce(&Fake),
    ) -> Self {
        let fake = Fake::start().await;
        script(&fake);
        let freshness = Arc::<Freshness>::default();
        let api = Api::new(fake.client(), "the program").with_patience(Patience {
            answer: SILENCE,
            silence: SILENCE,
        });
        let task = tokio::spawn(Watch::new(api, kind, sink, &freshness).run());
        Self {
            fake,
            known,
            freshness,
            task,
        }
    }

    pub(crate) async fn until(&self, what: &str, mut there: impl FnMut(&Self) -> bool) {
        let deadline = Instant::now() + DEADLINE;
        while !there(self) {
            assert!(
                Instant::now() < deadline,
                "{what} never came: {:?}",
                self.problems()
            );
            sleep(Duration::from_millis(2)).await;
        }
    }

    pub(crate) async fn ready(&self) {
        self.until("everything", |fixture| fixture.known.complete() > 0)
            .await;
    }

    pub(crate) fn problems(&self) -> String {
        self.freshness.problems().join("\n")
    }

    pub(crate) fn has(&self, name: &str) -> bool {
        self.known.told(&format!("default/{name}")).is_some()
    }

    pub(crate) fn scrape(&self) -> String {
        let mut registry = Registry::with_prefix("podgate");
        self.freshness.register(&mut registry);
        let mut text = String::new();
        encode(&mut text, &registry).unwrap();
        text
    }

    pub(crate) fn counted(&self, series: &str) -> bool {
        self.scrape().contains(series)
    }

    pub(crate) fn asked(&self, part: &str) -> usize {
        let requests = self.fake.requests();
        requests
            .iter()
            .filter(|request| request.contains(part))
            .count()
    }
}

impl Drop for Fixture {
    fn drop(&mut self) {
        self.task.abort();
    }
}

pub(crate) fn pod(name: &str, ip: &str) -> Value {
    json!({
        "metadata": {"name": name, "namespace": "default", "uid": name, "resourceVersion": "5"},
        "spec": {"nodeName": "node-1", "containers": []},
        "status": {"podIP": ip},
    })
}

pub(crate) fn node(name: &str) -> Value {
    json!({"metadata": {"name": name, "uid": name, "resourceVersion": "5"}})
}

pub(crate) fn identity(name: &str) -> Value {
    json!({"metadata": {"name": name, "namespace": "default", "uid": name, "resourceVersion": "5"}})
}

pub(crate) fn secret() -> Value {
    json!({"metadata": {"name": "login", "namespace": "shop", "uid": "1", "resourceVersion": "5"}})
}

//! The cluster's objects, read without a process: cases look ten times a second.

use anyhow::{Context, Result, bail};
use podgate_testkit::client_of;
use serde_json::Value;
use tokio::runtime::Handle;

/// The API server, for reading.
pub(crate) struct Kube {
    client: kube::Client,
    runtime: Handle,
}

impl Kube {
    pub(crate) fn new(kubeconfig: &str, runtime: Handle) -> Result<Self> {
        let client = runtime.block_on(client_of(kubeconfig))?;
        Ok(Self { client, runtime })
    }

    /// One object; `namespace` is empty where the kind has none.
    pub(crate) fn object(&self, kind: &str, namespace: &str, name: &str) -> Result<Value> {
        let path = format!("{}/{name}", path(kind, namespace)?);
        Ok(serde_json::from_str(&self.text(&path)?)?)
    }

    /// Objects with these labels, as in `app=web`; no namespace is all.
    pub(crate) fn objects(&self, kind: &str, namespace: &str, labels: &str) -> Result<Vec<Value>> {
        let labels = labels.replace('=', "%3D").replace(',', "%2C");
        let path = format!("{}?labelSelector={labels}", path(kind, namespace)?);
        let list: Value = serde_json::from_str(&self.text(&path)?)?;
        Ok(list["items"].as_array().context("items")?.clone())
    }

    /// What a pod's only container, or this one of it, has logged.
    pub(crate) fn log(&self, namespace: &str, pod: &str, container: &str) -> Result<String> {
        let container = match container {
            "" => String::new(),
            name => format!("?container={name}"),
        };
        self.text(&format!(
            "{}/{pod}/log{container}",
            path("pods", namespace)?
        ))
    }

    /// The end of a request.
    pub(crate) fn wait_for<T>(&self, work: impl Future<Output = T>) -> T {
        self.runtime.block_on(work)
    }

    fn text(&self, path: &str) -> Result<String> {
        let asked = http::Request::get(path).body(Vec::new())?;
        let answer = self.runtime.block_on(self.client.request_text(asked));
        answer.with_context(|| format!("reading {path}"))
    }
}

fn path(kind: &str, namespace: &str) -> Result<String> {
    let group = match kind {
        "pods" | "nodes" | "events" => "/api/v1",
        "jobs" => "/apis/batch/v1",
        "daemonsets" | "deployments" => "/apis/apps/v1",
        "leases" => "/apis/coordination.k8s.io/v1",
        kind if kind.starts_with("azure") => "/apis/aadpodidentity.k8s.io/v1",
        kind => bail!("no case reads {kind}"),
    };
    Ok(match namespace {
        "" => format!("{group}/{kind}"),
        namespace => format!("{group}/namespaces/{namespace}/{kind}"),
    })
}

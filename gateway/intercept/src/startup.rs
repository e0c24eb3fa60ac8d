//! The taint that keeps pods off a node until interception is in place and the gateway answers.
//!
//! RBAC: `get` and `patch` of nodes. RBAC cannot narrow that to the own node or to its taints.

use std::time::Duration;

use anyhow::{Context, Result, anyhow, bail};
use bytes::Bytes;
use http::{Request, StatusCode, Uri};
use http_body_util::Empty;
use hyper::client::conn::http1;
use hyper_util::rt::TokioIo;
use k8s_openapi::api::core::v1::{Node, Taint};
use kube::Api;
use kube::api::{Patch, PatchParams};
use serde_json::{Value, json};
use tokio::net::TcpStream;
use tokio::time::{sleep, timeout};

use crate::cli::Watch;
use crate::cluster;

/// Between tries: pods wait for this.
const RETRY: Duration = Duration::from_millis(500);
/// The longest time between tries that fail for the API server's sake.
const LONGEST_RETRY: Duration = Duration::from_secs(30);
/// A gateway that is ready says so at once.
const PATIENCE: Duration = Duration::from_secs(2);

/// What is left to do before pods may come to this node.
pub(crate) struct Startup(Option<Task>);

struct Task {
    node: String,
    taint: String,
    ready: Uri,
    nodes: Api<Node>,
}

impl Startup {
    /// Takes the task from the options; without a node there is none.
    ///
    /// # Errors
    /// There is no way to the API server, or the gateway's URL is not plain HTTP.
    pub(crate) async fn new(options: &Watch) -> Result<Self> {
        let Some(node) = options.node.clone() else {
            return Ok(Self(None));
        };
        check(&options.ready_url)?;
        let client = cluster::client(options.kubeconfig.as_deref()).await?;
        Ok(Self(Some(Task {
            node,
            taint: options.startup_taint.clone(),
            ready: options.ready_url.clone(),
            nodes: Api::all(client),
        })))
    }

    /// Does it, however long that takes, and then waits for ever.
    pub(crate) async fn finish(&self) {
        if let Some(task) = &self.0 {
            task.await_gateway().await;
            task.untaint().await;
        }
        std::future::pending().await
    }
}

impl Task {
    async fn await_gateway(&self) {
        let mut is_first = true;
        loop {
            let answer = timeout(PATIENCE, ask(&self.ready)).await;
            match answer.unwrap_or_else(|_| Err(anyhow!("no answer within {PATIENCE:?}"))) {
                Ok(StatusCode::OK) => return,
                Ok(status) => self.tell_once(&mut is_first, &status.to_string()),
                Err(error) => self.tell_once(&mut is_first, &format!("{error:#}")),
            }
            sleep(RETRY).await;
        }
    }

    fn tell_once(&self, is_first: &mut bool, reason: &str) {
        if std::mem::take(is_first) {
            tracing::info!(url = %self.ready, reason, taint = self.taint, "the gateway is not ready, so the node's taint stays");
        }
    }

    async fn untaint(&self) {
        let mut wait = RETRY;
        loop {
            match self.try_untaint().await {
                Ok(false) => return,
                Ok(true) => {
                    return tracing::info!(
                        node = self.node,
                        taint = self.taint,
                        "removed the node's taint: pods may come"
                    );
                }
                Err(error) => {
                    tracing::warn!(node = self.node, taint = self.taint, %error, "cannot remove the node's taint yet");
                }
            }
            sleep(wait).await;
            wait = (wait * 2).min(LONGEST_RETRY);
        }
    }

    /// Whether there was something to remove.
    async fn try_untaint(&self) -> Result<bool, kube::Error> {
        let node = self.nodes.get(&self.node).await?;
        let Some(patch) = patch(&node, &self.taint) else {
            return Ok(false);
        };
        let parameters = PatchParams::default();
        self.nodes
            .patch(&self.node, &parameters, &Patch::Merge(patch))
            .await?;
        Ok(true)
    }
}

/// A merge patch replaces the whole list, so it names the version that the list was read from: a taint that somebody
/// adds meanwhile makes it fail instead of being lost. Nothing when the taint is not there.
fn patch(node: &Node, key: &str) -> Option<Value> {
    let taints = node.spec.as_ref()?.taints.as_ref()?;
    let others: Vec<&Taint> = taints.iter().filter(|taint| taint.key != key).collect();
    (others.len() < taints.len()).then(|| {
        json!({
            "metadata": { "resourceVersion": node.metadata.resource_version },
            "spec": { "taints": others },
        })
    })
}

fn check(url: &Uri) -> Result<()> {
    let host: Option<std::net::IpAddr> = url
        .host()
        .and_then(|host| host.trim_matches(['[', ']']).parse().ok());
    if url.scheme_str() != Some("http") || host.is_none() {
        bail!("--ready-url {url}: write http://ADDRESS:PORT/readyz, with an address and no name");
    }
    Ok(())
}

async fn ask(url: &Uri) -> Result<StatusCode> {
    let authority = url.authority().context("a URL without a host")?;
    let host = authority.host().trim_matches(['[', ']']);
    let stream = TcpStream::connect((host, authority.port_u16().unwrap_or(80))).await?;
    let (mut sender, connection) = http1::handshake(TokioIo::new(stream)).await?;
    let path = url.path_and_query().map_or("/", |path| path.as_str());
    let request = Request::get(path)
        .header(http::header::HOST, authority.as_str())
        .body(Empty::<Bytes>::new())?;
    // It ends with `sender`.
    tokio::spawn(connection);
    Ok(sender.send_request(request).await?.status())
}

#[cfg(test)]
mod tests;

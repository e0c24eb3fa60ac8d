//! On a node: the world from the API server.
//!
//! ```text
//! pods (spec.nodeName=NODE) ───────────────┐
//! AzureIdentity, …Binding, …Exception ─────┼─▶ podgate_watch ▸ object (trimmed) ─▶ World
//! AzureAssignedIdentity (nodename=NODE) ───┤     one connection; a stream each
//! Secrets, by name ◀─ wanted ─ World ──────┘     another one
//! ```
//! A watch never gives up. What it said last is served while the API server is away
//! (docs/adr/0007-stale-state-serves.md); [`podgate_watch::Freshness`] says how old that is.

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::AtomicUsize;

use anyhow::bail;
use async_trait::async_trait;
use podgate_watch::{Api, Watch, client};
use tokio::task::JoinSet;

use super::Source;
use crate::assignment::{Mode, Rules};
use crate::metrics::Metrics;
use crate::readiness::{Pending, Readiness};
use crate::world::World;
use feed::{Feed, First};
use kind::Kind;
use secrets::Secrets;

mod feed;
mod kind;
mod names;
mod object;
mod secrets;

pub(crate) use names::is_object_name;
pub use names::{InvalidNodeName, NodeName};

/// The API server, as one node's gateway sees it.
pub struct Cluster {
    /// Of the kinds that every request needs.
    api: Api,
    /// Apart, so that no number of Secrets takes the streams of the others.
    secrets: Api,
    kinds: Vec<(Kind, Pending)>,
    rules: Rules,
    metrics: Arc<Metrics>,
}

impl Cluster {
    /// Reads the settings of the connection; the API server itself may be away. With a `kubeconfig` it is where that
    /// says, otherwise where the pod's ServiceAccount says. Each kind's first complete state is a start-up task.
    ///
    /// # Errors
    /// The settings cannot be used.
    pub async fn new(
        node: &NodeName,
        kubeconfig: Option<&Path>,
        rules: Rules,
        metrics: Arc<Metrics>,
        readiness: &Readiness,
    ) -> anyhow::Result<Self> {
        let settings = client::settings(kubeconfig).await?;
        let connect = || client::connect(&settings).map(|client| Api::new(client, "the gateway"));
        Ok(Self {
            api: connect()?,
            secrets: connect()?,
            kinds: pending(node, rules.mode, readiness),
            rules,
            metrics,
        })
    }
}

/// In managed mode nobody looks at AzureAssignedIdentity, so its definition need not exist.
fn pending(node: &NodeName, mode: Mode, readiness: &Readiness) -> Vec<(Kind, Pending)> {
    let mut kinds = vec![
        Kind::Pods(node.clone()),
        Kind::Identities,
        Kind::Bindings,
        Kind::Exceptions,
    ];
    if mode == Mode::Standard {
        kinds.push(Kind::Assigned(node.clone()));
    }
    let tasks: Vec<Pending> = kinds
        .iter()
        .map(|kind| readiness.pending(kind.task()))
        .collect();
    kinds.into_iter().zip(tasks).collect()
}

#[async_trait]
impl Source for Cluster {
    async fn run(self: Box<Self>, world: World) -> anyhow::Result<()> {
        let left = Arc::new(AtomicUsize::new(self.kinds.len()));
        let mut tasks = JoinSet::new();
        for (kind, pending) in self.kinds {
            let left = Arc::clone(&left);
            let feed = Feed {
                world: world.clone(),
                metrics: Arc::clone(&self.metrics),
                first: Some(First { pending, left }),
            };
            let freshness = self.metrics.freshness();
            tasks.spawn(Watch::new(self.api.clone(), kind, feed, freshness).run());
        }
        let secrets = Secrets {
            api: self.secrets,
            world,
            rules: self.rules,
            metrics: self.metrics,
            watches: BTreeMap::new(),
        };
        tasks.spawn(secrets.run());
        match tasks.join_next().await {
            Some(Err(error)) => bail!("a watch ended: {error}"),
            _ => bail!("a watch ended, which none ever does"),
        }
    }
}

#[cfg(test)]
mod tests;

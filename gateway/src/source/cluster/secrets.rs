//! Secrets, each read by its name while a pod of this node could use it, and forgotten after.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Duration;

use podgate_watch::{Api, Watch};
use tokio::task::JoinHandle;
use tokio::time::{Instant, sleep};

use super::feed::Feed;
use super::kind::Kind;
use super::names;
use crate::assignment::Rules;
use crate::assignment::select;
use crate::metrics::Metrics;
use crate::world::{Object, ObjectKey, ObjectRef, Pod, World};

/// Secrets that one pod can have read. Each is a watch; whoever may write identities could name any number.
const PER_POD: usize = 16;
/// What changes together is looked at once. A request that waits for its Secret waits this much longer.
const SETTLE: Duration = Duration::from_millis(5);

/// After a look that took long, so many times as long without one: labels that select thousands of bindings cost
/// time, and whoever makes them must not have all of it.
const REST: u32 = 4;

/// Follows what is wanted.
pub(super) struct Secrets {
    pub(super) api: Api,
    pub(super) world: World,
    pub(super) rules: Rules,
    pub(super) metrics: Arc<Metrics>,
    pub(super) watches: BTreeMap<ObjectRef, Task>,
}

/// A task that ends with this object.
pub(super) struct Task(Option<JoinHandle<()>>);

impl Secrets {
    /// Never ends.
    pub(super) async fn run(mut self) {
        let mut version = self.world.version();
        loop {
            let begun = Instant::now();
            let wanted = wanted(&self.world, &self.rules);
            let spent = begun.elapsed();
            self.drop_unwanted(&wanted).await;
            for secret in wanted {
                self.add(secret);
            }
            if version.changed().await.is_err() {
                return;
            }
            sleep(SETTLE.max(spent * REST)).await;
        }
    }

    async fn drop_unwanted(&mut self, wanted: &BTreeSet<ObjectRef>) {
        let (keep, end): (BTreeMap<_, _>, _) = std::mem::take(&mut self.watches)
            .into_iter()
            .partition(|(secret, _)| wanted.contains(secret));
        self.watches = keep;
        for (secret, task) in end {
            // Only then: a task on its last step could bring the Secret back.
            task.end().await;
            self.world.remove(&ObjectKey::Secret(secret.clone()));
            tracing::info!(%secret, "no pod of this node needs this Secret any more; it is forgotten");
        }
    }

    fn add(&mut self, secret: ObjectRef) {
        if self.watches.contains_key(&secret) {
            return;
        }
        let task = match names::is_object(&secret) {
            true => Task(Some(tokio::spawn(self.watch(secret.clone()).run()))),
            false => {
                let why = "no Secret can be called so; mend spec.clientPassword".to_owned();
                self.world.apply(Object::NoSecret(secret.clone(), why));
                Task(None)
            }
        };
        self.watches.insert(secret, task);
    }

    fn watch(&self, secret: ObjectRef) -> Watch<Kind, Feed> {
        let feed = Feed {
            world: self.world.clone(),
            metrics: Arc::clone(&self.metrics),
            first: None,
        };
        let (api, freshness) = (self.api.clone(), self.metrics.freshness());
        Watch::new(api, Kind::Secret(secret), feed, freshness)
    }
}

/// Of this node's pods, and of nothing else in the cluster: each costs a look at the bindings of its one label. The
/// world is let go between two pods; what changes in between is looked at again.
fn wanted(world: &World, rules: &Rules) -> BTreeSet<ObjectRef> {
    let pods: Vec<Arc<Pod>> = world.read().pods().cloned().collect();
    pods.iter()
        .filter(|pod| pod.live)
        .flat_map(|pod| select::secrets(&world.read(), pod, rules, PER_POD))
        .collect()
}

impl Task {
    async fn end(mut self) {
        if let Some(task) = self.0.take() {
            task.abort();
            // Cancelled is what it was meant to be.
            let _ = task.await;
        }
    }
}

impl Drop for Task {
    fn drop(&mut self) {
        if let Some(task) = &self.0 {
            task.abort();
        }
    }
}

#[cfg(test)]
mod tests;

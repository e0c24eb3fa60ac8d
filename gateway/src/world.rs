//! What the gateway knows of the cluster: this node's pods, and the identities, bindings, exceptions and
//! secrets that matter to them.
//!
//! ```text
//! source (folder | Kubernetes API) ─▶ World::apply / remove ─▶ index ─▶ readers: one short read lock
//!                                                          └─▶ version: wakes whoever waits
//! ```
//! One writer at a time changes plain maps synchronously; nobody holds the lock across an await.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use parking_lot::{RwLock, RwLockReadGuard};
use tokio::sync::{broadcast, watch};

mod identity;
mod index;
mod object;

pub use identity::{Application, Identity, IdentityRules, InvalidIdentity, ServicePrincipal, Way};
pub use index::{Candidate, Index, SecretState};
pub use object::{Assigned, Binding, Exceptions, Object, ObjectKey, Pod, PodUid, SecretData};
pub use podgate_api::ObjectRef;

/// Changes that nobody has read yet. A reader that falls further behind is told so and looks at everything.
const CHANGES: usize = 1024;

/// The shared state. Cheap to clone.
#[derive(Clone)]
pub struct World(Arc<Shared>);

struct Shared {
    index: RwLock<Index>,
    stamp: AtomicU64,
    version: watch::Sender<u64>,
    changes: broadcast::Sender<Change>,
}

/// Something that may make a cached token or a verdict stale.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Change {
    /// The identity of this name was edited or removed, or its last binding was.
    Identity(ObjectRef),
    /// This Secret was edited or removed.
    Secret(ObjectRef),
    /// The exceptions of this namespace were changed.
    Exceptions(String),
    /// This pod is gone, has ended, or it is another one now.
    PodGone(PodUid),
}

// === impl World ===

impl World {
    /// An empty world. `rules` decide which identities are usable at all.
    pub fn new(rules: IdentityRules) -> Self {
        Self(Arc::new(Shared {
            index: RwLock::new(Index::new(rules)),
            stamp: AtomicU64::new(0),
            version: watch::Sender::new(0),
            changes: broadcast::Sender::new(CHANGES),
        }))
    }

    /// Hides every pod until [`World::complete`]: what is asked before would be answered by half a state. Secrets
    /// are read when they are wanted, if `secrets_on_demand`.
    pub fn incomplete(&self, secrets_on_demand: bool) {
        let mut index = self.0.index.write();
        index.whole = false;
        index.on_demand = secrets_on_demand;
    }

    /// The source has brought its first complete state.
    pub fn complete(&self) {
        self.change(|index| {
            index.whole = true;
            Vec::new()
        });
    }

    /// Adds an object, or replaces the one of the same kind, namespace and name.
    pub fn apply(&self, object: Object) {
        self.change(|index| index.apply(object));
    }

    /// Removes an object; one that is not there is no error.
    pub fn remove(&self, key: &ObjectKey) {
        self.change(|index| index.remove(key));
    }

    /// A view of now. Hold it briefly and never across an await.
    pub fn read(&self) -> RwLockReadGuard<'_, Index> {
        self.0.index.read()
    }

    /// Marks every change after this call. Subscribe first, look second, wait third: then no change is missed.
    pub fn version(&self) -> watch::Receiver<u64> {
        self.0.version.subscribe()
    }

    /// What changed, for those who keep something derived.
    pub fn changes(&self) -> broadcast::Receiver<Change> {
        self.0.changes.subscribe()
    }

    /// Two readings of the same stamp mean that nothing changed in between.
    pub fn stamp(&self) -> u64 {
        self.0.stamp.load(Ordering::Acquire)
    }

    fn change(&self, change: impl FnOnce(&mut Index) -> Vec<Change>) {
        let mut index = self.0.index.write();
        let changes = change(&mut index);
        // Under the lock: whoever sees the new state sees the new stamp.
        self.0.stamp.fetch_add(1, Ordering::Release);
        drop(index);
        for change in changes {
            // No receiver is no error: nobody keeps anything yet.
            let _ = self.0.changes.send(change);
        }
        self.0.version.send_modify(|version| *version += 1);
    }
}

/// Objects for tests.
#[cfg(test)]
pub(crate) mod testing {
    use std::collections::BTreeMap;

    use podgate_azure::cloud::{AuthorityHosts, Cloud};

    use super::*;

    pub(crate) fn rules() -> IdentityRules {
        IdentityRules {
            authority: Cloud::Public.authority(),
            hosts: AuthorityHosts::default(),
            foreign_secrets: false,
        }
    }

    /// A pod with this address and no labels; its uid is made of its name and address.
    pub(crate) fn pod(namespace: &str, name: &str, ip: &str) -> Pod {
        Pod {
            object: ObjectRef::new(namespace, name),
            uid: PodUid(format!("{namespace}/{name}/{ip}").into()),
            service_account: "default".to_owned(),
            labels: BTreeMap::new(),
            ips: vec![ip.parse().unwrap()],
            addressable: true,
            live: true,
            version: 0,
        }
    }
}

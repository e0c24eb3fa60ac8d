//! Whose a connection is: one pod's, from its first request that finds a pod to its end.
//!
//! An address changes hands while a connection made from it stays open in conntrack or in the successor's reach, so
//! the address alone is not enough for the second request. The bookkeeping is per connection, of which there is a
//! bounded number, and no request but the first of a connection takes its lock.

use std::collections::HashMap;
use std::net::IpAddr;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, OnceLock};

use parking_lot::Mutex;
use tokio::sync::Notify;
use tokio::sync::broadcast::error::RecvError;

use super::ResolvedPod;
use crate::refusal::Refusal;
use crate::world::{Change, ObjectRef, PodUid, World};

/// One connection of the pods' listener.
pub struct Connection {
    peer: IpAddr,
    id: u64,
    owner: OnceLock<PodUid>,
    closing: Arc<Notify>,
    all: Connections,
}

/// The open connections that belong to a pod. Cheap to clone.
#[derive(Clone, Default)]
pub struct Connections(Arc<Registry>);

#[derive(Default)]
struct Registry {
    next: AtomicU64,
    pods: Mutex<HashMap<PodUid, Owned>>,
}

/// The connections of one pod.
struct Owned {
    object: ObjectRef,
    closing: HashMap<u64, Arc<Notify>>,
}

// === impl Connection ===

impl Connection {
    /// The address that the kernel reports, IPv4 where it is IPv4 in IPv6's clothes.
    pub fn peer(&self) -> IpAddr {
        self.peer
    }

    /// The pod it belongs to, once a request found one.
    pub fn owner(&self) -> Option<&PodUid> {
        self.owner.get()
    }

    /// Whose connection this is: `pod`'s if no request said so before.
    ///
    /// # Errors
    /// [`Refusal::PodChanged`] where it is another pod's.
    pub fn claim(&self, world: &World, pod: &ResolvedPod) -> Result<(), Refusal> {
        let owner = match self.owner.get() {
            Some(owner) => owner,
            None => self.first(world, pod),
        };
        match pod.pod().is(owner) {
            true => Ok(()),
            false => Err(Refusal::PodChanged { ip: self.peer }),
        }
    }

    /// Registers first and looks second: a pod that goes after the look closes what is registered, and one that
    /// went before is not there to be seen.
    fn first(&self, world: &World, pod: &ResolvedPod) -> &PodUid {
        let owner = self.owner.get_or_init(|| {
            self.all.enter(self, pod);
            pod.uid().clone()
        });
        if !is_there(world, &pod.pod().object, pod.uid()) {
            self.closing.notify_one();
        }
        owner
    }

    /// Resolves when the pod is gone: what is idle is to be closed now, what is busy after its answer.
    pub async fn closing(&self) {
        self.closing.notified().await;
    }
}

impl Drop for Connection {
    fn drop(&mut self) {
        if let Some(owner) = self.owner.get() {
            self.all.leave(owner, self.id);
        }
    }
}

// === impl Connections ===

impl Connections {
    /// A new connection, nobody's yet.
    pub fn open(&self, peer: IpAddr) -> Connection {
        Connection {
            peer: peer.to_canonical(),
            id: self.0.next.fetch_add(1, Ordering::Relaxed),
            owner: OnceLock::new(),
            closing: Arc::new(Notify::new()),
            all: self.clone(),
        }
    }

    /// Closes the connections of each pod that goes. Subscribes to the world at once, so whatever is opened after
    /// this call is seen; the future runs until it is dropped.
    pub fn close_with_pods(&self, world: World) -> impl Future<Output = ()> + Send + use<> {
        let (connections, mut changes) = (self.clone(), world.changes());
        async move {
            loop {
                match changes.recv().await {
                    Ok(Change::PodGone(uid)) => connections.close(&uid),
                    Ok(_) => {}
                    Err(RecvError::Lagged(_)) => connections.sweep(&world),
                    Err(RecvError::Closed) => return,
                }
            }
        }
    }

    fn enter(&self, connection: &Connection, pod: &ResolvedPod) {
        let mut pods = self.0.pods.lock();
        let owned = pods.entry(pod.uid().clone()).or_insert_with(|| Owned {
            object: pod.pod().object.clone(),
            closing: HashMap::new(),
        });
        let closing = Arc::clone(&connection.closing);
        owned.closing.insert(connection.id, closing);
    }

    fn leave(&self, owner: &PodUid, id: u64) {
        let mut pods = self.0.pods.lock();
        let Some(owned) = pods.get_mut(owner) else {
            return;
        };
        owned.closing.remove(&id);
        if owned.closing.is_empty() {
            pods.remove(owner);
        }
    }

    fn close(&self, uid: &PodUid) {
        let owned = self.0.pods.lock().remove(uid);
        for closing in owned.iter().flat_map(|owned| owned.closing.values()) {
            closing.notify_one();
        }
    }

    /// Changes were missed: every pod is looked at.
    fn sweep(&self, world: &World) {
        let known: Vec<(PodUid, ObjectRef)> = {
            let pods = self.0.pods.lock();
            let name = |(uid, owned): (&PodUid, &Owned)| (uid.clone(), owned.object.clone());
            pods.iter().map(name).collect()
        };
        for (uid, object) in known {
            if !is_there(world, &object, &uid) {
                self.close(&uid);
            }
        }
    }
}

fn is_there(world: &World, object: &ObjectRef, uid: &PodUid) -> bool {
    let index = world.read();
    index.pod(object).is_some_and(|pod| pod.live && pod.is(uid))
}

#[cfg(test)]
mod tests;

//! Who asks: from a connection's source address to a pod.
//!
//! Trust root: the address the kernel reports for the connection. No header is ever looked at.

use std::net::IpAddr;
use std::sync::Arc;

use tokio::time::{Instant, timeout_at};

use crate::refusal::Refusal;
use crate::world::{Index, ObjectRef, Pod, PodUid, World};

mod connection;

pub use connection::{Connection, Connections};

/// The pod that a request is for. Only [`resolve`] and [`find`] make one, so whoever holds one knows that the
/// address belonged to exactly one live pod at that moment, or that the pod of that name was live.
#[derive(Clone, Debug)]
pub struct ResolvedPod {
    pod: Arc<Pod>,
    by: By,
}

/// By what a pod was found, and is found again.
#[derive(Clone, Copy, Debug)]
enum By {
    /// The address of its connection.
    Address(IpAddr),
    /// The name that a driver of the node gave.
    Name,
}

/// Finds the pod that owns `ip`.
///
/// Flow: exactly one live pod has the address ⇒ that pod. None, or several (one is ending, its successor
/// has the address already) ⇒ wait for the watch until `deadline`, woken by each change.
///
/// # Errors
/// [`Refusal::UnknownPod`] or [`Refusal::AmbiguousPod`] at the deadline: never a guess.
pub async fn resolve(world: &World, ip: IpAddr, deadline: Instant) -> Result<ResolvedPod, Refusal> {
    let ip = ip.to_canonical();
    wait(world, deadline, |index| look_up(index, ip)).await
}

/// Finds a live pod of this node by its name, for a driver that mounts something for it: such a pod often has no
/// address yet, and one on the node's own address never has its own.
///
/// # Errors
/// [`Refusal::NoSuchPod`] at the deadline.
pub async fn find(
    world: &World,
    object: &ObjectRef,
    deadline: Instant,
) -> Result<ResolvedPod, Refusal> {
    wait(world, deadline, |index| by_name(index, object)).await
}

async fn wait(
    world: &World,
    deadline: Instant,
    look: impl Fn(&Index) -> Result<ResolvedPod, Refusal>,
) -> Result<ResolvedPod, Refusal> {
    if let Ok(pod) = look(&world.read()) {
        return Ok(pod);
    }
    let mut version = world.version();
    loop {
        let refusal = match look(&world.read()) {
            Ok(pod) => return Ok(pod),
            Err(refusal) => refusal,
        };
        match timeout_at(deadline, version.changed()).await {
            Ok(Ok(())) => {}
            Ok(Err(_)) | Err(_) => return Err(refusal),
        }
    }
}

pub(crate) fn look_up(index: &Index, ip: IpAddr) -> Result<ResolvedPod, Refusal> {
    match index.pods_at(ip) {
        [pod] => Ok(ResolvedPod {
            pod: Arc::clone(pod),
            by: By::Address(ip),
        }),
        [] => Err(Refusal::UnknownPod { ip }),
        pods => Err(Refusal::AmbiguousPod {
            ip,
            pods: pods.len(),
        }),
    }
}

fn by_name(index: &Index, object: &ObjectRef) -> Result<ResolvedPod, Refusal> {
    let pod = index.pod(object).filter(|pod| pod.live);
    pod.map(|pod| ResolvedPod {
        pod: Arc::clone(pod),
        by: By::Name,
    })
    .ok_or_else(|| Refusal::NoSuchPod(object.clone()))
}

impl ResolvedPod {
    /// The pod.
    pub fn pod(&self) -> &Arc<Pod> {
        &self.pod
    }

    /// Its uid.
    pub fn uid(&self) -> &PodUid {
        &self.pod.uid
    }

    /// The same pod as it is now, if the address still belongs to it and to no other. Asked again after the
    /// upstream call, before a token is written.
    ///
    /// # Errors
    /// [`Refusal::PodChanged`]: the caller may ask again on a new connection.
    pub fn recheck(&self, world: &World) -> Result<Self, Refusal> {
        let index = world.read();
        let now = match self.by {
            By::Address(ip) => look_up(&index, ip),
            By::Name => by_name(&index, &self.pod.object),
        };
        now.ok()
            .filter(|now| now.pod.is(&self.pod.uid))
            .ok_or_else(|| self.changed())
    }

    /// The refusal of a request whose pod is another one by now.
    fn changed(&self) -> Refusal {
        match self.by {
            By::Address(ip) => Refusal::PodChanged { ip },
            By::Name => Refusal::NamedPodChanged(self.pod.object.clone()),
        }
    }
}

#[cfg(test)]
mod tests;

/// Pods for the tests of later stages, which cannot resolve one.
#[cfg(test)]
pub(crate) mod testing {
    use super::*;
    use crate::world::testing::pod;

    pub(crate) fn resolved(name: &str, ip: &str) -> ResolvedPod {
        resolved_with(name, ip, &[])
    }

    pub(crate) fn resolved_with(name: &str, ip: &str, labels: &[(&str, &str)]) -> ResolvedPod {
        let mut pod = pod("default", name, ip);
        let owned = |(name, value): &(&str, &str)| ((*name).to_owned(), (*value).to_owned());
        pod.labels = labels.iter().map(owned).collect();
        ResolvedPod {
            pod: Arc::new(pod),
            by: By::Address(ip.parse().unwrap()),
        }
    }
}

//! Who asks: from a connection's source address to a pod.
//!
//! Trust root: the address the kernel reports for the connection. No header is ever looked at.

use std::net::IpAddr;
use std::sync::Arc;

use tokio::time::{Instant, timeout_at};

use crate::refusal::Refusal;
use crate::world::{Index, Pod, PodUid, World};

/// The pod behind a connection. Only [`resolve`] makes one, so whoever holds one knows that the address
/// belonged to exactly one live pod at that moment.
#[derive(Clone, Debug)]
pub struct ResolvedPod {
    pod: Arc<Pod>,
    ip: IpAddr,
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
    if let Ok(pod) = look_up(&world.read(), ip) {
        return Ok(pod);
    }
    let mut version = world.version();
    loop {
        let refusal = match look_up(&world.read(), ip) {
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
            ip,
        }),
        [] => Err(Refusal::UnknownPod { ip }),
        pods => Err(Refusal::AmbiguousPod {
            ip,
            pods: pods.len(),
        }),
    }
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
        look_up(&world.read(), self.ip)
            .ok()
            .filter(|now| now.pod.is(&self.pod.uid))
            .ok_or(Refusal::PodChanged { ip: self.ip })
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
            ip: ip.parse().unwrap(),
        }
    }
}

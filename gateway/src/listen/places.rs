//! Who is in: bounds on connections, in all and of one address.

use std::collections::HashMap;
use std::net::IpAddr;
use std::sync::Arc;

use parking_lot::Mutex;

use super::Bounds;
use crate::metrics::Metrics;

/// Counts who is in.
#[derive(Clone)]
pub(super) struct Places {
    inside: Arc<Mutex<Inside>>,
    metrics: Arc<Metrics>,
    total: usize,
    per_peer: usize,
}

#[derive(Default)]
struct Inside {
    total: usize,
    peers: HashMap<IpAddr, usize>,
}

/// A place inside; dropping it leaves.
pub(super) struct Place {
    places: Places,
    ip: IpAddr,
}

impl Places {
    pub(super) fn new(bounds: &Bounds, metrics: Arc<Metrics>) -> Self {
        Self {
            inside: Arc::default(),
            metrics,
            total: bounds.connections,
            per_peer: bounds.connections_per_peer,
        }
    }

    pub(super) fn enter(&self, ip: IpAddr) -> Option<Place> {
        let mut inside = self.inside.lock();
        let of_peer = inside.peers.get(&ip).copied().unwrap_or_default();
        let full = inside.total >= self.total;
        if full || of_peer >= self.share(inside.total) {
            let reason = if full { "total" } else { "per_peer" };
            self.metrics.connection_refused(reason);
            return None;
        }
        inside.peers.insert(ip, of_peer + 1);
        inside.total += 1;
        self.metrics.connections(inside.total);
        Some(Place {
            places: self.clone(),
            ip,
        })
    }

    /// What one address may have. With half of the places taken it is a quarter, so that a few addresses cannot
    /// take the rest as well.
    fn share(&self, taken: usize) -> usize {
        match taken * 2 >= self.total {
            true => (self.per_peer / 4).max(1),
            false => self.per_peer,
        }
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        let mut inside = self.places.inside.lock();
        inside.total -= 1;
        if let Some(peer) = inside.peers.get_mut(&self.ip) {
            *peer -= 1;
            if *peer == 0 {
                inside.peers.remove(&self.ip);
            }
        }
        self.places.metrics.connections(inside.total);
    }
}

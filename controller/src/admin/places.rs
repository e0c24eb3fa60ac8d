//! Places for connections: a few for each address, and a bound on all.

use std::collections::HashMap;
use std::net::IpAddr;
use std::sync::Arc;

use parking_lot::Mutex;

/// Connections in all, of 16 KiB at the most.
const ALL: usize = 128;
/// Of one address: a kubelet's two probes and a person, so that one pod cannot keep the kubelet out.
const EACH: usize = 4;

/// The places of a port.
#[derive(Clone, Default)]
pub(super) struct Places(Arc<Mutex<Taken>>);

#[derive(Default)]
struct Taken {
    all: usize,
    by: HashMap<IpAddr, usize>,
}

/// A place that is taken, until it is dropped.
pub(super) struct Place {
    places: Places,
    of: IpAddr,
}

impl Places {
    /// A place, if there is one for this address.
    pub(super) fn enter(&self, of: IpAddr) -> Option<Place> {
        let mut taken = self.0.lock();
        let own = taken.by.get(&of).copied().unwrap_or_default();
        if taken.all >= ALL || own >= EACH {
            return None;
        }
        taken.all += 1;
        taken.by.insert(of, own + 1);
        Some(Place {
            places: self.clone(),
            of,
        })
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        let mut taken = self.places.0.lock();
        taken.all -= 1;
        match taken.by.get_mut(&self.of) {
            Some(own) if *own > 1 => *own -= 1,
            _ => drop(taken.by.remove(&self.of)),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ip(number: u8) -> IpAddr {
        [10, 0, 0, number].into()
    }

    #[test]
    fn one_address_gets_a_few_places_and_none_more_until_it_leaves_one() {
        let places = Places::default();
        let mut own: Vec<_> = (0..EACH).filter_map(|_| places.enter(ip(1))).collect();
        assert_eq!(own.len(), EACH);
        assert!(places.enter(ip(1)).is_none() && places.enter(ip(2)).is_some());
        own.pop();
        assert!(places.enter(ip(1)).is_some());
        drop(own);
        assert!(
            places.0.lock().by.is_empty(),
            "nothing is kept of those that left"
        );
        assert_eq!(places.0.lock().all, 0);
    }

    #[test]
    fn all_addresses_together_have_a_bound_as_well() {
        let places = Places::default();
        let taken: Vec<_> = (0..=255)
            .filter_map(|number| places.enter(ip(number)))
            .collect();
        assert_eq!(taken.len(), ALL);
    }
}

//! Clusters of sizes.

use std::str::FromStr;
use std::time::Duration;

use anyhow::{Context, ensure};
use podgate_testkit::Fleet;

/// So many pods, each with an identity, on the nodes of scale sets.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct World {
    /// Pods; as many records are written.
    pub pods: usize,
    /// Identities, each with a binding.
    pub identities: usize,
    /// Scale sets.
    pub scale_sets: usize,
    /// Nodes, the same number in each scale set.
    pub nodes: usize,
}

/// A pod, where it runs and as whom.
#[derive(Clone, Debug)]
pub(super) struct Place {
    pub(super) name: String,
    /// Its number in the fleet.
    pub(super) node: usize,
    /// Its number in the fleet; 0 is the nodes' own.
    pub(super) identity: usize,
}

/// What a controller may cost there, where DESIGN has budgets for it.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Budgets {
    pub(super) assigned: Option<&'static str>,
    pub(super) patches: Option<&'static str>,
    pub(super) memory: Option<&'static str>,
    pub(super) event: Option<&'static str>,
    pub(super) growth: Option<&'static str>,
}

/// Different identities of one scale set's pods.
const OF_EACH: usize = 50;
/// Identities that no pod uses in the beginning. A scale set takes eight changes at once, by its token bucket of twelve
/// that gets four per minute; the first one has all the others' identities.
pub(super) const SPARE: usize = 6;

/// The cluster of most budgets.
const MEDIUM: World = World {
    pods: 2_000,
    identities: 50,
    scale_sets: 10,
    nodes: 100,
};
const LARGE: World = World {
    pods: 20_000,
    identities: 1_000,
    scale_sets: 100,
    nodes: 1_000,
};

impl World {
    pub(super) fn nodes_of_each(self) -> usize {
        self.nodes / self.scale_sets
    }

    /// With the nodes' own identity and those to spare.
    pub(super) fn fleet(self) -> Fleet {
        let fleet = Fleet::new().scale_sets(self.scale_sets);
        let fleet = fleet.instances(self.nodes_of_each());
        fleet.identities(1 + self.identities + SPARE)
    }

    /// The pods, over all nodes in turn; those of a scale set use neighbouring identities in turn.
    pub(super) fn places(self) -> Vec<Place> {
        (0..self.pods).map(|pod| self.place(pod)).collect()
    }

    pub(super) fn place(self, pod: usize) -> Place {
        let (round, node) = (pod / self.nodes, pod % self.nodes);
        let each = self.nodes_of_each();
        let (scale_set, instance) = (node / each, node % each);
        let first = scale_set * self.identities / self.scale_sets;
        let nth = (round * each + instance) % OF_EACH.min(self.identities);
        Place {
            name: format!("pod{pod}"),
            node,
            identity: 1 + (first + nth) % self.identities,
        }
    }

    /// Much longer than anything takes with so many pods.
    pub(super) fn patience(self) -> Duration {
        Duration::from_secs(60)
            + Duration::from_millis(40) * u32::try_from(self.pods).unwrap_or(u32::MAX)
    }

    pub(super) fn budgets(self) -> Budgets {
        let mut budgets = Budgets::default();
        if self == MEDIUM {
            budgets.assigned = Some("5 s");
            budgets.patches = Some("10");
            budgets.memory = Some("32 MiB");
            budgets.event = Some("3 ms");
        }
        if self == LARGE {
            budgets.memory = Some("128 MiB");
            budgets.growth = Some("1.5 ×");
        }
        budgets
    }
}

impl FromStr for World {
    type Err = anyhow::Error;

    fn from_str(text: &str) -> anyhow::Result<Self> {
        let numbers: Result<Vec<usize>, _> = text.split('/').map(str::parse).collect();
        let numbers: [usize; 4] = numbers
            .ok()
            .and_then(|numbers| numbers.try_into().ok())
            .with_context(|| format!("`{text}` is not PODS/IDENTITIES/SCALE_SETS/NODES"))?;
        let [pods, identities, scale_sets, nodes] = numbers;
        ensure!(!numbers.contains(&0), "`{text}`: none of them may be 0");
        ensure!(
            nodes % scale_sets == 0,
            "`{text}`: {nodes} nodes do not divide evenly among {scale_sets} scale sets"
        );
        Ok(Self {
            pods,
            identities,
            scale_sets,
            nodes,
        })
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    #[test]
    fn the_pods_of_each_scale_set_use_fifty_identities_and_together_all() {
        let mut all = BTreeSet::new();
        for scale_set in 0..LARGE.scale_sets {
            let places = LARGE.places().into_iter();
            let of_it = places.filter(|place| place.node / LARGE.nodes_of_each() == scale_set);
            let identities: BTreeSet<usize> = of_it.map(|place| place.identity).collect();
            assert_eq!(identities.len(), OF_EACH);
            all.extend(identities);
        }
        assert_eq!(all, (1..=LARGE.identities).collect());
    }

    #[test]
    fn a_size_that_makes_no_cluster_is_refused() {
        assert_eq!("2000/50/10/100".parse::<World>().unwrap(), MEDIUM);
        for wrong in [
            "",
            "1/1/1",
            "1/1/1/1/1",
            "1/0/1/1",
            "9/1/2/3",
            "a/1/1/1",
            "-1/1/1/1",
        ] {
            assert!(wrong.parse::<World>().is_err(), "{wrong}");
        }
    }
}

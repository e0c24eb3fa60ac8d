//! What is counted of plugins as a set.

use std::sync::atomic::AtomicU64;

use prometheus_client::encoding::EncodeLabelSet;
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::registry::Registry;

/// The series of plugins as a set.
#[derive(Clone, Debug, Default)]
pub struct Count {
    observed: Family<ObservedLabels, Counter>,
    reloads: Family<ResultLabel, Counter>,
    generation: Gauge<u64, AtomicU64>,
    last_good: Gauge<u64, AtomicU64>,
    good: Gauge<u64, AtomicU64>,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct ObservedLabels {
    plugin: String,
    verdict: &'static str,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct ResultLabel {
    result: &'static str,
}

impl Count {
    /// Adds the series to the gateway's own.
    pub fn register(&self, registry: &mut Registry) {
        registry.register(
            "plugin_observed",
            "Verdicts of policies that only observe",
            self.observed.clone(),
        );
        registry.register(
            "plugins_reload",
            "Reloads of the plugins file, by result",
            self.reloads.clone(),
        );
        registry.register(
            "plugins_generation",
            "The set of plugins that runs, counted from 1 at the start",
            self.generation.clone(),
        );
        registry.register(
            "plugins_last_good_timestamp_seconds",
            "When the plugins file was last found good",
            self.last_good.clone(),
        );
        registry.register(
            "plugins_last_reload_good",
            "Whether what runs is what the plugins file says",
            self.good.clone(),
        );
    }

    /// A policy that only observes has said this, a word of a closed set. Names come from the operator's configuration.
    pub fn observed(&self, plugin: &str, verdict: &'static str) {
        let plugin = plugin.to_owned();
        let labels = ObservedLabels { plugin, verdict };
        self.observed.get_or_create(&labels).inc();
    }

    /// The first set runs, at this time in seconds since 1970-01-01T00:00:00Z.
    pub(crate) fn started(&self, now: u64) {
        self.generation.set(1);
        self.found_good(now);
        // From the beginning, so that the first failure is an increase.
        for result in ["ok", "failed"] {
            drop(self.reloads.get_or_create(&ResultLabel { result }));
        }
    }

    /// The file was good; `is_new` where another set runs from now on.
    pub(super) fn reloaded(&self, is_new: bool, now: u64) {
        if is_new {
            self.generation.inc();
        }
        self.found_good(now);
        let result = "ok";
        self.reloads.get_or_create(&ResultLabel { result }).inc();
    }

    /// The file cannot be used.
    pub(super) fn failed(&self) {
        self.good.set(0);
        let result = "failed";
        self.reloads.get_or_create(&ResultLabel { result }).inc();
    }

    fn found_good(&self, now: u64) {
        self.last_good.set(now);
        self.good.set(1);
    }
}

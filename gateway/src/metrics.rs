//! What is counted. The old gateway's series keep their names; every label comes from a closed set.

use std::sync::Arc;
use std::sync::atomic::AtomicU64;
use std::time::Duration;

use podgate_api::Resource;
use podgate_plugin_host::PluginError;
use podgate_watch::Freshness;
use prometheus_client::encoding::EncodeLabelSet;
use prometheus_client::encoding::text::encode;
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::metrics::histogram::Histogram;
use prometheus_client::registry::Registry;

use crate::imds::Route;
use crate::plugins;

/// From a cached answer to the longest wait, in seconds.
const BUCKETS: [f64; 16] = [
    0.0001, 0.00025, 0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 5.0,
    10.0, 30.0,
];
/// Namespaces told apart; the pods of one node are in fewer.
const MAX_NAMESPACES: usize = 100;

/// All series of the gateway.
pub struct Metrics {
    registry: Registry,
    operations: Family<OperationLabels, Histogram, fn() -> Histogram>,
    imds: Family<ImdsLabels, Histogram, fn() -> Histogram>,
    /// `…_errors_count` of the old gateway. OpenMetrics counters must end in `_total`, so this one is a gauge.
    imds_errors: Family<ImdsLabels, Gauge<u64, AtomicU64>>,
    refusals: Family<CategoryLabel, Counter>,
    cache: Family<CacheLabels, Counter>,
    cache_entries: Gauge<u64, AtomicU64>,
    plugin_calls: Family<PluginLabels, Counter>,
    plugins: plugins::Count,
    source_errors: Counter,
    abandoned: Counter,
    freshness: Arc<Freshness>,
    connections: Gauge<u64, AtomicU64>,
    connections_refused: Family<CategoryLabel, Counter>,
    namespaces: parking_lot::RwLock<std::collections::HashSet<String>>,
}

/// One answered request.
#[derive(Debug)]
pub struct Operation<'a> {
    /// Its route.
    pub route: Route,
    /// Its status.
    pub status: u16,
    /// The pod's namespace, once the pod is known.
    pub namespace: Option<&'a str>,
    /// The audience.
    pub resource: Option<&'a Resource>,
    /// From the request's head to the answer.
    pub elapsed: Duration,
}

/// How the cache answered.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum CacheOutcome {
    /// A fresh token was there.
    Hit,
    /// A call was made.
    Miss,
    /// Another request's call was waited for.
    Joined,
    /// No new token could be had, and an older one that is still valid was served.
    Stale,
}

/// A call to an authority, named as the old gateway named it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum ImdsOperation {
    /// IMDS, no identity named.
    Msi,
    /// IMDS, a user-assigned identity.
    UserAssigned,
    /// Microsoft Entra ID.
    Entra,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct OperationLabels {
    operation_type: &'static str,
    status_code: u16,
    namespace: String,
    resource: &'static str,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct ImdsLabels {
    operation_type: &'static str,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct CategoryLabel {
    reason: &'static str,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct CacheLabels {
    outcome: &'static str,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct PluginLabels {
    plugin: String,
    kind: &'static str,
    outcome: &'static str,
}

fn histogram() -> Histogram {
    Histogram::new(BUCKETS)
}

// === impl Metrics ===

impl Default for Metrics {
    fn default() -> Self {
        let mut metrics = Self {
            registry: Registry::default(),
            operations: Family::new_with_constructor(histogram as fn() -> Histogram),
            imds: Family::new_with_constructor(histogram as fn() -> Histogram),
            imds_errors: Family::default(),
            refusals: Family::default(),
            cache: Family::default(),
            cache_entries: Gauge::default(),
            plugin_calls: Family::default(),
            plugins: plugins::Count::default(),
            source_errors: Counter::default(),
            abandoned: Counter::default(),
            freshness: Arc::default(),
            connections: Gauge::default(),
            connections_refused: Family::default(),
            namespaces: parking_lot::RwLock::default(),
        };
        metrics.register();
        metrics
    }
}

impl Metrics {
    fn register(&mut self) {
        let old = self.registry.sub_registry_with_prefix("aadpodidentity");
        old.register(
            "nmi_operations_duration_seconds",
            "Requests of pods",
            self.operations.clone(),
        );
        old.register(
            "imds_operations_duration_seconds",
            "Calls to IMDS and Entra ID",
            self.imds.clone(),
        );
        old.register(
            "imds_operations_errors_count",
            "Such calls that failed",
            self.imds_errors.clone(),
        );
        let own = self.registry.sub_registry_with_prefix("podgate");
        own.register(
            "refusals",
            "Requests without a token, by reason",
            self.refusals.clone(),
        );
        own.register(
            "cache_requests",
            "Token cache, by outcome",
            self.cache.clone(),
        );
        own.register(
            "cache_entries",
            "Token cache, entries",
            self.cache_entries.clone(),
        );
        own.register(
            "plugin_calls",
            "Calls of plugins, by outcome",
            self.plugin_calls.clone(),
        );
        self.plugins.register(own);
        own.register(
            "source_errors",
            "Objects that could not be read",
            self.source_errors.clone(),
        );
        own.register(
            "requests_abandoned",
            "Requests whose pod hung up before the answer",
            self.abandoned.clone(),
        );
        self.freshness.register(own);
        own.register(
            "connections",
            "Open connections of pods",
            self.connections.clone(),
        );
        own.register(
            "connections_refused",
            "Connections that were closed at once, by reason",
            self.connections_refused.clone(),
        );
    }

    /// The text that Prometheus reads.
    pub fn render(&self) -> String {
        let mut text = String::new();
        // Writing to a string cannot fail.
        let _ = encode(&mut text, &self.registry);
        text
    }

    /// A request was answered.
    pub fn operation(&self, operation: &Operation<'_>) {
        let labels = OperationLabels {
            operation_type: operation.route.name(),
            status_code: operation.status,
            namespace: self.namespace(operation.namespace),
            resource: operation.resource.map_or("", known_resource),
        };
        self.operations
            .get_or_create(&labels)
            .observe(operation.elapsed.as_secs_f64());
    }

    /// Pods' namespaces come from the cluster, not from requests; still they are bounded.
    fn namespace(&self, namespace: Option<&str>) -> String {
        let Some(namespace) = namespace else {
            return String::new();
        };
        if !self.namespaces.read().contains(namespace) {
            let mut known = self.namespaces.write();
            if known.len() >= MAX_NAMESPACES {
                return "other".to_owned();
            }
            known.insert(namespace.to_owned());
        }
        namespace.to_owned()
    }

    /// A request was refused.
    pub fn refusal(&self, reason: &'static str) {
        self.refusals.get_or_create(&CategoryLabel { reason }).inc();
    }

    /// The cache answered.
    pub fn cache(&self, outcome: CacheOutcome) {
        self.cache
            .get_or_create(&CacheLabels {
                outcome: outcome.name(),
            })
            .inc();
    }

    /// The cache has so many entries.
    pub fn cache_entries(&self, entries: usize) {
        self.cache_entries.set(entries as u64);
    }

    /// A plugin was called. Names come from the operator's configuration.
    pub fn plugin_call<T>(&self, plugin: &str, kind: &'static str, asked: &Result<T, PluginError>) {
        let outcome = match asked {
            Ok(_) => "ok",
            Err(error) => error.category(),
        };
        self.plugin_calls
            .get_or_create(&PluginLabels {
                plugin: plugin.to_owned(),
                kind,
                outcome,
            })
            .inc();
    }

    /// Plugins as a set.
    pub fn plugins(&self) -> &plugins::Count {
        &self.plugins
    }

    /// An authority was called.
    pub fn imds(&self, operation: ImdsOperation, elapsed: Duration, failed: bool) {
        let labels = ImdsLabels {
            operation_type: operation.name(),
        };
        self.imds
            .get_or_create(&labels)
            .observe(elapsed.as_secs_f64());
        if failed {
            self.imds_errors.get_or_create(&labels).inc();
        }
    }

    /// An object could not be read.
    pub fn source_error(&self) {
        self.source_errors.inc();
    }

    /// A pod hung up before its answer.
    pub fn abandoned(&self) {
        self.abandoned.inc();
    }

    /// How old what the watches brought is.
    pub fn freshness(&self) -> &Arc<Freshness> {
        &self.freshness
    }

    /// Connections opened and closed.
    pub fn connections(&self, open: usize) {
        self.connections.set(open as u64);
    }

    /// A connection was refused.
    pub fn connection_refused(&self, reason: &'static str) {
        self.connections_refused
            .get_or_create(&CategoryLabel { reason })
            .inc();
    }
}

impl CacheOutcome {
    fn name(self) -> &'static str {
        match self {
            Self::Hit => "hit",
            Self::Miss => "miss",
            Self::Joined => "joined",
            Self::Stale => "stale",
        }
    }
}

impl ImdsOperation {
    fn name(self) -> &'static str {
        match self {
            Self::Msi => "adal_token_msi",
            Self::UserAssigned => "adal_token_msi_userassignedid",
            Self::Entra => "adal_token",
        }
    }
}

/// The audience is the pod's to choose, so only well-known ones are told apart.
fn known_resource(resource: &Resource) -> &'static str {
    const KNOWN: [&str; 12] = [
        "https://management.azure.com",
        "https://management.core.windows.net",
        "https://vault.azure.net",
        "https://storage.azure.com",
        "https://graph.microsoft.com",
        "https://graph.windows.net",
        "https://database.windows.net",
        "https://ossrdbms-aad.database.windows.net",
        "https://servicebus.azure.net",
        "https://eventhubs.azure.net",
        "https://cosmos.azure.com",
        "https://cognitiveservices.azure.com",
    ];
    let bare = resource.as_str().trim_end_matches('/');
    KNOWN
        .into_iter()
        .find(|known| *known == bare)
        .unwrap_or("other")
}

#[cfg(test)]
mod tests;

//! What is counted. The old controller's series keep their names; every label comes from a closed set.

use std::sync::Arc;
use std::sync::atomic::AtomicU64;
use std::time::{Duration, Instant};

use parking_lot::Mutex;
use podgate_azure::arm::{CallKind, ComputeKind};
use podgate_watch::Freshness;
use prometheus_client::encoding::EncodeLabelSet;
use prometheus_client::encoding::text::encode;
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::metrics::histogram::Histogram;
use prometheus_client::registry::Registry;

use crate::index::States;
use crate::plan::{Ask, Backlog};

/// Of the old controller, for writes of records; in seconds.
const WRITES: [f64; 18] = [
    0.01, 0.02, 0.05, 0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 0.9, 1.0, 2.0, 3.0, 4.0, 5.0, 10.0,
];
/// Of the old controller, for Azure and for cycles; in seconds. A cycle takes less than a millisecond now.
const CALLS: [f64; 11] = [
    0.5, 1.0, 5.0, 10.0, 30.0, 60.0, 120.0, 300.0, 600.0, 900.0, 1200.0,
];

/// A series of the old controller whose name ends in `_count`. An OpenMetrics counter must end in `_total`, so it is a
/// gauge that only grows.
type Count = Gauge<u64, AtomicU64>;

/// All series of the controller.
pub struct Metrics {
    registry: Registry,
    additions: Writes,
    updates: Writes,
    deletions: Writes,
    cycles: Histogram,
    cycle_count: Count,
    elections: Count,
    azure: Family<OperationLabel, Histogram, fn() -> Histogram>,
    azure_errors: Family<OperationLabel, Count>,
    kubernetes_errors: Family<OperationLabel, Count>,
    leader: Gauge,
    backlog: Backlogs,
    assignments: Family<StateLabel, Gauge>,
    requests: Family<RequestLabels, Counter>,
    notices_dropped: Counter,
    unreadable: Counter,
}

/// Writes of records of one kind.
struct Writes {
    durations: Histogram,
    count: Count,
}

/// How much there is to do.
#[derive(Default)]
struct Backlogs {
    records: Gauge,
    writes: Gauge,
    age: Gauge<f64, AtomicU64>,
    /// Since when the oldest waits. Its age is told when somebody asks.
    oldest: Mutex<Option<Instant>>,
    quarantined: Gauge,
    foreign: Gauge,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct OperationLabel {
    operation_type: &'static str,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct StateLabel {
    state: &'static str,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct RequestLabels {
    method: &'static str,
    outcome: &'static str,
}

// === impl Metrics ===

impl Default for Metrics {
    fn default() -> Self {
        let calls = (|| Histogram::new(CALLS)) as fn() -> Histogram;
        let mut metrics = Self {
            registry: Registry::default(),
            additions: Writes::default(),
            updates: Writes::default(),
            deletions: Writes::default(),
            cycles: Histogram::new(CALLS),
            cycle_count: Count::default(),
            elections: Count::default(),
            azure: Family::new_with_constructor(calls),
            azure_errors: Family::default(),
            kubernetes_errors: Family::default(),
            leader: Gauge::default(),
            backlog: Backlogs::default(),
            assignments: Family::default(),
            requests: Family::default(),
            notices_dropped: Counter::default(),
            unreadable: Counter::default(),
        };
        metrics.register_old();
        metrics.register_own();
        metrics
    }
}

impl Metrics {
    /// With the ages of the watches.
    pub fn new(freshness: &Arc<Freshness>) -> Self {
        let mut metrics = Self::default();
        let own = metrics.registry.sub_registry_with_prefix("podgate");
        freshness.register(own);
        metrics
    }

    fn register_old(&mut self) {
        let old = self.registry.sub_registry_with_prefix("aadpodidentity");
        self.additions.register(old, "addition");
        self.updates.register(old, "update");
        self.deletions.register(old, "deletion");
        old.register(
            "mic_cycle_duration_seconds",
            "Deciding what to do next",
            self.cycles.clone(),
        );
        old.register(
            "mic_cycle_count",
            "Such decisions",
            self.cycle_count.clone(),
        );
        old.register(
            "mic_new_leader_election_count",
            "Elections that this controller won",
            self.elections.clone(),
        );
        old.register(
            "cloud_provider_operations_duration_seconds",
            "Looks at machines and changes of them, to the end of the operation",
            self.azure.clone(),
        );
        old.register(
            "cloud_provider_operations_errors_count",
            "Such that failed",
            self.azure_errors.clone(),
        );
        old.register(
            "kubernetes_api_operations_errors_count",
            "Writes of records that failed",
            self.kubernetes_errors.clone(),
        );
    }

    fn register_own(&mut self) {
        let own = self.registry.sub_registry_with_prefix("podgate");
        own.register(
            "controller_leader",
            "Whether this controller is the one that writes",
            self.leader.clone(),
        );
        self.backlog.register(own);
        own.register(
            "controller_assignments",
            "AzureAssignedIdentities, by state",
            self.assignments.clone(),
        );
        own.register(
            "controller_azure_requests",
            "Requests that were sent to Azure Resource Manager, by what they were and by outcome",
            self.requests.clone(),
        );
        own.register(
            "controller_notices_dropped",
            "Events that were not written",
            self.notices_dropped.clone(),
        );
        own.register(
            "source_errors",
            "Objects that could not be read",
            self.unreadable.clone(),
        );
    }

    /// The text that Prometheus reads.
    pub fn render(&self) -> String {
        let oldest = *self.backlog.oldest.lock();
        let age = oldest.map_or(Duration::ZERO, |oldest| oldest.elapsed());
        self.backlog.age.set(age.as_secs_f64());
        let mut text = String::new();
        // Writing to a string cannot fail.
        let _ = encode(&mut text, &self.registry);
        text
    }

    /// A record was written or not, by the word of [`Write::verb`](crate::plan::Write::verb).
    pub fn wrote(&self, verb: &'static str, elapsed: Duration, done: bool) {
        let (writes, operation) = match verb {
            "create" => (Some(&self.additions), "assigned_identity_addition"),
            "replace" => (Some(&self.updates), "assigned_identity_update"),
            "remove" => (Some(&self.deletions), "assigned_identity_deletion"),
            _ => (None, "update_azure_assigned_identity_status"),
        };
        match (done, writes) {
            (true, Some(writes)) => writes.done(elapsed),
            (true, None) => {}
            (false, _) => {
                let label = OperationLabel {
                    operation_type: operation,
                };
                self.kubernetes_errors.get_or_create(&label).inc();
            }
        }
    }

    /// Azure was asked about a machine, to the end.
    pub fn asked(&self, kind: ComputeKind, ask: &Ask, elapsed: Duration, done: bool) {
        let operation_type = word(kind, ask);
        let label = OperationLabel { operation_type };
        self.azure
            .get_or_create(&label)
            .observe(elapsed.as_secs_f64());
        if !done {
            self.azure_errors.get_or_create(&label).inc();
        }
    }

    /// One request was sent to Azure Resource Manager; `outcome` is `ok`, or the category of its error.
    pub fn called(&self, kind: CallKind, outcome: &'static str) {
        let method = kind.as_str();
        let labels = RequestLabels { method, outcome };
        self.requests.get_or_create(&labels).inc();
    }

    /// It was decided what to do next, and this is left.
    pub fn cycle(&self, elapsed: Duration, left: Backlog) {
        self.cycles.observe(elapsed.as_secs_f64());
        self.cycle_count.inc();
        self.backlog.records.set(count(left.records));
        self.backlog.writes.set(count(left.writes));
        self.backlog.quarantined.set(count(left.quarantined));
        self.backlog.foreign.set(count(left.foreign));
        *self.backlog.oldest.lock() = left.oldest;
    }

    /// How many records there are.
    pub fn assignments(&self, assignments: States) {
        let States {
            created,
            assigned,
            unassigned,
            other,
        } = assignments;
        for (state, records) in [
            ("created", created),
            ("assigned", assigned),
            ("unassigned", unassigned),
            ("other", other),
        ] {
            let gauge = self.assignments.get_or_create_owned(&StateLabel { state });
            gauge.set(count(records));
        }
    }

    /// This controller was elected.
    pub fn leads(&self) {
        self.elections.inc();
        self.leader.set(1);
    }

    /// An Event was not written.
    pub fn notice_dropped(&self) {
        self.notices_dropped.inc();
    }

    /// An object could not be read.
    pub fn unreadable(&self) {
        self.unreadable.inc();
    }
}

// === impl Writes, Backlogs ===

impl Default for Writes {
    fn default() -> Self {
        Self {
            durations: Histogram::new(WRITES),
            count: Count::default(),
        }
    }
}

impl Writes {
    fn register(&self, registry: &mut Registry, what: &str) {
        registry.register(
            format!("assigned_identity_{what}_duration_seconds"),
            "Writes of records, by the API server's answer",
            self.durations.clone(),
        );
        registry.register(
            format!("assigned_identity_{what}_count"),
            "Such writes",
            self.count.clone(),
        );
    }

    fn done(&self, elapsed: Duration) {
        self.durations.observe(elapsed.as_secs_f64());
        self.count.inc();
    }
}

impl Backlogs {
    fn register(&self, own: &mut Registry) {
        own.register(
            "controller_queue_records",
            "Records that wait for a decision",
            self.records.clone(),
        );
        own.register(
            "controller_queue_age_seconds",
            "How long the record has waited that has waited longest to be Assigned",
            self.age.clone(),
        );
        own.register(
            "controller_writes_under_way",
            "Records that are being written",
            self.writes.clone(),
        );
        own.register(
            "controller_quarantined_identities",
            "Identities that Azure refuses, by machine",
            self.quarantined.clone(),
        );
        own.register(
            "controller_foreign_identities",
            "Identities on the machines that no record speaks of",
            self.foreign.clone(),
        );
    }
}

/// What was asked, as the old controller said it.
fn word(kind: ComputeKind, ask: &Ask) -> &'static str {
    match (kind, ask) {
        (ComputeKind::ScaleSet, Ask::Look) => "vmss_get",
        (ComputeKind::ScaleSet, Ask::Change(_)) => "vmss_update",
        (ComputeKind::VirtualMachine, Ask::Look) => "vm_get",
        (ComputeKind::VirtualMachine, Ask::Change(_)) => "vm_update",
    }
}

fn count(number: usize) -> i64 {
    i64::try_from(number).unwrap_or(i64::MAX)
}

#[cfg(test)]
mod tests;

//! How old what is known is: one entry per watch, for the log, the probes and the metrics.

use std::collections::BTreeMap;
use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use parking_lot::Mutex;
use prometheus_client::collector::Collector;
use prometheus_client::encoding::{DescriptorEncoder, EncodeLabelSet, EncodeMetric};
use prometheus_client::metrics::MetricType;
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::ConstGauge;
use prometheus_client::registry::Registry;
use tokio::time::Instant;

/// A watch that nobody has heard of for this long is stale. The API server sends a bookmark every minute, so a healthy
/// watch is never older than that; the rest is for noticing a dead connection and dialling again.
const STALE: Duration = Duration::from_secs(90);

/// What `/readyz` lists; every Secret has a watch of its own.
const MAX_LINES: usize = 20;

/// The ages of all watches of a program.
#[derive(Debug, Default)]
pub struct Freshness {
    watches: Mutex<Watches>,
    restarts: Family<RestartLabels, Counter>,
}

#[derive(Debug, Default)]
struct Watches {
    next: u64,
    entries: BTreeMap<u64, Entry>,
}

#[derive(Debug)]
struct Entry {
    kind: &'static str,
    what: String,
    /// The last proof of life, or the beginning.
    heard: Instant,
    complete: bool,
    kept: usize,
    problem: Option<String>,
}

/// One watch as it is now.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct WatchState {
    /// What it watches, in words.
    pub what: String,
    /// Since the last proof of life: a list, an event, a bookmark, a watch that was established.
    pub age: Duration,
    /// Its first complete state is in.
    pub complete: bool,
    /// Objects that can no longer be read, and count as they were before.
    pub kept: usize,
    /// Why it does not run, where it does not.
    pub problem: Option<String>,
}

/// Why a watch began anew. A closed set.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Restart {
    /// The API server ended it, as it does every few minutes.
    Ended,
    /// The API server no longer has the changes since the last one (410): everything was listed again.
    Gone,
    /// Nothing was heard for too long, or no answer came.
    Silent,
    /// No connection, or a broken one.
    Connection,
    /// The API server may not or will not serve it (401, 403, 404, …).
    Refused,
    /// The API server is overloaded or failing (429, 5xx).
    Server,
    /// What came could not be read.
    Malformed,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct RestartLabels {
    kind: &'static str,
    reason: &'static str,
}

/// The entry of one watch. It goes with this object.
#[derive(Debug)]
pub struct Beat {
    freshness: Arc<Freshness>,
    id: u64,
}

// === impl Freshness ===

impl Freshness {
    /// Adds a watch. `kind` comes from a closed set, `what` is for people.
    pub fn watch(self: &Arc<Self>, kind: &'static str, what: String) -> Beat {
        let mut watches = self.watches.lock();
        let id = watches.next;
        watches.next += 1;
        let entry = Entry {
            kind,
            what,
            heard: Instant::now(),
            complete: false,
            kept: 0,
            problem: None,
        };
        watches.entries.insert(id, entry);
        Beat {
            freshness: Arc::clone(self),
            id,
        }
    }

    /// Adds `watch_age_seconds` and `watch_stale`, by kind, and `watch_restarts_total`, by kind and reason.
    pub fn register(self: &Arc<Self>, registry: &mut Registry) {
        registry.register_collector(Box::new(Arc::clone(self)));
        registry.register(
            "watch_restarts",
            "Watches of the API server that began anew, by reason",
            self.restarts.clone(),
        );
    }

    /// Every watch, in the order in which they began.
    pub fn report(&self) -> Vec<WatchState> {
        let watches = self.watches.lock();
        watches.entries.values().map(Entry::state).collect()
    }

    /// Whether everything is known as the API server has it, but for single objects that cannot be read: each watch has a
    /// complete state, and was heard of lately.
    pub fn is_whole(&self) -> bool {
        let watches = self.watches.lock();
        let is_whole = |entry: &Entry| entry.complete && entry.heard.elapsed() <= STALE;
        watches.entries.values().all(is_whole)
    }

    /// The watches that have something to tell, a line each: those that do not run, and outdated ones.
    pub fn problems(&self) -> Vec<String> {
        let told = |state: &WatchState| state.problem.is_some() || state.is_outdated();
        let mut states = self.report();
        states.retain(told);
        let more = states.len().saturating_sub(MAX_LINES);
        states.truncate(MAX_LINES);
        let mut lines: Vec<String> = states.iter().map(ToString::to_string).collect();
        lines.extend((more > 0).then(|| format!("and {more} more")));
        lines
    }

    /// Of each kind the age of its oldest watch, and whether any is outdated.
    fn ages(&self) -> BTreeMap<&'static str, (Duration, bool)> {
        let mut ages = BTreeMap::new();
        for entry in self.watches.lock().entries.values() {
            let state = entry.state();
            let (oldest, outdated): &mut (Duration, bool) = ages.entry(entry.kind).or_default();
            *oldest = state.age.max(*oldest);
            *outdated |= state.is_outdated();
        }
        ages
    }
}

impl Collector for Freshness {
    fn encode(&self, mut encoder: DescriptorEncoder<'_>) -> fmt::Result {
        let ages = self.ages();
        let stale = ages
            .iter()
            .map(|(kind, (_, outdated))| (*kind, u64::from(*outdated)));
        let seconds = ages
            .iter()
            .map(|(kind, (age, _))| (*kind, age.as_secs_f64()));
        gauges(
            &mut encoder,
            "watch_age_seconds",
            "Since the last proof of life of the kind's oldest watch; at most 60 when all is well",
            seconds,
        )?;
        gauges(
            &mut encoder,
            "watch_stale",
            "1 if that is more than 90 s, or objects that cannot be read stand as they were: what is \
             known may be out of date",
            stale,
        )
    }
}

fn gauges<N>(
    encoder: &mut DescriptorEncoder<'_>,
    name: &str,
    help: &str,
    values: impl Iterator<Item = (&'static str, N)>,
) -> fmt::Result
where
    ConstGauge<N>: EncodeMetric,
{
    let mut family = encoder.encode_descriptor(name, help, None, MetricType::Gauge)?;
    for (kind, value) in values {
        ConstGauge::new(value).encode(family.encode_family(&[("kind", kind)])?)?;
    }
    Ok(())
}

// === impl Entry ===

impl Entry {
    fn state(&self) -> WatchState {
        WatchState {
            what: self.what.clone(),
            age: self.heard.elapsed(),
            complete: self.complete,
            kept: self.kept,
            problem: self.problem.clone(),
        }
    }
}

// === impl WatchState ===

impl WatchState {
    fn is_outdated(&self) -> bool {
        self.age > STALE || self.kept > 0
    }
}

impl fmt::Display for WatchState {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let age = self.age.as_secs();
        match self.complete {
            true => write!(
                f,
                "{}: last heard of {age} s ago, served as it was then",
                self.what
            )?,
            false => write!(f, "{}: awaited for {age} s", self.what)?,
        }
        if self.kept > 0 {
            write!(
                f,
                ": {} of them cannot be read and stand as they were",
                self.kept
            )?;
        }
        match &self.problem {
            Some(problem) => write!(f, ": {problem}"),
            None => Ok(()),
        }
    }
}

// === impl Beat ===

impl Beat {
    /// A proof of life. Returns the age until then.
    pub fn heard(&self) -> Duration {
        self.with(|entry| {
            entry.problem = None;
            std::mem::replace(&mut entry.heard, Instant::now()).elapsed()
        })
    }

    /// Its first, or another, complete state is in.
    pub fn complete(&self) {
        self.heard();
        self.with(|entry| entry.complete = true);
    }

    /// So many objects can no longer be read, and count as they were before.
    pub fn kept(&self, objects: usize) {
        self.with(|entry| entry.kept = objects);
    }

    /// It does not run.
    pub fn failed(&self, problem: String) {
        self.with(|entry| entry.problem = Some(problem));
    }

    /// It begins anew.
    pub fn restarted(&self, reason: Restart) {
        let labels = RestartLabels {
            kind: self.with(|entry| entry.kind),
            reason: reason.name(),
        };
        self.freshness.restarts.get_or_create(&labels).inc();
    }

    /// As it is now.
    pub fn state(&self) -> WatchState {
        self.with(|entry| entry.state())
    }

    fn with<T>(&self, act: impl FnOnce(&mut Entry) -> T) -> T {
        let mut watches = self.freshness.watches.lock();
        let entry = watches.entries.get_mut(&self.id);
        act(entry.expect("only this object's end removes its entry"))
    }
}

impl Drop for Beat {
    fn drop(&mut self) {
        self.freshness.watches.lock().entries.remove(&self.id);
    }
}

// === impl Restart ===

impl Restart {
    fn name(self) -> &'static str {
        match self {
            Self::Ended => "ended",
            Self::Gone => "gone",
            Self::Silent => "silent",
            Self::Connection => "connection",
            Self::Refused => "refused",
            Self::Server => "server",
            Self::Malformed => "malformed",
        }
    }
}

#[cfg(test)]
mod tests;

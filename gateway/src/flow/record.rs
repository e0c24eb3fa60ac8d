//! One line and one observation per decision.

use std::fmt::Display;
use std::time::Instant;

use http::StatusCode;

use crate::assignment::{Assignment, Whose};
use crate::imds::{Route, TokenQuestion};
use crate::metrics::{Metrics, Operation};
use crate::pod::ResolvedPod;
use crate::refusal::Refusal;
use crate::world::Pod;

/// Bytes of a reason in the log.
const LONGEST_REASON: usize = 2048;

/// What is known about a request by the time it is answered.
pub(super) struct Record {
    start: Instant,
    route: Route,
    pod: Option<std::sync::Arc<Pod>>,
    resource: Option<podgate_api::Resource>,
    identity: Option<Assignment>,
    /// The decision is one of before.
    repeated: bool,
}

/// The level is a part of a line's call site.
macro_rules! grant {
    ($level:ident, $record:ident, $peer:ident, $status:ident) => {
        tracing::$level!(
            peer = %$peer,
            pod = $record.pod_name(),
            path = $record.route.name(),
            resource = $record.resource.as_ref().map(|resource| resource.as_str()),
            identity = $record.identity(),
            status = $status.as_u16(),
            elapsed_us = $record.start.elapsed().as_micros(),
            "served"
        )
    };
}

impl Record {
    pub(super) fn start() -> Self {
        Self {
            start: Instant::now(),
            route: Route::Unknown,
            pod: None,
            resource: None,
            identity: None,
            repeated: false,
        }
    }

    pub(super) fn route(&mut self, route: Route) {
        self.route = route;
    }

    pub(super) fn pod(&mut self, pod: &ResolvedPod) {
        self.pod = Some(std::sync::Arc::clone(pod.pod()));
    }

    pub(super) fn token(&mut self, pod: &ResolvedPod, question: &TokenQuestion) {
        self.pod(pod);
        self.resource = Some(question.resource.clone());
    }

    pub(super) fn repeated(&mut self) {
        self.repeated = true;
    }

    pub(super) fn assignment(&mut self, assignment: &Assignment) {
        self.identity = Some(assignment.clone());
    }

    /// Counts it.
    pub(super) fn count(&self, metrics: &Metrics, status: StatusCode, refusal: Option<&Refusal>) {
        metrics.operation(&Operation {
            route: self.route,
            status: status.as_u16(),
            namespace: self.pod.as_ref().map(|pod| pod.object.namespace.as_str()),
            resource: self.resource.as_ref(),
            elapsed: self.start.elapsed(),
        });
        if let Some(refusal) = refusal {
            metrics.refusal(refusal.category());
        }
    }

    /// Whether it only repeats an earlier grant.
    pub(super) fn is_repetition(&self) -> bool {
        self.repeated
    }

    /// The line of a grant.
    pub(super) fn granted(&self, peer: &dyn Display, status: StatusCode) {
        grant!(info, self, peer, status);
    }

    /// The line of a grant like an earlier one. There may be thousands a second.
    pub(super) fn repetition(&self, peer: &dyn Display, status: StatusCode) {
        grant!(debug, self, peer, status);
    }

    /// The line of a refusal.
    pub(super) fn refused(&self, peer: &dyn Display, status: StatusCode, refusal: &Refusal) {
        tracing::info!(
            %peer,
            pod = self.pod_name(),
            path = self.route.name(),
            resource = self.resource.as_ref().map(|resource| resource.as_str()),
            status = status.as_u16(),
            category = refusal.category(),
            // Not by `%`: what a tenant wrote may be a part of it, and quotes keep that on its line.
            reason = bounded(refusal.to_string()),
            elapsed_us = self.start.elapsed().as_micros(),
            "refused"
        );
    }

    fn pod_name(&self) -> Option<String> {
        self.pod.as_ref().map(|pod| pod.object.to_string())
    }

    fn identity(&self) -> Option<String> {
        self.identity
            .as_ref()
            .map(|assignment| match assignment.whose() {
                Whose::Bound { identity, .. } => identity.object.to_string(),
                Whose::Node(_) => "(the node's own)".to_owned(),
            })
    }
}

/// A refusal that names many objects says enough before its end.
fn bounded(mut text: String) -> String {
    if text.len() > LONGEST_REASON {
        text.truncate(text.floor_char_boundary(LONGEST_REASON));
        text.push('…');
    }
    text
}

/// A request on its way. Dropped before it is answered, it counts as abandoned.
pub(super) struct Unanswered<'a>(Option<&'a Metrics>);

impl<'a> Unanswered<'a> {
    pub(super) fn new(metrics: &'a Metrics) -> Self {
        Self(Some(metrics))
    }

    pub(super) fn answered(mut self) {
        self.0 = None;
    }
}

impl Drop for Unanswered<'_> {
    fn drop(&mut self) {
        if let Some(metrics) = self.0 {
            metrics.abandoned();
        }
    }
}

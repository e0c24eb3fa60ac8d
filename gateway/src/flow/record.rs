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

    /// The line of a grant.
    pub(super) fn granted(&self, peer: &dyn Display, status: StatusCode) {
        macro_rules! line {
            ($level:ident) => {
                tracing::$level!(
                    %peer,
                    pod = self.pod_name(),
                    path = self.route.name(),
                    resource = self.resource.as_ref().map(|resource| resource.as_str()),
                    identity = self.identity(),
                    status = status.as_u16(),
                    elapsed_us = self.start.elapsed().as_micros(),
                    "served"
                )
            };
        }
        match self.repeated {
            true => line!(debug),
            false => line!(info),
        }
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
            reason = %refusal,
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

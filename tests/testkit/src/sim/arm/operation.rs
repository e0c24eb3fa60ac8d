//! Long-running operations: a status to ask for, and an effect at the end.

use std::time::Duration;

use http::StatusCode;
use serde_json::{Value, json};

use super::body::Change;
use super::clock::Clock;
use super::errors::Refusal;
use super::state::{Arm, Resource, State};
use crate::sim::World;
use crate::sim::reply::Reply;

/// One operation, running or ended.
pub(super) struct Operation {
    /// The key of the resource that it changes.
    pub(super) on: String,
    pub(super) change: Change,
    /// How it is scripted to fail: the error, and how many of the adds it makes before.
    pub(super) failure: Option<(Value, usize)>,
    /// Why it was given up, if it was; nothing of it is done then.
    pub(super) canceled: Option<Value>,
    pub(super) started: Duration,
    pub(super) ended: Option<Duration>,
}

impl Operation {
    fn status(&self) -> &'static str {
        match (self.ended, &self.canceled, &self.failure) {
            (None, ..) => "InProgress",
            (Some(_), Some(_), _) => "Canceled",
            (Some(_), None, Some(_)) => "Failed",
            (Some(_), None, None) => "Succeeded",
        }
    }

    fn error(&self) -> Option<&Value> {
        let failed = self.failure.as_ref().map(|(error, _)| error);
        self.canceled.as_ref().or(failed)
    }

    fn document(&self, name: &str, clock: &Clock) -> Value {
        let time = |at: Duration| {
            let ms = i64::try_from(clock.unix_ms(at)).unwrap_or(i64::MAX);
            jiff::Timestamp::from_millisecond(ms)
                .map(|at| at.to_string())
                .unwrap_or_default()
        };
        let mut body =
            json!({"name": name, "startTime": time(self.started), "status": self.status()});
        if let Some(ended) = self.ended {
            body["endTime"] = json!(time(ended));
        }
        if let (Some(_), Some(error)) = (self.ended, self.error()) {
            body["error"] = error.clone();
        }
        body
    }

    /// The effect on the resource.
    fn apply(&self, resource: &mut Resource) {
        let adds = self.failure.as_ref().map_or(usize::MAX, |(_, adds)| *adds);
        for id in self.change.add.iter().take(adds) {
            resource
                .assigned
                .entry(id.to_lowercase())
                .or_insert_with(|| id.clone());
        }
        if self.failure.is_some() {
            return;
        }
        self.change.remove.iter().for_each(|id| {
            resource.assigned.remove(&id.to_lowercase());
        });
        if !self.change.user {
            resource.assigned.clear();
        }
    }
}

impl Arm {
    /// The answer to a poll.
    pub(super) fn show_operation(&self, name: &str) -> Result<Reply, Refusal> {
        let state = self.lock();
        let operation = state.operations.get(name).ok_or_else(|| {
            Refusal::not_found(
                "NotFound",
                format!("The operation '{name}' could not be found."),
            )
        })?;
        let reply = Reply::json(StatusCode::OK, &operation.document(name, &state.clock));
        let running = operation.ended.is_none();
        Ok(super::after(
            reply,
            self.settings.retry_after_seconds.filter(|_| running),
        ))
    }
}

/// IMDS of the node serves what is on the node, and nothing else.
pub(crate) fn tell_imds(world: &World) {
    if let Some(identities) = world.arm.of_imds_node() {
        world.directory.set_identities(identities);
    }
}

impl State {
    /// The effect, unless the operation was given up before.
    pub(super) fn end(&mut self, name: &str, at: Duration) {
        let Some(operation) = self.operations.get_mut(name) else {
            return;
        };
        if operation.ended.is_some() {
            return;
        }
        operation.ended = Some(at);
        // Deleted meanwhile: the operation ends, and changes nothing.
        let Some(resource) = self.resources.get_mut(&operation.on) else {
            return;
        };
        operation.apply(resource);
        resource.version += 1;
        if resource.running.as_deref() != Some(name) {
            return;
        }
        resource.running = None;
        if resource.state == "Updating" {
            let failed = operation.failure.is_some();
            resource.state = if failed { "Failed" } else { "Succeeded" }.to_owned();
        }
    }

    /// Gives up the operation that is under way on the resource with this key, if there is one. Somebody else's is not
    /// in the list.
    pub(super) fn cancel(&mut self, key: &str, code: &str, message: &str) {
        let Some(resource) = self.resources.get_mut(key) else {
            return;
        };
        let now = self.clock.now();
        let running = resource.running.take();
        if let Some(operation) = running.and_then(|name| self.operations.get_mut(&name)) {
            operation.canceled = Some(json!({"code": code, "message": message}));
            operation.ended = Some(now);
        }
    }

    /// A resource that was being deleted is not there any more; one that was made anew meanwhile stays.
    pub(super) fn gone(&mut self, key: &str) {
        if self
            .resources
            .get(key)
            .is_some_and(|one| one.state == "Deleting")
        {
            self.resources.remove(key);
        }
    }
}

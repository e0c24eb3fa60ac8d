//! Long-running operations: a status to ask for, and an effect at the end.

use std::sync::{Arc, Weak};
use std::time::Duration;

use http::StatusCode;
use serde_json::{Value, json};

use super::body::Change;
use super::errors::Refusal;
use super::state::{Arm, State};
use crate::sim::World;
use crate::sim::record::now_ms;
use crate::sim::reply::Reply;

/// One operation, running or ended.
pub(super) struct Operation {
    /// The key of the resource that it changes.
    pub(super) on: String,
    pub(super) change: Change,
    /// How it is scripted to fail: the error, and how many of the adds it makes before.
    pub(super) failure: Option<(Value, usize)>,
    pub(super) started_ms: u64,
    pub(super) ended_ms: Option<u64>,
}

impl Operation {
    fn status(&self) -> &'static str {
        match (self.ended_ms, &self.failure) {
            (None, _) => "InProgress",
            (Some(_), None) => "Succeeded",
            (Some(_), Some(_)) => "Failed",
        }
    }

    fn document(&self, name: &str) -> Value {
        let time = |ms: u64| {
            let ms = i64::try_from(ms).unwrap_or(i64::MAX);
            jiff::Timestamp::from_millisecond(ms)
                .map(|at| at.to_string())
                .unwrap_or_default()
        };
        let mut body =
            json!({"name": name, "startTime": time(self.started_ms), "status": self.status()});
        if let Some(ended) = self.ended_ms {
            body["endTime"] = json!(time(ended));
        }
        if let (Some(_), Some((error, _))) = (self.ended_ms, &self.failure) {
            body["error"] = error.clone();
        }
        body
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
        let reply = Reply::json(StatusCode::OK, &operation.document(name));
        let running = operation.ended_ms.is_none();
        Ok(super::after(
            reply,
            self.settings.retry_after_seconds.filter(|_| running),
        ))
    }
}

/// Ends an operation when its time has come, unless the simulation is gone by then.
pub(super) fn run(world: &Arc<World>, name: String, time: Duration) {
    let world: Weak<World> = Arc::downgrade(world);
    tokio::spawn(async move {
        tokio::time::sleep(time).await;
        if let Some(world) = world.upgrade() {
            end(&world, &name);
        }
    });
}

/// The effect.
pub(super) fn end(world: &World, name: &str) {
    world.arm.lock().end(name);
    tell_imds(world);
}

/// IMDS of the node serves what is on the node, and nothing else.
pub(crate) fn tell_imds(world: &World) {
    if let Some(identities) = world.arm.of_imds_node() {
        world.directory.set_identities(identities);
    }
}

impl State {
    fn end(&mut self, name: &str) {
        let Some(operation) = self.operations.get_mut(name) else {
            return;
        };
        operation.ended_ms = Some(now_ms());
        // Deleted meanwhile: the operation ends, and changes nothing.
        let Some(resource) = self.resources.get_mut(&operation.on) else {
            return;
        };
        let adds = operation
            .failure
            .as_ref()
            .map_or(usize::MAX, |(_, adds)| *adds);
        for id in operation.change.add.iter().take(adds) {
            resource
                .assigned
                .entry(id.to_lowercase())
                .or_insert_with(|| id.clone());
        }
        if operation.failure.is_none() {
            operation.change.remove.iter().for_each(|id| {
                resource.assigned.remove(&id.to_lowercase());
            });
            if !operation.change.user {
                resource.assigned.clear();
            }
        }
        resource.version += 1;
        resource.running = None;
        if resource.state == "Updating" {
            resource.state = if operation.failure.is_some() {
                "Failed"
            } else {
                "Succeeded"
            }
            .to_owned();
        }
    }
}

//! Ready means that no start-up task is left. Each holds a named guard, so a probe says what is awaited.

use std::collections::BTreeSet;
use std::sync::Arc;

use parking_lot::Mutex;

/// The start-up tasks that are not done. Cheap to clone.
#[derive(Clone, Default)]
pub struct Readiness(Arc<Mutex<BTreeSet<&'static str>>>);

/// One start-up task; dropping it says that the task is done.
pub struct Pending {
    readiness: Readiness,
    name: &'static str,
}

impl Readiness {
    /// Registers a task.
    pub fn pending(&self, name: &'static str) -> Pending {
        self.0.lock().insert(name);
        Pending {
            readiness: self.clone(),
            name,
        }
    }

    /// The tasks that are not done; none when the gateway is ready.
    pub fn awaited(&self) -> Vec<&'static str> {
        self.0.lock().iter().copied().collect()
    }
}

impl Drop for Pending {
    fn drop(&mut self) {
        let mut tasks = self.readiness.0.lock();
        tasks.remove(self.name);
        let left: Vec<_> = tasks.iter().copied().collect();
        drop(tasks);
        match left.is_empty() {
            true => tracing::info!(done = self.name, "ready"),
            false => tracing::info!(done = self.name, awaited = ?left, "starting"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_gateway_is_ready_when_the_last_named_task_is_done() {
        let readiness = Readiness::default();
        let (plugins, source) = (readiness.pending("plugins"), readiness.pending("source"));
        drop(plugins);
        assert_eq!(readiness.awaited(), ["source"]);
        drop(source);
        assert!(readiness.awaited().is_empty());
    }
}

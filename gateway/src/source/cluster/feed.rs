//! From a watch into the world.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use podgate_watch::Sink;

use super::kind::Kind;
use crate::metrics::Metrics;
use crate::readiness::Pending;
use crate::world::{Object, ObjectKey, World};

/// What one watch feeds.
pub(super) struct Feed {
    pub(super) world: World,
    pub(super) metrics: Arc<Metrics>,
    /// What readiness awaits of it.
    pub(super) first: Option<First>,
}

/// A start-up task that is done with the first complete state of one kind; the last of them completes the world.
pub(super) struct First {
    pub(super) pending: Pending,
    pub(super) left: Arc<AtomicUsize>,
}

impl Sink<Kind> for Feed {
    async fn apply(&mut self, object: Object) {
        self.world.apply(object);
    }

    async fn remove(&mut self, key: &ObjectKey) {
        self.world.remove(key);
    }

    async fn complete(&mut self) {
        if let Some(first) = self.first.take() {
            first.done(&self.world);
        }
    }

    fn unreadable(&mut self) {
        self.metrics.source_error();
    }
}

impl First {
    fn done(self, world: &World) {
        if self.left.fetch_sub(1, Ordering::AcqRel) == 1 {
            world.complete();
        }
        drop(self.pending);
    }
}

#[cfg(test)]
mod tests;

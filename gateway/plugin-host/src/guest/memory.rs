//! What instances may hold: each for itself, and all of a plugin together.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use wasmtime::ResourceLimiter;

use crate::Limits;

/// Full instances' worth of memory that all calls of a plugin hold at most. A usual instance holds a
/// hundredth of its limit; without this, 32 calls of one leaking plugin could take the whole gateway down.
pub(super) const FULL_INSTANCES: usize = 4;

/// The memory of all instances of one plugin.
pub(crate) struct SharedMemory {
    held: AtomicUsize,
    limit: usize,
}

/// Watches one instance for its store.
pub(crate) struct Limiter {
    memory: usize,
    table_elements: usize,
    shared: Arc<SharedMemory>,
    held: usize,
    /// The first growth that was refused: a guest that then gives up does so with a trap like any other.
    pub(crate) refused: Option<Refused>,
}

/// What an instance asked for and did not get.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Refused {
    /// Memory beyond its own limit.
    Memory,
    /// Memory that the plugin's other calls hold.
    SharedMemory,
    /// A table beyond its limit.
    Table,
}

// === impl SharedMemory ===

impl SharedMemory {
    pub(crate) fn new(limits: &Limits) -> Arc<Self> {
        Arc::new(Self {
            held: AtomicUsize::new(0),
            limit: limits.memory.saturating_mul(FULL_INSTANCES),
        })
    }

    fn take(&self, bytes: usize) -> bool {
        let more = |held: usize| held.checked_add(bytes).filter(|held| *held <= self.limit);
        let relaxed = Ordering::Relaxed;
        self.held.fetch_update(relaxed, relaxed, more).is_ok()
    }

    fn give_back(&self, bytes: usize) {
        self.held.fetch_sub(bytes, Ordering::Relaxed);
    }
}

// === impl Limiter ===

impl Limiter {
    pub(crate) fn new(limits: &Limits, shared: Arc<SharedMemory>) -> Self {
        Self {
            memory: limits.memory,
            table_elements: limits.table_elements,
            shared,
            held: 0,
            refused: None,
        }
    }

    /// Whether it holds more than half of what it may.
    pub(crate) fn is_large(&self) -> bool {
        self.held > self.memory / 2
    }

    /// Counts over all memories of an instance: a component can have several.
    fn grow(&mut self, bytes: usize) -> Result<(), Refused> {
        let held = self.held.checked_add(bytes).ok_or(Refused::Memory)?;
        if held > self.memory {
            return Err(Refused::Memory);
        }
        if !self.shared.take(bytes) {
            return Err(Refused::SharedMemory);
        }
        self.held = held;
        Ok(())
    }

    fn noted(&mut self, outcome: Result<(), Refused>) -> bool {
        if let Err(refused) = outcome {
            self.refused.get_or_insert(refused);
        }
        outcome.is_ok()
    }
}

impl ResourceLimiter for Limiter {
    fn memory_growing(
        &mut self,
        current: usize,
        desired: usize,
        _maximum: Option<usize>,
    ) -> wasmtime::Result<bool> {
        let outcome = self.grow(desired.saturating_sub(current));
        Ok(self.noted(outcome))
    }

    fn table_growing(
        &mut self,
        _current: usize,
        desired: usize,
        _maximum: Option<usize>,
    ) -> wasmtime::Result<bool> {
        let outcome = match desired <= self.table_elements {
            true => Ok(()),
            false => Err(Refused::Table),
        };
        Ok(self.noted(outcome))
    }
}

impl Drop for Limiter {
    fn drop(&mut self) {
        self.shared.give_back(self.held);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const MIB: usize = 1024 * 1024;

    fn limits() -> Limits {
        Limits {
            memory: MIB,
            table_elements: 10,
            ..Limits::default()
        }
    }

    #[test]
    fn an_instances_memories_count_together() {
        let mut limiter = Limiter::new(&limits(), SharedMemory::new(&limits()));
        assert!(limiter.memory_growing(0, MIB / 2, None).unwrap());
        assert!(limiter.memory_growing(0, MIB / 2, None).unwrap());
        assert!(!limiter.memory_growing(MIB / 2, MIB / 2 + 1, None).unwrap());
        assert_eq!(limiter.refused, Some(Refused::Memory));
    }

    #[test]
    fn all_calls_of_a_plugin_hold_four_full_instances_and_give_them_back() {
        let shared = SharedMemory::new(&limits());
        let new = || Limiter::new(&limits(), Arc::clone(&shared));
        let mut full: Vec<_> = (0..FULL_INSTANCES).map(|_| new()).collect();
        for limiter in &mut full {
            assert!(limiter.memory_growing(0, MIB, None).unwrap());
        }
        let mut fifth = new();
        assert!(!fifth.memory_growing(0, 1, None).unwrap());
        assert_eq!(fifth.refused, Some(Refused::SharedMemory));
        full.clear();
        assert!(new().memory_growing(0, MIB, None).unwrap());
    }

    #[test]
    fn a_table_beyond_its_limit_is_refused_and_noted() {
        let mut limiter = Limiter::new(&limits(), SharedMemory::new(&limits()));
        assert!(limiter.table_growing(0, 10, None).unwrap());
        assert!(!limiter.table_growing(10, 11, None).unwrap());
        assert_eq!(limiter.refused, Some(Refused::Table));
    }
}

//! ARM's time, and what is to happen in it: operations that end, resources that are gone.

use std::collections::BTreeMap;
use std::sync::{Arc, Weak};
use std::time::Duration;

use tokio::time::Instant;

use super::operation::tell_imds;
use crate::sim::World;
use crate::sim::record::now_ms;

/// The machine's time and what a test adds to it, or the latter alone.
pub(super) struct Clock {
    begun: Instant,
    begun_ms: u64,
    manual: bool,
    added: Duration,
}

impl Clock {
    pub(super) fn new(manual: bool) -> Self {
        Self {
            begun: Instant::now(),
            begun_ms: now_ms(),
            manual,
            added: Duration::ZERO,
        }
    }

    /// Since the start.
    pub(super) fn now(&self) -> Duration {
        match self.manual {
            true => self.added,
            false => self.begun.elapsed() + self.added,
        }
    }

    /// Milliseconds since the Unix epoch.
    pub(super) fn unix_ms(&self, at: Duration) -> u64 {
        let since = u64::try_from(at.as_millis()).unwrap_or(u64::MAX);
        self.begun_ms.saturating_add(since)
    }
}

/// What happens at a moment.
pub(super) enum Due {
    /// The operation of this name ends.
    End(String),
    /// The resource with this key is gone.
    Gone(String),
}

/// What is to happen, in the order of its time; what has the same time, in the order it came.
#[derive(Default)]
pub(super) struct Agenda {
    list: BTreeMap<(Duration, u64), Due>,
    count: u64,
}

impl Agenda {
    pub(super) fn add(&mut self, at: Duration, due: Due) {
        self.count += 1;
        self.list.insert((at, self.count), due);
    }

    fn take(&mut self, now: Duration) -> Option<(Duration, Due)> {
        let first = self.list.first_entry().filter(|one| one.key().0 <= now)?;
        let ((at, _), due) = first.remove_entry();
        Some((at, due))
    }
}

/// Adds to the time; what was due by then has happened when this returns.
pub(crate) fn advance(world: &World, time: Duration) {
    world.arm.lock().clock.added += time;
    settle(world);
}

/// Lets happen what is due.
pub(super) fn settle(world: &World) {
    {
        let mut state = world.arm.lock();
        let now = state.clock.now();
        while let Some((at, due)) = state.agenda.take(now) {
            match due {
                Due::End(name) => state.end(&name, at),
                Due::Gone(key) => state.gone(&key),
            }
        }
    }
    tell_imds(world);
}

/// Settles when `due` has come, unless the simulation is gone by then. Manual time settles by itself.
pub(super) fn settle_at(world: &Arc<World>, due: Duration) {
    if world.arm.settings.manual_time {
        return;
    }
    let world: Weak<World> = Arc::downgrade(world);
    tokio::spawn(async move {
        while let Some(left) = left(&world, due) {
            tokio::time::sleep(left).await;
        }
        if let Some(world) = world.upgrade() {
            settle(&world);
        }
    });
}

/// How long until then; `None` when it has come, or nobody waits any more.
fn left(world: &Weak<World>, due: Duration) -> Option<Duration> {
    let now = world.upgrade()?.arm.lock().clock.now();
    due.checked_sub(now).filter(|left| !left.is_zero())
}

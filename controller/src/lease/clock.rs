//! The clock that tenures are measured by.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use rustix::time::{ClockId, clock_gettime};

/// Tells the time since some moment in the past, and never goes back.
#[derive(Clone)]
pub struct Clock(Arc<dyn Fn() -> Duration + Send + Sync>);

impl Clock {
    /// `CLOCK_BOOTTIME` (clock_gettime(2)): it goes on while a process is stopped and while the machine sleeps, and nobody
    /// can set it.
    pub fn boot() -> Self {
        Self::from_fn(|| {
            let now = clock_gettime(ClockId::Boottime);
            let part = |number| u64::try_from(number).unwrap_or_default();
            Duration::from_secs(part(now.tv_sec)) + Duration::from_nanos(part(now.tv_nsec))
        })
    }

    /// Any other, for tests: of another rate, or one that stands still.
    pub fn from_fn(now: impl Fn() -> Duration + Send + Sync + 'static) -> Self {
        Self(Arc::new(now))
    }

    /// Now.
    pub fn now(&self) -> Duration {
        (self.0)()
    }
}

impl fmt::Debug for Clock {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Clock")
    }
}

//! Requests per minute and application.

use std::collections::{HashMap, VecDeque};
use std::time::{Duration, Instant};

use parking_lot::Mutex;

const WINDOW: Duration = Duration::from_secs(60);

/// Counts the requests of each application.
pub(crate) struct Throttle {
    limit: Option<usize>,
    seen: Mutex<HashMap<String, VecDeque<Instant>>>,
}

impl Throttle {
    pub(crate) fn new(limit: Option<usize>) -> Self {
        Self {
            limit,
            seen: Mutex::default(),
        }
    }

    /// Whether one more request of this application is answered. Refused ones do not count.
    pub(crate) fn admit(&self, client_id: &str) -> bool {
        let Some(limit) = self.limit else { return true };
        let mut seen = self.seen.lock();
        let window = seen.entry(client_id.to_ascii_lowercase()).or_default();
        while window
            .front()
            .is_some_and(|first| first.elapsed() >= WINDOW)
        {
            window.pop_front();
        }
        let admitted = window.len() < limit;
        if admitted {
            window.push_back(Instant::now());
        }
        admitted
    }
}

//! `podgate:types/clock`

use std::time::SystemTime;

use crate::bindings::policy::podgate::types::clock::Host;
use crate::guest::State;

impl Host for State {
    fn now(&mut self) -> u64 {
        // A node before 1970 has worse problems than a plugin that sees zero.
        SystemTime::UNIX_EPOCH
            .elapsed()
            .map_or(0, |since| since.as_secs())
    }
}

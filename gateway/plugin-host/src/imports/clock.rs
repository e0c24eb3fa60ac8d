//! `podgate:types/clock`

use crate::bindings::policy::podgate::types::clock::Host;
use crate::guest::State;

impl Host for State {
    fn now(&mut self) -> u64 {
        self.clock.since_1970().as_secs()
    }
}

//! `podgate:types/log`

use crate::bindings::policy::podgate::types::log::{Host, Level};
use crate::guest::State;
use crate::guest::log;

impl Host for State {
    fn write(&mut self, level: Level, message: String) {
        self.log.write(level.into(), &message);
    }
}

impl From<Level> for log::Level {
    fn from(level: Level) -> Self {
        match level {
            Level::Debug => Self::Debug,
            Level::Info => Self::Info,
            Level::Warn => Self::Warn,
            Level::Error => Self::Error,
        }
    }
}

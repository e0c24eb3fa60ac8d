//! The place that a case is played in: the time there, and tokens of the gateway's service account.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use async_trait::async_trait;
use jiff::Timestamp;
use parking_lot::Mutex;
use podgate_plugin_host::{Clock, ServiceAccount, Surroundings};
use serde::{Deserialize, Deserializer};
use zeroize::Zeroizing;

use super::suite::Case;

/// A moment in seconds since 1970: as such, or as `2026-01-05T09:30:00Z`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Moment(pub(super) u64);

/// What all cases share and each begins anew.
#[derive(Default)]
pub(super) struct Place(Mutex<State>);

#[derive(Default)]
struct State {
    now: Option<Moment>,
    tokens: BTreeMap<String, String>,
}

impl<'de> Deserialize<'de> for Moment {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        #[derive(Deserialize)]
        #[serde(untagged)]
        enum Written {
            Seconds(u64),
            Text(String),
        }
        let text = match Written::deserialize(deserializer)? {
            Written::Seconds(seconds) => return Ok(Self(seconds)),
            Written::Text(text) => text,
        };
        let seconds = text
            .parse::<Timestamp>()
            .ok()
            .and_then(|moment| u64::try_from(moment.as_second()).ok());
        seconds.map(Self).ok_or_else(|| {
            serde::de::Error::custom(format!(
                "`{text}` is no moment; write seconds since 1970, or 2026-01-05T09:30:00Z"
            ))
        })
    }
}

// === impl Place ===

impl Place {
    /// As a case has it.
    pub(super) fn begin(&self, case: &Case) {
        *self.0.lock() = State {
            now: case.now,
            tokens: case.service_account_tokens.clone().unwrap_or_default(),
        };
    }

    pub(super) fn surroundings(self: &Arc<Self>) -> Surroundings {
        Surroundings {
            clock: Arc::clone(self) as _,
            service_account: Arc::clone(self) as _,
        }
    }

    /// In seconds since 1970.
    pub(super) fn now(&self) -> u64 {
        self.since_1970().as_secs()
    }
}

impl Clock for Place {
    fn since_1970(&self) -> Duration {
        match self.0.lock().now {
            Some(Moment(seconds)) => Duration::from_secs(seconds),
            None => SystemTime::UNIX_EPOCH.elapsed().unwrap_or_default(),
        }
    }
}

#[async_trait]
impl ServiceAccount for Place {
    async fn token(&self, audience: &str) -> Result<Zeroizing<String>, String> {
        let token = self.0.lock().tokens.get(audience).cloned();
        token
            .map(Zeroizing::new)
            .ok_or_else(|| format!("the case has no token for {audience}"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_moment_is_written_in_seconds_or_as_people_write_it() {
        let read =
            |json: &str| serde_json::from_str::<Moment>(json).map_err(|error| error.to_string());
        assert_eq!(read("86400").unwrap(), Moment(86_400));
        assert_eq!(read("\"1970-01-02T00:00:00Z\"").unwrap(), Moment(86_400));
        assert_eq!(
            read("\"1970-01-02T01:00:00+01:00\"").unwrap(),
            Moment(86_400)
        );
        for wrong in ["\"noon\"", "\"1969-12-31T00:00:00Z\"", "\"2026-01-05\""] {
            let error = read(wrong).unwrap_err();
            assert!(error.contains("is no moment"), "{error}");
        }
    }
}

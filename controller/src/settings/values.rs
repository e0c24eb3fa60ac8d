//! Values as operators write them, each with its bounds: a controller that never rests, or never looks, is no controller.

use std::collections::BTreeSet;
use std::ops::RangeInclusive;
use std::str::FromStr;
use std::time::Duration;

use http::HeaderValue;
use podgate_api::ClientId;
use podgate_daemon::values::seconds_or_unit;

/// Longest addition to the user agent, in bytes: the old controller's bound.
const MAX_USER_AGENT: usize = 100;

const RATES: RangeInclusive<f64> = 0.1..=10_000.0;
const AT_A_TIME: RangeInclusive<usize> = 1..=10_000;

/// A duration of `LEAST` to `MOST` seconds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Within<const LEAST: u64, const MOST: u64>(Duration);

/// So many in a second, 0.1 to 10,000. The old controller took fractions.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct PerSecond(f64);

/// So many at a time, 1 to 10,000.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct AtATime(usize);

// === impl Within ===

impl<const LEAST: u64, const MOST: u64> Within<LEAST, MOST> {
    /// The duration.
    pub fn get(self) -> Duration {
        self.0
    }
}

impl<const LEAST: u64, const MOST: u64> FromStr for Within<LEAST, MOST> {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let bounds = Duration::from_secs(LEAST)..=Duration::from_secs(MOST);
        let duration = seconds_or_unit(text)?;
        match bounds.contains(&duration) {
            true => Ok(Self(duration)),
            false => Err(format!("{text:?} is not within {LEAST}s and {MOST}s")),
        }
    }
}

// === impl PerSecond, AtATime ===

impl PerSecond {
    /// The time from one to the next.
    pub fn period(self) -> Duration {
        Duration::from_secs_f64(1.0 / self.0)
    }
}

impl FromStr for PerSecond {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let rate = text.parse().ok().filter(|rate| RATES.contains(rate));
        rate.map(Self).ok_or_else(|| {
            let (least, most) = (RATES.start(), RATES.end());
            format!("{text:?} is no number of calls per second within {least} and {most}")
        })
    }
}

impl AtATime {
    /// The number.
    pub fn get(self) -> usize {
        self.0
    }
}

impl FromStr for AtATime {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let number = text.parse().ok();
        let number = number.filter(|number| AT_A_TIME.contains(number));
        number.map(Self).ok_or_else(|| {
            let (least, most) = (AT_A_TIME.start(), AT_A_TIME.end());
            format!("{text:?} is no whole number within {least} and {most}")
        })
    }
}

/// With commas; none is no id. A mistyped one would protect nothing.
pub(super) fn client_ids(text: &str) -> Result<BTreeSet<ClientId>, String> {
    let names = text
        .split(',')
        .map(str::trim)
        .filter(|name| !name.is_empty());
    names
        .map(|name| name.parse().map_err(|error| format!("{error}")))
        .collect()
}

/// Printable ASCII.
pub(super) fn user_agent(text: &str) -> Result<String, String> {
    if text.len() > MAX_USER_AGENT {
        return Err(format!(
            "at most {MAX_USER_AGENT} bytes are sent, not {}",
            text.len()
        ));
    }
    match text.is_ascii() && HeaderValue::from_str(text).is_ok() {
        true => Ok(text.to_owned()),
        false => Err("only printable ASCII can be sent".to_owned()),
    }
}

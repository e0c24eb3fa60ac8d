//! When a token is renewed, and until when it is served.

use crate::rules::Rule;

/// One, in the millionths that fractions and jitter are counted in. No floating point: times stay exact
/// and monotone.
pub const MILLION: u32 = 1_000_000;

/// How far the refresh is moved to either side, so that tokens that were obtained together are not renewed
/// together: 10 %.
const JITTER: u32 = 100_000;

/// The times of a new token, in seconds since 1970-01-01T00:00:00Z.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Times {
    /// When the host got it.
    pub obtained: u64,
    /// When it ends.
    pub expires: u64,
    /// A random number below [`MILLION`].
    pub jitter: u32,
}

/// How to keep a token. Always `refresh_at <= fresh_until <= keep_until <= expires`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Plan {
    /// From here on it is renewed in the background.
    pub refresh_at: u64,
    /// Until here it is served without asking.
    pub fresh_until: u64,
    /// From here on it is not served at all.
    pub keep_until: u64,
}

/// How to keep a token under a rule. A token that had ended when it was obtained is not kept.
#[must_use]
pub fn plan(rule: &Rule, times: Times) -> Plan {
    let life = kept_life(rule, times);
    let fresh = fresh_part(life, rule.margin);
    let start = times.obtained.min(times.expires);
    Plan {
        refresh_at: start + refresh_part(life, fresh, rule.refresh_at, times.jitter),
        fresh_until: start + fresh,
        keep_until: start + life,
    }
}

/// To its end, or to the rule's greatest age if that comes first.
fn kept_life(rule: &Rule, times: Times) -> u64 {
    let life = times.expires.saturating_sub(times.obtained);
    rule.max_age.map_or(life, |age| life.min(age.into()))
}

/// All but the margin; half of a life so short that the margin would be more than that.
fn fresh_part(life: u64, margin: u32) -> u64 {
    life.saturating_sub(margin.into()).max(life / 2)
}

/// The fraction of the life, moved by the jitter, and early enough that the latest jitter still falls into
/// the fresh part: else tokens of short life would be renewed while a pod waits.
fn refresh_part(life: u64, fresh: u64, fraction: u32, jitter: u32) -> u64 {
    let latest = fraction_of(fresh, MILLION, MILLION + JITTER);
    let wanted = fraction_of(life, fraction, MILLION).min(latest);
    let moved =
        MILLION - JITTER + fraction_of((2 * JITTER).into(), jitter.min(MILLION), MILLION) as u32;
    fraction_of(wanted, moved, MILLION).min(fresh)
}

/// `whole * part / of`, rounded down, for `part <= 2 * of`.
fn fraction_of(whole: u64, part: u32, of: u32) -> u64 {
    let product = u128::from(whole) * u128::from(part) / u128::from(of);
    u64::try_from(product).unwrap_or(u64::MAX)
}

#[cfg(test)]
#[path = "lifetime/tests.rs"]
mod tests;

//! Why there is no token: refused for good, or not to be had now.

use std::time::{Duration, UNIX_EPOCH};

mod refusal;
mod text;

pub use refusal::of_error_body;
use text::sentence;

use crate::settings::Algorithm;

/// The longest wait taken from an authority. A longer one would leave a pod without a token long after the
/// authority is back.
const MAX_RETRY_AFTER_S: u64 = 3600;

/// Why there is no token.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Failure {
    /// The authority will refuse again.
    Refused(Refusal),
    /// It may pass.
    Unavailable(Outage),
}

/// A final refusal: `podgate:credential/acquire.refusal`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Refusal {
    /// The OAuth error code.
    pub error: String,
    /// What was refused and what to do, for the pod's owner.
    pub description: String,
    /// The Secret may hold a newer credential.
    pub stale_credential: bool,
}

/// A passing fault: `podgate:credential/acquire.outage`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Outage {
    /// What happened, for the log and the pod's owner.
    pub description: String,
    /// How long the authority asked to wait, in seconds.
    pub retry_after: Option<u32>,
    /// It is throttling, not an outage.
    pub throttled: bool,
}

impl Failure {
    /// A refusal that reading the Secret again cannot cure.
    #[must_use]
    pub fn refused(error: &str, description: String) -> Self {
        Self::Refused(Refusal {
            error: error.to_owned(),
            description,
            stale_credential: false,
        })
    }

    /// An outage of unknown length.
    #[must_use]
    pub fn unavailable(description: String) -> Self {
        Self::Unavailable(Outage {
            description,
            retry_after: None,
            throttled: false,
        })
    }

    /// The host's key cannot sign this way.
    #[must_use]
    pub fn unsupported_algorithm(algorithm: Algorithm) -> Self {
        let name = algorithm.name();
        let description = format!(
            "the certificate's key cannot sign with {name}: set `algorithm` of the plugin to the other one, or use an RSA certificate"
        );
        Self::refused("invalid_client", description)
    }

    /// The host did not sign.
    #[must_use]
    pub fn not_signed(reason: &str) -> Self {
        Self::unavailable(format!(
            "the assertion could not be signed: {}",
            sentence(reason)
        ))
    }

    /// The operator did not grant the authority's host.
    #[must_use]
    pub fn not_granted(host: &str) -> Self {
        let host = sentence(host);
        let description = format!(
            "the plugin may not call `{host}`: grant it to the plugin, or check spec.adEndpoint"
        );
        Self::refused("access_denied", description)
    }

    /// The host took the request for malformed.
    #[must_use]
    pub fn invalid_request(url: &str, reason: &str) -> Self {
        let reason = sentence(reason);
        Self::refused(
            "invalid_request",
            format!("{url} cannot be asked: {reason}; check spec.adEndpoint and spec.tenantID"),
        )
    }

    /// No connection to the authority.
    #[must_use]
    pub fn no_connection(url: &str, reason: &str) -> Self {
        Self::unavailable(format!("no connection to {url}: {}", sentence(reason)))
    }
}

/// The wait that a `retry-after` header asks for, in seconds from `now`: a number or a date (RFC 9110,
/// section 10.2.3), at most an hour.
#[must_use]
pub fn retry_after(header: &str, now: u64) -> Option<u32> {
    let header = header.trim();
    let seconds = header.parse().ok().or_else(|| seconds_until(header, now))?;
    u32::try_from(seconds.min(MAX_RETRY_AFTER_S)).ok()
}

fn seconds_until(date: &str, now: u64) -> Option<u64> {
    let at = httpdate::parse_http_date(date).ok()?;
    let since_epoch: Duration = at.duration_since(UNIX_EPOCH).ok()?;
    Some(since_epoch.as_secs().saturating_sub(now))
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn a_wait_is_a_number_or_a_date() {
        assert_eq!(retry_after("60", 0), Some(60));
        assert_eq!(retry_after(" 0 ", 0), Some(0));
        // 784111777 is that date: the example of RFC 9110, section 5.6.7.
        assert_eq!(
            retry_after("Sun, 06 Nov 1994 08:49:37 GMT", 784_111_777 - 20),
            Some(20)
        );
        assert_eq!(
            retry_after("Sun, 06 Nov 1994 08:49:37 GMT", 784_111_777 + 20),
            Some(0)
        );
    }

    #[test]
    fn a_wait_is_at_most_an_hour() {
        assert_eq!(retry_after("86400", 0), Some(3600));
        assert_eq!(retry_after("18446744073709551615", 0), Some(3600));
        assert_eq!(retry_after("Sun, 06 Nov 1994 08:49:37 GMT", 0), Some(3600));
    }

    #[test]
    fn anything_else_is_no_wait() {
        for header in ["", "soon", "-1", "1.5", "18446744073709551616"] {
            assert_eq!(retry_after(header, 0), None, "{header}");
        }
    }

    proptest! {
        #[test]
        fn no_header_panics(header in any::<String>(), now in any::<u64>()) {
            prop_assert!(retry_after(&header, now).is_none_or(|wait| wait <= 3600));
        }
    }
}

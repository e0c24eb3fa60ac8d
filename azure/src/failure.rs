//! Why there is no token: one type for IMDS, Entra ID and credential plugins.

use std::time::Duration;

use thiserror::Error;

use crate::http::HttpError;

/// Why there is no token.
///
/// Descriptions are for the pod's owner. They are bounded, of one line, and hold no secret.
#[derive(Clone, Debug, Error, PartialEq, Eq)]
pub enum Failure {
    /// The authority refuses, and would refuse the same question again.
    #[error("refused ({error}): {description}")]
    Refused {
        /// The OAuth error code (RFC 6749 §5.2, and Azure's own): `invalid_client`, `invalid_request`, …
        error: String,
        /// What was refused, in the authority's words.
        description: String,
        /// The credential itself may be old: reading its Secret again may help.
        stale_credential: bool,
    },
    /// A fault that may pass: throttling, an outage, an answer that makes no sense.
    #[error("unavailable: {description}")]
    Unavailable {
        /// What happened.
        description: String,
        /// How long to wait, where the authority said so or is known for it.
        retry_after: Option<Duration>,
        /// It is throttling (429, or our own limits towards IMDS) rather than an outage.
        throttled: bool,
    },
}

impl Failure {
    /// The word for metric labels, out of a closed set.
    pub fn category(&self) -> &'static str {
        match self {
            Self::Refused {
                stale_credential: true,
                ..
            } => "stale_credential",
            Self::Refused { .. } => "refused",
            Self::Unavailable {
                throttled: true, ..
            } => "throttled",
            Self::Unavailable { .. } => "unavailable",
        }
    }

    /// A fault that may pass, without a word on when.
    pub(crate) fn outage(description: impl Into<String>) -> Self {
        Self::Unavailable {
            description: description.into(),
            retry_after: None,
            throttled: false,
        }
    }
}

impl From<HttpError> for Failure {
    fn from(error: HttpError) -> Self {
        Self::outage(error.to_string())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_failure_has_one_of_four_categories() {
        let refused = |stale_credential| Failure::Refused {
            error: "invalid_client".to_owned(),
            description: String::new(),
            stale_credential,
        };
        let unavailable = |throttled| Failure::Unavailable {
            description: String::new(),
            retry_after: None,
            throttled,
        };
        assert_eq!(refused(true).category(), "stale_credential");
        assert_eq!(refused(false).category(), "refused");
        assert_eq!(unavailable(true).category(), "throttled");
        assert_eq!(unavailable(false).category(), "unavailable");
    }
}

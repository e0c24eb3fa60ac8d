//! Why a list or a watch did not work, and what its reader can do about it.

use std::error::Error;
use std::time::Duration;

use serde::Deserialize;
use thiserror::Error;

use crate::freshness::Restart;
use crate::kind::Kind;

/// Characters of the API server's own message that are told.
const MESSAGE: usize = 400;

/// A list or a watch that did not work.
#[derive(Debug, Error, PartialEq, Eq)]
pub(crate) enum Failure {
    /// The API server said no.
    #[error("the API server answered {code}: {message}")]
    Status {
        /// The HTTP status.
        code: u16,
        /// Its words.
        message: String,
    },
    /// No connection, or a broken one.
    #[error("the API server cannot be reached: {0}")]
    Connection(String),
    /// No answer, or nothing more.
    #[error("nothing came from the API server for {} s", .0.as_secs())]
    Silent(Duration),
    /// More than is taken at once.
    #[error("the API server sent more than {0} bytes at once")]
    TooLarge(usize),
    /// Not what an API server says.
    #[error("the API server sent what cannot be read: {0}")]
    Malformed(&'static str),
}

/// `metav1.Status`, as far as it is told.
#[derive(Deserialize)]
pub(crate) struct Status {
    #[serde(default)]
    code: u16,
    #[serde(default)]
    message: String,
}

/// Why the API server was not reached: the whole chain of reasons, but for what credential plugins said, which may be the
/// credential. kube's own errors repeat that.
pub fn reasons(error: &(dyn Error + 'static)) -> String {
    let mut words: Vec<String> = Vec::new();
    let mut next = Some(error);
    while let Some(error) = next {
        if error.is::<kube::client::AuthError>() {
            return "the credentials of the kubeconfig cannot be had".to_owned();
        }
        let word = error.to_string();
        // Many say their source's words in their own.
        if !words.iter().any(|before| before.contains(&word)) {
            words.push(word);
        }
        next = error.source();
    }
    words.join(": ")
}

impl Failure {
    /// What the API server said in the body of an answer, or in an event of type ERROR.
    pub(crate) fn status(http: Option<u16>, body: &[u8]) -> Self {
        let status: Option<Status> = serde_json::from_slice(body).ok();
        let code = http.or_else(|| status.as_ref().map(|status| status.code));
        let message = status.map(|status| status.message).unwrap_or_default();
        Self::Status {
            code: code.unwrap_or(500),
            message: message.chars().take(MESSAGE).collect(),
        }
    }

    /// Of a connection, with the whole chain of reasons.
    pub(crate) fn connection(error: &(dyn Error + 'static)) -> Self {
        Self::Connection(reasons(error))
    }

    /// 410: the changes since the last one are no longer there.
    pub(crate) fn is_gone(&self) -> bool {
        matches!(self, Self::Status { code: 410, .. })
    }

    /// 403.
    pub(crate) fn is_forbidden(&self) -> bool {
        matches!(self, Self::Status { code: 403, .. })
    }

    /// 404: the API server has no such kind.
    pub(crate) fn is_unknown_kind(&self) -> bool {
        matches!(self, Self::Status { code: 404, .. })
    }

    /// Whether a watch may go on where it was. After an error of its own the API server may have lost events, and a
    /// version that it does not know (it was restored from a backup) would be refused for good.
    pub(crate) fn resumes(&self) -> bool {
        match self {
            Self::Connection(_) | Self::Silent(_) => true,
            Self::Status { code, .. } => matches!(code, 429 | 503),
            Self::TooLarge(_) | Self::Malformed(_) => false,
        }
    }

    /// For the metric.
    pub(crate) fn restart(&self) -> Restart {
        match self {
            Self::Status { code: 410, .. } => Restart::Gone,
            Self::Status { code: 429, .. } => Restart::Server,
            Self::Status { code, .. } if *code >= 500 => Restart::Server,
            Self::Status { .. } => Restart::Refused,
            Self::Connection(_) => Restart::Connection,
            Self::Silent(_) => Restart::Silent,
            Self::TooLarge(_) | Self::Malformed(_) => Restart::Malformed,
        }
    }

    /// With what to do about it, if `program` is who asked.
    pub(crate) fn explain(&self, kind: &impl Kind, program: &str) -> String {
        match self {
            Self::Status { code: 401, .. } => {
                format!("{self}; {program}'s ServiceAccount or its token is gone")
            }
            Self::Status { code: 403, .. } => {
                format!(
                    "{self}; {program} may not {}: apply docs/rbac.md",
                    kind.needs()
                )
            }
            Self::Status { code: 404, .. } => match kind.definition() {
                Some(name) => format!(
                    "{self}; the CustomResourceDefinition {name} is not installed: apply api/crds"
                ),
                None => self.to_string(),
            },
            _ => self.to_string(),
        }
    }
}

#[cfg(test)]
mod tests;

//! Why an artifact was not pulled. What a registry says goes in by codes of a closed form, since it was told
//! credentials and could say them again.

use podgate_azure::http::HttpError;
use serde::Deserialize;
use thiserror::Error;

/// Codes that are shown.
const CODES: usize = 4;
/// The longest of the specification's own has 21 letters.
const LONGEST_CODE: usize = 40;

/// Why there is no artifact.
#[derive(Debug, Error)]
pub(super) enum PullError {
    /// The reference's registry makes no URL.
    #[error("the registry makes no URL; write HOST or HOST:PORT")]
    NoUrl,
    #[error(transparent)]
    Http(#[from] HttpError),
    #[error("the registry answered for the {what} with status {status}{codes}{cure}")]
    Status {
        what: &'static str,
        status: u16,
        codes: String,
        cure: &'static str,
    },
    #[error(
        "the registry wants to know who asks (401) and does not say how: it sent no WWW-Authenticate of Bearer or Basic"
    )]
    NoChallenge,
    #[error("the registry wants an account, and {0}")]
    NoAccount(String),
    #[error(
        "the registry sends its clients for a token to {0}, which is neither https nor a plain registry"
    )]
    Realm(String),
    #[error("the token service's answer {0}")]
    Token(&'static str),
    #[error(
        "redirected to {0}, where this client does not go: https, or a registry that may be asked by http"
    )]
    Redirect(String),
    #[error("redirected more than {0} times")]
    Redirects(usize),
    #[error(
        "the {what} has the SHA-256 {found}: the registry's copy is damaged, or it is none of an honest registry"
    )]
    Digest { what: &'static str, found: String },
    #[error("the component has {found} bytes, its manifest says {expected}")]
    Size { found: usize, expected: u64 },
    #[error("{0:#}")]
    Artifact(anyhow::Error),
    #[error("there was no time left of the {0:?} that a pull may take")]
    Late(std::time::Duration),
}

// === impl PullError ===

impl PullError {
    /// An answer that is no success.
    pub(super) fn status(what: &'static str, status: u16, body: &[u8]) -> Self {
        Self::Status {
            what,
            status,
            codes: codes(body),
            cure: cure(status),
        }
    }

    /// Whether another try may do better.
    pub(super) fn may_pass(&self) -> bool {
        match self {
            Self::Http(error) => {
                matches!(
                    error,
                    HttpError::Unreachable { .. } | HttpError::Timeout { .. }
                )
            }
            Self::Status { status, .. } => *status == 429 || *status >= 500,
            _ => false,
        }
    }
}

fn cure(status: u16) -> &'static str {
    match status {
        401 | 403 => "; give --registry-credentials an account that may pull it",
        404 => "; push it there, and name the digest of its manifest",
        429 => "; it throttles its clients",
        _ => "",
    }
}

#[derive(Deserialize)]
struct Errors {
    errors: Vec<Code>,
}

#[derive(Deserialize)]
struct Code {
    code: String,
}

/// As `: MANIFEST_UNKNOWN`, where the answer has such codes.
fn codes(body: &[u8]) -> String {
    let errors: Vec<Code> =
        serde_json::from_slice(body).map_or_else(|_| Vec::new(), |Errors { errors }| errors);
    let is_code = |code: &String| {
        let is_letter = |byte: u8| byte.is_ascii_uppercase() || byte == b'_';
        !code.is_empty() && code.len() <= LONGEST_CODE && code.bytes().all(is_letter)
    };
    let codes = errors.into_iter().map(|error| error.code).filter(is_code);
    let shown: Vec<String> = codes.take(CODES).collect();
    match shown.is_empty() {
        true => String::new(),
        false => format!(" ({})", shown.join(", ")),
    }
}

//! Which paths of IMDS are asked at all. The gateway has an allow-list of its own; this one is the last door
//! before the node's credentials.

use crate::failure::Failure;

pub(super) const TOKEN: &str = "/metadata/identity/oauth2/token";

const INFO: &str = "/metadata/identity/info";

/// IMDS counts everything below this path against the limits of identities. It ignores the case of the first
/// segment.
pub(super) fn is_identity(path: &str) -> bool {
    path.to_ascii_lowercase().starts_with("/metadata/identity")
}

/// Only plain paths below `/metadata/`, and nothing below `/metadata/identity` but the tenant's name: tokens
/// have a function of their own, and `issuecredential` hands out certificates that outlive every binding.
pub(super) fn check(path: &str) -> Result<(), Failure> {
    let plain = |c: char| c.is_ascii_alphanumeric() || matches!(c, '/' | '-' | '_' | '.');
    let safe = path.starts_with("/metadata/")
        && path.chars().all(plain)
        && !path.contains("//")
        && !path
            .split('/')
            .any(|segment| segment == "." || segment == "..");
    if safe && (!is_identity(path) || path == INFO) {
        return Ok(());
    }
    Err(Failure::Refused {
        error: "not_found".to_owned(),
        description: "this path of IMDS is not served".to_owned(),
        stale_credential: false,
    })
}

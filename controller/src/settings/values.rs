//! Values as operators write them.

use std::collections::BTreeSet;
use std::time::Duration;

use http::HeaderValue;
use k8s_openapi::jiff::SignedDuration;
use podgate_api::ClientId;

/// Longest addition to the user agent, in bytes: the old controller's bound.
const MAX_USER_AGENT: usize = 100;

/// `10` (seconds), `10s`, `1m30s`, `500ms`.
///
/// # Errors
/// What would be right.
pub(crate) fn seconds_or_unit(text: &str) -> Result<Duration, String> {
    if let Ok(seconds) = text.parse() {
        return Ok(Duration::from_secs(seconds));
    }
    text.parse::<SignedDuration>()
        .ok()
        .and_then(|duration| duration.try_into().ok())
        .ok_or_else(|| format!("{text:?} is no duration; write 10s, 1m30s or 500ms"))
}

/// `true`, `false` and what Go's flags take besides: `1`, `0`, `t`, `f`, in any case.
pub(super) fn switch(text: &str) -> Result<bool, String> {
    match text.to_ascii_lowercase().as_str() {
        "true" | "t" | "1" => Ok(true),
        "false" | "f" | "0" => Ok(false),
        _ => Err("write true or false".to_owned()),
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

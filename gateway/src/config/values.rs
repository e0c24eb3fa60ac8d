//! Values as operators write them.

use std::time::Duration;

use jiff::SignedDuration;

/// `10` (seconds, as the old flags had it), `10s`, `1m30s`, `500ms`.
///
/// # Errors
/// What would be right.
pub fn seconds_or_unit(text: &str) -> Result<Duration, String> {
    if let Ok(seconds) = text.parse() {
        return Ok(Duration::from_secs(seconds));
    }
    text.parse::<SignedDuration>()
        .ok()
        .and_then(|duration| duration.try_into().ok())
        .ok_or_else(|| format!("{text:?} is no duration; write 10s, 1m30s or 500ms"))
}

/// `true`, `false` and what Go's flags take besides: `1`, `0`, `t`, `f`, in any case.
///
/// # Errors
/// What would be right.
pub fn switch(text: &str) -> Result<bool, String> {
    match text.to_ascii_lowercase().as_str() {
        "true" | "t" | "1" => Ok(true),
        "false" | "f" | "0" => Ok(false),
        _ => Err("write true or false".to_owned()),
    }
}

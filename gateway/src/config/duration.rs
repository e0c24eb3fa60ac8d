//! Durations as operators write them.

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

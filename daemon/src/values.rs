//! Values of flags as operators write them.

use std::time::Duration;

use jiff::SignedDuration;

/// No flag means more, and any clock can be set so far ahead.
const LONGEST: Duration = Duration::from_secs(366 * 24 * 3600);

/// `10` (seconds, as the old flags had it), `10s`, `1m30s`, `500ms`; a year at the most.
///
/// # Errors
/// What would be right.
pub fn seconds_or_unit(text: &str) -> Result<Duration, String> {
    let duration = match text.parse() {
        Ok(seconds) => Some(Duration::from_secs(seconds)),
        Err(_) => with_unit(text),
    };
    match duration {
        Some(duration) if duration <= LONGEST => Ok(duration),
        Some(_) => Err(format!("{text:?} is longer than a year")),
        None => Err(format!(
            "{text:?} is no duration; write 10s, 1m30s or 500ms"
        )),
    }
}

fn with_unit(text: &str) -> Option<Duration> {
    let duration: SignedDuration = text.parse().ok()?;
    duration.try_into().ok()
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_duration_is_a_number_of_seconds_or_has_units() {
        for (text, milliseconds) in [
            ("0", 0),
            ("10", 10_000),
            ("1m30s", 90_000),
            ("5m0s", 300_000),
            ("500ms", 500),
            ("8760h", 8_760 * 3_600_000),
        ] {
            let right = Duration::from_millis(milliseconds);
            assert_eq!(seconds_or_unit(text), Ok(right), "{text}");
        }
    }

    #[test]
    fn what_is_no_duration_or_longer_than_any_clock_goes_is_refused() {
        for text in [
            "",
            "soon",
            "-3s",
            "-1",
            "1.5",
            "18446744073709551615",
            "99999999999999999999s",
            "9000h",
        ] {
            assert!(seconds_or_unit(text).is_err(), "{text}");
        }
    }

    #[test]
    fn a_switch_takes_what_go_took() {
        for text in ["true", "TRUE", "t", "1"] {
            assert_eq!(switch(text), Ok(true), "{text}");
        }
        for text in ["false", "False", "F", "0"] {
            assert_eq!(switch(text), Ok(false), "{text}");
        }
        assert!(switch("yes").is_err());
    }
}

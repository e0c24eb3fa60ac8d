//! How long ago, as `kubectl` writes it.

use jiff::Timestamp;

/// `45s`, `12m`, `5h`, `3d`. A clock that is behind gives `0s`.
pub(super) fn between(then: Timestamp, now: Timestamp) -> String {
    const MINUTE: i64 = 60;
    const HOUR: i64 = 60 * MINUTE;
    const DAY: i64 = 24 * HOUR;
    match (now.as_second() - then.as_second()).max(0) {
        seconds if seconds < 2 * MINUTE => format!("{seconds}s"),
        seconds if seconds < 2 * HOUR => format!("{}m", seconds / MINUTE),
        seconds if seconds < 2 * DAY => format!("{}h", seconds / HOUR),
        seconds => format!("{}d", seconds / DAY),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ages_are_in_the_largest_unit_that_says_something() {
        let now = Timestamp::from_second(1_000_000).unwrap();
        let age = |seconds: i64| between(Timestamp::from_second(1_000_000 - seconds).unwrap(), now);
        let ages = [-5, 45, 119, 120, 7_199, 7_200, 172_799, 172_800].map(age);
        assert_eq!(ages, ["0s", "45s", "119s", "2m", "119m", "2h", "47h", "2d"]);
    }
}

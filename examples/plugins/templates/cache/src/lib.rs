//! A cache plugin for podgate: tokens are served for a while only, and renewed before that. [`schedule`] is the place to
//! begin.

use std::cell::RefCell;

use bindings::exports::podgate::cache::lifetime::{Guest, Plan, Subject, Times};
use bindings::podgate::types::model::Problem;
use serde::Deserialize;

mod guest;

/// The interface of `wit/`, in Rust.
#[allow(missing_docs, reason = "generated; the WIT has the documentation")]
mod bindings {
    wit_bindgen::generate!({
        world: "podgate:cache/cache",
        path: ["wit/types", "wit/cache"],
        generate_all,
    });
    #[cfg(target_family = "wasm")]
    export!(Plugin with_types_in self);
    #[cfg(target_family = "wasm")]
    use super::Plugin;
}

/// What the plugins file may say under `settings`. A name that is not here is refused.
#[derive(Debug, Deserialize)]
#[serde(default, rename_all = "camelCase", deny_unknown_fields)]
struct Settings {
    max_age_seconds: u64,
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            max_age_seconds: 3600,
        }
    }
}

/// How long a new token is kept: to its end at most, whatever is said here.
fn schedule(settings: &Settings, times: Times) -> Plan {
    let life = times.expires.saturating_sub(times.obtained);
    let age = life.min(settings.max_age_seconds);
    Plan {
        refresh_at: times.obtained + age / 2,
        fresh_until: times.obtained + age,
        keep_until: times.obtained + age,
    }
}

thread_local! {
    static SETTINGS: RefCell<Settings> = RefCell::default();
}

/// Each call has an instance of its own: first `configure`, then `key` or `schedule`.
struct Plugin;

impl Guest for Plugin {
    fn configure(text: String) -> Result<(), Vec<Problem>> {
        SETTINGS.set(guest::settings(&text)?);
        Ok(())
    }

    /// `None` would have a token got for each request.
    fn key(subject: Subject) -> Option<String> {
        Some(subject.resource)
    }

    fn schedule(_: Subject, times: Times) -> Plan {
        SETTINGS.with_borrow(|settings| schedule(settings, times))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn until(life: u64) -> u64 {
        let times = Times {
            obtained: 1_000,
            expires: 1_000 + life,
            jitter: 0,
        };
        schedule(&Settings::default(), times).keep_until
    }

    #[test]
    fn a_long_life_is_cut_and_a_short_one_is_not() {
        assert_eq!(until(86_400), 4_600);
        assert_eq!(until(60), 1_060);
    }
}

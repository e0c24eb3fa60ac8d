//! shorter-life: a cache plugin with a shorter life for tokens of chosen resources and identities.
//!
//! It imports nothing, and never sees a token: times in, times out.
#![cfg_attr(test, allow(clippy::unwrap_used, reason = "tests"))]

use std::cell::RefCell;

use bindings::exports::podgate::cache::lifetime::{Guest, Plan, Subject, Times};
use bindings::podgate::types::model::Problem;

#[path = "../../guest.rs"]
mod guest;
mod life;

use life::Settings;

#[allow(missing_docs, reason = "generated; the WIT has the documentation")]
mod bindings {
    wit_bindgen::generate!({
        world: "podgate:cache/cache",
        path: ["../../../wit/types", "../../../wit/cache"],
        generate_all,
    });
    #[cfg(target_family = "wasm")]
    export!(Plugin with_types_in self);
    #[cfg(target_family = "wasm")]
    use super::Plugin;
}

thread_local! {
    static SETTINGS: RefCell<Settings> = RefCell::default();
}

struct Plugin;

impl Guest for Plugin {
    fn configure(text: String) -> Result<(), Vec<Problem>> {
        let settings: Settings = guest::settings(&text)?;
        settings.check().map_err(|(setting, message)| {
            let message = message.to_owned();
            vec![Problem { setting, message }]
        })?;
        SETTINGS.set(settings);
        Ok(())
    }

    /// The gateway puts everything that tells tokens apart before the key itself.
    fn key(subject: Subject) -> Option<String> {
        let limit =
            SETTINGS.with_borrow(|settings| settings.limit(&subject.client_id, &subject.resource));
        (limit != Some(0)).then(String::new)
    }

    fn schedule(subject: Subject, times: Times) -> Plan {
        let limit =
            SETTINGS.with_borrow(|settings| settings.limit(&subject.client_id, &subject.resource));
        let life = life::life(times.obtained, times.expires, limit);
        Plan {
            refresh_at: life::refresh_at(times.obtained, life, times.jitter),
            fresh_until: life::after(times.obtained, life / 10 * 9),
            keep_until: life::after(times.obtained, life),
        }
    }
}

//! A cache plugin that misbehaves as its settings say: `{"mode": "beyond-expiry"}`. See [`Mode`].

use std::cell::RefCell;
use std::hint::black_box;

use bindings::exports::podgate::cache::lifetime::{Guest, Plan, Subject, Times};
use bindings::podgate::types::model::Problem;
use serde::Deserialize;

#[allow(
    missing_docs,
    unreachable_pub,
    reason = "generated; the WIT holds the documentation"
)]
mod bindings {
    wit_bindgen::generate!({
        world: "podgate:cache/cache",
        path: ["../../../wit/types", "../../../wit/cache"],
        generate_all,
    });
    use super::Cache;
    export!(Cache);
}

/// What to do when asked for a key or a plan.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(tag = "mode", rename_all = "kebab-case")]
enum Mode {
    /// A key of the resource, and a plan of thirds of the life.
    #[default]
    Plain,
    /// No key.
    NoKey,
    /// A key of that many bytes.
    LongKey {
        #[serde(default = "kilobytes")]
        length: usize,
    },
    /// A key with line breaks, zero bytes and what looks like another identity's.
    HostileKey,
    /// The same key for every subject.
    SameKey,
    /// A plan that lies before the token was obtained.
    Past,
    /// A plan that goes on for a day after the token's end.
    BeyondExpiry,
    /// A plan to the end of time.
    Forever,
    /// A plan whose times are in the wrong order.
    Backwards,
    /// Never answers either question.
    Loop,
    /// Panics over either question.
    Panic,
}

fn kilobytes() -> usize {
    4096
}

thread_local! {
    static MODE: RefCell<Mode> = RefCell::default();
}

struct Cache;

impl Guest for Cache {
    fn configure(settings: String) -> Result<(), Vec<Problem>> {
        match serde_json::from_str(&settings) {
            Ok(mode) => MODE.set(mode),
            Err(_) if settings == "{}" => {}
            Err(error) => {
                return Err(vec![Problem {
                    setting: String::new(),
                    message: error.to_string(),
                }]);
            }
        }
        Ok(())
    }

    fn key(subject: Subject) -> Option<String> {
        match MODE.with_borrow(Clone::clone) {
            Mode::NoKey => None,
            Mode::LongKey { length } => Some("k".repeat(length)),
            Mode::HostileKey => Some("a\0b\r\n../../other identity/*".to_owned()),
            Mode::SameKey => Some("same".to_owned()),
            Mode::Loop => endless(),
            Mode::Panic => panic!("as the settings say"),
            _ => Some(subject.resource),
        }
    }

    fn schedule(_subject: Subject, times: Times) -> Plan {
        let Times {
            obtained, expires, ..
        } = times;
        let third = expires.saturating_sub(obtained) / 3;
        match MODE.with_borrow(Clone::clone) {
            Mode::Past => plan(obtained - 300, obtained - 200, obtained - 100),
            Mode::BeyondExpiry => plan(expires + 1, expires + 3600, expires + 86_400),
            Mode::Forever => plan(u64::MAX, u64::MAX, u64::MAX),
            Mode::Backwards => plan(expires, obtained + third, obtained),
            Mode::Loop => endless(),
            Mode::Panic => panic!("as the settings say"),
            _ => plan(obtained + third, obtained + 2 * third, expires),
        }
    }
}

fn plan(refresh_at: u64, fresh_until: u64, keep_until: u64) -> Plan {
    Plan {
        refresh_at,
        fresh_until,
        keep_until,
    }
}

fn endless() -> ! {
    let mut turns = 0u64;
    loop {
        turns = black_box(turns.wrapping_add(1));
    }
}

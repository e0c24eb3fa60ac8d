//! The component: podgate's subject and times in, the decisions of [`Rule`] and [`lifetime`] out.

use std::cell::RefCell;

use bindings::exports::podgate::cache::lifetime::{Guest, Plan, Subject, Times};
use bindings::podgate::types::model;

use crate::lifetime;
use crate::rules::Rule;
use crate::settings::Settings;

#[allow(
    missing_docs,
    unreachable_pub,
    reason = "generated; the WIT holds the documentation"
)]
mod bindings {
    wit_bindgen::generate!({
        world: "podgate:cache/cache",
        path: ["../../wit/types", "../../wit/cache"],
        generate_all,
    });
    use super::TokenCache;
    export!(TokenCache);
}

thread_local! {
    static SETTINGS: RefCell<Settings> = RefCell::default();
}

struct TokenCache;

impl Guest for TokenCache {
    fn configure(text: String) -> Result<(), Vec<model::Problem>> {
        SETTINGS.set(Settings::read(&text).map_err(problems)?);
        Ok(())
    }

    fn key(subject: Subject) -> Option<String> {
        rule(&subject).key()
    }

    fn schedule(subject: Subject, times: Times) -> Plan {
        let times = lifetime::Times {
            obtained: times.obtained,
            expires: times.expires,
            jitter: times.jitter,
        };
        let plan = lifetime::plan(&rule(&subject), times);
        Plan {
            refresh_at: plan.refresh_at,
            fresh_until: plan.fresh_until,
            keep_until: plan.keep_until,
        }
    }
}

fn rule(subject: &Subject) -> Rule {
    SETTINGS.with_borrow(|settings| Rule::of(&subject.resource, settings))
}

fn problems(problems: Vec<podgate_plugin_settings::Problem>) -> Vec<model::Problem> {
    let problem = |problem: podgate_plugin_settings::Problem| model::Problem {
        setting: problem.setting,
        message: problem.message,
    };
    problems.into_iter().map(problem).collect()
}

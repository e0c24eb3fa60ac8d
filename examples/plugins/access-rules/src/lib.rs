//! access-rules: a policy plugin that denies or narrows by namespace, service account and resource.
//!
//! ```text
//! question ─▶ the first rule that is about it ─▶ allow (pass) │ deny │ restrict
//!                └ none ─▶ `otherwise`
//! ```
//! It imports nothing: a pure function, whose verdicts the gateway remembers.
#![cfg_attr(test, allow(clippy::unwrap_used, reason = "tests"))]

use std::cell::RefCell;

use bindings::exports::podgate::policy::decide::{Guest, Question, Verdict};
use bindings::podgate::types::model::Problem;

#[path = "../../guest.rs"]
mod guest;
mod rules;

use rules::{Outcome, Request, Rules};

#[allow(missing_docs, reason = "generated; the WIT has the documentation")]
mod bindings {
    wit_bindgen::generate!({
        world: "podgate:policy/policy",
        path: ["../../../wit/types", "../../../wit/policy"],
        generate_all,
    });
    #[cfg(target_family = "wasm")]
    export!(Plugin with_types_in self);
    #[cfg(target_family = "wasm")]
    use super::Plugin;
}

thread_local! {
    static RULES: RefCell<Rules> = RefCell::default();
}

struct Plugin;

impl Guest for Plugin {
    fn configure(text: String) -> Result<(), Vec<Problem>> {
        let rules: Rules = guest::settings(&text)?;
        rules.check().map_err(|problems| {
            let problem = |(setting, message)| Problem { setting, message };
            problems.into_iter().map(problem).collect::<Vec<_>>()
        })?;
        RULES.set(rules);
        Ok(())
    }

    fn decide(question: Question) -> Verdict {
        let request = Request {
            namespace: &question.pod.namespace,
            service_account: &question.pod.service_account,
            resource: &question.request.resource,
        };
        RULES.with_borrow(|rules| verdict(rules.outcome(&request)))
    }
}

fn verdict(outcome: Outcome<'_>) -> Verdict {
    match outcome {
        Outcome::Allow => Verdict::Pass,
        Outcome::Deny(reason) => Verdict::Deny(reason.to_owned()),
        Outcome::Restrict(client_ids) => Verdict::Restrict(client_ids.to_vec()),
    }
}

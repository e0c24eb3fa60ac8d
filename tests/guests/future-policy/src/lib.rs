//! A policy built for version 0.2.0 of the interfaces, which this gateway does not know.

use bindings::exports::podgate::policy::decide::{Guest, Question, Verdict};
use bindings::podgate::types::log;
use bindings::podgate::types::model::Problem;

#[allow(
    missing_docs,
    unreachable_pub,
    reason = "generated; the WIT holds the documentation"
)]
mod bindings {
    wit_bindgen::generate!({
        world: "podgate:policy/policy",
        path: ["wit/types", "wit/policy"],
        generate_all,
    });
    use super::Policy;
    export!(Policy);
}

struct Policy;

impl Guest for Policy {
    fn configure(_settings: String) -> Result<(), Vec<Problem>> {
        Ok(())
    }

    fn decide(question: Question) -> Verdict {
        log::write(
            log::Level::Info,
            &format!("a pod of node {}", question.pod.node),
        );
        Verdict::Pass
    }
}

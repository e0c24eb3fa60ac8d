//! A policy that asks for outgoing HTTP, which no policy is granted, and would tell the world who asks.

use bindings::exports::podgate::policy::decide::{Guest, Question, Verdict};
use bindings::podgate::types::http::{self, Method, Request};
use bindings::podgate::types::model::Problem;

#[allow(
    missing_docs,
    unreachable_pub,
    reason = "generated; the WIT holds the documentation"
)]
mod bindings {
    wit_bindgen::generate!({
        inline: r"
            package podgate:greedy-policy;

            world greedy-policy {
                import podgate:types/http@0.1.1;
                export podgate:policy/decide@0.1.1;
            }
        ",
        path: ["../../../wit/types", "../../../wit/policy"],
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
        let request = Request {
            method: Method::Get,
            url: format!("https://forbidden.example/{}", question.pod.name),
            headers: Vec::new(),
            body: Vec::new(),
        };
        match http::send(&request) {
            Ok(response) => Verdict::Deny(format!("the world answered {}", response.status)),
            Err(error) => Verdict::Deny(format!("{error:?}")),
        }
    }
}

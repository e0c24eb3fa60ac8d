//! The component: podgate's question in, the verdict of [`matching`] out.

use std::cell::RefCell;

use bindings::exports::podgate::policy::decide::{Guest, PodException, Question, Verdict};
use bindings::podgate::types::model;
use model::IdentitySelector;

use crate::matching::{self, Label, Request};
use crate::settings::Settings;

#[allow(
    missing_docs,
    unreachable_pub,
    reason = "generated; the WIT holds the documentation"
)]
mod bindings {
    wit_bindgen::generate!({
        world: "podgate:policy/policy",
        path: ["../../wit/types", "../../wit/policy"],
        generate_all,
    });
    use super::ExceptionMatcher;
    export!(ExceptionMatcher);
}

thread_local! {
    /// None before `configure` succeeded: then nothing is let through.
    static SETTINGS: RefCell<Option<Settings>> = const { RefCell::new(None) };
}

struct ExceptionMatcher;

impl Guest for ExceptionMatcher {
    fn configure(text: String) -> Result<(), Vec<model::Problem>> {
        let settings = Settings::read(&text).map_err(problems)?;
        SETTINGS.set(Some(settings));
        Ok(())
    }

    fn decide(question: Question) -> Verdict {
        SETTINGS.with_borrow(|settings| match settings {
            Some(settings) if bypasses(settings, &question) => Verdict::Bypass,
            _ => Verdict::Pass,
        })
    }
}

fn bypasses(settings: &Settings, question: &Question) -> bool {
    let request = Request {
        path: &question.request.path,
        client_id: client_id(&question.request.identity),
    };
    let exceptions = question
        .exceptions
        .iter()
        .flat_map(|exception: &PodException| &exception.pod_labels);
    settings.covers(&request)
        && matching::is_excepted(question.pod.labels.iter().map(label), exceptions.map(label))
}

fn client_id(identity: &IdentitySelector) -> Option<&str> {
    match identity {
        IdentitySelector::ClientId(id) => Some(id),
        IdentitySelector::Unspecified
        | IdentitySelector::ObjectId(_)
        | IdentitySelector::ResourceId(_) => None,
    }
}

fn label(label: &model::Label) -> Label<'_> {
    Label {
        name: &label.name,
        value: &label.value,
    }
}

fn problems(problems: Vec<podgate_plugin_settings::Problem>) -> Vec<model::Problem> {
    let problem = |problem: podgate_plugin_settings::Problem| model::Problem {
        setting: problem.setting,
        message: problem.message,
    };
    problems.into_iter().map(problem).collect()
}

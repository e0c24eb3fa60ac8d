//! A policy plugin for podgate: it denies the pods of some namespaces. [`decide`] is the place to begin.

use std::cell::RefCell;

use bindings::exports::podgate::policy::decide::{Guest, Question, Verdict};
use bindings::podgate::types::model::Problem;
use serde::Deserialize;

mod guest;

/// The interface of `wit/`, in Rust.
#[allow(missing_docs, reason = "generated; the WIT has the documentation")]
mod bindings {
    wit_bindgen::generate!({
        world: "podgate:policy/policy",
        path: ["wit/types", "wit/policy"],
        generate_all,
    });
    #[cfg(target_family = "wasm")]
    export!(Plugin with_types_in self);
    #[cfg(target_family = "wasm")]
    use super::Plugin;
}

/// What the plugins file may say under `settings`. A name that is not here is refused.
#[derive(Debug, Default, Deserialize)]
#[serde(default, rename_all = "camelCase", deny_unknown_fields)]
struct Settings {
    denied_namespaces: Vec<String>,
}

/// The answer to one request for a token.
fn decide(settings: &Settings, question: &Question) -> Verdict {
    let namespace = &question.pod.namespace;
    match settings.denied_namespaces.contains(namespace) {
        true => Verdict::Deny(format!("pods of {namespace} get no tokens")),
        false => Verdict::Pass,
    }
}

thread_local! {
    static SETTINGS: RefCell<Settings> = RefCell::default();
}

/// Each call has an instance of its own: first `configure`, then `decide`.
struct Plugin;

impl Guest for Plugin {
    fn configure(text: String) -> Result<(), Vec<Problem>> {
        SETTINGS.set(guest::settings(&text)?);
        Ok(())
    }

    fn decide(question: Question) -> Verdict {
        SETTINGS.with_borrow(|settings| decide(settings, &question))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use bindings::podgate::types::model::{IdentitySelector, Pod, TokenRequest};

    fn question(namespace: &str) -> Question {
        Question {
            pod: Pod {
                namespace: namespace.to_owned(),
                name: "web-0".to_owned(),
                uid: "00000000-0000-4000-8000-000000000001".to_owned(),
                service_account: "default".to_owned(),
                labels: Vec::new(),
            },
            request: TokenRequest {
                path: "/metadata/identity/oauth2/token".to_owned(),
                resource: "https://vault.azure.net".to_owned(),
                identity: IdentitySelector::Unspecified,
            },
            exceptions: Vec::new(),
        }
    }

    #[test]
    fn a_namespace_of_the_list_is_denied_and_others_are_not() {
        Plugin::configure(r#"{"deniedNamespaces": ["shop"]}"#.to_owned()).unwrap();
        assert!(matches!(Plugin::decide(question("shop")), Verdict::Deny(_)));
        assert!(matches!(Plugin::decide(question("bank")), Verdict::Pass));
    }

    #[test]
    fn a_setting_that_is_none_is_refused_at_its_place() {
        let problems = Plugin::configure(r#"{"deniedNamespaces": [7]}"#.to_owned()).unwrap_err();
        assert_eq!(problems[0].setting, "/deniedNamespaces/0");
    }
}

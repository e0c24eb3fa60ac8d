//! A credential plugin for podgate: it gets tokens from a broker of your own. [`acquire`] is the place to begin.
//!
//! The broker's host has to be granted (`grants.http`), and the clock (`grants.clock`).

use std::cell::RefCell;

use bindings::exports::podgate::credential::acquire::{
    Failure, Guest, Outage, Question, Refusal, Token,
};
use bindings::podgate::types::http::{self, Header, Method, Request, Response};
use bindings::podgate::types::keys::SigningKey;
use bindings::podgate::types::{clock, model::Problem};
use serde::Deserialize;

mod guest;

/// The interface of `wit/`, in Rust.
#[allow(missing_docs, reason = "generated; the WIT has the documentation")]
mod bindings {
    wit_bindgen::generate!({
        world: "podgate:credential/credential",
        path: ["wit/types", "wit/credential"],
        generate_all,
    });
    #[cfg(target_family = "wasm")]
    export!(Plugin with_types_in self);
    #[cfg(target_family = "wasm")]
    use super::Plugin;
}

/// What the plugins file may say under `settings`. A name that is not here is refused.
#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct Settings {
    /// An `https` URL.
    broker: String,
}

/// What the broker answers.
#[derive(Deserialize)]
struct Answer {
    access_token: String,
    expires_in: u64,
}

/// Gets one token.
fn acquire(settings: &Settings, question: &Question) -> Result<Token, Failure> {
    let response = http::send(&request(settings, question))
        .map_err(|error| unavailable(format!("asking {}: {error:?}", settings.broker)))?;
    token(&response, clock::now())
}

fn request(settings: &Settings, question: &Question) -> Request {
    let body = serde_json::json!({
        "tenant": question.identity.tenant_id,
        "client": question.identity.client_id,
        "resource": question.resource,
    });
    Request {
        method: Method::Post,
        url: settings.broker.clone(),
        headers: vec![Header {
            name: "content-type".to_owned(),
            value: "application/json".to_owned(),
        }],
        body: body.to_string().into_bytes(),
    }
}

/// What may pass is tried again; what will not is told to the pod's owner. No text of a failure may hold a secret.
fn token(response: &Response, now: u64) -> Result<Token, Failure> {
    match response.status {
        200 => {}
        429 | 500.. => {
            return Err(unavailable(format!(
                "the broker answers {}",
                response.status
            )));
        }
        status => {
            return Err(Failure::Refused(Refusal {
                error: "broker_refused".to_owned(),
                description: format!("the broker answers {status}: ask its owner for access"),
                stale_credential: false,
            }));
        }
    }
    let answer: Answer = serde_json::from_slice(&response.body)
        .map_err(|_| unavailable("the broker's answer holds no token".to_owned()))?;
    Ok(Token {
        access_token: answer.access_token,
        token_type: "Bearer".to_owned(),
        expires_on: now.saturating_add(answer.expires_in),
        not_before: None,
    })
}

fn unavailable(description: String) -> Failure {
    Failure::Unavailable(Outage {
        description,
        retry_after: None,
        throttled: false,
    })
}

thread_local! {
    static SETTINGS: RefCell<Settings> = RefCell::default();
}

/// Each call has an instance of its own: first `configure`, then `acquire`.
struct Plugin;

impl Guest for Plugin {
    fn configure(text: String) -> Result<(), Vec<Problem>> {
        let settings: Settings = guest::settings(&text)?;
        if !settings.broker.starts_with("https://") {
            return Err(vec![Problem {
                setting: "/broker".to_owned(),
                message: "an https URL is needed: the host sends nothing else".to_owned(),
            }]);
        }
        SETTINGS.set(settings);
        Ok(())
    }

    /// The key signs and shows its certificates; its bytes stay in the host.
    fn acquire(question: Question, _key: &SigningKey) -> Result<Token, Failure> {
        SETTINGS.with_borrow(|settings| acquire(settings, &question))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn answered(status: u16, body: &str) -> Result<Token, Failure> {
        let response = Response {
            status,
            headers: Vec::new(),
            body: body.as_bytes().to_vec(),
        };
        token(&response, 1_000)
    }

    #[test]
    fn a_token_ends_when_the_broker_says() {
        let token = answered(200, r#"{"access_token": "t", "expires_in": 60}"#).unwrap();
        assert_eq!(
            (token.access_token.as_str(), token.expires_on),
            ("t", 1_060)
        );
    }

    #[test]
    fn what_may_pass_is_told_apart_from_what_will_not() {
        assert!(matches!(answered(403, ""), Err(Failure::Refused(_))));
        for (status, body) in [(429, ""), (503, ""), (200, "<html>")] {
            assert!(matches!(
                answered(status, body),
                Err(Failure::Unavailable(_))
            ));
        }
    }
}

//! federation: a credential plugin for workload identity federation.
//!
//! ```text
//! the gateway's projected service-account token ───────┐
//! key of the identity's Secret ─sign─▶ {iss, sub, aud} ┴▶ assertion ─POST─▶ Entra ─asks─▶ issuer's JWKS
//!                                                                             └▶ token of the identity
//! ```
//! An application, or a user-assigned managed identity, that trusts the cluster's issuer, or one of one's own (a federated
//! identity credential), has no secret in Entra to leak or to expire.
#![cfg_attr(test, allow(clippy::unwrap_used, reason = "tests"))]

use std::cell::RefCell;

use bindings::exports::podgate::credential::acquire as wit;
use bindings::podgate::types::http::{self, Header, Method, Request};
use bindings::podgate::types::keys::{Algorithm, SigningKey};
use bindings::podgate::types::{clock, model::Problem, service_account};

mod answer;
mod assertion;
#[path = "../../guest.rs"]
mod guest;
mod settings;

use assertion::Claims;
use settings::{Proof, Settings};

#[allow(missing_docs, reason = "generated; the WIT has the documentation")]
mod bindings {
    wit_bindgen::generate!({
        world: "podgate:credential/credential",
        path: ["../../../wit/types", "../../../wit/credential"],
        generate_all,
    });
    #[cfg(target_family = "wasm")]
    export!(Plugin with_types_in self);
    #[cfg(target_family = "wasm")]
    use super::Plugin;
}

thread_local! {
    static SETTINGS: RefCell<Option<Settings>> = const { RefCell::new(None) };
}

struct Plugin;

impl wit::Guest for Plugin {
    fn configure(text: String) -> Result<(), Vec<Problem>> {
        let settings: Settings = guest::settings(&text)?;
        settings.check().map_err(|(setting, message)| {
            let (setting, message) = (setting.to_owned(), message.to_owned());
            vec![Problem { setting, message }]
        })?;
        SETTINGS.set(Some(settings));
        Ok(())
    }

    fn acquire(question: wit::Question, key: &SigningKey) -> Result<wit::Token, wit::Failure> {
        SETTINGS.with_borrow(|settings| match settings {
            Some(settings) => acquire(settings, &question, key),
            None => Err(answer::unavailable("it was not configured".to_owned())),
        })
    }
}

fn acquire(
    settings: &Settings,
    question: &wit::Question,
    key: &SigningKey,
) -> Result<wit::Token, wit::Failure> {
    let assertion = match settings.proof(&question.identity.client_id) {
        Proof::ServiceAccount => service_account::token(&settings.audience)
            .map_err(|error| answer::unavailable(format!("the gateway's own token: {error:?}")))?,
        Proof::Signed { issuer, subject } => {
            let claims = Claims {
                issuer,
                subject: &subject,
                audience: &settings.audience,
                id: &question.request_id,
                now: clock::now(),
            };
            signed(&claims, key)?
        }
    };
    let response = http::send(&request(question, &assertion)).map_err(|error| {
        answer::unavailable(format!("asking {}: {error:?}", question.identity.authority))
    })?;
    answer::token(&response, clock::now())
}

/// Entra takes RS256 alone from foreign issuers.
fn signed(claims: &Claims<'_>, key: &SigningKey) -> Result<String, wit::Failure> {
    let input = assertion::signing_input(&key.thumbprint_sha256(), claims);
    let signature = key
        .sign(Algorithm::Rs256, input.as_bytes())
        .map_err(|error| answer::unavailable(format!("signing: {error:?}")))?;
    Ok(assertion::complete(&input, &signature))
}

fn request(question: &wit::Question, assertion: &str) -> Request {
    let identity = &question.identity;
    let header = |name: &str, value: &str| Header {
        name: name.to_owned(),
        value: value.to_owned(),
    };
    Request {
        method: Method::Post,
        url: format!(
            "{}{}/oauth2/v2.0/token",
            identity.authority, identity.tenant_id
        ),
        headers: vec![
            header("content-type", "application/x-www-form-urlencoded"),
            header("client-request-id", &question.request_id),
        ],
        body: assertion::form(&identity.client_id, &question.resource, assertion).into_bytes(),
    }
}

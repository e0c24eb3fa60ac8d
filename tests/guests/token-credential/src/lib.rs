//! A credential plugin whose token is the one of the gateway's service account.

use bindings::exports::podgate::credential::acquire as wit;
use bindings::podgate::types::keys::SigningKey;
use bindings::podgate::types::model::Problem;
use bindings::podgate::types::service_account;

#[allow(
    missing_docs,
    unreachable_pub,
    reason = "generated; the WIT holds the documentation"
)]
mod bindings {
    wit_bindgen::generate!({
        world: "podgate:credential/credential",
        path: ["../../../wit/types", "../../../wit/credential"],
        generate_all,
    });
    use super::Credential;
    export!(Credential);
}

struct Credential;

impl wit::Guest for Credential {
    /// Settings that name the audience are a question themselves, and its answer is a problem.
    fn configure(settings: String) -> Result<(), Vec<Problem>> {
        let audience = settings.strip_prefix("{\"ask\": \"");
        let Some(audience) = audience.and_then(|rest| rest.strip_suffix("\"}")) else {
            return Ok(());
        };
        let message = match service_account::token(audience) {
            Ok(token) => token,
            Err(error) => format!("{error:?}"),
        };
        let setting = "/ask".to_owned();
        Err(vec![Problem { setting, message }])
    }

    /// The audience is the request's resource; with `many`, it asks until it is refused.
    fn acquire(question: wit::Question, _: &SigningKey) -> Result<wit::Token, wit::Failure> {
        let many = question.request_id == "many";
        loop {
            let token =
                service_account::token(&question.resource).map_err(|error| refused(&error))?;
            if !many {
                return Ok(wit::Token {
                    access_token: token,
                    token_type: "Bearer".to_owned(),
                    expires_on: 4_000_000_000,
                    not_before: None,
                });
            }
        }
    }
}

fn refused(error: &service_account::Error) -> wit::Failure {
    wit::Failure::Refused(wit::Refusal {
        error: "no_token".to_owned(),
        description: format!("{error:?}"),
        stale_credential: false,
    })
}

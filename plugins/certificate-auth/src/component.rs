//! The component: the steps of [the crate](crate), joined by the host's clock, keys and HTTP.

use std::cell::RefCell;

use bindings::exports::podgate::credential::acquire as wit;
use bindings::podgate::types::http::{self, Header, Method, Request, Response};
use bindings::podgate::types::keys::{self, SigningKey};
use bindings::podgate::types::{clock, log, model};

use crate::assertion::{Certificate, Claims, Life, complete, signing_input};
use crate::endpoint::Endpoint;
use crate::failure::{Failure, retry_after};
use crate::settings::{Algorithm, Settings};
use crate::{answer, request};

#[allow(
    missing_docs,
    unreachable_pub,
    reason = "generated; the WIT holds the documentation"
)]
mod bindings {
    wit_bindgen::generate!({
        world: "podgate:credential/credential",
        path: ["../../wit/types", "../../wit/credential"],
        generate_all,
    });
    use super::CertificateAuth;
    export!(CertificateAuth);
}

thread_local! {
    static SETTINGS: RefCell<Settings> = RefCell::default();
}

struct CertificateAuth;

impl wit::Guest for CertificateAuth {
    fn configure(text: String) -> Result<(), Vec<model::Problem>> {
        SETTINGS.set(Settings::read(&text).map_err(problems)?);
        Ok(())
    }

    fn acquire(question: wit::Question, key: &SigningKey) -> Result<wit::Token, wit::Failure> {
        SETTINGS
            .with_borrow(|settings| acquire(settings, &question, key))
            .map(token)
            .map_err(failure)
    }
}

fn acquire(
    settings: &Settings,
    question: &wit::Question,
    key: &SigningKey,
) -> Result<answer::Token, Failure> {
    let now = clock::now();
    let identity = &question.identity;
    let endpoint = Endpoint::new(&identity.authority, &identity.tenant_id, settings.endpoint);
    let claims = Claims {
        audience: &endpoint.url,
        client_id: &identity.client_id,
        id: &question.request_id,
        life: Life::at(now, settings),
    };
    let algorithm = endpoint.algorithm(settings);
    let assertion = signed(
        key,
        algorithm,
        &certificate(key, algorithm, settings),
        &claims,
    )?;
    let form = request::form(
        &endpoint,
        &identity.client_id,
        &question.resource,
        &assertion,
    );
    let response = post(&endpoint.url, &question.request_id, form)?;
    log_answer(&endpoint, algorithm, &response);
    answer::token(response.status, &response.body, now, wait(&response, now))
}

fn certificate(key: &SigningKey, algorithm: Algorithm, settings: &Settings) -> Certificate {
    let thumbprint = match algorithm {
        Algorithm::Ps256 => key.thumbprint_sha256(),
        Algorithm::Rs256 => key.thumbprint_sha1(),
    };
    let chain = if settings.send_x5c {
        key.chain()
    } else {
        Vec::new()
    };
    Certificate { thumbprint, chain }
}

fn signed(
    key: &SigningKey,
    algorithm: Algorithm,
    certificate: &Certificate,
    claims: &Claims<'_>,
) -> Result<String, Failure> {
    let input = signing_input(algorithm, certificate, claims);
    let signature = key
        .sign(name(algorithm), input.as_bytes())
        .map_err(|error| not_signed(error, algorithm))?;
    Ok(complete(&input, &signature))
}

fn not_signed(error: keys::Error, algorithm: Algorithm) -> Failure {
    match error {
        keys::Error::Unsupported(_) => Failure::unsupported_algorithm(algorithm),
        keys::Error::Other(reason) => Failure::not_signed(&reason),
    }
}

fn post(url: &str, request_id: &str, form: String) -> Result<Response, Failure> {
    let header = |(name, value): (&str, &str)| Header {
        name: name.to_owned(),
        value: value.to_owned(),
    };
    let request = Request {
        method: Method::Post,
        url: url.to_owned(),
        headers: request::headers(request_id).map(header).to_vec(),
        body: form.into_bytes(),
    };
    http::send(&request).map_err(|error| not_sent(error, url))
}

fn not_sent(error: http::Error, url: &str) -> Failure {
    match error {
        http::Error::NotGranted(host) => Failure::not_granted(&host),
        http::Error::Invalid(reason) => Failure::invalid_request(url, &reason),
        http::Error::Unreachable(reason) => Failure::no_connection(url, &reason),
        http::Error::Timeout => Failure::unavailable(format!("{url} did not answer in time")),
        http::Error::TooLarge(limit) => {
            Failure::unavailable(format!("{url} answered with more than {limit} bytes"))
        }
    }
}

fn wait(response: &Response, now: u64) -> Option<u32> {
    let header = response
        .headers
        .iter()
        .find(|header| header.name.eq_ignore_ascii_case("retry-after"))?;
    retry_after(&header.value, now)
}

fn log_answer(endpoint: &Endpoint, algorithm: Algorithm, response: &Response) {
    let line = format!(
        "{} answered {} to an assertion with {}",
        endpoint.url,
        response.status,
        algorithm.name()
    );
    log::write(log::Level::Debug, &line);
}

fn name(algorithm: Algorithm) -> keys::Algorithm {
    match algorithm {
        Algorithm::Ps256 => keys::Algorithm::Ps256,
        Algorithm::Rs256 => keys::Algorithm::Rs256,
    }
}

fn token(token: answer::Token) -> wit::Token {
    wit::Token {
        access_token: token.access_token,
        token_type: "Bearer".to_owned(),
        expires_on: token.expires_on,
        not_before: token.not_before,
    }
}

fn failure(failure: Failure) -> wit::Failure {
    match failure {
        Failure::Refused(refusal) => wit::Failure::Refused(wit::Refusal {
            error: refusal.error,
            description: refusal.description,
            stale_credential: refusal.stale_credential,
        }),
        Failure::Unavailable(outage) => wit::Failure::Unavailable(wit::Outage {
            description: outage.description,
            retry_after: outage.retry_after,
            throttled: outage.throttled,
        }),
    }
}

fn problems(problems: Vec<podgate_plugin_settings::Problem>) -> Vec<model::Problem> {
    let problem = |problem: podgate_plugin_settings::Problem| model::Problem {
        setting: problem.setting,
        message: problem.message,
    };
    problems.into_iter().map(problem).collect()
}

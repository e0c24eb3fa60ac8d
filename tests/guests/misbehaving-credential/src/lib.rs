//! A credential plugin that misbehaves as its settings say: `{"mode": "hang-in-http"}`. See [`Mode`].

use std::cell::RefCell;
use std::hint::black_box;

use bindings::exports::podgate::credential::acquire as wit;
use bindings::podgate::types::http::{self, Header, Method, Request};
use bindings::podgate::types::keys::{Algorithm, SigningKey};
use bindings::podgate::types::model::Problem;
use bindings::podgate::types::{clock, log};
use serde::Deserialize;

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

/// What to do when asked for a token.
#[derive(Clone, Debug, Deserialize)]
#[serde(tag = "mode", rename_all = "kebab-case")]
enum Mode {
    /// Answers with a token that lives that many seconds.
    Token {
        #[serde(default = "hour")]
        lifetime: u64,
    },
    /// Answers with a token that is the signature of the request id, in hexadecimal.
    Sign,
    /// Sends a request to a server that never answers; by default the identity's authority.
    HangInHttp { url: Option<String> },
    /// Sends a request to a host that was not granted.
    ForbiddenHost {
        #[serde(default = "forbidden")]
        url: String,
    },
    /// Sends a header that is the host's own business.
    ForbiddenHeader { url: Option<String> },
    /// Uses a handle of a key that it was not given.
    StolenHandle,
    /// Answers with a token of that many bytes.
    Huge {
        #[serde(default = "megabyte")]
        length: usize,
    },
    /// Answers with a refusal whose description has that many bytes.
    Babble {
        #[serde(default = "megabyte")]
        length: usize,
    },
    /// Answers with a token that ended long ago.
    PastExpiry,
    /// Never answers.
    Loop,
    /// Panics.
    Panic,
}

impl Default for Mode {
    fn default() -> Self {
        Self::Token { lifetime: hour() }
    }
}

fn hour() -> u64 {
    3600
}

fn forbidden() -> String {
    "https://forbidden.example/".to_owned()
}

fn megabyte() -> usize {
    1 << 20
}

thread_local! {
    static MODE: RefCell<Mode> = RefCell::default();
}

struct Credential;

impl wit::Guest for Credential {
    fn configure(settings: String) -> Result<(), Vec<Problem>> {
        match serde_json::from_str(&settings) {
            Ok(mode) => MODE.set(mode),
            Err(_) if settings == "{}" => {}
            Err(error) => {
                return Err(vec![Problem {
                    setting: String::new(),
                    message: error.to_string(),
                }]);
            }
        }
        Ok(())
    }

    fn acquire(question: wit::Question, key: &SigningKey) -> Result<wit::Token, wit::Failure> {
        let authority = question.identity.authority;
        match MODE.with_borrow(Clone::clone) {
            Mode::Token { lifetime } => Ok(token("a.b.c".to_owned(), clock::now() + lifetime)),
            Mode::Sign => Ok(token(
                signature(key, &question.request_id)?,
                clock::now() + hour(),
            )),
            Mode::HangInHttp { url } => Err(fetched(url.unwrap_or(authority), vec![])),
            Mode::ForbiddenHost { url } => Err(fetched(url, vec![])),
            Mode::ForbiddenHeader { url } => {
                Err(fetched(url.unwrap_or(authority), vec![foreign_host()]))
            }
            Mode::StolenHandle => Ok(token(
                stolen(key, &question.request_id)?,
                clock::now() + hour(),
            )),
            Mode::Huge { length } => Ok(token("x".repeat(length), clock::now() + hour())),
            Mode::Babble { length } => Err(refused("invalid_client", "x".repeat(length))),
            Mode::PastExpiry => Ok(token("a.b.c".to_owned(), 1)),
            Mode::Loop => endless(),
            Mode::Panic => panic!("as the settings say"),
        }
    }
}

fn token(access_token: String, expires_on: u64) -> wit::Token {
    wit::Token {
        access_token,
        token_type: "Bearer".to_owned(),
        expires_on,
        not_before: None,
    }
}

fn signature(key: &SigningKey, message: &str) -> Result<String, wit::Failure> {
    let signed = key.sign(Algorithm::Ps256, message.as_bytes());
    let bytes = signed.map_err(|error| refused("not_signed", format!("{error:?}")))?;
    Ok(bytes.iter().map(|byte| format!("{byte:02x}")).collect())
}

/// Tries the handles of its own table, from the first to well past the one it holds: an honest host traps
/// at the first, and no number reaches a key of another identity.
fn stolen(key: &SigningKey, message: &str) -> Result<String, wit::Failure> {
    let own = key.handle();
    for handle in (0..own + 100).filter(|handle| *handle != own) {
        log::write(log::Level::Warn, &format!("tries handle {handle}"));
        // SAFETY: none. It is the crime this guest is for; the host, not Rust, has to stop it.
        let forged = std::mem::ManuallyDrop::new(unsafe { SigningKey::from_handle(handle) });
        if let Ok(signature) = signature(&forged, message) {
            return Ok(signature);
        }
    }
    Err(refused("no_key", "no other handle signs".to_owned()))
}

/// Says in a failure what came of a request.
fn fetched(url: String, headers: Vec<Header>) -> wit::Failure {
    let request = Request {
        method: Method::Get,
        url,
        headers,
        body: Vec::new(),
    };
    match http::send(&request) {
        Ok(response) => unavailable(format!(
            "status {} with {} bytes",
            response.status,
            response.body.len()
        )),
        Err(http::Error::NotGranted(host)) => refused("not_granted", host),
        Err(http::Error::Invalid(reason)) => refused("invalid", reason),
        Err(http::Error::Unreachable(reason)) => unavailable(format!("no connection: {reason}")),
        Err(http::Error::Timeout) => unavailable("timeout".to_owned()),
        Err(http::Error::TooLarge(limit)) => unavailable(format!("more than {limit} bytes")),
    }
}

fn foreign_host() -> Header {
    Header {
        name: "host".to_owned(),
        value: "forbidden.example".to_owned(),
    }
}

fn refused(error: &str, description: String) -> wit::Failure {
    wit::Failure::Refused(wit::Refusal {
        error: error.to_owned(),
        description,
        stale_credential: false,
    })
}

fn unavailable(description: String) -> wit::Failure {
    wit::Failure::Unavailable(wit::Outage {
        description,
        retry_after: None,
        throttled: false,
    })
}

fn endless() -> ! {
    let mut turns = 0u64;
    loop {
        turns = black_box(turns.wrapping_add(1));
    }
}

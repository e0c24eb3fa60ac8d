//! Entra's answer: a token, a refusal, or something that may pass.

use serde::Deserialize;

use crate::bindings::exports::podgate::credential::acquire::{Failure, Outage, Refusal, Token};
use crate::bindings::podgate::types::http::Response;

/// Longest wait that is believed, in seconds.
const LONGEST_WAIT: u32 = 3600;

#[derive(Deserialize)]
struct Granted {
    access_token: String,
    expires_in: u64,
}

#[derive(Deserialize)]
struct Refused {
    error: String,
    #[serde(default)]
    error_description: String,
}

/// The token of an answer.
pub fn token(response: &Response, now: u64) -> Result<Token, Failure> {
    match response.status {
        200 => granted(&response.body, now),
        408 | 429 | 500.. => Err(outage(response)),
        status => Err(refused(&response.body, status)),
    }
}

fn granted(body: &[u8], now: u64) -> Result<Token, Failure> {
    let granted: Granted = serde_json::from_slice(body)
        .map_err(|_| unavailable("the authority's answer holds no token".to_owned()))?;
    Ok(Token {
        access_token: granted.access_token,
        token_type: "Bearer".to_owned(),
        expires_on: now.saturating_add(granted.expires_in),
        not_before: None,
    })
}

/// What is no refusal in Entra's words is a proxy's page, and may pass.
fn refused(body: &[u8], status: u16) -> Failure {
    let Ok(refused) = serde_json::from_slice::<Refused>(body) else {
        return unavailable(format!("answer {status}, which is not the authority's"));
    };
    let sentence = refused.error_description.lines().next().unwrap_or_default();
    Failure::Refused(Refusal {
        error: refused.error,
        description: format!(
            "{sentence} (is there a federated credential for this issuer, subject and audience?)"
        ),
        stale_credential: false,
    })
}

fn outage(response: &Response) -> Failure {
    let header = |name: &str| {
        let found = response.headers.iter().find(|header| header.name == name);
        found.map(|header| header.value.as_str())
    };
    let wait = header("retry-after").and_then(|value| value.trim().parse().ok());
    Failure::Unavailable(Outage {
        description: format!("the authority answers {}", response.status),
        retry_after: wait.map(|seconds: u32| seconds.min(LONGEST_WAIT)),
        throttled: response.status == 429,
    })
}

/// A fault that may pass.
pub fn unavailable(description: String) -> Failure {
    Failure::Unavailable(Outage {
        description,
        retry_after: None,
        throttled: false,
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::bindings::podgate::types::http::Header;

    fn answered(status: u16, body: &str, wait: &str) -> Result<Token, Failure> {
        let response = Response {
            status,
            headers: vec![Header {
                name: "retry-after".to_owned(),
                value: wait.to_owned(),
            }],
            body: body.as_bytes().to_vec(),
        };
        token(&response, 1_000)
    }

    #[test]
    fn throttling_says_how_long_to_wait_within_reason() {
        let Err(Failure::Unavailable(outage)) = answered(429, "", "7") else {
            panic!("429 is an outage");
        };
        assert_eq!((outage.retry_after, outage.throttled), (Some(7), true));
        let Err(Failure::Unavailable(outage)) = answered(503, "", "99999999") else {
            panic!("503 is an outage");
        };
        assert_eq!(outage.retry_after, Some(LONGEST_WAIT));
    }

    #[test]
    fn a_refusal_is_entras_and_a_proxys_page_is_not() {
        let body =
            r#"{"error": "invalid_client", "error_description": "AADSTS700213: no\r\nTrace"}"#;
        let Err(Failure::Refused(refusal)) = answered(401, body, "") else {
            panic!("401 is a refusal");
        };
        assert!(refusal.description.starts_with("AADSTS700213: no ("));
        assert!(matches!(
            answered(403, "<html>", ""),
            Err(Failure::Unavailable(_))
        ));
    }
}

//! A token, as the metadata service gives it and as the log shows it.

use std::fmt;

use anyhow::{Context, Result, ensure};
use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde::Deserialize;
use serde_json::Value as Json;
use zeroize::Zeroizing;

/// A token that was parsed as the SDKs parse it. Equal only to the very same one.
#[derive(PartialEq, Eq)]
pub(crate) struct Token(Zeroizing<String>);

/// What is read of the answer. The SDKs of then and now want all values to be texts.
#[derive(Deserialize)]
struct Answer {
    access_token: String,
    expires_on: String,
    resource: String,
    token_type: String,
}

impl Token {
    /// Reads the answer's body.
    ///
    /// # Errors
    /// It is not what the SDKs take; the message has nothing of the token.
    pub(crate) fn read(body: &[u8]) -> Result<Self> {
        let answer: Result<Answer, _> = serde_json::from_slice(body);
        // serde's own words may quote a value.
        let answer = answer
            .ok()
            .context("the answer is not the JSON of a token with all values as texts")?;
        ensure!(
            !answer.access_token.is_empty(),
            "the answer is a zero token"
        );
        let ends: Result<u64, _> = answer.expires_on.parse();
        ensure!(
            ends.is_ok() && answer.token_type == "Bearer" && !answer.resource.is_empty(),
            "expires_on is no time, token_type not Bearer, or resource empty"
        );
        let token = Self(Zeroizing::new(answer.access_token));
        token.claims()?;
        Ok(token)
    }

    /// For the header of a request.
    pub(crate) fn bearer(&self) -> Zeroizing<String> {
        Zeroizing::new(format!("Bearer {}", self.0.as_str()))
    }

    /// Everything but the signature: whoever reads the log can decode it, and nobody can use it.
    pub(crate) fn unsigned(&self) -> String {
        let signed = self.0.rsplit_once('.').map_or("", |(signed, _)| signed);
        format!("{signed}.signature-withheld")
    }

    fn claims(&self) -> Result<Json> {
        let parts: Vec<&str> = self.0.split('.').collect();
        let [_, payload, _] = parts[..] else {
            anyhow::bail!("the token is no JWT: it has {} parts", parts.len());
        };
        let payload = URL_SAFE_NO_PAD.decode(payload).ok();
        let claims = payload.and_then(|bytes| serde_json::from_slice(&bytes).ok());
        claims.context("the token is a JWT whose claims are no JSON")
    }
}

impl fmt::Debug for Token {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Token(…)")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn mk_body(token: &str) -> Vec<u8> {
        serde_json::json!({"access_token": token, "expires_in": "3600", "expires_on": "1800000000",
            "not_before": "1700000000", "resource": "https://vault.azure.net", "token_type": "Bearer"})
        .to_string()
        .into_bytes()
    }

    fn mk_jwt() -> String {
        let part = |json: &str| URL_SAFE_NO_PAD.encode(json);
        format!("{}.{}.c2VjcmV0", part("{}"), part(r#"{"appid":"a"}"#))
    }

    #[test]
    fn the_log_gets_the_claims_and_never_the_signature() {
        let token = Token::read(&mk_body(&mk_jwt())).unwrap();
        let shown = token.unsigned();
        assert!(!shown.contains("c2VjcmV0"), "{shown}");
        assert_eq!(shown.split('.').nth(1), mk_jwt().split('.').nth(1));
        assert_eq!(format!("{token:?}"), "Token(…)");
    }

    #[test]
    fn what_no_sdk_would_take_is_refused_without_quoting_it() {
        let number = br#"{"access_token":"hush","expires_on":1800000000,"resource":"r","token_type":"Bearer"}"#;
        for body in [mk_body(""), mk_body("hush"), number.to_vec()] {
            let told = Token::read(&body).unwrap_err().to_string();
            assert!(!told.contains("hush"), "{told}");
        }
    }
}

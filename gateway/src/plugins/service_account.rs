//! Tokens of the gateway's own service account, for credential plugins that were granted their audience
//! (docs/adr/0020-tokens-of-the-gateways-own-service-account.md).

use std::path::PathBuf;

use async_trait::async_trait;
use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use podgate_plugin_host::ServiceAccount;
use serde::Deserialize;
use zeroize::Zeroizing;

use super::read;
use crate::clock::Clock;

/// Longest token that is read; those of Kubernetes have some 1,200 bytes.
const MAX_TOKEN: u64 = 16 * 1024;

/// The file of a projected volume (`serviceAccountToken`), which kubelet replaces before its token ends.
pub struct TokenFile {
    path: Option<PathBuf>,
    clock: Clock,
}

/// What is read of a token. Whether it is genuine is the authority's to say.
#[derive(Deserialize)]
struct Claims {
    iss: String,
    aud: Audience,
    exp: u64,
}

#[derive(Deserialize)]
#[serde(untagged)]
enum Audience {
    One(String),
    Many(Vec<String>),
}

// === impl TokenFile ===

impl TokenFile {
    /// Without a path there are no tokens.
    pub fn new(path: Option<PathBuf>, clock: Clock) -> Self {
        Self { path, clock }
    }

    async fn read(&self, audience: &str) -> Result<Zeroizing<String>, String> {
        let path = self.path.as_ref();
        let path = path.ok_or("the gateway was started without --service-account-token")?;
        let shown = path.display();
        let bytes = read::bounded(path, MAX_TOKEN).await;
        let bytes = Zeroizing::new(bytes.map_err(|error| format!("reading {shown}: {error}"))?);
        let claims = claims(&bytes).ok_or_else(|| format!("{shown} holds no token"))?;
        claims.check(audience, self.clock.now())?;
        let text = std::str::from_utf8(&bytes).map_err(|_| format!("{shown} holds no token"))?;
        Ok(Zeroizing::new(text.trim().to_owned()))
    }
}

#[async_trait]
impl ServiceAccount for TokenFile {
    async fn token(&self, audience: &str) -> Result<Zeroizing<String>, String> {
        self.read(audience).await
    }
}

/// Of a JWT (RFC 7519), whose middle part they are.
fn claims(token: &[u8]) -> Option<Claims> {
    let mut parts = token.trim_ascii().split(|byte| *byte == b'.');
    let (_, payload, _) = (parts.next()?, parts.next()?, parts.next()?);
    let payload = Zeroizing::new(URL_SAFE_NO_PAD.decode(payload).ok()?);
    serde_json::from_slice(&payload).ok()
}

// === impl Claims ===

impl Claims {
    /// A plugin is not handed what it could be the gateway with.
    fn check(&self, audience: &str, now: u64) -> Result<(), String> {
        if !self.aud.is(audience) {
            return Err(format!(
                "the gateway's token is for another audience than {audience}, or for others as well"
            ));
        }
        // Unless told otherwise, the API server is its own audience.
        if self.aud.is(&self.iss) {
            return Err("the gateway's token is one for the API server".to_owned());
        }
        match self.exp > now {
            true => Ok(()),
            false => Err("the gateway's token has ended; kubelet has not renewed it".to_owned()),
        }
    }
}

// === impl Audience ===

impl Audience {
    /// Whether it is this one and no other.
    fn is(&self, audience: &str) -> bool {
        match self {
            Self::One(own) => own == audience,
            Self::Many(all) => all.len() == 1 && all[0] == audience,
        }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;

    const AUDIENCE: &str = "api://AzureADTokenExchange";
    const ISSUER: &str = "https://cluster.example";

    fn token(claims: &Value) -> String {
        let part = |value: &Value| URL_SAFE_NO_PAD.encode(value.to_string());
        format!("{}.{}.c2ln", part(&json!({"alg": "RS256"})), part(claims))
    }

    async fn handed(content: &str) -> Result<String, String> {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("token");
        std::fs::write(&path, content).unwrap();
        let file = TokenFile::new(Some(path), Clock::system());
        let token = file.token(AUDIENCE).await;
        token.map(|token| token.to_string())
    }

    #[tokio::test]
    async fn a_token_for_the_granted_audience_is_handed_over_as_it_is_now() {
        for aud in [json!(AUDIENCE), json!([AUDIENCE])] {
            let token = token(&json!({"iss": ISSUER, "aud": aud, "exp": 4_000_000_000_u64}));
            assert_eq!(handed(&format!("{token}\n")).await.unwrap(), token);
        }
    }

    #[tokio::test]
    async fn what_a_plugin_could_be_the_gateway_with_is_not_handed_over() {
        let end = 4_000_000_000_u64;
        for (claims, words) in [
            (
                json!({"iss": ISSUER, "aud": [ISSUER], "exp": end}),
                "another audience",
            ),
            (
                json!({"iss": ISSUER, "aud": [AUDIENCE, ISSUER], "exp": end}),
                "others as well",
            ),
            (
                json!({"iss": ISSUER, "aud": [], "exp": end}),
                "another audience",
            ),
            (
                json!({"iss": AUDIENCE, "aud": AUDIENCE, "exp": end}),
                "one for the API server",
            ),
            (
                json!({"iss": ISSUER, "aud": AUDIENCE, "exp": 1}),
                "has ended",
            ),
            (json!({"aud": AUDIENCE}), "holds no token"),
        ] {
            let error = handed(&token(&claims)).await.unwrap_err();
            assert!(error.contains(words), "{claims}: {error}");
        }
    }

    #[tokio::test]
    async fn a_file_that_holds_no_token_is_named_and_not_shown() {
        for content in [
            "",
            "hunter2",
            "hunter2.hunter2.hunter2",
            "..",
            &"a".repeat(20_000),
        ] {
            let error = handed(content).await.unwrap_err();
            assert!(error.contains("/token"), "{error}");
            assert!(!error.contains("hunter2"), "{error}");
        }
        let none = TokenFile::new(None, Clock::system()).token(AUDIENCE).await;
        assert!(none.unwrap_err().contains("--service-account-token"));
    }
}

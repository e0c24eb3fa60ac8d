//! Client assertions (RFC 7523): a service account's token, or a statement signed with a certificate's key.
//!
//! Facts: "Microsoft identity platform application authentication certificate credentials".

use std::fmt;
use std::path::{Path, PathBuf};

use async_trait::async_trait;
use aws_lc_rs::rand::SystemRandom;
use aws_lc_rs::signature::RSA_PSS_SHA256;
use azure_core::error::{Error, ErrorKind};
use azure_core::http::ClientMethodOptions;
use azure_identity::ClientAssertion;
use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD};
use podgate_api::ClientId;
use serde_json::{Value, json};
use tokio::io::AsyncReadExt;
use uuid::Uuid;
use zeroize::Zeroizing;

use super::certificate::ClientCertificate;
use crate::answer::now;
use crate::failure::Failure;

/// Longest service account token, in bytes. They have about 1 KiB.
const MAX_TOKEN: u64 = 64 * 1024;

/// How long an assertion holds, in seconds: what Microsoft advises at most.
const LIFETIME: u64 = 600;

/// How far clocks may be apart, in seconds.
const SKEW: u64 = 60;

/// The token of a service account, as the kubelet keeps it.
#[derive(Debug)]
pub(super) struct Federated(PathBuf);

/// A statement signed anew for each token.
pub(super) struct Signed {
    certificate: ClientCertificate,
    client_id: ClientId,
    endpoint: String,
}

// === impl Federated ===

impl Federated {
    pub(super) fn new(file: &Path) -> Self {
        Self(file.to_owned())
    }

    async fn read(&self) -> Result<String, Failure> {
        let problem = |why: String| {
            Failure::outage(format!(
                "the service account token in {} {why}",
                self.0.display()
            ))
        };
        let file = tokio::fs::File::open(&self.0).await;
        let file = file.map_err(|error| problem(format!("cannot be opened: {error}")))?;
        let mut text = Zeroizing::new(String::new());
        let read = file.take(MAX_TOKEN + 1).read_to_string(&mut text).await;
        read.map_err(|error| problem(format!("cannot be read: {error}")))?;
        let token = text.trim();
        let plain = token.bytes().all(|byte| byte.is_ascii_graphic());
        match token.is_empty() || !plain || token.len() as u64 > MAX_TOKEN {
            true => Err(problem("is no token".to_owned())),
            false => Ok(token.to_owned()),
        }
    }
}

#[async_trait]
impl ClientAssertion for Federated {
    async fn secret(&self, _: Option<ClientMethodOptions<'_>>) -> azure_core::Result<String> {
        self.read()
            .await
            .map_err(|failure| Error::new(ErrorKind::Credential, failure))
    }
}

// === impl Signed ===

impl Signed {
    /// `endpoint` is the token endpoint, the assertion's audience.
    pub(super) fn new(
        certificate: &ClientCertificate,
        client_id: &ClientId,
        endpoint: String,
    ) -> Self {
        Self {
            certificate: certificate.clone(),
            client_id: client_id.clone(),
            endpoint,
        }
    }

    fn sign(&self) -> Result<String, Failure> {
        let part = |value: &Value| URL_SAFE_NO_PAD.encode(value.to_string());
        let unsigned = format!("{}.{}", part(&self.header()), part(&self.claims()));
        let key = self.certificate.key();
        let mut signature = vec![0; key.public_modulus_len()];
        key.sign(
            &RSA_PSS_SHA256,
            &SystemRandom::new(),
            unsigned.as_bytes(),
            &mut signature,
        )
        .map_err(|_| {
            Failure::outage("the assertion cannot be signed with the certificate's key")
        })?;
        Ok(format!("{unsigned}.{}", URL_SAFE_NO_PAD.encode(signature)))
    }

    /// With the chain, so that an application which trusts a name and its issuer accepts a renewed certificate.
    fn header(&self) -> Value {
        let chain = self.certificate.chain();
        let chain: Vec<String> = chain.iter().map(|der| STANDARD.encode(der)).collect();
        let thumbprint = URL_SAFE_NO_PAD.encode(self.certificate.thumbprint());
        json!({"alg": "PS256", "typ": "JWT", "x5t#S256": thumbprint, "x5c": chain})
    }

    fn claims(&self) -> Value {
        let (now, id) = (now(), self.client_id.as_str());
        json!({
            "aud": self.endpoint, "iss": id, "sub": id, "jti": Uuid::new_v4().to_string(),
            "iat": now, "nbf": now - SKEW, "exp": now + LIFETIME - SKEW,
        })
    }
}

#[async_trait]
impl ClientAssertion for Signed {
    async fn secret(&self, _: Option<ClientMethodOptions<'_>>) -> azure_core::Result<String> {
        self.sign()
            .map_err(|failure| Error::new(ErrorKind::Credential, failure))
    }
}

impl fmt::Debug for Signed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Signed({} for {})", self.client_id, self.endpoint)
    }
}

/// A text without the JSON Web Tokens in it. Azure never repeats what it was sent; what stands in for it might.
pub(crate) fn without_tokens(text: &str) -> String {
    let words = text.split_inclusive([' ', '\'', '"', '=', '&', '\n', '\r']);
    words
        .map(|word| {
            if word.trim_start().starts_with("eyJ") {
                "[redacted] "
            } else {
                word
            }
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_repeated_token_is_taken_out() {
        let said = without_tokens(
            "AADSTS700027: bad 'eyJhbGciOi.eyJpc3M.c2ln' here\r\nand client_assertion=eyJhbGciOi.x.y&a=b",
        );
        assert!(!said.contains("eyJ"), "{said}");
        assert!(
            said.contains("AADSTS700027: bad") && said.contains("a=b"),
            "{said}"
        );
    }
}

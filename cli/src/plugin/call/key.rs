//! A key for cases: it really signs, and keeps what it signed.

use anyhow::Context;
use aws_lc_rs::digest::{Algorithm as Hash, SHA1_FOR_LEGACY_USE_ONLY, SHA256, digest};
use aws_lc_rs::rand::SystemRandom;
use aws_lc_rs::rsa::KeySize;
use aws_lc_rs::signature::{RSA_PKCS1_SHA256, RSA_PSS_SHA256, RsaEncoding, RsaKeyPair};
use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use parking_lot::Mutex;
use podgate_plugin_host::{Algorithm, SignError, SigningKey};
use serde_json::{Value, json};

/// Stands for a certificate, the same in each run, so that its thumbprints are.
const CERTIFICATE: &[u8] = b"a certificate of podgate plugin call";

/// An RSA key made for this run.
pub(super) struct CaseKey {
    pair: RsaKeyPair,
    signed: Mutex<Vec<Value>>,
}

// === impl CaseKey ===

impl CaseKey {
    pub(super) fn new() -> anyhow::Result<Self> {
        let pair = RsaKeyPair::generate(KeySize::Rsa2048).context("making an RSA key")?;
        let signed = Mutex::default();
        Ok(Self { pair, signed })
    }

    /// What it signed since the last time.
    pub(super) fn take(&self) -> Vec<Value> {
        std::mem::take(&mut *self.signed.lock())
    }
}

impl SigningKey for CaseKey {
    fn sign(&self, algorithm: Algorithm, message: &[u8]) -> Result<Vec<u8>, SignError> {
        self.signed.lock().push(shown(algorithm, message));
        let encoding: &'static dyn RsaEncoding = match algorithm {
            Algorithm::Ps256 => &RSA_PSS_SHA256,
            Algorithm::Rs256 => &RSA_PKCS1_SHA256,
        };
        let mut signature = vec![0; self.pair.public_modulus_len()];
        self.pair
            .sign(encoding, &SystemRandom::new(), message, &mut signature)
            .map_err(|error| SignError::Other(error.to_string()))?;
        Ok(signature)
    }

    fn thumbprint_sha1(&self) -> [u8; 20] {
        thumbprint(&SHA1_FOR_LEGACY_USE_ONLY)
    }

    fn thumbprint_sha256(&self) -> [u8; 32] {
        thumbprint(&SHA256)
    }

    fn chain(&self) -> Vec<Vec<u8>> {
        vec![CERTIFICATE.to_vec()]
    }
}

fn thumbprint<const N: usize>(hash: &'static Hash) -> [u8; N] {
    let mut bytes = [0; N];
    bytes.copy_from_slice(digest(hash, CERTIFICATE).as_ref());
    bytes
}

fn shown(algorithm: Algorithm, message: &[u8]) -> Value {
    let algorithm = match algorithm {
        Algorithm::Ps256 => "PS256",
        Algorithm::Rs256 => "RS256",
    };
    let text = String::from_utf8_lossy(message);
    let mut shown = json!({"algorithm": algorithm, "message": text});
    if let Some(jwt) = jwt(&text) {
        shown["jwt"] = jwt;
    }
    shown
}

/// The header and claims of a JWT that is to be signed (RFC 7515, section 5.1).
fn jwt(message: &str) -> Option<Value> {
    let (header, claims) = message.split_once('.')?;
    let part = |part: &str| -> Option<Value> {
        serde_json::from_slice(&URL_SAFE_NO_PAD.decode(part).ok()?).ok()
    };
    Some(json!({"header": part(header)?, "claims": part(claims)?}))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_token_to_be_signed_is_shown_by_its_parts() {
        let encode = |value: Value| URL_SAFE_NO_PAD.encode(value.to_string());
        let message = format!(
            "{}.{}",
            encode(json!({"alg": "RS256"})),
            encode(json!({"aud": "a"}))
        );
        let shown = shown(Algorithm::Rs256, message.as_bytes());
        assert_eq!(shown["jwt"]["claims"]["aud"], "a");
        assert_eq!(shown["algorithm"], "RS256");
        assert_eq!(jwt("no.token"), None);
    }

    #[test]
    fn what_was_signed_is_told_once() {
        let key = CaseKey::new().unwrap();
        let signature = key.sign(Algorithm::Ps256, b"hello").unwrap();
        assert_eq!(signature.len(), 256);
        assert_eq!(key.take()[0]["message"], "hello");
        assert!(key.take().is_empty());
    }
}

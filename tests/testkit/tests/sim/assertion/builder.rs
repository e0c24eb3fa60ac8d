//! Assertions, right ones to begin with, and how they are sent.

use std::time::{SystemTime, UNIX_EPOCH};

use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD, URL_SAFE, URL_SAFE_NO_PAD};
use jsonwebtoken::{Algorithm, EncodingKey};
use podgate_testkit::pki::Credential;
use podgate_testkit::{Answer, AzureSim, Certificate};
use serde_json::{Value, json};

use crate::setup::*;

pub(crate) const KIND: &str = "urn:ietf:params:oauth:client-assertion-type:jwt-bearer";

/// An assertion under construction; it begins right.
pub(crate) struct Assertion {
    pub(crate) header: Value,
    pub(crate) claims: Value,
    pub(crate) key: EncodingKey,
    pub(crate) algorithm: Algorithm,
}

pub(crate) fn now() -> u64 {
    SystemTime::now()
        .duration_since(UNIX_EPOCH)
        .unwrap()
        .as_secs()
}

pub(crate) fn x5t(certificate: &Certificate) -> String {
    URL_SAFE_NO_PAD.encode(certificate.thumbprint_sha1())
}

pub(crate) fn x5t_s256(certificate: &Certificate) -> String {
    URL_SAFE_NO_PAD.encode(certificate.thumbprint_sha256())
}

impl Assertion {
    /// PS256 with `x5t#S256`, ten minutes, for the v2 endpoint.
    pub(crate) fn v2(sim: &AzureSim, credential: &Credential) -> Self {
        let endpoint = format!("{}{}", sim.entra_url(), &v2()[1..]);
        Self {
            header: json!({"alg": "PS256", "typ": "JWT", "x5t#S256": x5t_s256(credential.certificate())}),
            claims: json!({
                "aud": endpoint, "iss": CLIENT, "sub": CLIENT, "jti": uuid::Uuid::new_v4().to_string(),
                "nbf": now(), "iat": now(), "exp": now() + 600,
            }),
            key: EncodingKey::from_rsa_pem(credential.key_pem().as_bytes()).unwrap(),
            algorithm: Algorithm::PS256,
        }
    }

    /// What adal sends: RS256 with a padded `x5t`, 24 hours.
    pub(crate) fn v1(sim: &AzureSim, credential: &Credential) -> Self {
        let x5t = URL_SAFE.encode(credential.certificate().thumbprint_sha1());
        let endpoint = format!("{}{}?api-version=1.0", sim.entra_url(), &v1()[1..]);
        Self {
            algorithm: Algorithm::RS256,
            ..Self::v2(sim, credential)
        }
        .header("alg", json!("RS256"))
        .header("x5t#S256", Value::Null)
        .header("x5t", json!(x5t))
        .claim("aud", json!(endpoint))
        .claim("exp", json!(now() + 86_400))
    }

    pub(crate) fn header(mut self, name: &str, value: Value) -> Self {
        set(&mut self.header, name, value);
        self
    }

    pub(crate) fn claim(mut self, name: &str, value: Value) -> Self {
        set(&mut self.claims, name, value);
        self
    }

    pub(crate) fn x5c(self, chain: &[&Certificate]) -> Self {
        let entries = chain
            .iter()
            .map(|one| json!(STANDARD.encode(one.der())))
            .collect::<Vec<_>>();
        self.header("x5c", json!(entries))
    }

    pub(crate) fn sign(&self) -> String {
        let part = |value: &Value| URL_SAFE_NO_PAD.encode(value.to_string());
        let message = format!("{}.{}", part(&self.header), part(&self.claims));
        let signature =
            jsonwebtoken::crypto::sign(message.as_bytes(), &self.key, self.algorithm).unwrap();
        format!("{message}.{signature}")
    }
}

pub(crate) fn set(object: &mut Value, name: &str, value: Value) {
    let object = object.as_object_mut().unwrap();
    match value {
        Value::Null => object.remove(name),
        value => object.insert(name.into(), value),
    };
}

pub(crate) async fn send(sim: &AzureSim, jwt: &str) -> Answer {
    let fields = with(
        without(v2_fields(), "client_secret"),
        "client_assertion_type",
        KIND,
    );
    post(sim, &v2(), &with(fields, "client_assertion", jwt)).await
}

pub(crate) async fn send_v1(sim: &AzureSim, path: &str, jwt: &str) -> Answer {
    let fields = with(
        without(v1_fields(), "client_secret"),
        "client_assertion_type",
        KIND,
    );
    post(sim, path, &with(fields, "client_assertion", jwt)).await
}

#[track_caller]
pub(crate) fn assert_refused(answer: &Answer, code: u32, why: &str) {
    assert_aadsts(answer, 401, "invalid_client", code);
    assert_oauth(answer, 401, "invalid_client", why);
}

//! Workload identity federation: what a foreign issuer's token must be, and podgate's own credential by it.

mod podgate;
mod served;
mod tokens;

use jsonwebtoken::jwk::Jwk;
use jsonwebtoken::{Algorithm, EncodingKey};
use podgate_testkit::pki::{self, Credential};
use podgate_testkit::{
    Answer, Application, AzureSim, FederatedCredential, IssuerKeys, JwkSet, SimConfig,
};
use serde_json::{Value, json};

use crate::assertion::builder::{Assertion, now, send};
use crate::setup::*;

pub(crate) const ISSUER: &str = "https://oidc.cluster.example/c1/";
pub(crate) const SUBJECT: &str = "system:serviceaccount:podgate:controller";
pub(crate) const AUDIENCE: &str = "api://AzureADTokenExchange";

/// The key set of the cluster's API server.
fn keys() -> JwkSet {
    let mut jwk = Jwk::from_encoding_key(&key(pki::self_signed()), Algorithm::RS256).unwrap();
    jwk.common.key_id = Some("k1".into());
    JwkSet { keys: vec![jwk] }
}

fn key(credential: &Credential) -> EncodingKey {
    EncodingKey::from_rsa_pem(credential.key_pem().as_bytes()).unwrap()
}

/// As the API server makes one for a pod.
fn service_account() -> Assertion {
    let pod = json!({"namespace": "podgate", "serviceaccount": {"name": "controller", "uid": "u"}});
    Assertion {
        header: json!({"alg": "RS256", "kid": "k1"}),
        claims: json!({
            "aud": [AUDIENCE], "iss": ISSUER, "sub": SUBJECT, "kubernetes.io": pod, "jti": "always-the-same",
            "exp": now() + 3600, "iat": now(), "nbf": now(),
        }),
        key: key(pki::self_signed()),
        algorithm: Algorithm::RS256,
    }
}

fn trusted() -> FederatedCredential {
    FederatedCredential::new(ISSUER, SUBJECT, IssuerKeys::Given(keys()))
}

fn federated(credentials: &[FederatedCredential]) -> Application {
    Application {
        federated_credentials: credentials.to_vec(),
        ..application()
    }
}

async fn trusting(credentials: &[FederatedCredential]) -> AzureSim {
    let config = SimConfig {
        tenant: TENANT.into(),
        applications: vec![federated(credentials)],
        ..SimConfig::default()
    };
    AzureSim::start(config).await.unwrap()
}

#[track_caller]
fn assert_code(answer: &Answer, code: u32) -> String {
    let body = answer.json();
    assert_eq!(body["error_codes"], json!([code]), "{body}");
    body["error_description"].as_str().unwrap().to_owned()
}

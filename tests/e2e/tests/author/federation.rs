//! `examples/plugins/federation` in a gateway: azure-sim trusts an issuer, not a certificate.

use std::path::{Path, PathBuf};

use base64::Engine;
use base64::engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD};
use podgate_e2e::demo;
use podgate_e2e::stage::{Stage, VAULT};
use podgate_gateway::credential::key::CertificateKey;
use podgate_plugin_host::SigningKey;
use podgate_testkit::{FederatedCredential, IssuerKeys, SimConfig, fixtures};
use serde_json::json;

use crate::shell::{cargo, root};

const ISSUER: &str = "https://issuer.example.test/podgate";
/// The pod that is bound to the application, by `examples/standalone`.
const LEDGER_POD: &str = "127.0.0.4";

/// The JWK of the key in the demo's Secret, as an issuer publishes it.
fn keys() -> IssuerKeys {
    let key = CertificateKey::read(fixtures::pfx_legacy(), fixtures::PASSWORD).unwrap();
    let certificate = key.chain().remove(0);
    let keys = json!({"keys": [{
        "kty": "RSA",
        "alg": "RS256",
        "use": "sig",
        "kid": URL_SAFE_NO_PAD.encode(key.thumbprint_sha256()),
        "n": URL_SAFE_NO_PAD.encode(modulus(&certificate)),
        "e": "AQAB",
    }]});
    IssuerKeys::Given(serde_json::from_value(keys).unwrap())
}

/// In DER the public exponent 65537 stands behind the modulus, of 2048 bits here.
fn modulus(certificate: &[u8]) -> &[u8] {
    let exponent = [0x02, 0x03, 0x01, 0x00, 0x01];
    let end = certificate.windows(5).position(|window| window == exponent);
    let end = end.unwrap();
    &certificate[end - 256..end]
}

/// The demo's Azure, where the ledger's application has no certificate.
fn directory(subject: &str) -> SimConfig {
    let mut directory = demo::directory().unwrap();
    let applications = directory.applications.iter_mut();
    for application in applications.filter(|application| application.client_id == demo::LEDGER) {
        application.certificates.clear();
        application.federated_credentials = vec![FederatedCredential::new(ISSUER, subject, keys())];
    }
    directory
}

/// The component, by cargo.
fn component() -> PathBuf {
    let target = root().join("target/example-plugins");
    let arguments = ["build", "--quiet", "--release", "--locked"];
    cargo(&root().join("examples/plugins"), &target, &arguments);
    target.join("wasm32-unknown-unknown/release/federation.wasm")
}

fn plugins(folder: &Path) -> String {
    let component = component();
    let bytes = std::fs::read(&component).unwrap();
    let name = "federation.wasm";
    std::fs::write(folder.join(name), &bytes).unwrap();
    let sha256 = crate::shell::said(std::process::Command::new("sha256sum").arg(&component)).out;
    let plugins = json!({"credential": [{
        "name": "federation",
        "component": {"file": name, "sha256": sha256.split_whitespace().next()},
        "grants": {"clock": true},
        "settings": {"issuer": ISSUER},
    }]});
    let file = folder.join("plugins.yaml");
    std::fs::write(&file, plugins.to_string()).unwrap();
    format!("--plugins={}", file.display())
}

async fn stage(subject: &str) -> Stage {
    let folder = tempfile::tempdir().unwrap();
    let plugins = plugins(folder.path());
    let flags = ["--operation-mode=managed", &plugins];
    Stage::start(directory(subject), &flags, demo::lay_out)
        .await
        .unwrap()
}

#[tokio::test]
#[ignore = "compiles for a minute: cargo xtask test --only author"]
async fn an_application_that_trusts_the_issuer_needs_no_certificate() {
    let stage = stage(demo::LEDGER).await;
    let query = format!("resource={VAULT}");
    let answer = stage.token(LEDGER_POD, &query).await.unwrap();
    let claims = stage.claims(&answer).unwrap();
    assert_eq!(
        (claims.appid.as_str(), claims.aud.as_str()),
        (demo::LEDGER, VAULT)
    );
}

#[tokio::test]
#[ignore = "compiles for a minute: cargo xtask test --only author"]
async fn one_that_trusts_another_subject_is_refused_in_entras_words() {
    let stage = stage("somebody else").await;
    let query = format!("resource={VAULT}");
    let answer = stage.token(LEDGER_POD, &query).await.unwrap();
    let text = answer.text();
    assert!(!text.contains(&STANDARD.encode(fixtures::PASSWORD)) && answer.status != 200);
    assert!(
        text.contains("AADSTS7002") && text.contains("federated credential"),
        "{text}"
    );
}

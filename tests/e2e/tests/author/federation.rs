//! `examples/plugins/federation` in a gateway: azure-sim trusts an issuer, not a certificate. The issuer is the cluster's,
//! by the gateway's projected token, or one's own, by the identity's key.

use std::path::{Path, PathBuf};

use base64::Engine;
use base64::engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD};
use podgate_e2e::demo;
use podgate_e2e::stage::{Stage, VAULT};
use podgate_gateway::credential::key::CertificateKey;
use podgate_plugin_host::{Algorithm, SigningKey};
use podgate_testkit::{FederatedCredential, IssuerKeys, SimConfig, fixtures};
use serde_json::{Value, json};
use tempfile::TempDir;

use crate::shell::{cargo, root};

const ISSUER: &str = "https://issuer.example.test/podgate";
const AUDIENCE: &str = "api://AzureADTokenExchange";
/// The gateway's, as Kubernetes names it.
const ACCOUNT: &str = "system:serviceaccount:podgate:podgate-gateway";
/// Compiling the plugins once is enough for all tests.
const CODE_CACHE: &str = concat!("--code-cache=", env!("CARGO_TARGET_TMPDIR"), "/code-cache");
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

fn plugins(folder: &Path, settings: &Value) -> String {
    let component = component();
    let bytes = std::fs::read(&component).unwrap();
    let name = "federation.wasm";
    std::fs::write(folder.join(name), &bytes).unwrap();
    let sha256 = crate::shell::said(std::process::Command::new("sha256sum").arg(&component)).out;
    let plugins = json!({"credential": [{
        "name": "federation",
        "component": {"file": name, "sha256": sha256.split_whitespace().next()},
        "grants": {"clock": true, "serviceAccount": [AUDIENCE]},
        "settings": settings,
    }]});
    let file = folder.join("plugins.yaml");
    std::fs::write(&file, plugins.to_string()).unwrap();
    format!("--plugins={}", file.display())
}

/// What kubelet would have put there: a token of the cluster's issuer, whose key is the demo's.
fn projected(folder: &Path, audience: &str) -> String {
    let key = CertificateKey::read(fixtures::pfx_legacy(), fixtures::PASSWORD).unwrap();
    let part = |value: Value| URL_SAFE_NO_PAD.encode(value.to_string());
    let header = json!({"alg": "RS256", "kid": URL_SAFE_NO_PAD.encode(key.thumbprint_sha256())});
    let now = std::time::UNIX_EPOCH.elapsed().unwrap().as_secs();
    let claims = json!({"iss": ISSUER, "sub": ACCOUNT, "aud": [audience],
        "iat": now, "nbf": now, "exp": now + 3600});
    let input = format!("{}.{}", part(header), part(claims));
    let signature = key.sign(Algorithm::Rs256, input.as_bytes()).unwrap();
    let token = format!("{input}.{}", URL_SAFE_NO_PAD.encode(signature));
    let path = folder.join("token");
    std::fs::write(&path, token).unwrap();
    format!("--service-account-token={}", path.display())
}

/// The demo's manifests, where the ledger's identity names no Secret.
fn without_secret(folder: &Path) -> anyhow::Result<()> {
    demo::lay_out(folder)?;
    let path = folder.join("identities.yaml");
    let text = std::fs::read_to_string(&path)?;
    let secret = "  clientPassword: { name: ledger-certificate, namespace: shop }\n";
    assert!(text.contains(secret));
    Ok(std::fs::write(path, text.replace(secret, ""))?)
}

/// A gateway that has a token of this audience, and identities without a Secret. The folder holds that token.
async fn by_service_account(audience: &str, subject: &str) -> (Stage, TempDir) {
    let folder = tempfile::tempdir().unwrap();
    let plugins = plugins(folder.path(), &json!({}));
    let token = projected(folder.path(), audience);
    let flags = ["--operation-mode=managed", CODE_CACHE, &plugins, &token];
    let stage = Stage::start(directory(subject), &flags, without_secret).await;
    (stage.unwrap(), folder)
}

async fn stage(subject: &str) -> Stage {
    let folder = tempfile::tempdir().unwrap();
    let plugins = plugins(folder.path(), &json!({"issuer": ISSUER}));
    let flags = ["--operation-mode=managed", CODE_CACHE, &plugins];
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

#[tokio::test]
#[ignore = "compiles for a minute: cargo xtask test --only author"]
async fn an_application_that_trusts_the_gateways_service_account_needs_no_secret_at_all() {
    let (stage, _folder) = by_service_account(AUDIENCE, ACCOUNT).await;
    let answer = stage.token(LEDGER_POD, &format!("resource={VAULT}")).await;
    let claims = stage.claims(&answer.unwrap()).unwrap();
    assert_eq!(
        (claims.appid.as_str(), claims.aud.as_str()),
        (demo::LEDGER, VAULT)
    );
}

#[tokio::test]
#[ignore = "compiles for a minute: cargo xtask test --only author"]
async fn a_token_of_another_subject_or_for_the_api_server_gets_none_of_entras() {
    let (stage, _folder) = by_service_account(AUDIENCE, "system:serviceaccount:shop:ledger").await;
    let answer = stage.token(LEDGER_POD, &format!("resource={VAULT}")).await;
    let text = answer.unwrap().text().to_string();
    assert!(text.contains("AADSTS7002"), "{text}");
    let (stage, _folder) = by_service_account(ISSUER, ACCOUNT).await;
    let answer = stage.token(LEDGER_POD, &format!("resource={VAULT}")).await;
    let answer = answer.unwrap();
    assert!(
        answer.status == 503 && answer.text().contains("another audience"),
        "{}",
        answer.text()
    );
    assert!(stage.sim.calls().is_empty(), "it never left the gateway");
}

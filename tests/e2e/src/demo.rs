//! The people of the demo: the identities and applications that `examples/standalone` binds to its pods.

use std::fs;
use std::path::{Path, PathBuf};

use anyhow::Context;
use podgate_testkit::{Application, Certificate, ManagedIdentity, SimConfig, fixtures};
use serde_json::json;

/// The tenant of the service principals.
pub const TENANT: &str = "99999999-9999-4999-8999-999999999999";
/// `shop/web`, and one of `shop/reports`.
pub const WEB: &str = "11111111-1111-4111-8111-111111111111";
/// The other one of `shop/reports`.
pub const ARCHIVE: &str = "22222222-2222-4222-8222-222222222222";
/// `shop/worker`
pub const WORKER: &str = "33333333-3333-4333-8333-333333333333";
/// `shop/ledger`
pub const LEDGER: &str = "44444444-4444-4444-8444-444444444444";
/// The node's own identity.
pub const NODE: &str = "55555555-5555-4555-8555-555555555555";
/// The client secret of `shop/worker`; azure-sim is the only one that takes it.
pub const SECRET: &str = "demo-client-secret";

/// The folder of manifests in the repository.
pub fn manifests() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../../examples/standalone")
}

/// azure-sim with all of them.
pub fn directory() -> anyhow::Result<SimConfig> {
    let certificate = std::str::from_utf8(fixtures::rsa_certificate_pem())?;
    let identity = |client_id: &str, name: &str| ManagedIdentity {
        client_id: client_id.to_owned(),
        object_id: object_id(client_id),
        resource_id: match name {
            "" => String::new(),
            name => resource_id(name),
        },
    };
    let application = |client_id: &str| Application {
        tenant: TENANT.to_owned(),
        client_id: client_id.to_owned(),
        ..Application::default()
    };
    Ok(SimConfig {
        managed_identities: vec![
            identity(WEB, "web"),
            identity(ARCHIVE, "archive"),
            identity(NODE, ""),
        ],
        applications: vec![
            Application {
                secrets: vec![SECRET.to_owned()],
                ..application(WORKER)
            },
            Application {
                certificates: vec![Certificate::from_pem(certificate)?],
                ..application(LEDGER)
            },
        ],
        ..SimConfig::default()
    })
}

/// The ARM id of a demo identity.
pub fn resource_id(name: &str) -> String {
    format!(
        "/subscriptions/00000000-0000-4000-8000-000000000000/resourcegroups/shop/providers/\
         Microsoft.ManagedIdentity/userAssignedIdentities/{name}"
    )
}

/// Object ids differ from client ids in one digit group, so that nobody can take one for the other.
pub fn object_id(client_id: &str) -> String {
    format!("0b1ec700{}", &client_id[8..])
}

/// Copies the manifests to `folder` and adds the Secrets, which the repository does not hold as YAML.
pub fn lay_out(folder: &Path) -> anyhow::Result<()> {
    fs::create_dir_all(folder)?;
    for entry in fs::read_dir(manifests()).context("examples/standalone")? {
        let entry = entry?;
        fs::copy(entry.path(), folder.join(entry.file_name()))?;
    }
    fs::write(folder.join("secrets.json"), secrets().to_string())?;
    Ok(())
}

/// The Secrets of the service principals, as a `List`.
pub fn secrets() -> serde_json::Value {
    json!({"apiVersion": "v1", "kind": "List", "items": [
        secret("worker-secret", &[("clientSecret", SECRET.as_bytes())]),
        secret("ledger-certificate", &[
            ("certificate", fixtures::pfx_legacy()),
            ("password", fixtures::PASSWORD.as_bytes()),
        ]),
    ]})
}

/// A Secret of the namespace `shop`, as JSON, which is YAML as well.
pub fn secret(name: &str, data: &[(&str, &[u8])]) -> serde_json::Value {
    use base64::Engine;
    let encode = |value: &[u8]| base64::engine::general_purpose::STANDARD.encode(value);
    let data: serde_json::Map<_, _> = data
        .iter()
        .map(|(key, value)| ((*key).to_owned(), encode(value).into()))
        .collect();
    json!({"apiVersion": "v1", "kind": "Secret",
        "metadata": {"name": name, "namespace": "shop"}, "data": data})
}

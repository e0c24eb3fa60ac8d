//! A simulation with somebody in it, and short ways to talk to it.

use std::net::SocketAddr;

use podgate_testkit::{
    Answer, Application, AzureSim, Certificate, Client, ManagedIdentity, SimConfig, TrustedIssuer,
    pki,
};
use url::form_urlencoded;

pub(crate) const TENANT: &str = "7a1e0000-0000-4000-8000-000000000001";
pub(crate) const CLIENT: &str = "c1000000-0000-4000-8000-000000000001";
pub(crate) const SECRET: &str = "s3cr3t~of.the+app";
pub(crate) const RESOURCE: &str = "https://management.azure.com/";

pub(crate) const TOKEN: &str = "/metadata/identity/oauth2/token";
pub(crate) const ASK: &str =
    "/metadata/identity/oauth2/token?api-version=2018-02-01&resource=https://vault.azure.net";
pub(crate) const METADATA: (&str, &str) = ("Metadata", "true");

pub(crate) fn reader() -> ManagedIdentity {
    ManagedIdentity {
        client_id: "11111111-1111-4111-8111-111111111111".into(),
        object_id: "11111111-1111-4111-8111-0000000000aa".into(),
        resource_id: "/subscriptions/s/resourceGroups/g/providers/Microsoft.ManagedIdentity/\
                      userAssignedIdentities/reader"
            .into(),
    }
}

pub(crate) fn writer() -> ManagedIdentity {
    ManagedIdentity {
        client_id: "22222222-2222-4222-8222-222222222222".into(),
        object_id: "22222222-2222-4222-8222-0000000000aa".into(),
        resource_id: "/subscriptions/s/resourceGroups/g/providers/Microsoft.ManagedIdentity/\
                      userAssignedIdentities/writer"
            .into(),
    }
}

pub(crate) fn system_assigned() -> ManagedIdentity {
    ManagedIdentity {
        client_id: "33333333-3333-4333-8333-333333333333".into(),
        object_id: "33333333-3333-4333-8333-0000000000aa".into(),
        resource_id: String::new(),
    }
}

pub(crate) fn application() -> Application {
    Application {
        tenant: TENANT.into(),
        client_id: CLIENT.into(),
        object_id: "c1000000-0000-4000-8000-0000000000aa".into(),
        secrets: vec![SECRET.into()],
        expired_secrets: vec!["an-old-one".into()],
        certificates: vec![pki::self_signed().certificate().clone()],
        ..Application::default()
    }
}

/// The application that is trusted by subject name and issuer only.
pub(crate) fn by_name(authority: &Certificate) -> Application {
    let issuer = TrustedIssuer {
        subject_name: pki::SUBJECT_NAME.into(),
        authority: authority.clone(),
    };
    Application {
        certificates: Vec::new(),
        trusted_issuers: vec![issuer],
        ..application()
    }
}

pub(crate) async fn sim() -> AzureSim {
    let config = SimConfig {
        managed_identities: vec![reader()],
        applications: vec![application()],
        ..SimConfig::default()
    };
    AzureSim::start(config).await.unwrap()
}

pub(crate) fn imds(sim: &AzureSim) -> Client {
    Client::new(sim.imds_addr())
}

pub(crate) async fn ask_imds(sim: &AzureSim, path: &str) -> Answer {
    imds(sim).get(path, &[METADATA]).await.unwrap()
}

pub(crate) fn entra(sim: &AzureSim) -> Client {
    let port = url::Url::parse(&sim.entra_url()).unwrap().port().unwrap();
    Client::new(SocketAddr::from(([127, 0, 0, 1], port))).https(sim.ca_pem(), "localhost")
}

pub(crate) fn v1() -> String {
    format!("/{TENANT}/oauth2/token")
}

pub(crate) fn v2() -> String {
    format!("/{TENANT}/oauth2/v2.0/token")
}

pub(crate) const FORM: (&str, &str) = ("Content-Type", "application/x-www-form-urlencoded");

pub(crate) async fn post(sim: &AzureSim, path: &str, fields: &[(&str, &str)]) -> Answer {
    entra(sim)
        .post(path, &[FORM], encode(fields).as_bytes())
        .await
        .unwrap()
}

pub(crate) fn encode(fields: &[(&str, &str)]) -> String {
    form_urlencoded::Serializer::new(String::new())
        .extend_pairs(fields)
        .finish()
}

/// A right v2 request with the secret.
pub(crate) fn v2_fields() -> Vec<(&'static str, &'static str)> {
    vec![
        ("grant_type", "client_credentials"),
        ("client_id", CLIENT),
        ("client_secret", SECRET),
        ("scope", "https://management.azure.com//.default"),
    ]
}

/// A right v1 request with the secret.
pub(crate) fn v1_fields() -> Vec<(&'static str, &'static str)> {
    vec![
        ("grant_type", "client_credentials"),
        ("client_id", CLIENT),
        ("client_secret", SECRET),
        ("resource", RESOURCE),
    ]
}

/// `fields` with one replaced or added.
pub(crate) fn with<'a>(
    mut fields: Vec<(&'a str, &'a str)>,
    name: &'a str,
    value: &'a str,
) -> Vec<(&'a str, &'a str)> {
    fields.retain(|(known, _)| *known != name);
    fields.push((name, value));
    fields
}

/// `fields` without one.
pub(crate) fn without<'a>(
    mut fields: Vec<(&'a str, &'a str)>,
    name: &str,
) -> Vec<(&'a str, &'a str)> {
    fields.retain(|(known, _)| *known != name);
    fields
}

#[track_caller]
pub(crate) fn assert_oauth(answer: &Answer, status: u16, error: &str, description: &str) {
    let body = answer.json();
    let said = body["error_description"].as_str().unwrap_or_default();
    assert_eq!(
        (answer.status, body["error"].as_str()),
        (status, Some(error)),
        "{}",
        answer.text()
    );
    assert!(
        said.contains(description),
        "expected '{description}' in '{said}'"
    );
}

#[track_caller]
pub(crate) fn assert_aadsts(answer: &Answer, status: u16, error: &str, code: u32) {
    assert_oauth(answer, status, error, &format!("AADSTS{code}: "));
    assert_eq!(answer.json()["error_codes"], serde_json::json!([code]));
}

/// Limits that a table of requests does not meet.
pub(crate) fn generous() -> podgate_testkit::Limits {
    podgate_testkit::Limits {
        identity_concurrent: 100,
        identity_per_second: 1000,
        metadata_per_second: 1000,
    }
}

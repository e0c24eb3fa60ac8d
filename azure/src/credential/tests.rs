//! Each kind of credential against azure-sim, whose IMDS and Entra ID give real tokens to right requests only.

use std::path::PathBuf;

use podgate_api::{ClientId, TenantId};
use podgate_testkit::{
    Application, AzureSim, Fault, FaultKind, ManagedIdentity, SimConfig, Target, fixtures, pki,
};
use tempfile::TempDir;

use super::*;
use crate::credential::assertion::Signed;
use crate::imds::Selector;
use azure_identity::ClientAssertion;

mod failures;

const TENANT: &str = "7a1e0000-0000-4000-8000-00000000feed";
const CLIENT: &str = "c1000000-0000-4000-8000-000000000001";
const NODE: &str = "a0000000-0000-4000-8000-000000000001";
const SECRET: &str = "s3cret~+/%";
const AUDIENCE: &str = "https://management.azure.com/";

fn managed(client_id: &str, resource_id: &str) -> ManagedIdentity {
    ManagedIdentity {
        client_id: client_id.to_owned(),
        object_id: client_id.replace("0001", "00aa"),
        resource_id: resource_id.to_owned(),
    }
}

fn resource_id() -> String {
    "/subscriptions/s/resourceGroups/g/providers/Microsoft.ManagedIdentity/userAssignedIdentities/podgate".to_owned()
}

fn application(tenant: &str) -> Application {
    Application {
        tenant: tenant.to_owned(),
        client_id: CLIENT.to_owned(),
        secrets: vec![SECRET.to_owned()],
        certificates: vec![
            pki::self_signed().certificate().clone(),
            podgate_testkit::Certificate::from_pem(
                std::str::from_utf8(fixtures::rsa_certificate_pem()).unwrap(),
            )
            .unwrap(),
        ],
        ..Application::default()
    }
}

async fn sim() -> AzureSim {
    let config = SimConfig {
        tenant: TENANT.to_owned(),
        managed_identities: vec![
            managed(NODE, &resource_id()),
            managed("b0000000-0000-4000-8000-000000000001", ""),
        ],
        applications: vec![application(TENANT), application("adfs")],
        ..SimConfig::default()
    };
    AzureSim::start(config).await.unwrap()
}

fn sources(sim: &AzureSim) -> TokenSources {
    TokenSources {
        authority: sim.entra_url().parse().unwrap(),
        imds: sim.imds_url().parse().unwrap(),
        https: HttpClient::https(&[sim.ca_pem().as_bytes().to_vec()]).unwrap(),
    }
}

fn credential(sim: &AzureSim, kind: CredentialKind) -> ArmCredential {
    ArmCredential::new(kind, AUDIENCE.parse().unwrap(), sources(sim))
}

fn tenant() -> TenantId {
    TENANT.parse().unwrap()
}

fn client_id() -> ClientId {
    CLIENT.parse().unwrap()
}

fn secret(tenant: &str, secret: &str) -> CredentialKind {
    CredentialKind::Secret {
        tenant: tenant.parse().unwrap(),
        client_id: client_id(),
        secret: ClientSecret::from(secret.to_owned()),
    }
}

/// Whose token it is, by the simulation's word.
async fn whose(sim: &AzureSim, credential: &ArmCredential) -> String {
    let token = credential.token().await.unwrap();
    let claims = sim.verify(token.secret()).unwrap();
    assert_eq!(claims.aud, AUDIENCE, "the slash at its end included");
    claims.appid
}

#[tokio::test]
async fn a_managed_identity_by_client_id_by_resource_id_and_the_system_assigned_one() {
    let sim = sim().await;
    for (selector, client) in [
        (Selector::ClientId(NODE.parse().unwrap()), NODE),
        (Selector::ResourceId(resource_id().parse().unwrap()), NODE),
        (
            Selector::ObjectId("a0000000-0000-4000-8000-0000000000aa".parse().unwrap()),
            NODE,
        ),
        (
            Selector::Unspecified,
            "b0000000-0000-4000-8000-000000000001",
        ),
    ] {
        let one = credential(&sim, CredentialKind::ManagedIdentity(selector));
        assert_eq!(whose(&sim, &one).await, client);
    }
    assert!(sim.forbidden_calls().is_empty());
}

#[tokio::test]
async fn a_client_secret_at_entra_id_and_at_an_ad_fs() {
    let sim = sim().await;
    assert_eq!(
        whose(&sim, &credential(&sim, secret(TENANT, SECRET))).await,
        CLIENT
    );
    assert_eq!(
        whose(&sim, &credential(&sim, secret("adfs", SECRET))).await,
        CLIENT
    );
    let paths: Vec<String> = sim.calls().into_iter().map(|call| call.path).collect();
    assert_eq!(
        paths,
        [
            format!("/{TENANT}/oauth2/token"),
            "/adfs/oauth2/token".to_owned()
        ]
    );
}

#[tokio::test]
async fn a_certificate_in_every_encoding_that_users_have() {
    let sim = sim().await;
    let pem = [fixtures::rsa_key_pem(), fixtures::rsa_certificate_pem()].concat();
    let pkcs1 = [fixtures::rsa_certificate_pem(), fixtures::rsa_pkcs1_pem()].concat();
    let files = fixtures::every_pfx_encoding();
    let files = files
        .into_iter()
        .chain([("PEM", &pem[..], ""), ("PKCS#1 PEM", &pkcs1[..], "")]);
    for (encoding, file, password) in files {
        let certificate = ClientCertificate::read(file, password).expect(encoding);
        let kind = CredentialKind::Certificate {
            tenant: tenant(),
            client_id: client_id(),
            certificate,
        };
        assert_eq!(
            whose(&sim, &credential(&sim, kind)).await,
            CLIENT,
            "{encoding}"
        );
    }
}

#[test]
fn a_file_without_one_usable_certificate_says_what_is_wrong() {
    let read = |file: &[u8], password: &str| ClientCertificate::read(file, password).unwrap_err();
    assert!(matches!(
        read(fixtures::pfx_aes(), "wrong"),
        CertificateError::Unreadable(_)
    ));
    assert!(matches!(
        read(fixtures::pfx_truncated(), fixtures::PASSWORD),
        CertificateError::Unreadable(_)
    ));
    assert_eq!(
        read(fixtures::pfx_two_keys(), fixtures::PASSWORD),
        CertificateError::Keys(2)
    );
    assert_eq!(
        read(fixtures::pfx_ec(), fixtures::PASSWORD),
        CertificateError::NotRsa
    );
    assert_eq!(
        read(fixtures::rsa_key_pem(), ""),
        CertificateError::NoLeaf(0)
    );
    let other = [fixtures::rsa_key_pem(), fixtures::ec_certificate_pem()].concat();
    assert_eq!(read(&other, ""), CertificateError::NoLeaf(1));
    assert_eq!(
        read(&vec![0; 300_000], ""),
        CertificateError::TooLong(300_000)
    );
    let chain = ClientCertificate::read(fixtures::pfx_chain(), fixtures::PASSWORD).unwrap();
    assert_eq!(
        format!("{chain:?}"),
        "ClientCertificate(3 certificates, key [redacted])"
    );
}

/// What a kubelet would write: an assertion that the simulation's Entra ID accepts.
async fn projected(sim: &AzureSim, folder: &TempDir) -> PathBuf {
    let certificate = ClientCertificate::read(pki::self_signed().pem().as_bytes(), "").unwrap();
    let endpoint = format!("{}{TENANT}/oauth2/v2.0/token", sim.entra_url());
    let assertion = Signed::new(&certificate, &client_id(), endpoint)
        .secret(None)
        .await
        .unwrap();
    let file = folder.path().join("token");
    std::fs::write(&file, format!("{assertion}\n")).unwrap();
    file
}

#[tokio::test]
async fn workload_identity_reads_its_file_anew_for_each_token() {
    let (sim, folder) = (sim().await, tempfile::tempdir().unwrap());
    let token_file = projected(&sim, &folder).await;
    let kind = CredentialKind::WorkloadIdentity {
        tenant: tenant(),
        client_id: client_id(),
        token_file,
    };
    let credential = credential(&sim, kind);
    let first = credential.token().await.unwrap();
    assert_eq!(whose(&sim, &credential).await, CLIENT);
    credential.forget(&first).await;
    assert!(
        credential.token().await.is_err(),
        "the simulation takes an assertion once"
    );
    projected(&sim, &folder).await;
    assert_eq!(whose(&sim, &credential).await, CLIENT);
    std::fs::remove_file(folder.path().join("token")).unwrap();
    let held = credential.token().await.unwrap();
    credential.forget(&held).await;
    let gone = credential.token().await.unwrap_err().to_string();
    assert!(gone.contains("cannot be opened"), "{gone}");
    for wrong in ["", "two words", &"x".repeat(70_000)] {
        std::fs::write(folder.path().join("token"), wrong).unwrap();
        let why = credential.token().await.unwrap_err().to_string();
        assert!(why.contains("is no token"), "{why}");
    }
}

#[tokio::test]
async fn a_token_is_fetched_once_for_all_and_kept_until_its_last_minutes() {
    let sim = sim().await;
    sim.fail(Fault::new(Target::Imds, FaultKind::Latency { ms: 100 }).once());
    let credential = credential(&sim, CredentialKind::ManagedIdentity(Selector::Unspecified));
    let crowd: Vec<_> = (0..20)
        .map(|_| {
            let credential = credential.clone();
            tokio::spawn(async move { credential.token().await.unwrap().secret().to_owned() })
        })
        .collect();
    let mut tokens = std::collections::BTreeSet::new();
    for one in crowd {
        tokens.insert(one.await.unwrap());
    }
    assert_eq!((tokens.len(), sim.calls().len()), (1, 1));
}

#[test]
fn a_token_is_replaced_before_it_ends_and_kept_while_no_newer_one_comes() {
    let token = |left: u64| Token {
        access_token: AccessToken::from(format!("t{left}")),
        token_type: "Bearer".to_owned(),
        expires_on: now() + left,
        not_before: None,
    };
    let mut held = Held::default();
    assert!(held.fresh().is_none());
    held.keep(token(86_400));
    assert_eq!(
        held.replace_at,
        held.token.as_ref().unwrap().expires_on - MARGIN
    );
    held.keep(token(100));
    assert!(
        held.fresh().is_some(),
        "a short life is used for its first half"
    );
    held.replace_at = now();
    assert!(held.fresh().is_none());
    assert_eq!(
        held.otherwise(Failure::outage("x")).unwrap().secret(),
        "t100"
    );
    assert!(held.fresh().is_some(), "and it is not asked again at once");
    held.token = Some(token(0));
    assert!(held.fresh().is_none());
    assert!(
        held.otherwise(Failure::outage("x")).is_err(),
        "what has ended is never given"
    );
}

#[tokio::test]
async fn only_the_token_that_was_refused_is_forgotten() {
    let sim = sim().await;
    let credential = credential(&sim, CredentialKind::ManagedIdentity(Selector::Unspecified));
    let first = credential.token().await.unwrap();
    credential.forget(&first).await;
    let second = credential.token().await.unwrap();
    credential.forget(&first).await;
    assert_eq!(credential.token().await.unwrap().secret(), second.secret());
    assert_eq!(sim.calls().len(), 2);
}

//! podgate's own credential for ARM by workload identity.

use std::path::PathBuf;

use podgate_azure::credential::{ArmCredential, CredentialKind, TokenSources};
use podgate_azure::failure::Failure;
use podgate_azure::http::HttpClient;
use tempfile::TempDir;

use super::*;

/// podgate in a pod whose token the kubelet keeps in a file.
struct Pod {
    folder: TempDir,
    credential: ArmCredential,
}

fn pod(sim: &AzureSim) -> Pod {
    let folder = tempfile::tempdir().unwrap();
    let kind = CredentialKind::WorkloadIdentity {
        tenant: TENANT.parse().unwrap(),
        client_id: CLIENT.parse().unwrap(),
        token_file: file(&folder),
    };
    let sources = TokenSources {
        authority: sim.entra_url().parse().unwrap(),
        imds: sim.imds_url().parse().unwrap(),
        https: HttpClient::https(&[sim.ca_pem().as_bytes().to_vec()]).unwrap(),
    };
    let credential = ArmCredential::new(kind, RESOURCE.parse().unwrap(), sources);
    Pod { folder, credential }
}

fn file(folder: &TempDir) -> PathBuf {
    folder.path().join("azure-identity-token")
}

impl Pod {
    fn project(&self, token: &Assertion) {
        std::fs::write(file(&self.folder), token.sign()).unwrap();
    }
}

#[tokio::test]
async fn the_token_of_the_service_account_gives_a_token_for_arm_and_may_be_used_again() {
    let sim = trusting(&[trusted()]).await;
    let pod = pod(&sim);
    pod.project(&service_account());
    let first = pod.credential.token().await.unwrap();
    let claims = sim.verify(first.secret()).unwrap();
    assert_eq!(
        (claims.aud.as_str(), claims.appid.as_str()),
        (RESOURCE, CLIENT)
    );
    pod.credential.forget(&first).await;
    let second = pod.credential.token().await.unwrap();
    assert_ne!(first.secret(), second.secret());
    assert!(sim.calls().iter().all(|call| call.refusal.is_none()));
}

#[tokio::test]
async fn a_mismatch_is_a_refusal_that_names_what_the_credential_must_say() {
    let sim = trusting(&[trusted()]).await;
    let pod = pod(&sim);
    for (claim, value, number) in [
        ("iss", json!("https://moved.example/"), "AADSTS700211"),
        ("sub", json!("system:serviceaccount:x:y"), "AADSTS700213"),
        ("aud", json!(["sts.example"]), "AADSTS700212"),
        ("exp", json!(now() - 1), "AADSTS700024"),
    ] {
        pod.project(&service_account().claim(claim, value.clone()));
        let failure = pod.credential.token().await.unwrap_err();
        let Failure::Refused {
            error, description, ..
        } = &failure
        else {
            panic!("{failure}");
        };
        assert_eq!(error, "invalid_client");
        assert!(description.contains(number), "{description}");
        let named = value.as_str().or(value[0].as_str()).unwrap_or_default();
        assert!(description.contains(named), "{description}");
    }
    pod.project(&service_account());
    assert!(pod.credential.token().await.is_ok(), "it was put right");
}

#[tokio::test]
async fn the_cluster_s_keys_are_away_for_a_while_and_podgate_gets_its_token_then() {
    let mut unknown = trusted();
    unknown.keys = IssuerKeys::Given(JwkSet::default());
    let sim = trusting(&[unknown]).await;
    let pod = pod(&sim);
    pod.project(&service_account());
    let why = pod.credential.token().await.unwrap_err().to_string();
    assert!(
        why.contains("AADSTS7000272") && why.contains(ISSUER),
        "{why}"
    );
    assert!(!why.contains("eyJ"), "{why}");
    sim.add_application(federated(&[trusted()]));
    assert!(pod.credential.token().await.is_ok());
}

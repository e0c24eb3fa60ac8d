//! Who gets a token, and what is in it.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use podgate_testkit::{AzureSim, Resources, SimConfig};

use crate::setup::*;

const MULTIPLE: &str = "Multiple user assigned identities exist, please specify the clientId / resourceId of the \
                        identity in the token request";

#[tokio::test]
async fn a_token_is_a_signed_jwt_of_the_identity_and_every_field_is_a_string() {
    let sim = sim().await;
    let answer = ask_imds(&sim, ASK).await;
    let body = answer.json();
    assert_eq!(answer.status, 200);
    assert_eq!(
        answer.header("content-type"),
        Some("application/json; charset=utf-8")
    );
    assert!(
        body.as_object()
            .unwrap()
            .values()
            .all(serde_json::Value::is_string),
        "{body}"
    );
    let claims = sim.verify(body["access_token"].as_str().unwrap()).unwrap();
    assert_eq!(claims.aud, "https://vault.azure.net");
    assert_eq!(claims.appid, reader().client_id);
    assert_eq!(claims.oid, reader().object_id);
    assert_eq!(claims.xms_mirid, Some(reader().resource_id));
    assert_eq!(body["expires_on"], claims.exp.to_string());
    assert_eq!(body["expires_in"], "86399");
    assert_eq!(body["resource"], "https://vault.azure.net");
    assert_eq!(body["token_type"], "Bearer");
    assert_eq!(body["client_id"], reader().client_id);
}

#[tokio::test]
async fn each_minted_token_is_distinct() {
    let sim = sim().await;
    let token = |body: serde_json::Value| body["access_token"].as_str().unwrap().to_owned();
    let first = token(ask_imds(&sim, ASK).await.json());
    let second = token(ask_imds(&sim, ASK).await.json());
    assert_ne!(first, second);
}

#[tokio::test]
async fn the_lifetime_of_tokens_is_what_it_was_set_to() {
    let sim = sim().await;
    sim.set_token_lifetime(Duration::from_secs(90));
    let body = ask_imds(&sim, ASK).await.json();
    let now = SystemTime::now()
        .duration_since(UNIX_EPOCH)
        .unwrap()
        .as_secs();
    let claims = sim.verify(body["access_token"].as_str().unwrap()).unwrap();
    assert_eq!(body["expires_in"], "90");
    assert!(
        (now + 88..=now + 90).contains(&claims.exp),
        "{} at {now}",
        claims.exp
    );
}

#[tokio::test]
async fn an_identity_is_found_by_each_of_its_names_without_regard_to_case() {
    let sim = sim().await;
    sim.add_managed_identity(writer());
    let arm = writer().resource_id.to_uppercase();
    for (name, value) in [
        ("client_id", writer().client_id.to_uppercase()),
        ("object_id", writer().object_id),
        ("msi_res_id", arm.clone()),
        ("mi_res_id", arm),
    ] {
        let body = ask_imds(&sim, &format!("{ASK}&{name}={value}"))
            .await
            .json();
        assert_eq!(body["client_id"], writer().client_id, "{name}");
        let echo = if name == "mi_res_id" {
            "msi_res_id"
        } else {
            name
        };
        assert!(
            name == "client_id" || body[echo] == value,
            "as specified in the request: {body}"
        );
    }
}

#[tokio::test]
async fn an_identity_that_is_not_on_the_vm_is_not_found() {
    let sim = sim().await;
    let answer = ask_imds(&sim, &format!("{ASK}&client_id={}", writer().client_id)).await;
    assert_oauth(&answer, 400, "invalid_request", "Identity not found");
    assert!(sim.remove_managed_identity(&reader().client_id.to_uppercase()));
    assert_oauth(
        &ask_imds(&sim, ASK).await,
        400,
        "invalid_request",
        "Identity not found",
    );
}

#[tokio::test]
async fn several_identities_and_none_named_is_an_error_unless_one_is_the_vms_own() {
    let sim = sim().await;
    sim.add_managed_identity(writer());
    assert_oauth(&ask_imds(&sim, ASK).await, 400, "invalid_request", MULTIPLE);
    sim.add_managed_identity(system_assigned());
    let body = ask_imds(&sim, ASK).await.json();
    let claims = sim.verify(body["access_token"].as_str().unwrap()).unwrap();
    assert_eq!(claims.appid, system_assigned().client_id);
    assert!(
        claims
            .xms_mirid
            .unwrap()
            .contains("virtualMachineScaleSets")
    );
}

#[tokio::test]
async fn a_resource_nobody_knows_is_aadsts500011() {
    let resources = Resources::Only(vec!["https://vault.azure.net/".into()]);
    let config = SimConfig {
        resources,
        managed_identities: vec![reader()],
        ..SimConfig::default()
    };
    let sim = AzureSim::start(config).await.unwrap();
    assert_eq!(
        ask_imds(&sim, ASK).await.status,
        200,
        "a trailing slash makes no difference"
    );
    let answer = ask_imds(
        &sim,
        &format!("{TOKEN}?api-version=2018-02-01&resource=https://b.example"),
    )
    .await;
    assert_oauth(
        &answer,
        400,
        "invalid_resource",
        "AADSTS500011: The resource principal named https://b.example",
    );
}

#[tokio::test]
async fn what_is_no_resource_at_all_is_refused_even_where_every_resource_exists() {
    let sim = sim().await;
    for resource in ["vault", "https://vault.azure.net%20x", "javascript:1"] {
        let answer = ask_imds(
            &sim,
            &format!("{TOKEN}?api-version=2018-02-01&resource={resource}"),
        )
        .await;
        assert_oauth(&answer, 400, "invalid_resource", "AADSTS500011");
    }
}

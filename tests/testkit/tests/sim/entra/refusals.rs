//! What a token endpoint refuses, and how it says so.

use podgate_testkit::{AzureSim, Resources, SimConfig};

use crate::setup::*;

#[tokio::test]
async fn an_error_has_entras_shape_and_repeats_the_clients_correlation_id() {
    let sim = sim().await;
    let correlation = "5a3cbb8c-7d0e-4f5e-9f6a-0123456789ab";
    let headers = [FORM, ("client-request-id", correlation)];
    let body = encode(&with(v2_fields(), "client_secret", "wrong"));
    let answer = entra(&sim)
        .post(&v2(), &headers, body.as_bytes())
        .await
        .unwrap();
    assert_aadsts(&answer, 401, "invalid_client", 7_000_215);
    let said = answer.json();
    let description = said["error_description"].as_str().unwrap();
    let lines = description.split("\r\n").collect::<Vec<_>>();
    let quoted = format!(
        "AADSTS7000215: Invalid client secret provided. Ensure the secret being sent in the request is the client \
         secret value, not the client secret ID, for a secret added to app '{CLIENT}'."
    );
    assert_eq!(lines[0], quoted);
    assert_eq!(
        lines[1],
        format!("Trace ID: {}", said["trace_id"].as_str().unwrap())
    );
    assert_eq!(lines[2], format!("Correlation ID: {correlation}"));
    assert_eq!(
        lines[3],
        format!("Timestamp: {}", said["timestamp"].as_str().unwrap())
    );
    assert_eq!(said["correlation_id"], correlation);
    assert_eq!(
        said["error_uri"],
        "https://login.microsoftonline.com/error?code=7000215"
    );
    assert!(!answer.text().contains("wrong"), "never the secret");
}

#[tokio::test]
async fn who_does_not_prove_to_be_a_known_application_is_told_why() {
    let sim = sim().await;
    let nobody = "c9000000-0000-4000-8000-000000000009";
    let expired = post(
        &sim,
        &v2(),
        &with(v2_fields(), "client_secret", "an-old-one"),
    )
    .await;
    assert_aadsts(&expired, 401, "invalid_client", 7_000_222);
    let unknown = post(&sim, &v2(), &with(v2_fields(), "client_id", nobody)).await;
    assert_aadsts(&unknown, 400, "unauthorized_client", 700_016);
    let elsewhere = post(&sim, "/nobody.example/oauth2/v2.0/token", &v2_fields()).await;
    assert_aadsts(&elsewhere, 400, "invalid_request", 90_002);
    let unproven = post(&sim, &v2(), &without(v2_fields(), "client_secret")).await;
    assert_aadsts(&unproven, 401, "invalid_client", 7_000_218);
}

#[tokio::test]
async fn each_wrong_scope_has_its_own_aadsts_number() {
    let sim = sim().await;
    for (scope, error, code) in [
        ("vault/.default", "invalid_resource", 500_011),
        ("https://vault.azure.net", "invalid_scope", 1_002_012),
        ("/.default", "invalid_scope", 1_002_012),
        (
            "https://a.example/.default https://b.example/.default",
            "invalid_scope",
            70_011,
        ),
        (
            "https://a.example/.default openid openid",
            "invalid_scope",
            70_011,
        ),
        (
            "https://a.example/.default  openid",
            "invalid_scope",
            70_011,
        ),
        (
            "https://a.example/.default\topenid",
            "invalid_scope",
            70_011,
        ),
        (
            "https://a.example/.default User.Read",
            "invalid_scope",
            70_011,
        ),
        ("https://a.example openid", "invalid_scope", 1_002_012),
        ("openid offline_access profile", "invalid_scope", 70_011),
        ("", "invalid_scope", 70_011),
    ] {
        let answer = post(&sim, &v2(), &with(v2_fields(), "scope", scope)).await;
        assert_aadsts(&answer, 400, error, code);
    }
}

#[tokio::test]
async fn a_missing_field_is_named() {
    let sim = sim().await;
    for field in ["scope", "client_id", "grant_type"] {
        let answer = post(&sim, &v2(), &without(v2_fields(), field)).await;
        assert_aadsts(&answer, 400, "invalid_request", 900_144);
        assert!(
            answer.text().contains(&format!("'{field}'")),
            "{}",
            answer.text()
        );
    }
    let answer = post(&sim, &v1(), &without(v1_fields(), "resource")).await;
    assert_aadsts(&answer, 400, "invalid_request", 900_144);
    let answer = post(&sim, &v2(), &with(v2_fields(), "grant_type", "password")).await;
    assert_aadsts(&answer, 400, "unsupported_grant_type", 70_003);
}

#[tokio::test]
async fn fields_are_known_come_once_and_belong_to_the_endpoint() {
    let sim = sim().await;
    let repeated = format!("{}&client_id={CLIENT}", encode(&v2_fields()));
    let answer = entra(&sim)
        .post(&v2(), &[FORM], repeated.as_bytes())
        .await
        .unwrap();
    assert_oauth(
        &answer,
        400,
        "invalid_request",
        "the field 'client_id' is repeated",
    );
    for (path, fields, why) in [
        (
            v2(),
            with(v2_fields(), "username", "x"),
            "unknown field 'username'",
        ),
        (
            v2(),
            with(v2_fields(), "resource", RESOURCE),
            "resource and scope exclude",
        ),
        (
            v2(),
            without(with(v2_fields(), "resource", RESOURCE), "scope"),
            "the v2 endpoint takes scope",
        ),
        (
            v1(),
            without(with(v1_fields(), "scope", "x/.default"), "resource"),
            "the v1 endpoint takes resource",
        ),
        (
            v2(),
            with(v2_fields(), "client_assertion", "x"),
            "client_secret and client_assertion exclude",
        ),
        (
            v2(),
            with(v2_fields(), "client_assertion_type", "x"),
            "client_assertion_type belongs to client_assertion",
        ),
        (
            format!("{}?api-version=1.0", v2()),
            v2_fields(),
            "the v2 token endpoint has no query",
        ),
        (
            format!("{}?api-version=1.1", v1()),
            v1_fields(),
            "the query of a v1 token endpoint",
        ),
    ] {
        let answer = post(&sim, &path, &fields).await;
        assert_oauth(
            &answer,
            400,
            "invalid_request",
            &format!("AADSTS9002313: azure-sim: {why}"),
        );
    }
}

#[tokio::test]
async fn what_microsofts_libraries_add_for_telemetry_is_let_pass() {
    let sim = sim().await;
    let fields = with(
        with(v2_fields(), "x-client-SKU", "msal.js.node"),
        "client_info",
        "1",
    );
    assert_eq!(post(&sim, &v2(), &fields).await.status, 200);
}

#[tokio::test]
async fn scopes_of_openid_connect_beside_the_resource_are_let_pass_and_change_nothing() {
    let sim = sim().await;
    let scope = format!("{RESOURCE}/.default openid offline_access profile");
    let answer = post(&sim, &v2(), &with(v2_fields(), "scope", &scope)).await;
    assert_eq!(answer.status, 200, "{}", answer.text());
    let token = answer.json()["access_token"].as_str().unwrap().to_owned();
    assert_eq!(sim.verify(&token).unwrap().aud, RESOURCE);
    assert_eq!(answer.json().get("id_token"), None, "nobody signed in");
}

#[tokio::test]
async fn a_claims_request_is_openid_connect_s_and_nothing_else() {
    let sim = sim().await;
    for right in [
        r#"{"access_token":{"xms_cc":{"values":["CP1"]}}}"#,
        r#"{"access_token":{"nbf":{"essential":true,"value":"1790000000"},"acrs":null}}"#,
        r#"{"id_token":{},"access_token":{}}"#,
    ] {
        let answer = post(&sim, &v2(), &with(v2_fields(), "claims", right)).await;
        assert_eq!(answer.status, 200, "{right}: {}", answer.text());
        let answer = post(&sim, &v1(), &with(v1_fields(), "claims", right)).await;
        assert_eq!(answer.status, 200, "{right}: {}", answer.text());
    }
    for wrong in [
        "",
        "{",
        "{}",
        "[]",
        "null",
        r#"{"xms_cc":{"values":["CP1"]}}"#,
        r#"{"access_token":null}"#,
        r#"{"access_token":{"xms_cc":"CP1"}}"#,
        r#"{"access_token":{"xms_cc":{"values":"CP1"}}}"#,
        r#"{"access_token":{"xms_cc":{"values":[]}}}"#,
        r#"{"access_token":{"xms_cc":{"essential":"yes"}}}"#,
        r#"{"access_token":{"xms_cc":{"other":true}}}"#,
    ] {
        let answer = post(&sim, &v2(), &with(v2_fields(), "claims", wrong)).await;
        assert_oauth(&answer, 400, "invalid_request", "azure-sim: claims");
    }
}

#[tokio::test]
async fn a_body_of_another_type_is_not_read() {
    let sim = sim().await;
    for kind in [
        "application/json",
        "text/plain",
        "application/x-www-form-urlencoded; charset=latin1",
    ] {
        let body = encode(&v2_fields());
        let answer = entra(&sim)
            .post(&v2(), &[("Content-Type", kind)], body.as_bytes())
            .await
            .unwrap();
        assert_oauth(&answer, 400, "invalid_request", "AADSTS900144");
    }
    let right = [(
        "Content-Type",
        "application/x-www-form-urlencoded; charset=utf-8",
    )];
    let answer = entra(&sim)
        .post(&v2(), &right, encode(&v2_fields()).as_bytes())
        .await
        .unwrap();
    assert_eq!(answer.status, 200);
}

#[tokio::test]
async fn a_token_endpoint_takes_post_only_and_knows_its_own_name() {
    let sim = sim().await;
    let got = entra(&sim).get(&v2(), &[]).await.unwrap();
    assert_oauth(
        &got,
        405,
        "invalid_request",
        "AADSTS900561: The endpoint only accepts POST requests.",
    );
    let body = encode(&v2_fields());
    let foreign = entra(&sim)
        .post(&v2(), &[FORM, ("Host", "login.example")], body.as_bytes())
        .await
        .unwrap();
    assert_oauth(
        &foreign,
        400,
        "invalid_request",
        "azure-sim: Host is one of",
    );
}

#[tokio::test]
async fn only_known_resources_get_tokens_where_resources_are_listed() {
    let resources = Resources::Only(vec![RESOURCE.into()]);
    let config = SimConfig {
        resources,
        applications: vec![application()],
        ..SimConfig::default()
    };
    let sim = AzureSim::start(config).await.unwrap();
    assert_eq!(post(&sim, &v2(), &v2_fields()).await.status, 200);
    let answer = post(
        &sim,
        &v1(),
        &with(v1_fields(), "resource", "https://vault.azure.net"),
    )
    .await;
    assert_aadsts(&answer, 400, "invalid_resource", 500_011);
}

#[tokio::test]
async fn an_application_that_asks_too_often_is_told_to_wait_a_minute() {
    let config = SimConfig {
        entra_requests_per_minute: Some(2),
        applications: vec![application()],
        ..SimConfig::default()
    };
    let sim = AzureSim::start(config).await.unwrap();
    post(&sim, &v2(), &v2_fields()).await;
    post(&sim, &v1(), &v1_fields()).await;
    let third = post(&sim, &v2(), &v2_fields()).await;
    assert_aadsts(&third, 429, "temporarily_unavailable", 90_055);
    assert_eq!(third.header("retry-after"), Some("60"));
}

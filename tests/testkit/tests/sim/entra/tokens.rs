//! Tokens for client secrets, and how a resource verifies them.

use podgate_testkit::Target;
use serde_json::json;

use crate::setup::*;

#[tokio::test]
async fn v1_answers_in_strings_and_says_when_the_token_ends() {
    let sim = sim().await;
    let answer = post(&sim, &format!("{}?api-version=1.0", v1()), &v1_fields()).await;
    let body = answer.json();
    assert_eq!(answer.status, 200, "{body}");
    assert!(
        body.as_object()
            .unwrap()
            .values()
            .all(serde_json::Value::is_string),
        "{body}"
    );
    let claims = sim.verify(body["access_token"].as_str().unwrap()).unwrap();
    assert_eq!(
        (
            claims.aud.as_str(),
            claims.ver.as_str(),
            claims.tid.as_str()
        ),
        (RESOURCE, "1.0", TENANT)
    );
    assert_eq!(
        (claims.appid.as_str(), claims.appidacr.as_str()),
        (CLIENT, "1")
    );
    assert_eq!(claims.oid, application().object_id);
    assert_eq!(body["expires_on"], claims.exp.to_string());
    assert_eq!(body["resource"], RESOURCE);
    assert_eq!(claims.xms_mirid, None);
}

#[tokio::test]
async fn v2_answers_in_numbers_and_keeps_a_double_slash_of_the_scope_as_the_resources_own() {
    let sim = sim().await;
    let body = post(&sim, &v2(), &v2_fields()).await.json();
    let names = body
        .as_object()
        .unwrap()
        .keys()
        .cloned()
        .collect::<Vec<_>>();
    assert_eq!(
        names,
        ["access_token", "expires_in", "ext_expires_in", "token_type"]
    );
    assert_eq!(body["expires_in"], json!(86399));
    let claims = sim.verify(body["access_token"].as_str().unwrap()).unwrap();
    assert_eq!(
        (claims.aud.as_str(), claims.ver.as_str()),
        (RESOURCE, "2.0")
    );
}

#[tokio::test]
async fn a_token_verifies_with_what_discovery_says() {
    let sim = sim().await;
    let token = post(&sim, &v2(), &v2_fields()).await.json()["access_token"]
        .as_str()
        .unwrap()
        .to_owned();
    let claims = sim.verify(&token).unwrap();
    let issuer = url::Url::parse(&claims.iss).unwrap();
    let found = entra(&sim)
        .get(
            &format!("{}/.well-known/openid-configuration", issuer.path()),
            &[],
        )
        .await
        .unwrap();
    assert_eq!(found.json()["issuer"], claims.iss);
    let keys = url::Url::parse(found.json()["jwks_uri"].as_str().unwrap()).unwrap();
    let keys = entra(&sim).get(keys.path(), &[]).await.unwrap().json();
    let keys: jsonwebtoken::jwk::JwkSet = serde_json::from_value(keys).unwrap();
    let kid = jsonwebtoken::decode_header(&token).unwrap().kid.unwrap();
    let key = jsonwebtoken::DecodingKey::from_jwk(keys.find(&kid).unwrap()).unwrap();
    let mut rules = jsonwebtoken::Validation::new(jsonwebtoken::Algorithm::RS256);
    rules.set_audience(&[RESOURCE]);
    rules.set_issuer(&[&claims.iss]);
    jsonwebtoken::decode::<serde_json::Value>(&token, &key, &rules).unwrap();
}

#[tokio::test]
async fn discovery_names_the_endpoints_of_both_versions_and_the_instance() {
    let sim = sim().await;
    let get = async |path: &str| entra(&sim).get(path, &[]).await.unwrap();
    let base = sim.entra_url();
    let v1 = get(&format!("/{TENANT}/.well-known/openid-configuration"))
        .await
        .json();
    assert_eq!(v1["token_endpoint"], format!("{base}{TENANT}/oauth2/token"));
    let v2 = get(&format!("/{TENANT}/v2.0/.well-known/openid-configuration"))
        .await
        .json();
    assert_eq!(
        v2["token_endpoint"],
        format!("{base}{TENANT}/oauth2/v2.0/token")
    );
    let instance = get("/common/discovery/instance?api-version=1.1&authorization_endpoint=x")
        .await
        .json();
    assert!(
        instance["metadata"][0]["aliases"]
            .as_array()
            .unwrap()
            .contains(&base[8..base.len() - 1].into())
    );
    assert_eq!(
        get("/nobody/v2.0/.well-known/openid-configuration")
            .await
            .status,
        400
    );
    assert_eq!(get("/nothing/here").await.status, 404);
}

#[tokio::test]
async fn a_changed_token_and_a_foreign_one_do_not_verify() {
    let (sim, other) = (sim().await, sim().await);
    let token = post(&sim, &v2(), &v2_fields()).await.json()["access_token"]
        .as_str()
        .unwrap()
        .to_owned();
    let changed = token.replacen("eyJ", "eyK", 1);
    assert!(sim.verify(&changed).is_err());
    let why = other.verify(&token).unwrap_err().to_string();
    assert!(why.contains("it was issued by"), "{why}");
}

#[tokio::test]
async fn a_removed_application_and_a_rotated_secret_count_at_once() {
    let sim = sim().await;
    let mut rotated = application();
    rotated.expired_secrets = std::mem::take(&mut rotated.secrets);
    sim.add_application(rotated);
    assert_aadsts(
        &post(&sim, &v2(), &v2_fields()).await,
        401,
        "invalid_client",
        7_000_222,
    );
    assert!(sim.remove_application(TENANT, CLIENT));
    assert_eq!(post(&sim, &v2(), &v2_fields()).await.status, 400);
}

#[tokio::test]
async fn no_secret_is_in_the_record() {
    let sim = sim().await;
    post(&sim, &v2(), &v2_fields()).await;
    post(
        &sim,
        &format!("{}?client_secret={SECRET}", v2()),
        &v2_fields(),
    )
    .await;
    let calls = sim.calls_to(Target::Entra);
    let text = serde_json::to_string(&calls).unwrap();
    assert!(!text.contains("s3cr3t"), "{text}");
    assert_eq!(
        calls[0].parameter("client_secret"),
        Some(format!("<{} bytes>", SECRET.len()))
    );
    assert_eq!(calls[0].parameter("client_id").as_deref(), Some(CLIENT));
}

#[tokio::test]
async fn https_is_not_trusted_without_the_simulations_own_ca() {
    let (sim, other) = (sim().await, sim().await);
    let port = url::Url::parse(&sim.entra_url()).unwrap().port().unwrap();
    let client = podgate_testkit::Client::new(([127, 0, 0, 1], port).into())
        .https(other.ca_pem(), "localhost");
    assert!(client.get("/", &[]).await.is_err());
}

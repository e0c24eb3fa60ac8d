//! The token against the credentials of the application.

use super::*;
use crate::assertion::builder::{KIND, send_v1};

#[tokio::test]
async fn a_service_account_s_token_that_a_credential_is_for_is_a_proof_as_often_as_it_comes() {
    let sim = trusting(&[trusted()]).await;
    let jwt = service_account().sign();
    for answer in [
        send(&sim, &jwt).await,
        send(&sim, &jwt).await,
        send_v1(&sim, &v1(), &jwt).await,
    ] {
        assert_eq!(answer.status, 200, "{}", answer.text());
        let token = answer.json()["access_token"].as_str().unwrap().to_owned();
        let claims = sim.verify(&token).unwrap();
        assert_eq!(
            (claims.appid.as_str(), claims.appidacr.as_str()),
            (CLIENT, "2")
        );
    }
    let alone = service_account().claim("aud", json!(AUDIENCE)).sign();
    assert_eq!(send(&sim, &alone).await.status, 200, "aud as one string");
    let record = format!("{:?}", sim.calls());
    assert!(!record.contains(&jwt), "the record holds no token");
}

#[tokio::test]
async fn a_token_that_no_credential_is_for_is_refused_by_what_differs_and_all_three_are_named() {
    let sim = trusting(&[trusted()]).await;
    for (claim, value, code) in [
        ("iss", json!("https://oidc.cluster.example/c1"), 700_211),
        ("iss", json!("https://OIDC.cluster.example/c1/"), 700_211),
        ("aud", json!(["https://kubernetes.default.svc"]), 700_212),
        ("sub", json!("system:serviceaccount:podgate:other"), 700_213),
        (
            "sub",
            json!("system:serviceaccount:Podgate:controller"),
            7_002_138,
        ),
    ] {
        let jwt = service_account().claim(claim, value.clone());
        let answer = send(&sim, &jwt.sign()).await;
        assert_eq!(
            (answer.status, answer.json()["error"].as_str()),
            (401, Some("invalid_client"))
        );
        let said = assert_code(&answer, code);
        for (name, kind) in [("iss", "issuer"), ("sub", "subject"), ("aud", "audience")] {
            let value = jwt.claims[name].as_str().or(jwt.claims[name][0].as_str());
            assert!(
                said.contains(&format!("{kind} '{}'", value.unwrap())),
                "{said}"
            );
        }
    }
}

#[tokio::test]
async fn issuer_subject_and_audience_must_be_of_one_credential() {
    let other = FederatedCredential {
        issuer: "https://other.example/".into(),
        subject: "system:serviceaccount:a:b".into(),
        ..trusted()
    };
    let sim = trusting(&[trusted(), other]).await;
    let jwt = service_account().claim("sub", json!("system:serviceaccount:a:b"));
    let said = assert_code(&send(&sim, &jwt.sign()).await, 70_021);
    assert!(
        said.contains(&format!(
            "Assertion Issuer: '{ISSUER}'. Assertion Subject: 'system:serviceaccount:a:b'. Assertion Audience: '{AUDIENCE}'."
        )),
        "{said}"
    );
    let none = trusting(&[]).await;
    let said = assert_code(&send(&none, &service_account().sign()).await, 70_025);
    assert!(said.contains(CLIENT), "{said}");
}

#[tokio::test]
async fn the_token_is_signed_with_a_key_of_the_issuer_and_is_in_its_time() {
    let sim = trusting(&[trusted()]).await;
    let stranger = || Assertion {
        key: key(pki::stranger()),
        ..service_account()
    };
    for (jwt, code, why) in [
        (
            service_account().header("kid", json!("k2")),
            7_000_272,
            "identifier k2",
        ),
        (
            service_account().header("kid", Value::Null),
            50_027,
            "kid is missing",
        ),
        (stranger(), 700_027, "verify the signature failed"),
        (
            service_account().header("alg", json!("PS256")),
            50_027,
            "RS256, not PS256",
        ),
        (
            service_account().header("alg", json!("none")),
            50_027,
            "RS256, not none",
        ),
        (
            service_account().header("typ", json!("at+jwt")),
            50_027,
            "typ is JWT or absent",
        ),
        (
            service_account().header("crit", json!(["x"])),
            50_027,
            "no crit",
        ),
        (
            service_account().claim("exp", json!(now() - 1)),
            700_024,
            "valid time range",
        ),
        (
            service_account().claim("nbf", json!(now() + 60)),
            700_024,
            "valid time range",
        ),
        (service_account().claim("sub", Value::Null), 50_027, "sub"),
        (
            service_account().claim("aud", json!([AUDIENCE, "x"])),
            50_027,
            "payload",
        ),
    ] {
        let said = assert_code(&send(&sim, &jwt.sign()).await, code);
        assert!(said.contains(why), "expected '{why}' in '{said}'");
    }
    let cut = service_account().sign();
    let (message, _) = cut.rsplit_once('.').unwrap();
    assert_code(&send(&sim, &format!("{message}.AAAA")).await, 700_027);
    assert_code(&send(&sim, message).await, 50_027);
}

#[tokio::test]
async fn an_assertion_of_the_application_s_own_is_checked_against_its_certificates_as_before() {
    let sim = trusting(&[trusted()]).await;
    let own = Assertion::v2(&sim, pki::self_signed()).sign();
    assert_eq!(send(&sim, &own).await.status, 200);
    assert_code(&send(&sim, &own).await, 50_027);
}

#[tokio::test]
async fn ad_fs_trusts_no_other_issuer_and_who_is_nobody_is_told_so() {
    let sim = trusting(&[trusted()]).await;
    sim.add_application(Application {
        tenant: "adfs".into(),
        ..federated(&[trusted()])
    });
    let path = "/adfs/oauth2/token";
    assert_code(
        &send_v1(&sim, path, &service_account().sign()).await,
        50_027,
    );
    sim.remove_application(TENANT, CLIENT);
    assert_code(&send(&sim, &service_account().sign()).await, 700_016);
}

#[tokio::test]
async fn the_resource_is_checked_after_the_token() {
    let sim = trusting(&[trusted()]).await;
    let proof = service_account().sign();
    let fields = with(
        without(v2_fields(), "client_secret"),
        "client_assertion_type",
        KIND,
    );
    let fields = with(fields, "client_assertion", &proof);
    let answer = post(&sim, &v2(), &with(fields, "scope", "vault/.default")).await;
    assert_code(&answer, 500_011);
}

#[test]
fn credentials_are_written_in_the_configuration_with_keys_or_with_where_they_are() {
    let yaml = format!(
        "applications:\n- tenant: t\n  client_id: c\n  federated_credentials:\n  - issuer: {ISSUER}\n    subject: '{SUBJECT}'\n\
         \x20   keys: {{given: {}}}\n  - issuer: {ISSUER}\n    subject: b\n    audience: x\n    keys: {{served: {{at: 'http://127.0.0.1:1'}}}}\n\
         \x20 - {{issuer: {ISSUER}, subject: d}}\n",
        serde_json::to_string(&keys()).unwrap()
    );
    let config = SimConfig::from_yaml(&yaml).unwrap();
    let all = &config.applications[0].federated_credentials;
    assert_eq!(all[0], trusted());
    let IssuerKeys::Served(served) = &all[1].keys else {
        panic!("{:?}", all[1]);
    };
    assert_eq!(
        (served.at.as_deref(), all[1].audience.as_str()),
        (Some("http://127.0.0.1:1"), "x")
    );
    assert_eq!(
        (&all[2].keys, all[2].audience.as_str()),
        (&IssuerKeys::default(), AUDIENCE)
    );
    assert!(SimConfig::from_yaml(&yaml.replace("subject: d", "subject: d, name: n")).is_err());
}

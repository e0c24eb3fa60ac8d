//! What an assertion says, and how it is signed.

use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD, URL_SAFE};
use jsonwebtoken::{Algorithm, EncodingKey};
use podgate_testkit::Application;
use podgate_testkit::pki;
use serde_json::{Value, json};

use super::builder::*;
use crate::setup::*;

#[tokio::test]
async fn microsofts_current_form_is_accepted_ps256_with_x5t_s256_for_ten_minutes() {
    let sim = sim().await;
    let answer = send(&sim, &Assertion::v2(&sim, pki::self_signed()).sign()).await;
    assert_eq!(answer.status, 200, "{}", answer.text());
    let claims = sim
        .verify(answer.json()["access_token"].as_str().unwrap())
        .unwrap();
    assert_eq!(
        (claims.appidacr.as_str(), claims.appid.as_str()),
        ("2", CLIENT)
    );
}

#[tokio::test]
async fn adals_form_is_accepted_at_v1_rs256_with_a_padded_x5t_for_a_day_and_the_query_in_aud() {
    let sim = sim().await;
    let path = format!("{}?api-version=1.0", v1());
    let jwt = Assertion::v1(&sim, pki::self_signed())
        .x5c(&[pki::self_signed().certificate()])
        .sign();
    let answer = send_v1(&sim, &path, &jwt).await;
    assert_eq!(answer.status, 200, "{}", answer.text());
    let bare = format!("{}{}", sim.entra_url(), &v1()[1..]);
    let answer = send_v1(
        &sim,
        &path,
        &Assertion::v1(&sim, pki::self_signed())
            .claim("aud", json!(bare))
            .sign(),
    )
    .await;
    assert_eq!(
        answer.status,
        200,
        "aud without the query: {}",
        answer.text()
    );
}

#[tokio::test]
async fn the_algorithm_is_one_of_two_and_signs_what_it_says() {
    let sim = sim().await;
    for alg in ["none", "HS256", "RS384", "ES256", "PS512", ""] {
        let jwt = Assertion::v2(&sim, pki::self_signed())
            .header("alg", json!(alg))
            .sign();
        assert_refused(&send(&sim, &jwt).await, 50_027, "alg is PS256 or RS256");
    }
    let mut other = Assertion::v2(&sim, pki::self_signed());
    other.algorithm = Algorithm::RS256;
    assert_refused(
        &send(&sim, &other.sign()).await,
        700_027,
        "use of the key to verify the signature failed",
    );
}

#[tokio::test]
async fn a_signature_of_another_key_or_of_another_text_is_refused() {
    let sim = sim().await;
    let mut forged = Assertion::v2(&sim, pki::self_signed());
    forged.key = EncodingKey::from_rsa_pem(pki::stranger().key_pem().as_bytes()).unwrap();
    assert_refused(
        &send(&sim, &forged.sign()).await,
        700_027,
        "invalid signature",
    );
    let first = Assertion::v2(&sim, pki::self_signed()).sign();
    let second = Assertion::v2(&sim, pki::self_signed()).sign();
    let mixed = format!(
        "{}.{}",
        first.rsplit_once('.').unwrap().0,
        second.rsplit_once('.').unwrap().1
    );
    assert_refused(&send(&sim, &mixed).await, 700_027, "invalid signature");
}

#[tokio::test]
async fn a_thumbprint_may_be_written_as_adal_and_msal_for_go_write_it() {
    let sim = sim().await;
    let own = pki::self_signed().certificate().thumbprint_sha256();
    for text in [STANDARD.encode(own), URL_SAFE.encode(own)] {
        let jwt = Assertion::v2(&sim, pki::self_signed()).header("x5t#S256", json!(text));
        assert_eq!(send(&sim, &jwt.sign()).await.status, 200, "{text}");
    }
}

#[tokio::test]
async fn the_thumbprints_are_there_and_agree_with_the_algorithm_and_with_one_another() {
    let sim = sim().await;
    let right = || Assertion::v2(&sim, pki::self_signed());
    let own = pki::self_signed().certificate();
    for (jwt, why) in [
        (
            right().header("x5t#S256", Value::Null),
            "PS256 goes with x5t#S256",
        ),
        (
            right()
                .header("x5t#S256", Value::Null)
                .header("x5t", json!(x5t(own))),
            "PS256 goes with x5t#S256",
        ),
        (
            right().header("x5t#S256", json!(x5t(own))),
            "x5t is the SHA-1",
        ),
        (
            right().header("x5t#S256", json!(format!("{}!", x5t_s256(own)))),
            "unpadded base64url",
        ),
        (
            right().header("x5t#S256", json!(format!("{}A", x5t_s256(own)))),
            "the SHA-256 of the certificate",
        ),
        (right().header("typ", Value::Null), "typ is JWT"),
        (right().header("crit", json!(["exp"])), "crit"),
    ] {
        assert_refused(&send(&sim, &jwt.sign()).await, 50_027, why);
    }
    let two = right().header("x5t", json!(x5t(pki::stranger().certificate())));
    assert_refused(
        &send(&sim, &two.sign()).await,
        700_027,
        "The key was not found.",
    );
    let both = right().header("x5t", json!(x5t(own)));
    assert_eq!(send(&sim, &both.sign()).await.status, 200);
    let mut rs256 = right()
        .header("alg", json!("RS256"))
        .header("x5t#S256", Value::Null);
    rs256.algorithm = Algorithm::RS256;
    assert_refused(
        &send(&sim, &rs256.sign()).await,
        50_027,
        "neither x5t nor x5t#S256",
    );
}

#[tokio::test]
async fn the_audience_is_the_endpoint_that_was_called() {
    let sim = sim().await;
    let base = sim.entra_url();
    for aud in [
        base.clone(),
        format!("{base}{TENANT}/oauth2/token"),
        format!("{base}{TENANT}/oauth2/v2.0/token/"),
        format!("{base}common/oauth2/v2.0/token"),
        format!("https://login.microsoftonline.com{}", v2()),
        "api://AzureADTokenExchange".into(),
    ] {
        let jwt = Assertion::v2(&sim, pki::self_signed())
            .claim("aud", json!(aud))
            .sign();
        assert_refused(
            &send(&sim, &jwt).await,
            700_023,
            "audience claim does not match",
        );
    }
}

#[tokio::test]
async fn issuer_and_subject_are_the_client() {
    let sim = sim().await;
    for claim in ["iss", "sub"] {
        let jwt = Assertion::v2(&sim, pki::self_signed())
            .claim(claim, json!("somebody"))
            .sign();
        assert_refused(
            &send(&sim, &jwt).await,
            700_021,
            "doesn't match 'client_id' parameter",
        );
    }
}

#[tokio::test]
async fn an_assertion_is_valid_now_and_not_for_long() {
    let sim = sim().await;
    let right = || Assertion::v2(&sim, pki::self_signed());
    for (jwt, why) in [
        (
            right()
                .claim("exp", json!(now() - 1))
                .claim("nbf", json!(now() - 300)),
            "not within its valid time range",
        ),
        (
            right().claim("nbf", json!(now() + 60)),
            "not within its valid time range",
        ),
        (
            right().claim("iat", json!(now() + 60)),
            "not within its valid time range",
        ),
        (
            right().claim("exp", json!(now() + 700)),
            "azure-sim: it may live 600 seconds",
        ),
    ] {
        assert_refused(&send(&sim, &jwt.sign()).await, 700_024, why);
    }
    let timeless = right().claim("nbf", Value::Null).claim("iat", Value::Null);
    assert_refused(
        &send(&sim, &timeless.sign()).await,
        50_027,
        "neither nbf nor iat",
    );
    // MSAL Python sends iat only.
    assert_eq!(
        send(&sim, &right().claim("nbf", Value::Null).sign())
            .await
            .status,
        200
    );
    // MSAL Python sends fractions of seconds.
    let fractions = right()
        .claim("iat", json!(now() as f64 - 0.25))
        .claim("nbf", Value::Null)
        .claim("exp", json!(now() as f64 + 599.75));
    assert_eq!(send(&sim, &fractions.sign()).await.status, 200);
    let long = Assertion::v1(&sim, pki::self_signed())
        .claim("exp", json!(now() + 90_000))
        .sign();
    let answer = send_v1(&sim, &format!("{}?api-version=1.0", v1()), &long).await;
    assert_refused(&answer, 700_024, "azure-sim: it may live 86400 seconds");
}

#[tokio::test]
async fn an_assertion_counts_once() {
    let sim = sim().await;
    let jwt = Assertion::v2(&sim, pki::self_signed()).sign();
    assert_eq!(send(&sim, &jwt).await.status, 200);
    assert_refused(&send(&sim, &jwt).await, 50_027, "this jti was used before");
    for jti in [Value::Null, json!("")] {
        let jwt = Assertion::v2(&sim, pki::self_signed())
            .claim("jti", jti)
            .sign();
        assert_refused(&send(&sim, &jwt).await, 50_027, "jti is missing");
    }
}

#[tokio::test]
async fn what_is_no_jwt_is_refused() {
    let sim = sim().await;
    let right = Assertion::v2(&sim, pki::self_signed()).sign();
    for jwt in [
        "",
        "x",
        "a.b",
        "a.b.c",
        &format!("{right}="),
        &format!("{right}.x"),
        &right[1..],
    ] {
        assert_refused(
            &send(&sim, jwt).await,
            50_027,
            "JWT token is invalid or malformed",
        );
    }
    let fields = with(
        without(v2_fields(), "client_secret"),
        "client_assertion_type",
        "jwt",
    );
    let answer = post(&sim, &v2(), &with(fields, "client_assertion", &right)).await;
    assert_oauth(
        &answer,
        400,
        "invalid_request",
        "client_assertion_type is urn:ietf",
    );
}

#[tokio::test]
async fn ad_fs_knows_rs256_with_x5t_only() {
    let sim = sim().await;
    sim.add_application(Application {
        tenant: "adfs".into(),
        ..application()
    });
    let path = "/adfs/oauth2/token?api-version=1.0";
    let aud = json!(format!("{}adfs/oauth2/token", sim.entra_url()));
    let right = || {
        Assertion::v1(&sim, pki::self_signed())
            .claim("aud", aud.clone())
            .claim("exp", json!(now() + 600))
    };
    assert_eq!(send_v1(&sim, path, &right().sign()).await.status, 200);
    let modern = Assertion::v2(&sim, pki::self_signed()).claim("aud", aud.clone());
    assert_refused(
        &send_v1(&sim, path, &modern.sign()).await,
        50_027,
        "AD FS knows RS256 only",
    );
    let sha256 = json!(x5t_s256(pki::self_signed().certificate()));
    let no_x5t = right()
        .header("x5t", Value::Null)
        .header("x5t#S256", sha256);
    assert_refused(
        &send_v1(&sim, path, &no_x5t.sign()).await,
        50_027,
        "AD FS needs x5t",
    );
}

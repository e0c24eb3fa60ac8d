//! Which certificates speak for an application.

use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD};
use podgate_testkit::pki;
use podgate_testkit::{Application, TrustedIssuer};
use serde_json::json;

use super::builder::*;
use crate::setup::*;

#[tokio::test]
async fn a_certificate_nobody_registered_is_not_found() {
    let sim = sim().await;
    let answer = send(&sim, &Assertion::v2(&sim, pki::stranger()).sign()).await;
    assert_refused(
        &answer,
        700_027,
        "[Reason - The key was not found., Thumbprint of key used by client: '",
    );
    let jwt = Assertion::v2(&sim, pki::stranger())
        .x5c(&[pki::stranger().certificate()])
        .sign();
    assert_refused(&send(&sim, &jwt).await, 700_027, "The key was not found.");
}

#[tokio::test]
async fn a_registered_certificate_that_expired_is_refused() {
    let sim = sim().await;
    let certificates = vec![pki::expired().certificate().clone()];
    sim.add_application(Application {
        certificates,
        ..application()
    });
    let answer = send(&sim, &Assertion::v2(&sim, pki::expired()).sign()).await;
    assert_refused(&answer, 700_027, "[Reason - The key used is expired.");
}

#[tokio::test]
async fn a_chain_from_a_trusted_issuer_speaks_for_the_application_that_has_the_subjects_name() {
    let sim = sim().await;
    let issued = pki::issued();
    let [middle, root] = issued.issuers() else {
        panic!("leaf, intermediate, root")
    };
    sim.add_application(by_name(root));
    for chain in [
        vec![issued.certificate(), middle, root],
        vec![issued.certificate(), middle],
    ] {
        let answer = send(&sim, &Assertion::v2(&sim, issued).x5c(&chain).sign()).await;
        assert_eq!(answer.status, 200, "{}", answer.text());
    }
}

#[tokio::test]
async fn a_chain_is_in_order_complete_der_and_begins_with_the_signer() {
    let sim = sim().await;
    let issued = pki::issued();
    let [middle, root] = issued.issuers() else {
        panic!("leaf, intermediate, root")
    };
    sim.add_application(by_name(root));
    let right = || Assertion::v2(&sim, issued);
    let pem = STANDARD.encode(issued.certificate().pem());
    let url_safe = URL_SAFE_NO_PAD.encode(issued.certificate().der());
    for (jwt, code, why) in [
        (right(), 700_027, "The key was not found."),
        (
            right().x5c(&[middle, issued.certificate(), root]),
            50_027,
            "not in order",
        ),
        (
            right().x5c(&[middle, root]),
            50_027,
            "is not the one that x5t names",
        ),
        (
            right().x5c(&[issued.certificate()]),
            700_027,
            "No trusted issuer",
        ),
        (right().header("x5c", json!([])), 50_027, "x5c is a list"),
        (
            right().header("x5c", json!([pem])),
            50_027,
            "expected an X.509 certificate in DER",
        ),
        (
            right().header("x5c", json!([url_safe])),
            50_027,
            "not base64",
        ),
        (right().header("x5c", json!([7])), 50_027, "not a string"),
    ] {
        assert_refused(&send(&sim, &jwt.sign()).await, code, why);
    }
}

#[tokio::test]
async fn a_chain_from_somebody_else_or_for_somebody_else_is_refused() {
    let sim = sim().await;
    let issued = pki::issued();
    let [middle, root] = issued.issuers() else {
        panic!("leaf, intermediate, root")
    };
    let jwt = || {
        Assertion::v2(&sim, issued)
            .x5c(&[issued.certificate(), middle, root])
            .sign()
    };
    sim.add_application(by_name(pki::stranger().certificate()));
    assert_refused(&send(&sim, &jwt()).await, 700_027, "No trusted issuer");
    let trusted_issuers = vec![TrustedIssuer {
        subject_name: "other.example".into(),
        authority: root.clone(),
    }];
    sim.add_application(Application {
        trusted_issuers,
        ..by_name(root)
    });
    assert_refused(
        &send(&sim, &jwt()).await,
        700_030,
        &format!("are: {}.", pki::SUBJECT_NAME),
    );
}

#[tokio::test]
async fn one_certificate_may_come_as_a_string_as_net_sends_it() {
    let sim = sim().await;
    let own = pki::self_signed().certificate();
    let jwt = Assertion::v2(&sim, pki::self_signed())
        .header("x5c", json!(STANDARD.encode(own.der())))
        .sign();
    assert_eq!(send(&sim, &jwt).await.status, 200);
}

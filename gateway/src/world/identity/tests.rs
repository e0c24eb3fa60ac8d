use serde_json::{Value, json};

use super::*;
use crate::world::testing::rules;

fn parsed(kind: i64, secret: Value) -> Result<Identity, String> {
    let mut wire = json!({
        "apiVersion": "aadpodidentity.k8s.io/v1", "kind": "AzureIdentity",
        "metadata": {"name": "ledger", "namespace": "shop", "uid": "u"},
        "spec": {"type": kind, "clientID": "44444444-4444-4444-8444-444444444444",
            "tenantID": "99999999-9999-4999-8999-999999999999"}});
    if !secret.is_null() {
        wire["spec"]["clientPassword"] = secret;
    }
    let wire: AzureIdentity = serde_json::from_value(wire).unwrap();
    Identity::parse(&wire, &rules()).map_err(|error| error.problem)
}

#[test]
fn a_certificate_identity_that_names_no_secret_is_a_federated_one() {
    for nothing in [Value::Null, json!({}), json!({"name": "", "namespace": ""})] {
        let identity = parsed(2, nothing).unwrap();
        assert!(matches!(identity.way, Way::Federated(_)), "{identity:?}");
        assert_eq!(identity.secret(), None);
        assert!(identity.client_id().is_some());
    }
    let with_secret = parsed(2, json!({"name": "ledger-certificate"})).unwrap();
    assert!(matches!(with_secret.way, Way::Certificate(_)));
    let federated = parsed(2, Value::Null).unwrap();
    assert_ne!(
        with_secret.edition, federated.edition,
        "no token of one is the other's"
    );
}

#[test]
fn half_a_reference_and_a_client_secret_that_is_missing_are_mistakes() {
    for (kind, secret) in [
        (2, json!({"namespace": "shop"})),
        (1, Value::Null),
        (1, json!({})),
    ] {
        let problem = parsed(kind, secret).unwrap_err();
        assert!(
            problem.starts_with("spec.clientPassword.name: missing"),
            "{problem}"
        );
    }
}

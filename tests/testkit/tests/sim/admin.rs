//! The admin API does what the library does.

use podgate_testkit::{Answer, AzureSim, Call};
use serde_json::{Value, json};

use crate::setup::*;

async fn admin(sim: &AzureSim, method: &str, path: &str, body: &Value) -> Answer {
    let body = if body.is_null() {
        String::new()
    } else {
        body.to_string()
    };
    imds(sim)
        .request(method, &format!("/admin{path}"), &[], body.as_bytes())
        .await
        .unwrap()
}

#[tokio::test]
async fn calls_are_read_and_forgotten() {
    let sim = sim().await;
    ask_imds(&sim, ASK).await;
    let calls: Vec<Call> =
        serde_json::from_value(admin(&sim, "GET", "/calls", &Value::Null).await.json()).unwrap();
    assert_eq!(calls, sim.calls());
    assert_eq!(calls.len(), 1, "the admin's own are not on record");
    assert_eq!(
        admin(&sim, "DELETE", "/calls", &Value::Null).await.status,
        204
    );
    assert!(sim.calls().is_empty());
}

#[tokio::test]
async fn every_kind_of_fault_can_be_written_and_is_read_back() {
    let sim = sim().await;
    let kinds = json!([
        {"status": {"code": 429, "body": "{}", "retry_after": "3"}}, {"status": {"code": 410}},
        {"aadsts": {"code": 7_000_214}}, {"latency": {"ms": 1}}, {"down": {"ms": 70_000}}, {"huge": {"bytes": 9}},
        {"operation_fails": {"code": "c", "message": "m", "adds": 1}}, {"poll_url": {"url": "u"}},
        "hang", "reset", "garbage", "truncated", "cut",
    ]);
    let script = kinds.as_array().unwrap().iter().map(|kind| {
        json!({"target": "imds", "client_id": "c", "resource": "r", "method": "GET", "times": 2, "kind": kind})
    });
    let script = Value::from(script.collect::<Vec<_>>());
    assert_eq!(admin(&sim, "PUT", "/faults", &script).await.status, 204);
    assert_eq!(
        admin(&sim, "GET", "/faults", &Value::Null).await.json(),
        script
    );
    let one = json!({"target": "entra", "kind": "hang", "times": "forever"});
    assert_eq!(admin(&sim, "POST", "/faults", &one).await.status, 204);
    assert_eq!(sim.pending_faults().len(), 14);
    assert_eq!(admin(&sim, "PUT", "/faults", &one).await.status, 204);
    assert_eq!(
        admin(&sim, "GET", "/faults", &Value::Null).await.json(),
        json!([one])
    );
    assert_eq!(
        admin(&sim, "DELETE", "/faults", &Value::Null).await.status,
        204
    );
    assert!(sim.pending_faults().is_empty());
}

#[tokio::test]
async fn identities_and_applications_are_replaced() {
    let sim = sim().await;
    let identities = json!([{"client_id": "c", "object_id": "o"}]);
    assert_eq!(
        admin(&sim, "PUT", "/identities", &identities).await.status,
        204
    );
    assert_eq!(ask_imds(&sim, ASK).await.json()["client_id"], "c");
    assert_eq!(
        admin(&sim, "GET", "/identities", &Value::Null).await.json()[0]["object_id"],
        "o"
    );
    let applications = json!([{"tenant": TENANT, "client_id": CLIENT, "secrets": ["new"]}]);
    assert_eq!(
        admin(&sim, "PUT", "/applications", &applications)
            .await
            .status,
        204
    );
    assert_eq!(post(&sim, &v2(), &v2_fields()).await.status, 401);
    assert_eq!(
        post(&sim, &v2(), &with(v2_fields(), "client_secret", "new"))
            .await
            .status,
        200
    );
}

#[tokio::test]
async fn the_lifetime_the_limits_the_addresses_and_the_ca_are_there() {
    let sim = sim().await;
    assert_eq!(
        admin(&sim, "PUT", "/token-lifetime", &json!({"seconds": 120}))
            .await
            .status,
        204
    );
    assert_eq!(ask_imds(&sim, ASK).await.json()["expires_in"], "120");
    let limits = admin(&sim, "GET", "/limits", &Value::Null).await.json();
    assert_eq!(limits["identity_peak_per_second"], 1);
    assert_eq!(
        admin(&sim, "GET", "", &Value::Null).await.json(),
        sim.addresses()
    );
    assert_eq!(
        admin(&sim, "GET", "/ca.pem", &Value::Null).await.text(),
        sim.ca_pem()
    );
}

#[tokio::test]
async fn what_the_admin_api_does_not_take_it_names() {
    let sim = sim().await;
    for (method, path, body, why) in [
        (
            "PUT",
            "/faults",
            json!({"target": "dns", "kind": "hang"}),
            "/admin/faults",
        ),
        (
            "PUT",
            "/identities",
            json!([{"client_id": "c", "object_id": "o", "name": "x"}]),
            "unknown field `name`",
        ),
        (
            "PUT",
            "/applications",
            json!([{"tenant": "t", "client_id": "c", "certificates": ["x"]}]),
            "PEM",
        ),
        ("PUT", "/calls", Value::Null, "no PUT /admin/calls"),
    ] {
        let answer = admin(&sim, method, path, &body).await;
        let said = answer.json()["error"].as_str().unwrap().to_owned();
        assert!(answer.status >= 400 && said.contains(why), "{said}");
    }
    assert!(sim.pending_faults().is_empty());
}

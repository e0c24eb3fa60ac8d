//! Misbehaving credential plugins: identities of type 2 get a refusal that says so, all others their tokens.

use std::time::{Duration, Instant};

use podgate_e2e::demo;
use podgate_e2e::stage::Stage;
use podgate_testkit::{Fault, FaultKind, Target, fixtures};
use serde_json::{Value, json};
use tokio::net::TcpListener;

use crate::chain::{
    ADDON, Chain, LEDGER, WEB, WORKER, described, expect_token, only, outcomes, vault, with,
};
use crate::guests::{CREDENTIAL, guest};

/// Calls in these tests; the default of 15 s is for authorities across the world.
const CALL: Duration = Duration::from_millis(800);
/// Added to a call's time for everything around it, on a busy machine.
const ROOM: Duration = Duration::from_secs(5);

fn credential(settings: Value) -> Value {
    let call = format!("{}ms", CALL.as_millis());
    with(
        guest(CREDENTIAL, settings),
        json!({"grants": {"clock": true}, "limits": {"call": call, "cpu": "50ms"}}),
    )
}

async fn staged(settings: Value) -> Stage {
    Chain::built_in()
        .credential(credential(settings))
        .stage()
        .await
        .unwrap()
}

/// A pod of type 2 asks; what it is told has no secret and comes in time.
async fn refusal(stage: &Stage, status: u16) -> String {
    let asked = Instant::now();
    let answer = stage.token(LEDGER, &vault()).await.unwrap();
    assert!(asked.elapsed() < CALL + ROOM, "{:?}", asked.elapsed());
    let text = answer.text();
    assert_eq!(answer.status, status, "{text}");
    assert_eq!(
        answer.header("retry-after").is_some(),
        status == 503,
        "{text}"
    );
    for secret in [fixtures::PASSWORD, "a.b.c", "xxxxxxxxxx", "PRIVATE KEY"] {
        assert!(!text.contains(secret), "{secret} shows: {text}");
    }
    described(&answer)
}

async fn others_are_served(stage: &Stage) {
    for (pod, client_id) in [
        (WEB, demo::WEB),
        (WORKER, demo::WORKER),
        (ADDON, demo::NODE),
    ] {
        expect_token(stage, pod, client_id).await;
    }
}

#[tokio::test]
async fn a_credential_plugin_that_answers_is_the_way_to_tokens() {
    let stage = staged(json!({"mode": "token"})).await;
    let answer = stage.token(LEDGER, &vault()).await.unwrap();
    assert_eq!(
        (answer.status, &answer.json()["access_token"]),
        (200, &json!("a.b.c"))
    );
    assert_eq!(outcomes(&stage).await, only("ok", 1));
}

#[tokio::test]
async fn a_credential_plugin_that_fails_refuses_its_own_pods_alone() {
    for (mode, outcome) in [
        ("loop", "cpu"),
        ("panic", "trap"),
        ("huge", "oversized"),
        ("babble", "oversized"),
    ] {
        let stage = staged(json!({"mode": mode})).await;
        let description = refusal(&stage, 503).await;
        assert!(
            description.contains("credential plugin guest failed"),
            "{mode}: {description}"
        );
        let counted = outcomes(&stage).await;
        // Where a busy machine gives a loop no processor, it ends with its call's time.
        let starved = mode == "loop" && counted == only("timeout", 1);
        assert!(
            counted == only(outcome, 1) || starved,
            "{mode}: {counted:?}"
        );
        others_are_served(&stage).await;
    }
}

#[tokio::test]
async fn a_handle_that_was_not_given_signs_nothing() {
    let stage = staged(json!({"mode": "stolen-handle"})).await;
    let description = refusal(&stage, 503).await;
    assert!(
        description.contains("credential plugin guest failed"),
        "{description}"
    );
    let seen = outcomes(&stage).await;
    assert!(!seen.contains_key("ok"), "{seen:?}");
    others_are_served(&stage).await;
}

#[tokio::test]
async fn a_token_that_has_ended_is_not_passed_on() {
    let stage = staged(json!({"mode": "past-expiry"})).await;
    let description = refusal(&stage, 503).await;
    assert!(description.contains("has ended already"), "{description}");
    others_are_served(&stage).await;
}

#[tokio::test]
async fn a_host_or_a_header_that_was_not_granted_is_not_sent() {
    let stage = staged(json!({"mode": "forbidden-host"})).await;
    let description = refusal(&stage, 403).await;
    assert!(
        description.contains("not_granted") && description.contains("forbidden.example"),
        "{description}"
    );
    others_are_served(&stage).await;

    let stage = staged(json!({"mode": "forbidden-header"})).await;
    let description = refusal(&stage, 403).await;
    assert!(description.contains("invalid"), "{description}");
    assert!(stage.sim.calls_to(Target::Entra).is_empty());

    let imds = json!({"mode": "forbidden-host", "url": "http://169.254.169.254/metadata/identity/oauth2/token"});
    refusal(&staged(imds).await, 403).await;
}

#[tokio::test]
async fn a_server_that_never_answers_ends_the_call_in_the_plugins_own_words() {
    let silent = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = silent.local_addr().unwrap().to_string();
    let plugin = with(
        credential(json!({"mode": "hang-in-http", "url": format!("https://{address}/")})),
        json!({"grants": {"clock": true, "http": [address]}}),
    );
    let stage = Chain::built_in().credential(plugin).stage().await.unwrap();
    let description = refusal(&stage, 503).await;
    assert!(description.contains("timeout"), "{description}");
    assert_eq!(outcomes(&stage).await, only("ok", 1));
    others_are_served(&stage).await;
}

#[tokio::test]
async fn an_entra_that_hangs_costs_the_pod_a_bounded_wait_and_nobody_else_anything() {
    let limits =
        json!({"limits": {"call": format!("{}ms", CALL.as_millis())}, "grants": {"clock": true}});
    let auth = with(
        json!({"name": "guest", "component": {"builtin": "certificate-auth"}}),
        limits,
    );
    let stage = Chain::built_in().credential(auth).stage().await.unwrap();
    stage
        .sim
        .fail(Fault::new(Target::Entra, FaultKind::Hang).for_client(demo::LEDGER));
    refusal(&stage, 503).await;
    assert_eq!(outcomes(&stage).await, only("ok", 1));
    others_are_served(&stage).await;
    stage.sim.recover();
    let deadline = Instant::now() + ROOM;
    while stage.token(LEDGER, &vault()).await.unwrap().status != 200 {
        assert!(Instant::now() < deadline, "it does not recover");
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
}

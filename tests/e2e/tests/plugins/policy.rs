//! Misbehaving policies: their failure mode alone says what becomes of a request.

use podgate_e2e::demo;
use serde_json::{Value, json};

use crate::chain::{
    ADDON, Chain, LEDGER, WEB, WORKER, described, expect_token, only, outcomes, vault, with,
};
use crate::guests::{POLICY, WASI, guest};

/// Each mode with the outcome its call is counted as.
const MISDEEDS: [(&str, &str); 6] = [
    ("loop", "cpu"),
    ("allocate", "memory"),
    ("recurse", "trap"),
    ("panic", "trap"),
    ("huge", "oversized"),
    ("bypass", "bypass_not_granted"),
];

/// The misbehaving policy; its imports do not depend on its mode, so it has the clock in each.
pub(crate) fn policy(mode: &str, on_failure: &str) -> Value {
    // So long that a busy machine ends no loop before its processor time is used up.
    let limits = json!({"cpu": "50ms", "call": "20s"});
    let more = json!({"grants": {"clock": true}, "onFailure": on_failure, "limits": limits});
    with(guest(POLICY, json!({"mode": mode})), more)
}

#[tokio::test]
async fn a_misbehaving_policy_denies_and_the_pod_learns_which_one_it_was() {
    for (mode, outcome) in MISDEEDS {
        let stage = Chain::built_in()
            .first(policy(mode, "deny"))
            .stage()
            .await
            .unwrap();
        let answer = stage.token(WEB, &vault()).await.unwrap();
        // What took too long may not do so again, which every SDK finds out by itself.
        let status = if mode == "loop" { 503 } else { 403 };
        assert_eq!(answer.status, status, "{mode}: {}", answer.text());
        let description = described(&answer);
        assert!(
            description.contains("policy guest failed"),
            "{mode}: {description}"
        );
        assert_eq!(outcomes(&stage).await, only(outcome, 1), "{mode}");
        assert!(
            stage.sim.calls().is_empty(),
            "{mode}: an authority was asked for a denied pod"
        );
    }
}

#[tokio::test]
async fn deny_is_what_a_failure_means_when_nobody_says() {
    let silent = with(
        guest(POLICY, json!({"mode": "panic"})),
        json!({"grants": {"clock": true}}),
    );
    let stage = Chain::built_in().first(silent).stage().await.unwrap();
    assert_eq!(stage.token(WEB, &vault()).await.unwrap().status, 403);
}

#[tokio::test]
async fn a_misbehaving_policy_that_is_skipped_leaves_every_pod_what_the_healthy_chain_gives_it() {
    for (mode, outcome) in MISDEEDS {
        let stage = Chain::built_in()
            .first(policy(mode, "skip"))
            .stage()
            .await
            .unwrap();
        for (pod, client_id) in [
            (WEB, demo::WEB),
            (WORKER, demo::WORKER),
            (ADDON, demo::NODE),
        ] {
            expect_token(&stage, pod, client_id).await;
        }
        assert_eq!(outcomes(&stage).await, only(outcome, 3), "{mode}");
    }
}

#[tokio::test]
async fn a_policy_that_fails_again_and_again_is_not_asked_for_a_while() {
    let stage = Chain::built_in()
        .first(policy("loop", "skip"))
        .stage()
        .await
        .unwrap();
    for _ in 0..10 {
        expect_token(&stage, WEB, demo::WEB).await;
    }
    let seen = outcomes(&stage).await;
    assert!(seen["suspended"] >= 3, "{seen:?}");
}

#[tokio::test]
async fn a_policy_that_floods_the_log_still_decides() {
    let more = json!({"grants": {"clock": true}});
    let flood = with(guest(POLICY, json!({"mode": "flood", "lines": 500})), more);
    let stage = Chain::built_in().first(flood).stage().await.unwrap();
    expect_token(&stage, WEB, demo::WEB).await;
    assert_eq!(outcomes(&stage).await, only("ok", 1));
}

#[tokio::test]
async fn what_a_policy_may_do_it_can_do() {
    let stage = Chain::built_in()
        .first(policy("clock", "deny"))
        .stage()
        .await
        .unwrap();
    let answer = stage.token(WEB, &vault()).await.unwrap();
    let reason = described(&answer).replace("denied by policy guest: ", "");
    assert!(
        reason.parse::<u64>().is_ok_and(|now| now > 1_700_000_000),
        "{reason}"
    );
    let granted = json!({"grants": {"clock": true, "bypass": true}});
    let bypass = with(guest(POLICY, json!({"mode": "bypass"})), granted);
    let stage = Chain::built_in().first(bypass).stage().await.unwrap();
    expect_token(&stage, WEB, demo::NODE).await;
}

#[tokio::test]
async fn a_restriction_leaves_nobody_more_than_their_binding_gives() {
    let to = |ids: Value| {
        let settings = json!({"mode": "restrict", "clientIds": ids});
        with(guest(POLICY, settings), json!({"grants": {"clock": true}}))
    };
    let stage = Chain::built_in()
        .last(to(json!([demo::WEB, demo::NODE])))
        .stage()
        .await
        .unwrap();
    expect_token(&stage, WEB, demo::WEB).await;
    let ledger = stage.token(LEDGER, &vault()).await.unwrap();
    assert!([400, 403].contains(&ledger.status), "{}", ledger.text());
    let nobody = Chain::built_in().last(to(json!([]))).stage().await.unwrap();
    let answer = nobody.token(WEB, &vault()).await.unwrap();
    assert_eq!(answer.status, 403, "{}", answer.text());
    assert!(
        described(&answer).contains("policy guest"),
        "{}",
        answer.text()
    );
}

#[tokio::test]
async fn a_policy_for_wasi_runs_and_finds_nothing_of_the_node() {
    let stage = Chain::built_in()
        .first(guest(WASI, json!({})))
        .stage()
        .await
        .unwrap();
    expect_token(&stage, WEB, demo::WEB).await;
    let blocked = "apiVersion: v1\nkind: Pod\nmetadata: { name: blocked, namespace: shop, labels: { aadpodidbinding: web, team: blocked } }\n\
                   status: { podIP: 127.0.0.8 }\n";
    stage.apply("blocked.yaml", blocked).unwrap();
    let answer = stage.token("127.0.0.8", &vault()).await.unwrap();
    assert_eq!(
        (answer.status, described(&answer).as_str()),
        (403, "denied by policy guest: the team is blocked")
    );
    assert_eq!(outcomes(&stage).await, only("ok", 2));

    let curious = guest(WASI, json!({"mode": "look-around"}));
    let stage = Chain::built_in().first(curious).stage().await.unwrap();
    let answer = stage.token(WEB, &vault()).await.unwrap();
    assert_eq!(described(&answer), "denied by policy guest: nothing");

    let stage = Chain::built_in()
        .first(guest(WASI, json!({"mode": "panic"})))
        .stage()
        .await
        .unwrap();
    assert_eq!(stage.token(WEB, &vault()).await.unwrap().status, 403);
    assert_eq!(outcomes(&stage).await, only("trap", 1));
}

#[tokio::test]
async fn what_a_failed_policy_did_not_say_is_not_remembered() {
    // A pure policy, whose verdicts are remembered, with less memory than its question takes.
    let cramped = json!({
        "name": "guest",
        "component": {"builtin": "exception-matcher"},
        "limits": {"memoryMiB": 1},
        "onFailure": "skip",
    });
    let stage = Chain::built_in().first(cramped).stage().await.unwrap();
    let labels: serde_json::Map<String, Value> = (0..32)
        .map(|number| (format!("label{number}"), Value::from("x".repeat(1 << 16))))
        .collect();
    let exception = json!({
        "apiVersion": "aadpodidentity.k8s.io/v1",
        "kind": "AzurePodIdentityException",
        "metadata": {"name": "long", "namespace": "shop"},
        "spec": {"podLabels": labels},
    });
    stage.apply("long.yaml", &exception.to_string()).unwrap();
    let deadline = std::time::Instant::now() + std::time::Duration::from_secs(10);
    while !outcomes(&stage).await.contains_key("memory") {
        expect_token(&stage, WEB, demo::WEB).await;
        assert!(std::time::Instant::now() < deadline, "it does not fail");
    }
    let failures = |seen: &std::collections::BTreeMap<String, u64>| {
        seen.iter()
            .filter(|(outcome, _)| *outcome != "ok")
            .map(|(_, count)| count)
            .sum::<u64>()
    };
    let before = failures(&outcomes(&stage).await);
    for _ in 0..5 {
        expect_token(&stage, WEB, demo::WEB).await;
    }
    assert_eq!(
        failures(&outcomes(&stage).await),
        before + 5,
        "it was not asked again"
    );
}

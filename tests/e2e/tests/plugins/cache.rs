//! Misbehaving cache plugins: they cost nobody a token, and nobody gets one past its end.

use std::time::{Duration, SystemTime};

use podgate_e2e::demo;
use podgate_e2e::stage::{Stage, VAULT};
use podgate_testkit::SimConfig;
use serde_json::{Value, json};

use crate::chain::{
    ADDON, Chain, LEDGER, REPORTS, WEB, WORKER, expect_token, outcomes, vault, with,
};
use crate::guests::{CACHE, guest};

/// Long enough for an exchange, short enough to see it end.
const LIFETIME: Duration = Duration::from_secs(3);

/// So short that tokens outlive a loop's calls, and so long that a busy machine ends none before its processor time is used up.
fn cache(settings: Value) -> Value {
    let limits = json!({"cpu": "20ms", "call": "20s"});
    with(guest(CACHE, settings), json!({"limits": limits}))
}

async fn staged(settings: Value) -> Stage {
    Chain::built_in()
        .cache(cache(settings))
        .stage()
        .await
        .unwrap()
}

fn now() -> u64 {
    SystemTime::UNIX_EPOCH.elapsed().unwrap().as_secs()
}

#[tokio::test]
async fn whatever_a_cache_plugin_does_every_pod_is_served_its_own_token() {
    for (mode, outcome) in [
        ("plain", "ok"),
        ("no-key", "ok"),
        ("long-key", "oversized"),
        ("hostile-key", "ok"),
        ("same-key", "ok"),
        ("past", "ok"),
        ("beyond-expiry", "ok"),
        ("forever", "ok"),
        ("backwards", "ok"),
        ("loop", "cpu"),
        ("panic", "trap"),
    ] {
        let stage = staged(json!({"mode": mode})).await;
        for _ in 0..2 {
            for (pod, client_id) in [
                (WEB, demo::WEB),
                (WORKER, demo::WORKER),
                (LEDGER, demo::LEDGER),
                (ADDON, demo::NODE),
            ] {
                expect_token(&stage, pod, client_id).await;
            }
        }
        let seen = outcomes(&stage).await;
        assert!(seen.contains_key(outcome), "{mode}: {seen:?}");
    }
}

#[tokio::test]
async fn one_key_for_all_joins_no_two_identities() {
    let stage = staged(json!({"mode": "same-key"})).await;
    for client_id in [demo::WEB, demo::ARCHIVE, demo::WEB, demo::ARCHIVE] {
        let query = format!("{}&client_id={client_id}", vault());
        let answer = stage.token(REPORTS, &query).await.unwrap();
        assert_eq!(stage.claims(&answer).unwrap().appid, client_id);
    }
}

#[tokio::test]
async fn a_failing_cache_plugin_does_not_end_caching() {
    for mode in ["loop", "panic", "long-key", "forever"] {
        let stage = staged(json!({"mode": mode})).await;
        let first = stage.token(WEB, &vault()).await.unwrap().json();
        stage.sim.clear_calls();
        let second = stage.token(WEB, &vault()).await.unwrap().json();
        assert_eq!(first["access_token"], second["access_token"], "{mode}");
        assert!(stage.sim.calls().is_empty(), "{mode}");
    }
}

#[tokio::test]
async fn tokens_that_are_not_to_be_kept_are_got_anew() {
    for mode in ["no-key", "past", "backwards"] {
        let stage = staged(json!({"mode": mode})).await;
        let first = stage.token(WEB, &vault()).await.unwrap().json();
        let second = stage.token(WEB, &vault()).await.unwrap().json();
        assert_ne!(first["access_token"], second["access_token"], "{mode}");
    }
}

#[tokio::test]
async fn no_plan_makes_a_token_last_longer_than_it_does() {
    let mut plans = tokio::task::JoinSet::new();
    for mode in ["beyond-expiry", "forever", "loop", "panic", "long-key"] {
        plans.spawn(watch_tokens_end(mode));
    }
    plans.join_all().await;
}

/// Asks for longer than a token lives: each answer is valid when it comes, by its own word and by the issuer's.
async fn watch_tokens_end(mode: &str) {
    let directory = SimConfig {
        token_lifetime: LIFETIME,
        ..demo::directory().unwrap()
    };
    let chain = Chain::built_in().cache(cache(json!({"mode": mode})));
    let stage = chain.stage_with(directory).await.unwrap();
    let mut tokens = std::collections::BTreeSet::new();
    let end = tokio::time::Instant::now() + 2 * LIFETIME + Duration::from_secs(1);
    while tokio::time::Instant::now() < end {
        let asked = now();
        let answer = stage.token(WEB, &vault()).await.unwrap();
        let json = answer.json();
        let claims = stage
            .claims(&answer)
            .unwrap_or_else(|error| panic!("{mode}: {error:#}"));
        let expires: u64 = json["expires_on"].as_str().unwrap().parse().unwrap();
        assert!(
            expires > asked && claims.aud == VAULT,
            "{mode}: served at {asked}, ended at {expires}"
        );
        tokens.insert(json["access_token"].to_string());
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    assert!(
        tokens.len() >= 2,
        "{mode}: one token for {} s",
        LIFETIME.as_secs()
    );
}

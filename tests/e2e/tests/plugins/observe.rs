//! Policies that only observe, and policies for some pods only.

use serde_json::{Value, json};

use crate::chain::{ADDON, Chain, REPORTS, WEB, WORKER, vault, with};
use crate::process::Running;
use crate::reload::policy;

fn on_terms(settings: Value, terms: Value) -> Chain {
    Chain::built_in().first(with(policy(settings), terms))
}

fn observed(verdict: &str) -> String {
    format!("podgate_plugin_observed_total{{plugin=\"guest\",verdict=\"{verdict}\"}}")
}

#[tokio::test]
async fn a_policy_that_observes_decides_nothing_until_it_is_told_to_enforce() {
    let deny = || json!({"mode": "deny", "reason": "as a trial"});
    let observing = on_terms(deny(), json!({"mode": "observe"}));
    let running = Running::start(&observing, &[]).await;
    for pod in [WEB, WORKER, ADDON] {
        assert_eq!(running.token(pod, &vault()).await.status, 200, "{pod}");
    }
    assert_eq!(running.metric(&observed("deny")).await, 3);
    running.logged("as a trial").await;
    running.logged("shop/web").await;
    let enforcing = on_terms(deny(), json!({"mode": "enforce"}));
    assert!(running.reload(&enforcing.text()).await);
    assert_eq!(running.token(WEB, &vault()).await.status, 403);
}

#[tokio::test]
async fn a_policy_that_observes_and_fails_harms_nobody() {
    for mode in ["panic", "loop", "bypass", "allocate"] {
        let chain = on_terms(json!({"mode": mode}), json!({"mode": "observe"}));
        let running = Running::start(&chain, &[]).await;
        assert_eq!(running.token(WEB, &vault()).await.status, 200, "{mode}");
        assert_eq!(running.metric(&observed("failed")).await, 1, "{mode}");
    }
}

#[tokio::test]
async fn a_policy_is_asked_about_the_pods_of_its_scope_alone() {
    let deny = || json!({"mode": "deny"});
    let chain = on_terms(deny(), json!({"scope": {"namespaces": ["kube-system"]}}));
    let running = Running::start(&chain, &[]).await;
    let statuses = async || {
        let mut statuses = Vec::new();
        for pod in [ADDON, WEB, WORKER, REPORTS] {
            statuses.push(
                running
                    .token(pod, &format!("{}&client_id={}", vault(), client(pod)))
                    .await
                    .status,
            );
        }
        statuses
    };
    assert_eq!(statuses().await, [403, 200, 200, 200]);
    let labels =
        json!({"scope": {"namespaces": ["shop"], "labels": {"aadpodidbinding": "worker"}}});
    assert!(running.reload(&on_terms(deny(), labels).text()).await);
    assert_eq!(statuses().await, [200, 200, 403, 200]);
}

/// What a pod is bound to.
fn client(pod: &str) -> &'static str {
    use podgate_e2e::demo;
    match pod {
        ADDON => demo::NODE,
        WORKER => demo::WORKER,
        _ => demo::WEB,
    }
}

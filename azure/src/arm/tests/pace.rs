//! Waiting by our own count, changes that lead nowhere, and what is counted.

use std::collections::BTreeMap;
use std::sync::Arc;

use parking_lot::Mutex;

use super::*;
use crate::arm::limits::NotYet;
use crate::loopback::{Answer, Loopback};

/// Uses up what the front door allows at once: ten changes a second are left.
fn drain(limits: &ArmLimits) {
    for number in 0.. {
        let other: ComputeId = scale_set()
            .replace("np", &format!("n{number}"))
            .parse()
            .unwrap();
        while let Ok(()) = limits.admit(&other, CallKind::Patch) {}
        let own = limits.paced(&scale_set().parse().unwrap(), CallKind::Patch);
        if !own.is_zero() {
            return;
        }
    }
}

#[tokio::test]
async fn a_wait_by_our_own_count_is_no_failure() {
    let stage = stage().await;
    drain(&stage.client.limits);
    stage.apply(&["a"], &[]).await.unwrap();
    assert_eq!(stage.there(), ["a"]);
    drain(&stage.client.limits);
    assert!(matches!(
        stage.client.limits.admit(&stage.id, CallKind::Patch),
        Err(NotYet::Paced(_))
    ));
    stage.started(&change(&["b"], &[])).await;
}

/// ARM's clock stands still while there is nothing else to do, so waits of a quarter of a minute take none.
#[tokio::test]
async fn a_change_that_had_to_wait_is_made_from_a_new_look() {
    let stage = stage().await;
    let limits = &stage.client.limits;
    while let Ok(()) = limits.admit(&stage.id, CallKind::Patch) {}
    assert!(limits.paced(&stage.id, CallKind::Patch) > Duration::from_secs(10));
    let applied = stage.apply(&["a"], &[]);
    let meanwhile = async {
        while stage.sequence().is_empty() {
            tokio::task::yield_now().await;
        }
        sleep(Duration::from_millis(100)).await;
        stage.by_hand(&["a"], &[]);
        tokio::time::pause();
        tokio::time::advance(Duration::from_secs(20)).await;
        tokio::time::resume();
    };
    let (applied, ()) = tokio::join!(applied, meanwhile);
    applied.unwrap();
    assert_eq!(stage.sequence(), ["GET", "GET"], "it was there by then");
}

/// An ARM that takes every change and makes none.
async fn forgetful() -> (Loopback, ArmClient, ComputeId) {
    let body = json!({"location": "westeurope", "properties": {"provisioningState": "Succeeded"}});
    let server = Loopback::https(move |_| Answer::new(200, body.to_string())).await;
    let Stage { sim, client, id } = stage().await;
    // A token of it is a real one, and holds for longer than this test.
    client.get(&id).await.unwrap();
    drop(sim);
    let https = HttpClient::https(std::slice::from_ref(&server.ca_pem)).unwrap();
    let endpoint = server.url.parse().unwrap();
    let limits = ArmLimits::default();
    let client = ArmClient::new(https, endpoint, client.credential, limits).with_timing(TIMING);
    (server, client, id)
}

#[tokio::test]
async fn changes_that_succeed_and_lead_nowhere_end_with_the_names_of_what_is_missing() {
    let (server, client, id) = forgetful().await;
    let change = change(&["a", "b"], &[]);
    let error = client.apply(&id, &change, || true).await.unwrap_err();
    assert_eq!(error.identities().len(), 2, "{error}");
    assert!(error.to_string().contains("found it undone"), "{error}");
    assert!(!error.class.is_transient());
    let calls = server.calls().into_iter();
    assert_eq!(calls.filter(|call| call.method == Method::PATCH).count(), 2);
}

#[tokio::test]
async fn each_request_is_told_once_with_what_became_of_it() {
    let stage = stage().await;
    let told: Arc<Mutex<BTreeMap<_, usize>>> = Arc::default();
    let client = stage.client.clone().with_observer({
        let told = Arc::clone(&told);
        move |kind, class| *told.lock().entry((kind.as_str(), class)).or_default() += 1
    });
    stage.fail("PATCH", FaultKind::status(503), 1);
    let wanted = change(&["a"], &[]);
    client.apply(&stage.id, &wanted, || true).await.unwrap_err();
    client.apply(&stage.id, &wanted, || true).await.unwrap();
    client
        .apply(&stage.id, &change(&["b"], &[]), || false)
        .await
        .unwrap_err();
    stage.fail("GET", FaultKind::Reset, 1);
    client.get(&stage.id).await.unwrap_err();
    let told = told.lock().clone();
    let polls = stage
        .sequence()
        .iter()
        .filter(|one| **one == "POLL")
        .count();
    let wanted = [
        (("get", "ok"), 4),
        (("get", "unavailable"), 1),
        (("patch", "ok"), 1),
        (("patch", "unavailable"), 1),
        (("poll", "ok"), polls),
    ];
    assert_eq!(
        told,
        BTreeMap::from(wanted),
        "what was not sent is no request"
    );
}

//! The moment at which a change is sent: who may send it, and whether the resource is still the one that was seen.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use super::*;
use crate::answer::now;
use crate::credential::ArmCredential;
use crate::loopback::{Answer, Loopback};

#[tokio::test]
async fn who_may_no_longer_write_looks_and_changes_nothing() {
    let stage = stage().await;
    let error = stage
        .client
        .apply(&stage.id, &change(&["a"], &[]), || false)
        .await
        .unwrap_err();
    assert_eq!(error.class, ErrorClass::Superseded);
    assert_eq!(stage.sequence(), ["GET"], "nothing of a change was sent");
    assert!(stage.there().is_empty());
}

/// An IMDS whose first token ends at once, and which takes its time for the second one: in which the permit ends.
async fn slow_imds(permit: &Arc<AtomicBool>) -> Loopback {
    let (permit, asked) = (Arc::clone(permit), AtomicBool::new(false));
    Loopback::http(move |_| {
        let again = asked.swap(true, Ordering::SeqCst);
        permit.store(!again, Ordering::SeqCst);
        let (life, delay) = if again { (3600, 300) } else { (1, 0) };
        let token = json!({"access_token": "eyJ.a.b", "token_type": "Bearer",
            "expires_in": life.to_string(), "expires_on": (now() + life).to_string(),
            "not_before": "0", "resource": "https://management.azure.com/"});
        Answer::new(200, token.to_string())
            .header("content-type", "application/json")
            .after(Duration::from_millis(delay))
    })
    .await
}

/// An ARM whose scale set has no identities, and whose GET outlives the first token.
async fn slow_arm() -> Loopback {
    let body = json!({"location": "westeurope", "properties": {"provisioningState": "Succeeded"}});
    Loopback::https(move |_| Answer::new(200, body.to_string()).after(Duration::from_millis(1_200)))
        .await
}

#[tokio::test]
async fn a_permit_that_ends_while_a_token_is_waited_for_lets_no_change_out() {
    let permit = Arc::new(AtomicBool::new(true));
    let (imds, arm) = (slow_imds(&permit).await, slow_arm().await);
    let https = HttpClient::https(std::slice::from_ref(&arm.ca_pem)).unwrap();
    let endpoint: ArmEndpoint = arm.url.parse().unwrap();
    let kind = CredentialKind::ManagedIdentity(Selector::ClientId(CONTROLLER.parse().unwrap()));
    let sources = TokenSources {
        authority: arm.url.parse().unwrap(),
        imds: imds.url.parse().unwrap(),
        https: https.clone(),
    };
    let credential = ArmCredential::new(kind, endpoint.audience().clone(), sources);
    let client = ArmClient::new(https, endpoint, credential, ArmLimits::default());
    let id = scale_set().parse().unwrap();
    let may_write = {
        let permit = Arc::clone(&permit);
        move || permit.load(Ordering::SeqCst)
    };
    let outcome = client.apply(&id, &change(&["a"], &[]), may_write).await;
    assert_eq!(outcome.unwrap_err().class, ErrorClass::Superseded);
    assert_eq!(
        imds.calls().len(),
        2,
        "there was a second token to wait for"
    );
    let methods: Vec<_> = arm.calls().into_iter().map(|call| call.method).collect();
    assert_eq!(methods, [Method::GET]);
}

fn system_identity() -> SystemIdentity {
    SystemIdentity {
        client_id: "50000000-0000-4000-8000-000000000001".to_owned(),
        object_id: "50000000-0000-4000-8000-0000000000aa".to_owned(),
    }
}

/// Applies a change, between whose first look and first PATCH somebody enables the system-assigned identity.
async fn interleaved(add: &[&str], remove: &[&str]) -> Arc<Stage> {
    let stage = Arc::new(stage().await);
    stage.by_hand(&["b"], &[]);
    let (there, first) = (Arc::clone(&stage), AtomicBool::new(true));
    let enable = move || {
        if first.swap(false, Ordering::SeqCst) {
            assert!(
                there
                    .sim
                    .enable_system_assigned(&scale_set(), system_identity())
            );
        }
        true
    };
    let change = change(add, remove);
    let applied = stage.client.apply(&stage.id, &change, enable).await;
    assert!(applied.unwrap().identity.has_system_assigned());
    let compute = stage.sim.compute(&scale_set()).unwrap();
    assert_eq!(compute.system_assigned, Some(system_identity()));
    stage
}

#[tokio::test]
async fn a_system_assigned_identity_that_is_enabled_between_look_and_change_stays() {
    assert_eq!(interleaved(&["a"], &[]).await.there(), ["a", "b"]);
    assert_eq!(interleaved(&["a"], &["b"]).await.there(), ["a"]);
    assert!(interleaved(&[], &["b"]).await.there().is_empty());
}

#[tokio::test]
async fn a_change_that_always_comes_too_late_is_given_up_after_a_few_looks() {
    let stage = Arc::new(stage().await);
    let there = Arc::clone(&stage);
    let disturb = move || {
        there.by_hand(&["foreign"], &[]);
        true
    };
    let change = change(&["a"], &[]);
    let error = stage.client.apply(&stage.id, &change, disturb).await;
    assert_eq!(error.unwrap_err().class, ErrorClass::PreconditionFailed);
    let once = ["GET", "PATCH"];
    assert_eq!(stage.sequence(), [once, once, once].concat());
}

//! Each class of failure, as the simulation brings it about.

use super::*;
use crate::arm::limits::NotYet;

fn names(error: &ArmError) -> Vec<&str> {
    error.identities().iter().map(ResourceId::name).collect()
}

#[tokio::test]
async fn a_change_while_another_is_under_way_is_a_conflict() {
    let stage = stage().await;
    let operation = stage.started(&change(&["a"], &[])).await;
    let error = stage.start(&change(&["b"], &[])).await.unwrap_err();
    assert_eq!(error.class.category(), "conflict");
    assert!(error.class.is_transient());
    stage.client.wait(&operation).await.unwrap();
    stage.apply(&["b"], &[]).await.unwrap();
    assert_eq!(stage.there(), ["a", "b"]);
}

#[tokio::test]
async fn the_last_identity_does_not_go_with_one_that_came_meanwhile() {
    let stage = stage().await;
    stage.by_hand(&["a"], &[]);
    let seen = stage.client.get(&stage.id).await.unwrap();
    let patch = IdentityPatch::next(&seen, &change(&[], &["a"])).unwrap();
    stage.by_hand(&["foreign"], &[]);
    let error = stage
        .client
        .patch(&stage.id, &patch, open())
        .await
        .unwrap_err();
    assert_eq!(error.class, ErrorClass::PreconditionFailed);
    assert_eq!(stage.there(), ["a", "foreign"]);
    stage.apply(&[], &["a"]).await.unwrap();
    assert_eq!(stage.there(), ["foreign"]);
}

#[tokio::test]
async fn an_identity_that_does_not_exist_is_named_and_the_rest_can_be_assigned() {
    let stage = stage().await;
    let error = stage.apply(&["a", "ghost"], &[]).await.unwrap_err();
    assert!(matches!(error.class, ErrorClass::Identities(_)), "{error}");
    assert_eq!(names(&error), ["ghost"]);
    stage.apply(&["a"], &[]).await.unwrap();
    assert_eq!(stage.there(), ["a"]);
}

#[tokio::test]
async fn identities_that_may_not_be_assigned_are_all_named() {
    let mut config = config();
    config.arm.unassignable = vec![identity("a"), identity("c")];
    let stage = stage_of(config).await;
    let error = stage.apply(&["a", "b", "c"], &[]).await.unwrap_err();
    assert!(
        matches!(error.class, ErrorClass::LinkedAuthorization(_)),
        "{error}"
    );
    assert_eq!(names(&error), ["a", "c"]);
    assert!(error.to_string().contains("Managed Identity Operator"));
}

#[tokio::test]
async fn an_identity_of_another_subscription_is_assigned_like_any_other() {
    let stage = stage().await;
    let elsewhere = identity("far").replace(SUBSCRIPTION, "0ffa0000-0000-4000-8000-000000000002");
    stage.sim.add_arm_identity(ManagedIdentity {
        resource_id: elsewhere.clone(),
        ..known(9, "far")
    });
    let change = IdentityChange {
        add: [elsewhere.parse().unwrap()].into(),
        ..IdentityChange::default()
    };
    assert!(
        stage
            .client
            .apply(&stage.id, &change, || true)
            .await
            .unwrap()
            .has(&elsewhere.parse().unwrap())
    );
}

#[tokio::test]
async fn who_may_not_change_scale_sets_is_told_which_role_is_missing() {
    let mut config = config();
    config.arm.writers = Some(Vec::new());
    let stage = stage_of(config).await;
    let error = stage.apply(&["a"], &[]).await.unwrap_err();
    assert_eq!(error.class, ErrorClass::Forbidden);
    assert!(
        error.to_string().contains("Virtual Machine Contributor"),
        "{error}"
    );
}

#[tokio::test]
async fn what_does_not_exist_is_not_found() {
    let stage = stage().await;
    for (other, code) in [
        (
            scale_set().replace(SUBSCRIPTION, "nobody-s"),
            "SubscriptionNotFound",
        ),
        (scale_set().replace("MC_g", "gone"), "ResourceGroupNotFound"),
        (scale_set().replace("np", "gone"), "ResourceNotFound"),
    ] {
        let error = stage.client.get(&other.parse().unwrap()).await.unwrap_err();
        assert_eq!(
            (&error.class, error.code.as_deref()),
            (&ErrorClass::NotFound, Some(code))
        );
    }
}

#[tokio::test]
async fn what_is_being_deleted_is_left_alone() {
    let stage = stage().await;
    let patch = IdentityPatch::next(
        &stage.client.get(&stage.id).await.unwrap(),
        &change(&["a"], &[]),
    )
    .unwrap();
    stage.set_state("Deleting");
    assert_eq!(
        stage.apply(&["a"], &[]).await.unwrap_err().class,
        ErrorClass::Deleting
    );
    assert!(!stage.sequence().contains(&"PATCH"), "it is not even tried");
    assert_eq!(
        stage
            .client
            .patch(&stage.id, &patch, open())
            .await
            .unwrap_err()
            .class,
        ErrorClass::Deleting
    );
}

#[tokio::test]
async fn after_a_429_nothing_is_sent_until_its_time() {
    let stage = stage().await;
    stage.fail(
        "PATCH",
        FaultKind::Status {
            code: 429,
            body: None,
            retry_after: Some("60".to_owned()),
        },
        1,
    );
    let error = stage.apply(&["a"], &[]).await.unwrap_err();
    assert_eq!(error.retry_after(), Some(Duration::from_secs(60)));
    let sent = stage.calls().len();
    let error = stage.apply(&["a"], &[]).await.unwrap_err();
    let ErrorClass::Throttled { retry_after, scope } = error.class else {
        panic!("{error}")
    };
    assert_eq!(scope, Scope::Subscription);
    assert!(retry_after > Duration::from_secs(50), "{retry_after:?}");
    assert_eq!(
        stage.calls().len(),
        sent + 1,
        "reads go on: only the look was sent"
    );
}

#[tokio::test]
async fn a_bucket_that_others_emptied_is_met_once_and_then_left_alone() {
    let mut config = config();
    let bucket = podgate_testkit::ArmBucket {
        capacity: 2,
        per_minute: 1,
    };
    config.arm.buckets = [(podgate_testkit::ArmLimit::ScaleSetGet, bucket)].into();
    config.arm.minute_ms = 600_000;
    let stage = stage_of(config).await;
    for _ in 0..2 {
        client(&stage.sim).get(&stage.id).await.unwrap();
    }
    let error = stage.client.get(&stage.id).await.unwrap_err();
    assert_eq!(error.status, Some(429), "it had not heard of the others");
    let ErrorClass::Throttled { retry_after, scope } = error.class else {
        panic!("{error}")
    };
    assert_eq!(scope, Scope::Resource);
    assert!(retry_after > Duration::from_secs(500), "{retry_after:?}");
    let error = stage.client.get(&stage.id).await.unwrap_err();
    assert_eq!((error.class.category(), error.status), ("throttled", None));
    assert_eq!(stage.calls().len(), 3);
}

#[tokio::test]
async fn an_operation_that_fails_half_way_says_why_and_the_next_round_does_the_rest() {
    let stage = stage().await;
    let message = "Request is temporarily throttled because resource x has issued too many requests. Retry after 20 seconds.";
    stage.fail(
        "PATCH",
        FaultKind::OperationFails {
            code: "FailedIdentityOperation".to_owned(),
            message: message.to_owned(),
            adds: 1,
        },
        1,
    );
    let error = stage.apply(&["a", "b"], &[]).await.unwrap_err();
    assert_eq!(
        error.retry_after(),
        Some(Duration::from_secs(20)),
        "{error}"
    );
    assert_eq!(error.status, None);
    assert_eq!(stage.there(), ["a"]);
    let next = stage.client.limits.admit(&stage.id, CallKind::Patch);
    assert!(
        matches!(next, Err(NotYet::Closed(wait, _)) if wait > Duration::from_secs(15)),
        "{next:?}"
    );
    let patient = client(&stage.sim);
    patient
        .apply(&stage.id, &change(&["a", "b"], &[]), || true)
        .await
        .unwrap();
    assert_eq!(stage.there(), ["a", "b"]);
}

#[tokio::test]
async fn polls_that_fail_for_a_moment_are_made_again() {
    let stage = stage().await;
    stage.sim.set_operation_time(Duration::from_millis(1));
    stage.fail("POLL", FaultKind::status(503), 2);
    stage.fail("POLL", FaultKind::Garbage, 1);
    stage.fail("POLL", FaultKind::Reset, 1);
    stage.apply(&["a"], &[]).await.unwrap();
    assert_eq!(stage.there(), ["a"]);
    assert_eq!(
        stage
            .sequence()
            .iter()
            .filter(|one| **one == "POLL")
            .count(),
        5
    );
}

#[tokio::test]
async fn a_token_that_arm_refuses_is_replaced_for_the_next_call() {
    let stage = stage().await;
    stage.fail("GET", FaultKind::status(401), 1);
    assert_eq!(
        stage.client.get(&stage.id).await.unwrap_err().class,
        ErrorClass::Unauthorized
    );
    stage.client.get(&stage.id).await.unwrap();
    assert_eq!(stage.sim.calls_to(Target::Imds).len(), 2);
}

#[tokio::test]
async fn without_a_token_arm_is_not_asked() {
    let stage = stage().await;
    stage.sim.remove_managed_identity(CONTROLLER);
    let error = stage.client.get(&stage.id).await.unwrap_err();
    assert_eq!(error.class.category(), "credential");
    assert!(!error.class.is_transient());
    assert!(error.to_string().contains("Identity not found"), "{error}");
    assert!(stage.calls().is_empty());
}

#[tokio::test]
async fn an_outage_is_unavailable_and_says_when_where_it_knows() {
    let stage = stage().await;
    stage.fail(
        "GET",
        FaultKind::Status {
            code: 503,
            body: None,
            retry_after: Some("9".to_owned()),
        },
        1,
    );
    let error = stage.client.get(&stage.id).await.unwrap_err();
    assert_eq!(error.retry_after(), Some(Duration::from_secs(9)));
    stage.fail("GET", FaultKind::Hang, 1);
    let hasty = stage.client.clone().with_timing(Timing {
        request: Duration::from_millis(200),
        ..TIMING
    });
    let error = hasty.get(&stage.id).await.unwrap_err();
    assert_eq!(error.class.category(), "unavailable");
    stage.fail("GET", FaultKind::Latency { ms: 50 }, 1);
    stage.client.get(&stage.id).await.unwrap();
}

//! What works.

use super::*;

#[tokio::test]
async fn an_identity_is_assigned_by_a_look_a_change_polls_and_a_last_look() {
    let stage = stage().await;
    let compute = stage.apply(&["a"], &[]).await.unwrap();
    assert_eq!(stage.there(), ["a"]);
    assert_eq!(compute.identity, IdentityType::UserAssigned);
    let ids = &compute.user_assigned[&identity("A").parse().unwrap()];
    assert_eq!(
        ids.client_id.as_ref().unwrap().as_str(),
        known(0, "a").client_id
    );
    let sequence = stage.sequence();
    assert_eq!(sequence[..2], ["GET", "PATCH"]);
    assert_eq!(sequence.last(), Some(&"GET"));
    let polls = &sequence[2..sequence.len() - 1];
    assert!(
        !polls.is_empty() && polls.iter().all(|one| *one == "POLL"),
        "{sequence:?}"
    );
    let patch = &stage.calls()[1];
    assert_eq!(
        patch.body.as_ref().unwrap()["identity"]["type"],
        "UserAssigned"
    );
    assert_eq!(patch.query.as_deref(), Some("api-version=2024-07-01"));
}

#[tokio::test]
async fn what_is_there_already_costs_one_look() {
    let stage = stage().await;
    stage.by_hand(&["A"], &[]);
    stage.apply(&["a"], &["b"]).await.unwrap();
    assert_eq!(stage.sequence(), ["GET"]);
}

#[tokio::test]
async fn adds_and_removes_go_in_one_change_and_what_nobody_named_stays() {
    let stage = stage().await;
    stage.by_hand(&["b", "foreign"], &[]);
    stage.apply(&["a"], &["b"]).await.unwrap();
    assert_eq!(stage.there(), ["a", "foreign"]);
    assert_eq!(
        stage
            .sequence()
            .iter()
            .filter(|one| **one == "PATCH")
            .count(),
        1
    );
}

#[tokio::test]
async fn the_system_assigned_identity_outlives_all_others() {
    let mut config = config();
    config.arm.computes[0].system_assigned = Some(SystemIdentity {
        client_id: "50000000-0000-4000-8000-000000000001".to_owned(),
        object_id: "50000000-0000-4000-8000-0000000000aa".to_owned(),
    });
    let stage = stage_of(config).await;
    assert_eq!(
        stage.apply(&["a", "b"], &[]).await.unwrap().identity,
        IdentityType::Both
    );
    assert_eq!(
        stage.apply(&[], &["a"]).await.unwrap().identity,
        IdentityType::Both
    );
    assert_eq!(
        stage.apply(&[], &["b"]).await.unwrap().identity,
        IdentityType::SystemAssigned
    );
    assert!(
        stage
            .sim
            .compute(&scale_set())
            .unwrap()
            .system_assigned
            .is_some()
    );
}

#[tokio::test]
async fn the_last_identity_goes() {
    let stage = stage().await;
    stage.by_hand(&["a"], &[]);
    assert_eq!(
        stage.apply(&[], &["a"]).await.unwrap().identity,
        IdentityType::None
    );
    assert_eq!(stage.there(), Vec::<String>::new());
}

#[tokio::test]
async fn more_than_150_identities_go_in_several_changes() {
    let names: Vec<String> = (0..200).map(|n| format!("n{n:03}")).collect();
    let names: Vec<&str> = names.iter().map(String::as_str).collect();
    let mut config = config();
    config.arm.identities = names
        .iter()
        .enumerate()
        .map(|(n, name)| known(n, name))
        .collect();
    let stage = stage_of(config).await;
    stage.apply(&names, &[]).await.unwrap();
    assert_eq!(stage.there().len(), 200);
    stage.apply(&[], &names).await.unwrap();
    assert_eq!(stage.there().len(), 0);
    let calls = stage.calls();
    let patches: Vec<usize> = calls
        .iter()
        .filter_map(|call| call.body.as_ref())
        .map(size)
        .collect();
    assert_eq!(patches, [150, 50, 150, 0], "the last fifty go by type");
}

fn size(body: &serde_json::Value) -> usize {
    body["identity"]["userAssignedIdentities"]
        .as_object()
        .map_or(0, serde_json::Map::len)
}

#[tokio::test]
async fn a_virtual_machine_is_changed_like_a_scale_set() {
    let mut config = config();
    let machine = scale_set().replace("virtualMachineScaleSets", "virtualMachines");
    config.arm.computes[0].id.clone_from(&machine);
    let stage = Stage {
        id: machine.parse().unwrap(),
        ..stage_of(config).await
    };
    stage.apply(&["a"], &[]).await.unwrap();
    assert_eq!(stage.there(), ["a"]);
}

#[tokio::test]
async fn a_change_that_is_done_at_once_is_not_followed() {
    let mut config = config();
    config.arm.operation_ms = 0;
    let stage = stage_of(config).await;
    assert_eq!(
        stage.start(&change(&["a"], &[])).await.unwrap(),
        Patched::Done
    );
    assert_eq!(stage.there(), ["a"]);
}

#[tokio::test]
async fn an_operation_that_takes_too_long_goes_on_and_can_be_followed_further() {
    let stage = stage().await;
    stage.sim.set_operation_time(Duration::from_millis(600));
    let operation = stage.started(&change(&["a"], &[])).await;
    let slow = Timing {
        poll_least: Duration::from_millis(50),
        ..TIMING
    };
    let hasty = stage.client.clone().with_timing(Timing {
        operation: Duration::from_millis(60),
        ..slow
    });
    let error = hasty.wait(&operation).await.unwrap_err();
    assert_eq!(error.class, ErrorClass::Unfinished);
    assert!(error.class.is_transient());
    stage
        .client
        .with_timing(slow)
        .wait(&operation)
        .await
        .unwrap();
    let compute = stage.sim.compute(&scale_set()).unwrap();
    assert_eq!(compute.identities.len(), 1);
}

#[tokio::test]
async fn one_token_serves_many_calls() {
    let stage = stage().await;
    stage.apply(&["a"], &[]).await.unwrap();
    stage.apply(&["b"], &["a"]).await.unwrap();
    assert_eq!(stage.sim.calls_to(Target::Imds).len(), 1);
}

#[tokio::test]
async fn every_call_says_what_it_cost() {
    let stage = stage().await;
    stage.apply(&["a"], &[]).await.unwrap();
    let calls = stage.calls();
    assert_eq!(
        calls[0].charges,
        [
            "reads;249",
            "GetVMScaleSetResource;35",
            "GetVMScaleSetSubscription;2399"
        ]
    );
    assert_eq!(
        calls[1].charges,
        [
            "writes;199",
            "UpdateVMScaleSetResource;11",
            "UpdateVMScaleSetSubscription;1499"
        ]
    );
    assert_eq!(
        calls[2].charges,
        [
            "reads;248",
            "GetOperationResource;44",
            "GetOperationSubscription;14999"
        ]
    );
}

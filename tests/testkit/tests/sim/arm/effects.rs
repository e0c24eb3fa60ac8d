//! What comes of a change, and of what others do meanwhile.

use podgate_testkit::{Fault, FaultKind, StateChange};

use super::*;

#[tokio::test]
async fn an_operation_takes_its_time_holds_the_resource_and_has_its_effect_at_the_end() {
    let mut config = config();
    config.arm.operation_ms = 300;
    let sim = start(config).await;
    let change = body("UserAssigned", &[reader().resource_id], &[]);
    let answer = patch(&sim, &change, &[]).await;
    assert_eq!(
        (answer.status, answer.header("retry-after")),
        (200, Some("5"))
    );
    assert_eq!(answer.json()["properties"]["provisioningState"], "Updating");
    let url = answer.header("azure-asyncoperation").unwrap().to_owned();
    assert!(url.starts_with(&format!(
        "{}subscriptions/s/providers/Microsoft.Compute/locations/westeurope/operations/",
        sim.arm_url()
    )));
    assert_refused(
        &patch(&sim, &change, &[]).await,
        409,
        "AnotherOperationInProgress",
        "in progress",
    );
    let bearer = bearer(&sim).await;
    let poll = async || {
        let path = url.replace(sim.arm_url().trim_end_matches('/'), "");
        arm(&sim)
            .get(&path, &[("Authorization", &bearer)])
            .await
            .unwrap()
    };
    let running = poll().await;
    assert_eq!(
        (
            running.json()["status"].as_str(),
            running.header("retry-after")
        ),
        (Some("InProgress"), Some("5"))
    );
    assert_eq!(on_it(&sim), Vec::<String>::new());
    until("the operation ends", || !on_it(&sim).is_empty()).await;
    let ended = poll().await;
    assert_eq!(
        (ended.json()["status"].as_str(), ended.header("retry-after")),
        (Some("Succeeded"), None)
    );
    assert_eq!(
        get(&sim, &scale_set()).await.json()["properties"]["provisioningState"],
        "Succeeded"
    );
    let record = arm_calls(&sim);
    assert_eq!(record[0].body.as_ref(), Some(&change));
    assert!(
        record[2].charges[1].starts_with("GetOperationResource;"),
        "{:?}",
        record[2].charges
    );
}

#[tokio::test]
async fn a_script_makes_an_operation_fail_half_way_or_lead_elsewhere() {
    let mut config = config();
    config.arm.operation_ms = 1;
    let sim = start(config).await;
    let kind = FaultKind::OperationFails {
        code: "InternalExecutionError".into(),
        message: "no".into(),
        adds: 1,
    };
    sim.fail(
        Fault::new(Target::Arm, kind)
            .for_method("PATCH")
            .for_resource(scale_set())
            .once(),
    );
    sim.fail(
        Fault::new(
            Target::Arm,
            FaultKind::PollUrl {
                url: "https://evil.example/x".into(),
            },
        )
        .for_method("PATCH")
        .once(),
    );
    let both = [reader().resource_id, writer().resource_id];
    let answer = patch(&sim, &body("UserAssigned", &both, &[]), &[]).await;
    until("the operation ends", || on_it(&sim).len() == 1).await;
    let path = answer
        .header("azure-asyncoperation")
        .unwrap()
        .replace(sim.arm_url().trim_end_matches('/'), "");
    let bearer = bearer(&sim).await;
    let failed = arm(&sim)
        .get(&path, &[("Authorization", &bearer)])
        .await
        .unwrap()
        .json();
    assert_eq!(
        (&failed["status"], &failed["error"]["code"]),
        (&json!("Failed"), &json!("InternalExecutionError"))
    );
    assert_eq!(sim.compute(&scale_set()).unwrap().state, "Failed");
    let answer = patch(&sim, &body("UserAssigned", &both, &[]), &[]).await;
    assert_eq!(
        answer.header("azure-asyncoperation"),
        Some("https://evil.example/x")
    );
    assert!(sim.pending_faults().is_empty());
}

#[tokio::test]
async fn what_others_do_is_seen_and_felt() {
    let sim = start(config()).await;
    let change = body("UserAssigned", &[reader().resource_id], &[]);
    let state = |state: &str| {
        sim.set_compute_state(&StateChange {
            compute: scale_set(),
            state: state.into(),
        })
    };
    assert!(state("Updating"));
    assert_refused(
        &patch(&sim, &change, &[]).await,
        409,
        "AnotherOperationInProgress",
        "",
    );
    assert!(state("Deleting"));
    assert_refused(
        &patch(&sim, &change, &[]).await,
        409,
        "OperationNotAllowed",
        "marked for deletion",
    );
    assert!(state("Succeeded"));
    assert_eq!(patch(&sim, &change, &[]).await.status, 200);
    assert!(sim.remove_compute(&scale_set()) && !state("Updating"));
    assert_refused(
        &get(&sim, &scale_set()).await,
        404,
        "SubscriptionNotFound",
        "",
    );
}

#[tokio::test]
async fn the_node_s_imds_has_what_arm_gave_the_node_and_nothing_else() {
    let mut config = config();
    config.arm.computes[0].identities = vec![reader().resource_id];
    config.arm.nodes = [("aks-np-0".into(), scale_set().to_lowercase())].into();
    config.arm.imds_node = Some("aks-np-0".into());
    config.arm.operation_ms = 20;
    let sim = start(config).await;
    let ask = async |one: &ManagedIdentity| {
        let id = &one.client_id;
        let path = format!(
            "/metadata/identity/oauth2/token?api-version=2018-02-01&client_id={id}&resource=https://vault.azure.net"
        );
        ask_imds(&sim, &path).await.status
    };
    assert_eq!((ask(&reader()).await, ask(&writer()).await), (200, 400));
    patch(
        &sim,
        &body("UserAssigned", &[writer().resource_id], &[]),
        &[],
    )
    .await;
    until("the operation ends", || on_it(&sim).len() == 2).await;
    let served = async { while ask(&writer()).await != 200 {} };
    tokio::time::timeout(Duration::from_secs(10), served)
        .await
        .expect("IMDS hears of it");
    by_hand(&sim, &[], &[writer().resource_id]);
    assert_eq!((ask(&reader()).await, ask(&writer()).await), (200, 400));
    assert!(sim.remove_arm_identity(&reader().resource_id));
    assert_eq!(
        ask(&reader()).await,
        400,
        "a deleted identity has no tokens"
    );
}

#[tokio::test]
async fn the_admin_api_does_what_the_library_does() {
    let sim = start(config()).await;
    let admin = async |method: &str, path: &str, body: &Value| {
        let body = if body.is_null() {
            String::new()
        } else {
            body.to_string()
        };
        imds(&sim)
            .request(method, &format!("/admin/arm/{path}"), &[], body.as_bytes())
            .await
            .unwrap()
    };
    assert_eq!(
        admin("GET", "computes", &Value::Null).await.json(),
        serde_json::to_value(sim.computes()).unwrap()
    );
    let machine =
        json!([{"id": scale_set().replace("virtualMachineScaleSets", "virtualMachines")}]);
    assert_eq!(admin("PUT", "computes", &machine).await.status, 204);
    let compute = sim.computes().remove(0);
    assert_eq!(
        (compute.location.as_str(), compute.state.as_str()),
        ("westeurope", "Succeeded")
    );
    let change = json!({"compute": compute.id, "add": [identity("a"), identity("b")], "remove": [identity("a")]});
    assert_eq!(admin("POST", "change", &change).await.status, 204);
    assert_eq!(
        sim.compute(&compute.id).unwrap().identities,
        [identity("b")]
    );
    assert_eq!(
        admin(
            "POST",
            "state",
            &json!({"compute": compute.id, "state": "Deleting"})
        )
        .await
        .status,
        204
    );
    assert_eq!(sim.computes()[0].state, "Deleting");
    assert_eq!(
        admin(
            "PUT",
            "identities",
            &serde_json::to_value([named("z")]).unwrap()
        )
        .await
        .status,
        204
    );
    assert_eq!(
        admin("PUT", "operation-time", &json!({"ms": 5}))
            .await
            .status,
        204
    );
    assert_eq!(
        admin("POST", "change", &json!({"compute": "x"}))
            .await
            .status,
        404
    );
    assert_eq!(
        admin("POST", "state", &json!({"compute": "x"}))
            .await
            .status,
        400
    );
    assert_eq!(admin("GET", "nothing", &Value::Null).await.status, 404);
}

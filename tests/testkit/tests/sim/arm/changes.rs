//! What is refused of a change, what it costs, and what comes of it.

use podgate_testkit::{ArmBucket, ArmLimit, Fault, FaultKind, StateChange};

use super::*;

#[tokio::test]
async fn a_body_that_is_more_or_other_than_identities_is_refused() {
    let mut config = config();
    let roomy = ArmBucket {
        capacity: 100,
        per_minute: 1,
    };
    config.arm.buckets = [(ArmLimit::ScaleSetUpdate, roomy)].into();
    let sim = start(config).await;
    let (id, many) = (
        reader().resource_id,
        (0..151)
            .map(|n| identity(&format!("n{n}")))
            .collect::<Vec<_>>(),
    );
    for (body, said) in [
        (json!([]), "content was invalid"),
        (json!({}), "identity is an object"),
        (json!({"identity": {"type": "None"}, "tags": {}}), "'tags'"),
        (
            json!({"identity": {"type": "None", "principalId": "x"}}),
            "'principalId'",
        ),
        (json!({"identity": {}}), "identity.type"),
        (
            json!({"identity": {"type": "SystemAssigned,UserAssigned"}}),
            "identity.type",
        ),
        (
            json!({"identity": {"type": "UserAssigned"}}),
            "must not be null or empty",
        ),
        (
            json!({"identity": {"type": "UserAssigned", "userAssignedIdentities": []}}),
            "is an object",
        ),
        (
            json!({"identity": {"type": "UserAssigned", "userAssignedIdentities": {"x": {}}}}),
            "'x' is invalid",
        ),
        (
            json!({"identity": {"type": "UserAssigned", "userAssignedIdentities": {&id: {"clientId": "x"}}}}),
            "read-only",
        ),
        (
            json!({"identity": {"type": "UserAssigned", "userAssignedIdentities": {&id: true}}}),
            "read-only",
        ),
        (
            json!({"identity": {"type": "UserAssigned", "userAssignedIdentities": {&id: {}, id.to_uppercase(): {}}}}),
            "Duplicate",
        ),
        (
            body("None", std::slice::from_ref(&id), &[]),
            "must name 'UserAssigned'",
        ),
        (body("UserAssigned", &many, &[]), "at most 150"),
        (
            body("UserAssigned", &[], std::slice::from_ref(&id)),
            "where it is not",
        ),
        (
            body(
                "SystemAssigned, UserAssigned",
                std::slice::from_ref(&id),
                &[],
            ),
            "system-assigned",
        ),
    ] {
        let answer = patch(&sim, &body, &[]).await;
        let message = answer.json()["error"]["message"]
            .as_str()
            .unwrap()
            .to_owned();
        assert!(
            answer.status == 400 && message.contains(said),
            "{body}: {message}"
        );
    }
    let bearer = bearer(&sim).await;
    let path = format!("{}?api-version={VERSION}", scale_set());
    let answer = arm(&sim)
        .request("PATCH", &path, &[("Authorization", &bearer)], b"{}")
        .await
        .unwrap();
    assert_refused(&answer, 415, "UnsupportedMediaType", "application/json");
    assert_eq!(on_it(&sim), Vec::<String>::new());
}

#[tokio::test]
async fn the_system_assigned_identity_can_be_neither_taken_nor_given() {
    let mut config = config();
    config.arm.computes[0].system_assigned = Some(system());
    let sim = start(config).await;
    let id = [reader().resource_id];
    for kind in ["None", "UserAssigned"] {
        let add: &[String] = if kind == "None" { &[] } else { &id };
        assert_refused(
            &patch(&sim, &body(kind, add, &[]), &[]).await,
            400,
            "InvalidParameter",
            "system-assigned",
        );
    }
    assert_eq!(
        patch(&sim, &body("SystemAssigned, UserAssigned", &id, &[]), &[])
            .await
            .status,
        200
    );
}

#[tokio::test]
async fn a_change_merges_and_the_type_alone_takes_the_last_under_if_match() {
    let sim = start(config()).await;
    let (a, b) = (reader().resource_id, writer().resource_id);
    by_hand(&sim, &[identity("foreign")], &[]);
    assert_eq!(
        patch(
            &sim,
            &body("UserAssigned", std::slice::from_ref(&a), &[]),
            &[]
        )
        .await
        .status,
        200
    );
    assert_eq!(
        patch(
            &sim,
            &body(
                "UserAssigned",
                std::slice::from_ref(&b),
                &[a.to_uppercase()]
            ),
            &[]
        )
        .await
        .status,
        200
    );
    assert_eq!(on_it(&sim), [identity("foreign"), b.clone()]);
    let rest = [identity("foreign"), b];
    let emptied = patch(&sim, &body("UserAssigned", &[], &rest), &[]).await;
    assert_refused(&emptied, 400, "InvalidParameter", "at least one");
    let none = body("None", &[], &[]);
    assert_refused(
        &patch(&sim, &none, &[]).await,
        400,
        "InvalidRequest",
        "send If-Match",
    );
    assert_refused(
        &patch(&sim, &none, &[("If-Match", "\"1\"")]).await,
        412,
        "PreconditionFailed",
        "etag",
    );
    let etag = get(&sim, &scale_set()).await.json()["etag"]
        .as_str()
        .unwrap()
        .to_owned();
    assert_eq!(patch(&sim, &none, &[("If-Match", &etag)]).await.status, 200);
    assert_eq!(on_it(&sim), Vec::<String>::new());
}

#[tokio::test]
async fn identities_that_do_not_exist_or_may_not_be_assigned_are_named_as_azure_names_them() {
    let mut config = config();
    config.arm.unassignable = vec![reader().resource_id, identity("x")];
    let sim = start(config).await;
    let ghost = patch(&sim, &body("UserAssigned", &[identity("ghost")], &[]), &[]).await;
    assert_refused(
        &ghost,
        400,
        "FailedIdentityOperation",
        &format!("Resource '{}' was not found", identity("ghost")),
    );
    let both = [reader().resource_id, identity("x")];
    let answer = patch(&sim, &body("UserAssigned", &both, &[]), &[]).await;
    assert_eq!(answer.json()["error"]["code"], "LinkedAuthorizationFailed");
    let mut sorted = both.clone();
    sorted.sort();
    assert_refused(
        &answer,
        403,
        "LinkedAuthorizationFailed",
        &format!("linked scope(s) '{}'", sorted.join(",")),
    );
}

#[tokio::test]
async fn only_writers_may_change_where_there_are_some() {
    let mut config = config();
    config.arm.writers = Some(vec![writer().client_id]);
    let sim = start(config).await;
    let answer = patch(
        &sim,
        &body("UserAssigned", &[reader().resource_id], &[]),
        &[],
    )
    .await;
    assert_refused(
        &answer,
        403,
        "AuthorizationFailed",
        "virtualMachineScaleSets/write",
    );
    assert_eq!(get(&sim, &scale_set()).await.status, 200);
}

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

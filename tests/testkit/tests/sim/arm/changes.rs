//! What is refused of a change.

use podgate_testkit::{ArmBucket, ArmLimit};

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
async fn the_role_to_assign_an_identity_can_be_given_later() {
    let sim = start(config()).await;
    let id = reader().resource_id;
    let change = body("UserAssigned", std::slice::from_ref(&id), &[]);
    sim.set_assignable(&id.to_uppercase(), false);
    let refused = patch(&sim, &change, &[]).await;
    assert_refused(&refused, 403, "LinkedAuthorizationFailed", &id);
    sim.set_assignable(&id, true);
    assert_eq!(patch(&sim, &change, &[]).await.status, 200);
}

#[tokio::test]
async fn the_system_assigned_identity_keeps_its_principal_through_all_changes() {
    let mut config = config();
    config.arm.computes[0].system_assigned = Some(system());
    let sim = start(config).await;
    let id = [reader().resource_id];
    let both = body("SystemAssigned, UserAssigned", &id, &[]);
    let (added, etag) = (patch(&sim, &both, &[]).await.json(), "\"3\"");
    assert_eq!(added["etag"], etag);
    let alone = body("SystemAssigned", &[], &[]);
    let taken = patch(&sim, &alone, &[("If-Match", etag)]).await.json();
    for (shown, kind) in [
        (&added, "SystemAssigned, UserAssigned"),
        (&taken, "SystemAssigned"),
        (&get(&sim, &scale_set()).await.json(), "SystemAssigned"),
    ] {
        assert_eq!(shown["identity"]["type"], kind);
        assert_eq!(shown["identity"]["principalId"], system().object_id);
        assert_eq!(shown["identity"]["tenantId"], TENANT);
    }
    assert_eq!(
        sim.compute(&scale_set()).unwrap().system_assigned,
        Some(system())
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

use proptest::prelude::*;
use serde_json::{Value, json};

use super::*;

const IDENTITY: &str =
    "/subscriptions/s/resourceGroups/g/providers/Microsoft.ManagedIdentity/userAssignedIdentities/";

fn machine() -> ComputeId {
    "/subscriptions/s/resourceGroups/g/providers/Microsoft.Compute/virtualMachines/v"
        .parse()
        .unwrap()
}

fn read(body: &Value) -> Result<Compute, &'static str> {
    Compute::read(&machine(), body.to_string().as_bytes())
}

#[test]
fn a_scale_set_is_read_as_arm_shows_it() {
    let guid = "11111111-1111-4111-8111-111111111111";
    let compute = read(&json!({
        "id": "/subscriptions/…", "location": "westeurope", "etag": "\"17\"", "sku": {"capacity": 3},
        "identity": {
            "type": "SystemAssigned, UserAssigned", "principalId": guid, "tenantId": guid,
            "userAssignedIdentities": {
                format!("{IDENTITY}Reader"): {"clientId": guid, "principalId": guid},
                format!("{IDENTITY}new"): {},
                format!("{IDENTITY}null"): null,
                "/of/another/kind": {},
            },
        },
        "properties": {"provisioningState": "Succeeded", "upgradePolicy": {}},
    }))
    .unwrap();
    assert_eq!(compute.identity, IdentityType::Both);
    assert_eq!(compute.state, ProvisioningState::Succeeded);
    assert_eq!(compute.etag.as_ref().map(Etag::as_str), Some("\"17\""));
    assert_eq!(
        (compute.location.as_str(), compute.unreadable),
        ("westeurope", 1)
    );
    assert_eq!(compute.user_assigned.len(), 3);
    let reader: ResourceId = format!("{IDENTITY}reader").parse().unwrap();
    assert!(compute.has(&reader), "case does not matter");
    let ids = &compute.user_assigned[&reader];
    assert_eq!(ids.client_id.as_ref().map(ClientId::as_str), Some(guid));
}

#[test]
fn a_machine_without_identities_has_none() {
    for identity in [
        json!(null),
        json!({}),
        json!({"type": "None"}),
        json!({"type": "None", "userAssignedIdentities": null}),
    ] {
        let compute =
            read(&json!({"identity": identity, "properties": {"provisioningState": "Updating"}}))
                .unwrap();
        assert_eq!(
            (compute.identity, compute.user_assigned.len()),
            (IdentityType::None, 0)
        );
        assert_eq!(compute.state, ProvisioningState::Updating);
    }
}

#[test]
fn every_spelling_of_a_type_is_known_and_the_list_decides() {
    for (text, system) in [
        ("UserAssigned", false),
        ("SystemAssigned", true),
        ("SystemAssigned,UserAssigned", true),
        ("systemassigned, userassigned", true),
        ("None", false),
    ] {
        let with = json!({
            "identity": {"type": text, "userAssignedIdentities": {format!("{IDENTITY}a"): {}}},
            "properties": {"provisioningState": "Succeeded"},
        });
        assert_eq!(
            read(&with).unwrap().identity,
            IdentityType::of(system, true),
            "{text}"
        );
        let without =
            json!({"identity": {"type": text}, "properties": {"provisioningState": "Succeeded"}});
        assert_eq!(
            read(&without).unwrap().identity,
            IdentityType::of(system, false),
            "{text}"
        );
    }
}

#[test]
fn states_that_are_no_end_are_changes_under_way() {
    for (text, state) in [
        ("Succeeded", ProvisioningState::Succeeded),
        ("Failed", ProvisioningState::Failed),
        ("Canceled", ProvisioningState::Canceled),
        ("deleting", ProvisioningState::Deleting),
        ("Creating", ProvisioningState::Updating),
        ("Juggling", ProvisioningState::Updating),
    ] {
        assert_eq!(ProvisioningState::read(text), state);
    }
}

#[test]
fn an_etag_that_could_break_a_header_is_none() {
    for etag in ["", "a b", "a\r\nX: y", &"x".repeat(300)] {
        let compute =
            read(&json!({"etag": etag, "properties": {"provisioningState": "Succeeded"}})).unwrap();
        assert_eq!(compute.etag, None);
    }
}

#[test]
fn what_is_no_machine_is_refused() {
    for body in [
        json!(null),
        json!([]),
        json!({"identity": {"type": "None"}}),
        json!({"properties": {}}),
        json!({"properties": {"provisioningState": 1}}),
        json!({"identity": {"type": "Sorcery"}, "properties": {"provisioningState": "Succeeded"}}),
        json!({"identity": {"userAssignedIdentities": []}, "properties": {"provisioningState": "Succeeded"}}),
    ] {
        assert!(read(&body).is_err(), "{body}");
    }
}

proptest! {
    #[test]
    fn no_body_makes_it_panic(body in proptest::collection::vec(any::<u8>(), 0..200)) {
        let _ = Compute::read(&machine(), &body);
    }
}

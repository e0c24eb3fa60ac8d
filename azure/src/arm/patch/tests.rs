use std::collections::BTreeMap;

use proptest::prelude::*;

use super::*;
use crate::arm::compute::{AssignedIds, ProvisioningState};

fn identity(name: &str) -> ResourceId {
    format!("/subscriptions/S/resourceGroups/G/providers/Microsoft.ManagedIdentity/userAssignedIdentities/{name}")
        .parse()
        .unwrap()
}

fn set<'a>(names: impl IntoIterator<Item = &'a str>) -> BTreeSet<ResourceId> {
    names.into_iter().map(identity).collect()
}

fn change(add: &[&str], remove: &[&str]) -> IdentityChange {
    IdentityChange {
        add: set(add.iter().copied()),
        remove: set(remove.iter().copied()),
    }
}

fn with(system: bool, names: &[&str]) -> Compute {
    let read = |etag: &str| {
        let body = json!({"etag": etag, "properties": {"provisioningState": "Succeeded"}});
        let id = "/subscriptions/s/resourceGroups/g/providers/Microsoft.Compute/virtualMachines/v"
            .parse()
            .unwrap();
        Compute::read(&id, body.to_string().as_bytes()).unwrap()
    };
    let user_assigned: BTreeMap<_, _> = names
        .iter()
        .map(|name| (identity(name), AssignedIds::default()))
        .collect();
    Compute {
        identity: IdentityType::of(system, !user_assigned.is_empty()),
        state: ProvisioningState::Succeeded,
        user_assigned,
        ..read("e1")
    }
}

fn body(compute: &Compute, change: &IdentityChange) -> Value {
    IdentityPatch::next(compute, change).unwrap().body()
}

#[test]
fn the_first_identity_makes_a_resource_user_assigned() {
    let body = body(&with(false, &[]), &change(&["A"], &[]));
    let id = identity("A").as_str().to_ascii_lowercase();
    assert_eq!(
        body,
        json!({"identity": {"type": "UserAssigned", "userAssignedIdentities": {id: {}}}})
    );
}

#[test]
fn the_system_assigned_identity_stays_whatever_happens() {
    let type_of =
        |names: &[&str], change| body(&with(true, names), &change)["identity"]["type"].clone();
    assert_eq!(
        type_of(&[], change(&["a"], &[])),
        "SystemAssigned, UserAssigned"
    );
    assert_eq!(
        type_of(&["a", "b"], change(&[], &["a"])),
        "SystemAssigned, UserAssigned"
    );
    assert_eq!(type_of(&["a"], change(&[], &["a"])), "SystemAssigned");
}

#[test]
fn what_goes_is_null_in_the_spelling_of_the_resource_and_what_nobody_named_is_not_there() {
    let body = body(
        &with(false, &["Keep", "Gone"]),
        &change(&["new"], &["gONE", "never-there"]),
    );
    let list = body["identity"]["userAssignedIdentities"]
        .as_object()
        .unwrap();
    assert_eq!(list.len(), 2, "{body}");
    assert_eq!(list[identity("Gone").as_str()], Value::Null);
    assert_eq!(
        list[&identity("new").as_str().to_ascii_lowercase()],
        json!({})
    );
}

#[test]
fn the_last_one_goes_by_type_and_only_if_nothing_changed_since() {
    let patch = IdentityPatch::next(&with(false, &["a"]), &change(&[], &["a"])).unwrap();
    assert_eq!(patch.body(), json!({"identity": {"type": "None"}}));
    assert_eq!(patch.if_match().map(Etag::as_str), Some("e1"));
}

#[test]
fn a_type_that_lacks_a_kind_goes_only_if_nothing_changed_since() {
    let conditional = |system, there: &[&str], change| {
        let patch = IdentityPatch::next(&with(system, there), &change).unwrap();
        (patch.identity, patch.if_match().is_some())
    };
    let (user, both) = (IdentityType::UserAssigned, IdentityType::Both);
    assert_eq!(conditional(false, &[], change(&["a"], &[])), (user, true));
    assert_eq!(
        conditional(false, &["a", "b"], change(&[], &["a"])),
        (user, true),
        "a system-assigned identity may come meanwhile"
    );
    assert_eq!(
        conditional(true, &["a"], change(&[], &["a"])),
        (IdentityType::SystemAssigned, true)
    );
    assert_eq!(
        conditional(true, &["a", "b"], change(&["c"], &["a"])),
        (both, false),
        "a merge harms nobody"
    );
}

#[test]
fn an_identity_with_an_odd_id_is_somebody_s_and_keeps_the_list_from_being_the_last() {
    let compute = Compute {
        unreadable: 1,
        ..with(false, &["a"])
    };
    let patch = IdentityPatch::next(&compute, &change(&[], &["a"])).unwrap();
    assert_eq!(patch.identity, IdentityType::UserAssigned);
}

#[test]
fn what_is_as_wanted_needs_no_request() {
    let compute = with(false, &["a"]);
    for done in [
        change(&[], &[]),
        change(&["A"], &[]),
        change(&[], &["b"]),
        change(&["a"], &["a"]),
    ] {
        assert_eq!(IdentityPatch::next(&compute, &done), None);
    }
}

#[test]
fn an_add_wins_over_a_remove_of_the_same_identity() {
    let patch = IdentityPatch::next(&with(false, &[]), &change(&["a"], &["a"])).unwrap();
    assert_eq!((patch.add.len(), patch.remove.len()), (1, 0));
}

#[test]
fn a_request_names_at_most_150_and_adds_go_first() {
    let names: Vec<String> = (0..200).map(|n| format!("n{n:03}")).collect();
    let names: Vec<&str> = names.iter().map(String::as_str).collect();
    let wanted = change(&names[..100], &names[100..]);
    let patch = IdentityPatch::next(&with(false, &names[100..]), &wanted).unwrap();
    assert_eq!((patch.add.len(), patch.remove.len()), (100, 50));
}

/// What ARM does with a request.
fn apply(compute: &mut Compute, patch: &IdentityPatch) {
    for id in &patch.remove {
        assert!(
            compute.user_assigned.remove(id).is_some(),
            "ARM refuses a null for {id}"
        );
    }
    compute.user_assigned.extend(
        patch
            .add
            .iter()
            .map(|id| (id.clone(), AssignedIds::default())),
    );
    compute.identity = patch.identity;
}

proptest! {
    #[test]
    fn requests_one_after_another_reach_what_is_wanted_and_touch_nothing_else(
        system: bool,
        there in proptest::collection::btree_set(0..400_u32, 0..300),
        add in proptest::collection::btree_set(0..400_u32, 0..300),
        remove in proptest::collection::btree_set(0..400_u32, 0..300),
    ) {
        let ids = |numbers: &BTreeSet<u32>| numbers.iter().map(|n| identity(&format!("n{n}"))).collect::<BTreeSet<_>>();
        let (before, wanted) = (ids(&there), IdentityChange { add: ids(&add), remove: ids(&remove) });
        let mut compute = with(system, &[]);
        compute.user_assigned = before.iter().map(|id| (id.clone(), AssignedIds::default())).collect();
        compute.identity = IdentityType::of(system, !before.is_empty());
        let mut requests = 0;
        while let Some(patch) = IdentityPatch::next(&compute, &wanted) {
            prop_assert!(patch.add.len() + patch.remove.len() <= MAX_IDENTITIES);
            apply(&mut compute, &patch);
            requests += 1;
        }
        let after: BTreeSet<_> = compute.user_assigned.keys().cloned().collect();
        let kept: BTreeSet<_> = before.difference(&wanted.remove).cloned().collect();
        prop_assert_eq!(&after, &kept.union(&wanted.add).cloned().chain(
            before.intersection(&wanted.add).cloned()).collect());
        prop_assert_eq!(compute.identity, IdentityType::of(system, !after.is_empty()));
        prop_assert!(requests <= (wanted.add.len() + wanted.remove.len()).div_ceil(MAX_IDENTITIES));
    }
}

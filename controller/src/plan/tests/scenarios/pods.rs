//! Pods, bindings and identities that come, change and go.

use super::*;

#[test]
fn a_pod_is_assigned_its_identity_and_releases_it_when_deleted() {
    let mut model = model();
    model.pod(&pod("p"), "n0", "a");
    soon(&mut model);
    assert_eq!(state(&model, "p", "a"), Some(AssignedState::Assigned));
    assert_eq!(on(&model, &scale_set("one")), ["a"]);
    let told: Vec<_> = model
        .notices
        .iter()
        .map(|notice| (notice.subject.kind, notice.reason))
        .collect();
    assert_eq!(
        told,
        [
            ("AzureIdentityBinding", "binding applied"),
            ("Pod", "IdentityAssigned")
        ]
    );
    model.delete_pod(&pod("p"));
    model.pass(LINGER - Duration::from_secs(1));
    assert_eq!(on(&model, &scale_set("one")), ["a"], "it lingers");
    model.pass(Duration::from_secs(2));
    assert_eq!(state(&model, "p", "a"), None);
    assert!(on(&model, &scale_set("one")).is_empty());
    assert_eq!(model.notices.last().unwrap().reason, "binding removed");
}

#[test]
fn deleting_the_identity_takes_it_from_the_pod_at_once() {
    let mut model = model();
    model.pod(&pod("p"), "n0", "a");
    soon(&mut model);
    model.delete_identity(&object("shop", "a"));
    soon(&mut model);
    assert_eq!(state(&model, "p", "a"), None);
    assert!(on(&model, &scale_set("one")).is_empty());
}

#[test]
fn deleting_the_binding_takes_it_from_the_pod_at_once() {
    let mut model = model();
    model.pod(&pod("p"), "n0", "a");
    soon(&mut model);
    model.delete_binding(&object("shop", "a"));
    soon(&mut model);
    assert_eq!(state(&model, "p", "a"), None);
    assert!(on(&model, &scale_set("one")).is_empty());
}

#[test]
fn an_identity_edited_in_place_is_exchanged() {
    let mut model = model();
    model.pod(&pod("p"), "n0", "a");
    soon(&mut model);
    model.identity(&object("shop", "a"), managed("other"), false);
    soon(&mut model);
    assert_eq!(
        record(&model, "p", "a").unwrap().resource,
        Some(resource("other"))
    );
    assert_eq!(state(&model, "p", "a"), Some(AssignedState::Assigned));
    assert_eq!(on(&model, &scale_set("one")), ["other"]);
}

#[test]
fn an_edit_of_metadata_writes_nothing() {
    let mut model = model();
    model.pod(&pod("p"), "n0", "a");
    soon(&mut model);
    let (writes, patches) = (model.writes, model.patches);
    // A new resourceVersion, which sent every pod back to Created before.
    model.identity(&object("shop", "a"), managed("a"), false);
    model.binding(&object("shop", "a"), "a", "a", 0);
    soon(&mut model);
    assert_eq!((writes, patches), (model.writes, model.patches));
}

#[test]
fn an_edit_of_the_client_id_keeps_the_pod_assigned() {
    let mut model = model();
    model.pod(&pod("p"), "n0", "a");
    soon(&mut model);
    let spec = AzureIdentitySpec {
        client_id: Some("00000000-0000-0000-0000-0000000000ff".to_owned()),
        ..managed("a")
    };
    model.identity(&object("shop", "a"), spec, false);
    model.run();
    let record = record(&model, "p", "a").unwrap();
    assert_eq!(record.state, AssignedState::Assigned);
    assert!(record.client_id.unwrap().as_str().ends_with("ff"));
    assert_eq!(model.patches, 1);
}

#[test]
fn two_identities_of_one_pod_are_two_records_and_one_request() {
    let mut model = model();
    model.binding(&object("shop", "both"), "b", "a", 0);
    model.pod(&pod("p"), "n0", "a");
    soon(&mut model);
    assert_eq!(state(&model, "p", "a"), Some(AssignedState::Assigned));
    assert_eq!(state(&model, "p", "b"), Some(AssignedState::Assigned));
    assert_eq!(model.patches, 1);
}

#[test]
fn removing_one_of_five_never_breaks_the_others() {
    let mut model = model();
    for number in 0..5 {
        model.pod(&pod(&format!("p{number}")), "n0", "a");
    }
    soon(&mut model);
    for number in [3, 0, 4, 1] {
        model.delete_pod(&pod(&format!("p{number}")));
        model.pass(LINGER * 2);
        assert_eq!(on(&model, &scale_set("one")), ["a"]);
    }
    assert_eq!(model.patches, 1);
    model.delete_pod(&pod("p2"));
    model.pass(LINGER * 2);
    assert!(on(&model, &scale_set("one")).is_empty());
}

#[test]
fn a_changed_label_changes_the_identity() {
    let mut model = model();
    model.pod(&pod("p"), "n0", "a");
    soon(&mut model);
    model.relabel(&pod("p"), "b");
    soon(&mut model);
    assert_eq!(state(&model, "p", "a"), None);
    assert_eq!(state(&model, "p", "b"), Some(AssignedState::Assigned));
    assert_eq!(on(&model, &scale_set("one")), ["b"]);
    // The new one came in the request that took the old one, or before it.
    assert!(model.patches <= 3);
}

#[test]
fn an_identity_that_another_pod_uses_stays() {
    let mut model = model();
    model.pod(&pod("p"), "n0", "a");
    model.pod(&pod("q"), "n1", "a");
    soon(&mut model);
    model.delete_pod(&pod("p"));
    model.pass(LINGER * 2);
    assert_eq!(on(&model, &scale_set("one")), ["a"]);
    assert_eq!(state(&model, "p", "a"), None);
}

#[test]
fn pods_of_one_name_in_two_namespaces_protect_each_other() {
    let mut model = model();
    let [one, other] = [object("shop", "web-0"), object("depot", "web-0")];
    model.pod(&one, "n0", "a");
    model.pod(&other, "n1", "a");
    soon(&mut model);
    model.delete_pod(&one);
    model.pass(LINGER * 2);
    assert_eq!(on(&model, &scale_set("one")), ["a"]);
}

#[test]
fn ended_pods_release_their_identity() {
    let mut model = model();
    model.pod(&pod("job"), "n0", "a");
    soon(&mut model);
    model.end_pod(&pod("job"));
    model.pass(LINGER * 2);
    assert!(model.records.is_empty() && on(&model, &scale_set("one")).is_empty());
}

#[test]
fn a_pod_that_comes_again_on_another_machine_takes_its_identity_along() {
    let mut model = model();
    model.pod(&pod("web-0"), "n0", "a");
    soon(&mut model);
    model.delete_pod(&pod("web-0"));
    model.pod(&pod("web-0"), "m0", "a");
    soon(&mut model);
    assert_eq!(record(&model, "web-0", "a").unwrap().node, "m0");
    assert_eq!(state(&model, "web-0", "a"), Some(AssignedState::Assigned));
    assert_eq!(on(&model, &scale_set("two")), ["a"]);
    assert_eq!(on(&model, &scale_set("one")), ["a"], "it lingers");
    model.pass(LINGER);
    assert!(on(&model, &scale_set("one")).is_empty());
    assert_eq!(record(&model, "web-0", "a").unwrap().releases, []);
}

#[test]
fn a_namespaced_controller_keeps_records_and_identities_in_their_namespace() {
    let mut model = model_of(Settings {
        rules: crate::matching::Rules { namespaced: true },
        ..settings()
    });
    model.pod(&pod("p"), "n0", "a");
    model.pod(&object("depot", "stranger"), "n0", "a");
    soon(&mut model);
    let names: Vec<_> = model.records.keys().cloned().collect();
    assert_eq!(names, [object("shop", "p-shop-a")]);
}

#[test]
fn an_identity_is_not_taken_while_the_record_of_its_next_user_is_being_written() {
    let mut model = model();
    model.binding(&object("shop", "also"), "a", "x", 0);
    model.pod(&pod("p"), "n0", "a");
    soon(&mut model);
    // The old user is unbound, which takes effect at once, and a new one comes.
    model.relabel(&pod("p"), "nothing");
    model.pod(&pod("q"), "n1", "x");
    // The model refuses a request that takes what is needed.
    model.take();
    assert!(
        !model
            .pending
            .iter()
            .any(|effect| matches!(effect, Effect::Azure(..))),
        "{:?}",
        model.pending
    );
    writes(&mut model);
    assert_eq!(state(&model, "q", "a"), Some(AssignedState::Assigned));
    assert_eq!(
        state(&model, "p", "a"),
        None,
        "it went as soon as the other one was there"
    );
    assert_eq!(model.patches, 1);
}

#[test]
fn a_record_goes_as_soon_as_another_of_its_kind_is_wanted_again() {
    let mut model = model();
    model.pod(&pod("p"), "n0", "a");
    model.pod(&pod("q"), "n0", "a");
    soon(&mut model);
    model.delete_pod(&pod("p"));
    model.delete_pod(&pod("q"));
    model.pass(LINGER / 2);
    assert_eq!(model.records.len(), 2, "both linger");
    model.pod(&pod("q"), "n0", "a");
    writes(&mut model);
    assert_eq!(
        (state(&model, "p", "a"), state(&model, "q", "a")),
        (None, Some(AssignedState::Assigned))
    );
}

#[test]
fn a_pod_that_comes_while_its_identity_is_being_taken_waits_until_it_is_back() {
    let mut model = model();
    model.pod(&pod("p"), "n0", "a");
    soon(&mut model);
    model.relabel(&pod("p"), "nothing");
    model.take();
    model.now += settings().coalesce;
    model.take();
    assert!(
        matches!(&model.pending[..], [Effect::Azure(_, Ask::Change(change))] if change.remove.len() == 1)
    );
    model.pod(&pod("q"), "n0", "a");
    writes(&mut model);
    assert_eq!(state(&model, "q", "a"), Some(AssignedState::Created));
    soon(&mut model);
    assert_eq!(state(&model, "q", "a"), Some(AssignedState::Assigned));
    assert_eq!(on(&model, &scale_set("one")), ["a"]);
}

//! The end-to-end scenarios of aad-pod-identity that concern the controller, at this level, and the defects it had.

use std::collections::BTreeSet;
use std::time::Duration;

use podgate_api::{AssignedState, AzureIdentitySpec, IdentityType, ObjectRef};
use podgate_azure::arm::ErrorClass;

use super::model::{
    LINGER, Model, error, machine, managed, object, resource, scale_set, settings,
    without_annotations,
};
use crate::plan::{Ask, Effect, Settings};
use crate::record::Record;

/// Two nodes of one scale set, one of another, and a virtual machine; identities `a`, `b`, `c` of namespace `shop`, each bound
/// by its own name.
fn model() -> Model {
    model_of(settings())
}

fn model_of(settings: Settings) -> Model {
    let mut model = Model::new(settings);
    model.node("n0", &scale_set("one"), Some(0));
    model.node("n1", &scale_set("one"), Some(1));
    model.node("m0", &scale_set("two"), Some(0));
    model.node("vm", &machine("vm"), None);
    for name in ["a", "b", "c"] {
        model.identity(&object("shop", name), managed(name), false);
        model.binding(&object("shop", name), name, name, 0);
    }
    model
}

fn pod(name: &str) -> ObjectRef {
    object("shop", name)
}

fn record(model: &Model, pod: &str, identity: &str) -> Option<Record> {
    let name = object("default", &format!("{pod}-shop-{identity}"));
    model
        .records
        .get(&name)
        .map(|record| (*Record::read(record)).clone())
}

fn state(model: &Model, pod: &str, identity: &str) -> Option<AssignedState> {
    record(model, pod, identity).map(|record| record.state)
}

fn on(model: &Model, compute: &podgate_azure::arm::ComputeId) -> Vec<String> {
    model.azure[compute]
        .present
        .iter()
        .map(|id| id.name().to_owned())
        .collect()
}

fn soon(model: &mut Model) {
    model.pass(Duration::from_secs(3));
}

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
fn forty_pods_on_three_machines_cost_a_request_for_each_machine() {
    let mut model = model();
    for number in 0..40 {
        let node = ["n0", "n1", "m0", "vm"][number % 4];
        model.pod(
            &pod(&format!("p{number}")),
            node,
            ["a", "b", "c"][number % 3],
        );
    }
    model.pass(Duration::from_secs(10));
    assert!(
        model
            .records
            .values()
            .all(|record| record.state() == AssignedState::Assigned)
    );
    assert_eq!((model.records.len(), model.patches), (40, 3));
    assert_eq!(model.writes, 80);
}

#[test]
fn a_rolling_deployment_costs_no_request() {
    let mut model = model();
    for number in 0..20 {
        model.pod(
            &pod(&format!("old{number}")),
            ["n0", "n1", "m0"][number % 3],
            "a",
        );
    }
    model.pass(Duration::from_secs(10));
    let patches = model.patches;
    for number in 0..20 {
        model.delete_pod(&pod(&format!("old{number}")));
        soon(&mut model);
        model.pod(
            &pod(&format!("new{number}")),
            ["n0", "n1", "m0"][number % 3],
            "a",
        );
        soon(&mut model);
        assert_eq!(
            state(&model, &format!("new{number}"), "a"),
            Some(AssignedState::Assigned)
        );
    }
    model.pass(LINGER * 2);
    assert_eq!((model.patches, model.records.len()), (patches, 20));
}

#[test]
fn a_pod_whose_identity_is_there_is_assigned_with_one_write() {
    let mut model = model();
    model.pod(&pod("p"), "n0", "a");
    soon(&mut model);
    let writes = model.writes;
    model.pod(&pod("q"), "n1", "a");
    model.run();
    assert_eq!(state(&model, "q", "a"), Some(AssignedState::Assigned));
    assert_eq!(model.writes, writes + 1);
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
fn an_identity_taken_away_by_hand_is_cleaned_up_with_its_pod() {
    let mut model = model();
    model.pod(&pod("p"), "n0", "a");
    soon(&mut model);
    model
        .azure
        .get_mut(&scale_set("one"))
        .unwrap()
        .present
        .clear();
    model.delete_pod(&pod("p"));
    model.pass(LINGER * 2);
    assert!(model.records.is_empty());
}

#[test]
fn an_identity_taken_away_by_hand_comes_back_within_the_reconcile_interval() {
    let mut model = model();
    model.pod(&pod("p"), "n0", "a");
    soon(&mut model);
    model
        .azure
        .get_mut(&scale_set("one"))
        .unwrap()
        .present
        .clear();
    model.pass(settings().drift + Duration::from_secs(1));
    assert_eq!(on(&model, &scale_set("one")), ["a"]);
    assert!(
        model
            .notices
            .iter()
            .any(|notice| notice.reason == "identity missing")
    );
}

#[test]
fn foreign_identities_stay() {
    let mut model = model();
    model.foreign(&scale_set("one"), resource("foreign"));
    model.pod(&pod("p"), "n0", "a");
    soon(&mut model);
    model.delete_pod(&pod("p"));
    model.pass(LINGER * 2);
    assert_eq!(on(&model, &scale_set("one")), ["foreign"]);
}

#[test]
fn immutable_identities_stay_by_the_client_id_of_the_object_and_of_azure() {
    let immutable = BTreeSet::from(["00000000-0000-0000-0000-0000000000AA".parse().unwrap()]);
    let mut model = model_of(Settings {
        immutable,
        ..settings()
    });
    model.pod(&pod("p"), "n0", "a");
    soon(&mut model);
    model.delete_pod(&pod("p"));
    model.pass(LINGER * 2);
    assert_eq!(on(&model, &scale_set("one")), ["a"]);
    assert!(model.records.is_empty());
}

#[test]
fn a_bad_identity_of_a_batch_harms_only_itself() {
    let mut model = model();
    model.refused.insert(resource("b"));
    model.pod(&pod("good"), "n0", "a");
    model.pod(&pod("bad"), "n0", "b");
    soon(&mut model);
    assert_eq!(state(&model, "good", "a"), Some(AssignedState::Assigned));
    assert_eq!(state(&model, "bad", "b"), Some(AssignedState::Created));
    let told = model
        .notices
        .iter()
        .find(|notice| notice.is_warning)
        .unwrap();
    assert_eq!(
        (told.reason, told.subject.object.name.as_str()),
        ("binding apply error", "b")
    );
    // Somebody gives the role.
    model.refused.clear();
    model.pass(Duration::from_secs(60));
    assert_eq!(state(&model, "bad", "b"), Some(AssignedState::Assigned));
}

#[test]
fn a_bad_identity_does_not_take_the_good_one_of_the_pod() {
    let mut model = model();
    model.pod(&pod("p"), "n0", "a");
    soon(&mut model);
    model.refused.insert(resource("b"));
    model.binding(&object("shop", "more"), "b", "a", 0);
    model.pass(Duration::from_secs(60));
    assert_eq!(state(&model, "p", "a"), Some(AssignedState::Assigned));
    assert_eq!(on(&model, &scale_set("one")), ["a"]);
}

#[test]
fn one_bad_identity_costs_few_requests() {
    let mut model = model();
    model.refused.insert(resource("b"));
    model.pod(&pod("bad"), "n0", "b");
    model.pass(Duration::from_secs(3600));
    assert!(model.patches <= 20, "{} in an hour", model.patches);
}

#[test]
fn of_two_identities_of_one_name_the_first_namespace_wins_and_the_other_is_told() {
    let mut model = model();
    for space in ["depot", "shop"] {
        model.identity(&object(space, "same"), managed(space), false);
        model.binding(&object(space, "same"), "same", "x", 0);
    }
    model.pod(&pod("p"), "n0", "x");
    soon(&mut model);
    let record = record(&model, "p", "same").unwrap();
    assert_eq!(
        (record.identity.namespace.as_str(), record.state),
        ("depot", AssignedState::Assigned)
    );
    assert_eq!(on(&model, &scale_set("one")), ["depot"]);
    let told = model
        .notices
        .iter()
        .find(|notice| notice.is_warning)
        .unwrap();
    assert_eq!(told.subject.object, object("shop", "same"));
    assert!(
        told.message.contains("--forceNamespaced"),
        "{}",
        told.message
    );
}

#[test]
fn a_heavier_binding_wins_a_conflict_of_names() {
    let mut model = model();
    for (space, weight) in [("depot", 0), ("shop", 1)] {
        model.identity(&object(space, "same"), managed(space), false);
        model.binding(&object(space, "same"), "same", "x", weight);
    }
    model.pod(&pod("p"), "n0", "x");
    soon(&mut model);
    assert_eq!(
        record(&model, "p", "same").unwrap().identity.namespace,
        "shop"
    );
}

#[test]
fn a_new_leader_finishes_what_the_old_one_began() {
    let mut model = model();
    model.pod(&pod("p"), "n0", "a");
    model.take();
    model.carry_out(0);
    assert_eq!(state(&model, "p", "a"), Some(AssignedState::Created));
    model.crash();
    soon(&mut model);
    assert_eq!(state(&model, "p", "a"), Some(AssignedState::Assigned));
    assert_eq!(model.patches, 1);
}

#[test]
fn a_change_that_azure_finished_is_not_asked_for_again() {
    let mut model = model();
    model.pod(&pod("p"), "n0", "a");
    model.take();
    model.carry_out(0);
    model
        .azure
        .get_mut(&scale_set("one"))
        .unwrap()
        .present
        .insert(resource("a"));
    model.crash();
    soon(&mut model);
    assert_eq!(state(&model, "p", "a"), Some(AssignedState::Assigned));
    assert_eq!(model.patches, 0);
}

#[test]
fn a_standby_does_nothing() {
    let mut model = model();
    model.plan = crate::plan::Plan::new(settings());
    model.pod(&pod("p"), "n0", "a");
    soon(&mut model);
    assert!(model.records.is_empty());
    // Nor does it gather what it never works off.
    let before = format!("{:?}", model.plan).len();
    for number in 0..100 {
        let passing = pod(&format!("passing{number}"));
        model.pod(&passing, "vm", "a");
        model.delete_pod(&passing);
    }
    assert_eq!(format!("{:?}", model.plan).len(), before);
}

#[test]
fn service_principals_need_nothing_of_the_machine() {
    let mut model = model();
    model.node_of("bare", None);
    let spec = AzureIdentitySpec {
        identity_type: IdentityType::ServicePrincipal,
        ..AzureIdentitySpec::default()
    };
    model.identity(&object("shop", "a"), spec, false);
    model.pod(&pod("p"), "bare", "a");
    model.run();
    assert_eq!(state(&model, "p", "a"), Some(AssignedState::Assigned));
    assert_eq!((model.looks, model.writes), (0, 1));
}

#[test]
fn an_identity_without_a_usable_resource_id_is_quarantined_with_its_reason() {
    let mut model = model();
    model.identity(
        &object("shop", "unbound"),
        AzureIdentitySpec::default(),
        false,
    );
    model.take();
    assert_eq!(
        model.notices.pop().unwrap().subject.object,
        object("shop", "unbound")
    );
    let spec = AzureIdentitySpec {
        resource_id: Some("nonsense".to_owned()),
        ..managed("a")
    };
    model.identity(&object("shop", "a"), spec, false);
    model.pod(&pod("p"), "n0", "a");
    soon(&mut model);
    assert!(model.records.is_empty());
    let told = model
        .notices
        .iter()
        .find(|notice| notice.is_warning)
        .unwrap();
    assert_eq!(told.subject.kind, "AzureIdentity");
    assert!(told.message.contains("spec.resourceID"), "{}", told.message);
}

#[test]
fn a_node_without_a_provider_id_is_told_of_and_healed() {
    let mut model = model();
    model.node_of("late", None);
    model.pod(&pod("p"), "late", "a");
    soon(&mut model);
    assert!(model.records.is_empty());
    assert!(
        model
            .notices
            .iter()
            .any(|notice| notice.subject.kind == "Node")
    );
    model.node("late", &scale_set("two"), Some(7));
    soon(&mut model);
    assert_eq!(state(&model, "p", "a"), Some(AssignedState::Assigned));
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
    assert!(on(&model, &scale_set("one")).is_empty());
}

#[test]
fn a_deleted_node_of_a_scale_set_releases_what_only_it_used() {
    let mut model = model();
    model.pod(&pod("p"), "n0", "a");
    model.pod(&pod("q"), "n1", "b");
    soon(&mut model);
    model.delete_node("n0");
    model.pass(LINGER * 2);
    assert_eq!(on(&model, &scale_set("one")), ["b"]);
    assert_eq!(model.records.len(), 1);
}

#[test]
fn a_deleted_virtual_machine_is_not_asked() {
    let mut model = model();
    model.pod(&pod("p"), "vm", "a");
    soon(&mut model);
    let looks = model.looks;
    model.delete_node("vm");
    model.pass(LINGER * 2);
    assert!(model.records.is_empty());
    assert_eq!(model.looks, looks);
}

#[test]
fn records_of_the_old_controller_are_adopted_without_a_write() {
    let mut model = model();
    model.pod(&pod("p"), "n0", "a");
    soon(&mut model);
    for record in model.records.clone().into_values() {
        model.write_record(without_annotations(record));
    }
    let writes = model.writes;
    model.crash();
    soon(&mut model);
    assert_eq!((model.writes, model.patches), (writes, 1));
    model.delete_pod(&pod("p"));
    model.pass(LINGER * 2);
    assert!(model.records.is_empty() && on(&model, &scale_set("one")).is_empty());
}

#[test]
fn a_record_without_a_state_is_looked_at_and_assigned() {
    let mut model = model();
    model.pod(&pod("p"), "n0", "a");
    soon(&mut model);
    let mut record = model.records.values().next().unwrap().clone();
    record.status = None;
    model.write_record(record);
    soon(&mut model);
    assert_eq!(state(&model, "p", "a"), Some(AssignedState::Assigned));
    assert_eq!(model.patches, 1);
}

#[test]
fn a_throttled_machine_delays_no_other() {
    let mut model = model();
    model.pod(&pod("p"), "n0", "a");
    model.pod(&pod("q"), "m0", "a");
    model.now += Duration::from_secs(1);
    model.take();
    while model
        .pending
        .iter()
        .any(|effect| matches!(effect, Effect::Write(_)))
    {
        model.carry_out(0);
        model.take();
    }
    let [one, two] = [scale_set("one"), scale_set("two")];
    let look = |id: &_, model: &Model| {
        let is = |effect: &Effect| matches!(effect, Effect::Azure(of, Ask::Look) if of == id);
        model.pending.iter().position(is)
    };
    let which = look(&one, &model).unwrap();
    model.pending.remove(which);
    let throttled = error(ErrorClass::Throttled {
        retry_after: Duration::from_secs(300),
        scope: podgate_azure::arm::Scope::Resource,
    });
    model.plan.answered(&one, Err(throttled), model.now);
    soon(&mut model);
    assert_eq!(on(&model, &two), ["a"]);
    assert!(on(&model, &one).is_empty());
    model.pass(Duration::from_secs(300));
    assert_eq!(on(&model, &one), ["a"]);
}

#[test]
fn an_outage_of_hours_costs_few_calls_and_heals() {
    let mut model = model();
    model.throttles = true;
    for number in 0..50 {
        model.pod(&pod(&format!("p{number}")), "n0", "a");
    }
    model.pass(Duration::from_secs(4 * 3600));
    assert!(model.looks < 4 * 3600 / 7 + 2, "{}", model.looks);
    assert!(
        model
            .records
            .values()
            .all(|record| record.state() == AssignedState::Created)
    );
    model.throttles = false;
    model.pass(Duration::from_secs(600));
    assert!(
        model
            .records
            .values()
            .all(|record| record.state() == AssignedState::Assigned)
    );
    assert_eq!(model.patches, 1);
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

/// Does what is pending of one kind only.
fn writes(model: &mut Model) {
    model.take();
    while let Some(which) = model
        .pending
        .iter()
        .position(|effect| matches!(effect, Effect::Write(_)))
    {
        model.carry_out(which);
        model.take();
    }
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

#[test]
fn the_late_echo_of_a_watch_undoes_nothing() {
    let mut model = model();
    model.watch_tells = false;
    model.pod(&pod("p"), "n0", "a");
    writes(&mut model);
    let created = model.records.values().next().unwrap().clone();
    soon(&mut model);
    let echo = |record| crate::index::Object::Record(Record::read(record));
    let before = model.writes;
    model.plan.apply(echo(&created));
    model.run();
    assert_eq!(model.writes, before);
    // Deleted, and the watch still tells of an edition from before.
    let assigned = model.records.values().next().unwrap().clone();
    model.delete_pod(&pod("p"));
    model.pass(LINGER * 2);
    let before = model.writes;
    model.plan.apply(echo(&assigned));
    soon(&mut model);
    assert_eq!(model.writes, before);
}

#[test]
fn an_identity_that_azure_knows_as_immutable_stays_whatever_the_object_says() {
    let client_id: podgate_api::ClientId = "00000000-0000-0000-0000-0000000000bb".parse().unwrap();
    let mut model = model_of(Settings {
        immutable: BTreeSet::from([client_id.clone()]),
        ..settings()
    });
    model.azure.get_mut(&scale_set("one")).unwrap().client_id = Some(client_id);
    model.pod(&pod("p"), "n0", "a");
    soon(&mut model);
    model.crash();
    model.delete_pod(&pod("p"));
    model.pass(LINGER * 2);
    assert_eq!(on(&model, &scale_set("one")), ["a"]);
    assert!(model.records.is_empty());
}

#[test]
fn nothing_is_taken_before_the_first_look() {
    let client_id: podgate_api::ClientId = "00000000-0000-0000-0000-0000000000bb".parse().unwrap();
    let mut model = model_of(Settings {
        immutable: BTreeSet::from([client_id.clone()]),
        linger: Duration::ZERO,
        ..settings()
    });
    model.azure.get_mut(&scale_set("one")).unwrap().client_id = Some(client_id);
    model.pod(&pod("p"), "n0", "a");
    soon(&mut model);
    model.delete_pod(&pod("p"));
    model.crash();
    model.take();
    assert!(
        matches!(&model.pending[..], [Effect::Azure(_, Ask::Look)]),
        "{:?}",
        model.pending
    );
    model.carry_out(0);
    // No room for any decision: the request must be right by itself.
    let effects = model.plan.effects(model.now, 0);
    assert!(effects.is_empty(), "{effects:?}");
    assert_eq!(on(&model, &scale_set("one")), ["a"]);
}

//! What cannot be assigned harms nobody else, and people are told.

use super::*;

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
fn a_refusal_that_names_nobody_is_tracked_down_in_few_requests() {
    let mut model = model();
    model.names_nobody = true;
    model.refused.insert(resource("i37"));
    for number in 0..64 {
        let name = format!("i{number}");
        model.identity(&object("shop", &name), managed(&name), false);
        model.binding(&object("shop", &name), &name, &name, 0);
        model.pod(&pod(&format!("p{number}")), "n0", &name);
    }
    model.pass(Duration::from_secs(30));
    let lacking =
        |record: &&podgate_api::AzureAssignedIdentity| record.state() != AssignedState::Assigned;
    let lacking: Vec<_> = model.records.values().filter(lacking).collect();
    assert_eq!(lacking.len(), 1, "after {} requests", model.patches);
    assert!(model.patches <= 20, "{}", model.patches);
}

//! Crashes, standbys, and records that others wrote.

use super::*;

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

//! Promises that no other test keeps: each was found by a small change of the code that nothing noticed.

use std::time::Duration;

use podgate_api::AssignedState;
use podgate_azure::arm::ErrorClass;

use super::model::*;
use super::scenarios::{model, model_of, on, pod, record, request, soon, state, writes};
use crate::index::Key;
use crate::plan::{Ask, Effect, Settings, Write};

#[test]
fn what_is_wanted_is_not_taken_while_its_record_is_not_written() {
    let mut m = model();
    m.pod(&pod("p"), "n0", "a");
    soon(&mut m);
    m.relabel(&pod("p"), "nothing");
    m.take();
    m.pod(&pod("q"), "n1", "a");
    m.now += Duration::from_secs(1);
    m.take();
    let is_change = |effect: &Effect| matches!(effect, Effect::Azure(_, Ask::Change(_)));
    assert!(!m.pending.iter().any(is_change), "{:?}", m.pending);
}

#[test]
fn nothing_is_asked_for_before_the_record_cannot_vanish() {
    let mut m = model();
    m.pod(&pod("first"), "n0", "c");
    soon(&mut m);
    m.pod(&pod("p"), "n0", "a");
    writes(&mut m);
    let name = record(&m, "p", "a").unwrap().object;
    let mut bare = m.records[&name].clone();
    bare.metadata.finalizers = None;
    m.write_record(bare);
    m.take();
    // The write is slow.
    m.now += Duration::from_secs(60);
    m.take();
    let is_change = |effect: &Effect| matches!(effect, Effect::Azure(_, Ask::Change(_)));
    assert!(!m.pending.iter().any(is_change), "{:?}", m.pending);
}

#[test]
fn a_record_that_may_vanish_lets_no_other_go() {
    let mut m = model();
    m.pod(&pod("p"), "n0", "a");
    m.pod(&pod("q"), "n0", "a");
    soon(&mut m);
    let name = record(&m, "q", "a").unwrap().object;
    let mut bare = m.records[&name].clone();
    bare.metadata.finalizers = None;
    m.write_record(bare);
    m.delete_pod(&pod("p"));
    m.take();
    let removes = |effect: &Effect| matches!(effect, Effect::Write(Write::Remove(_)));
    assert!(!m.pending.iter().any(removes), "{:?}", m.pending);
}

#[test]
fn a_machine_that_fails_is_asked_ever_more_seldom_and_then_at_once_again() {
    let mut m = model();
    m.pod(&pod("p"), "n0", "a");
    let mut calls = 0;
    let end = m.now + Duration::from_secs(3600);
    while m.now < end {
        let (id, _) = request(&mut m);
        calls += 1;
        m.plan
            .answered(&id, Err(error(ErrorClass::Forbidden)), m.now);
    }
    assert!(calls < 30, "{calls} in an hour");
    m.pass(Duration::from_secs(301));
    assert_eq!(state(&m, "p", "a"), Some(AssignedState::Assigned));
    m.pod(&pod("q"), "n0", "b");
    let (id, _) = request(&mut m);
    m.plan
        .answered(&id, Err(error(ErrorClass::Unfinished)), m.now);
    m.pass(Duration::from_secs(2));
    assert_eq!(state(&m, "q", "b"), Some(AssignedState::Assigned));
}

#[test]
fn a_machine_that_nothing_is_wanted_of_is_not_looked_at() {
    let mut m = model();
    m.pod(&pod("p"), "n0", "a");
    soon(&mut m);
    m.delete_pod(&pod("p"));
    m.pass(LINGER * 2);
    let looks = m.looks;
    m.pass(DRIFT * 5);
    assert_eq!(m.looks, looks);
}

#[test]
fn a_new_leader_spreads_its_looks() {
    let mut m = model();
    for (name, node) in [("p", "n0"), ("q", "m0"), ("r", "vm")] {
        m.pod(&pod(name), node, "a");
    }
    soon(&mut m);
    m.crash();
    let looks = m.looks;
    m.pass(DRIFT / 6);
    assert_eq!(m.looks, looks + 1, "not all at once");
    m.pass(DRIFT);
    assert!(m.looks >= looks + 3);
}

#[test]
fn a_trickle_is_one_request() {
    let mut m = model_of(Settings {
        coalesce: Duration::from_millis(100),
        ..settings()
    });
    // A first look, so that nothing else makes it wait.
    m.pod(&pod("first"), "n0", "c");
    soon(&mut m);
    let patches = m.patches;
    m.pod(&pod("p"), "n0", "a");
    m.pod(&pod("q"), "n0", "b");
    m.take();
    let (mut slow, fast): (Vec<_>, Vec<_>) = m.pending.drain(..).partition(
        |effect| matches!(effect, Effect::Write(write) if write.record().name.starts_with('q')),
    );
    m.pending = fast;
    writes(&mut m);
    m.now += Duration::from_secs(1);
    m.take();
    m.pending.append(&mut slow);
    writes(&mut m);
    soon(&mut m);
    assert_eq!(m.patches, patches + 1);
}

#[test]
fn the_end_of_one_record_is_not_the_end_of_the_next() {
    let mut m = model();
    m.pod(&pod("p"), "n0", "a");
    soon(&mut m);
    m.watch_tells = false;
    m.delete_pod(&pod("p"));
    m.pass(LINGER * 2);
    assert!(m.records.is_empty());
    m.pod(&pod("p"), "n0", "a");
    soon(&mut m);
    let (name, writes) = (m.records.keys().next().unwrap().clone(), m.writes);
    m.plan.remove(&Key::Record(name));
    soon(&mut m);
    assert_eq!(m.writes, writes, "another was written");
}

#[test]
fn an_identity_goes_when_the_last_of_its_records_is_due() {
    let mut m = model();
    m.pod(&pod("p"), "n0", "a");
    m.pod(&pod("q"), "n0", "a");
    soon(&mut m);
    m.delete_pod(&pod("p"));
    m.relabel(&pod("q"), "nothing");
    soon(&mut m);
    assert_eq!(on(&m, &scale_set("one")), ["a"], "the one of p lingers");
    m.pass(LINGER);
    assert!(on(&m, &scale_set("one")).is_empty());
}

#[test]
fn what_a_record_of_the_old_controller_holds_is_known_when_its_node_went_first() {
    let mut m = model();
    m.pod(&pod("p"), "n0", "a");
    soon(&mut m);
    for record in m.records.clone().into_values() {
        m.write_record(without_annotations(record));
    }
    m.crash();
    soon(&mut m);
    m.lag(0, true);
    m.delete_pod(&pod("p"));
    m.delete_node("n0");
    soon(&mut m);
    m.node_of("n0", None);
    m.lag(0, false);
    m.pass(LINGER * 3);
    assert!(m.records.is_empty());
    assert!(on(&m, &scale_set("one")).is_empty(), "leaked");
}

#[test]
fn a_machine_that_updates_for_ever_is_believed_after_two_minutes() {
    let mut m = model();
    m.azure.get_mut(&scale_set("one")).unwrap().mood = Mood::Updating;
    m.pod(&pod("p"), "n0", "a");
    m.pass(Duration::from_secs(60));
    assert_eq!(state(&m, "p", "a"), Some(AssignedState::Created));
    m.pass(Duration::from_secs(80));
    assert_eq!(state(&m, "p", "a"), Some(AssignedState::Assigned));
}

#[test]
fn an_api_server_that_is_away_is_tried_ever_more_seldom_and_then_at_once_again() {
    let mut m = model();
    m.api_away = true;
    m.pod(&pod("p"), "n0", "a");
    let mut tries = 0;
    let end = m.now + Duration::from_secs(3600);
    while m.now < end {
        m.take();
        tries += m.pending.len();
        while !m.pending.is_empty() {
            m.carry_out(0);
        }
        m.now = m.plan.wakes_at().unwrap_or(end).max(m.now);
    }
    assert!(tries < 90, "{tries} in an hour");
    m.api_away = false;
    m.pass(Duration::from_secs(61));
    assert_eq!(state(&m, "p", "a"), Some(AssignedState::Assigned));
    m.api_away = true;
    m.pod(&pod("q"), "n0", "a");
    m.run();
    m.api_away = false;
    m.pass(Duration::from_secs(1));
    assert_eq!(state(&m, "q", "a"), Some(AssignedState::Assigned));
}

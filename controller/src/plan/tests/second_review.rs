//! What a second review found wrong, each as the history that shows it.

use std::time::Duration;

use podgate_api::{AssignedState, ObjectRef};
use podgate_azure::arm::ErrorClass;

use super::model::*;
use super::scenarios::{model, on, pod, record, request, soon, state, writes};
use crate::index::{Key, Object};
use crate::plan::{Ask, Effect, Write, Written};
use crate::record::Record;

/// Lets time pass while each change of a machine ends so, and looks succeed.
fn changes_fail(m: &mut Model, time: Duration, class: &ErrorClass) {
    let end = m.now + time;
    loop {
        m.take();
        let is_change = |effect: &Effect| matches!(effect, Effect::Azure(_, Ask::Change(_)));
        if let Some(which) = m.pending.iter().position(is_change) {
            let Effect::Azure(id, _) = m.pending.remove(which) else {
                unreachable!()
            };
            m.plan.answered(&id, Err(error(class.clone())), m.now);
        } else if !m.pending.is_empty() {
            m.carry_out(0);
        } else {
            match m.plan.wakes_at().filter(|at| *at <= end) {
                Some(at) => m.now = at.max(m.now),
                None => break,
            }
        }
    }
    m.now = end;
}

#[test]
fn s01_drift_is_seen_while_changes_fail() {
    let mut m = model();
    m.pod(&pod("p"), "n0", "a");
    soon(&mut m);
    m.pod(&pod("q"), "n0", "b");
    changes_fail(&mut m, Duration::from_secs(60), &ErrorClass::Forbidden);
    m.azure.get_mut(&scale_set("one")).unwrap().present.clear();
    changes_fail(
        &mut m,
        Duration::from_secs(3 * 3600),
        &ErrorClass::Forbidden,
    );
    assert_eq!(
        state(&m, "p", "a"),
        Some(AssignedState::Created),
        "gone for three hours"
    );
}

#[test]
fn s02_a_refused_removal_delays_no_pod() {
    let mut m = model();
    m.pod(&pod("other"), "n0", "b");
    m.pod(&pod("p"), "n0", "a");
    soon(&mut m);
    m.delete_pod(&pod("p"));
    let mut refusals = 0;
    while refusals < 7 {
        let (id, ask) = request(&mut m);
        let answer = match ask {
            Ask::Look => m.azure(&id, &ask),
            Ask::Change(_) => {
                refusals += 1;
                Err(error(ErrorClass::Identities(vec![resource("a")])))
            }
        };
        m.plan.answered(&id, answer, m.now);
    }
    m.pod(&pod("q"), "n0", "a");
    m.pass(Duration::from_secs(10));
    assert_eq!(
        state(&m, "q", "a"),
        Some(AssignedState::Assigned),
        "it has been there all the time"
    );
}

#[test]
fn s03_a_look_that_is_refused_for_good_is_not_repeated_each_second() {
    let mut m = model();
    m.pod(&pod("p"), "n0", "a");
    writes(&mut m);
    let (end, mut looks) = (m.now + Duration::from_secs(3600), 0);
    while m.now < end {
        let (id, ask) = request(&mut m);
        assert_eq!(ask, Ask::Look);
        looks += 1;
        m.plan.answered(&id, Err(error(ErrorClass::Invalid)), m.now);
    }
    assert!(looks < 60, "{looks} in an hour");
}

#[test]
fn s04_who_waits_for_an_end_is_told_that_the_look_is_refused() {
    let mut m = model();
    m.pod(&pod("p"), "n0", "a");
    soon(&mut m);
    m.delete_pod(&pod("p"));
    m.crash();
    m.notices.clear();
    for _ in 0..5 {
        let (id, ask) = request(&mut m);
        assert_eq!(ask, Ask::Look);
        m.plan
            .answered(&id, Err(error(ErrorClass::Forbidden)), m.now);
    }
    m.take();
    assert!(
        m.notices.iter().any(|notice| notice.is_warning),
        "the record stays, and nobody knows why"
    );
}

#[test]
fn s05_a_refused_identity_does_not_end_coalescing() {
    let mut m = model();
    m.refused.insert(resource("b"));
    m.pod(&pod("bad"), "n0", "b");
    m.pass(Duration::from_secs(2000));
    // The first of many.
    m.pod(&pod("p"), "n0", "a");
    writes(&mut m);
    let fresh = |effect: &Effect| matches!(effect, Effect::Azure(_, Ask::Change(change)) if change.add.contains(&resource("a")));
    assert!(
        !m.pending.iter().any(fresh),
        "asked for alone, and all others wait until Azure has done it"
    );
}

#[test]
fn s06_an_answer_that_comes_after_the_end_makes_no_ghost() {
    let mut m = model();
    m.watch_tells = false;
    m.pod(&pod("p"), "n0", "a");
    m.take();
    let Effect::Write(Write::Create(wire)) = m.pending.remove(0) else {
        panic!("{:?}", m.pending)
    };
    let mut wire = *wire;
    wire.metadata.uid = Some("uid-1".into());
    wire.metadata.resource_version = Some("1000".into());
    let written = Record::read(&wire);
    let name = written.object.clone();
    // The watch is faster than the answer: it was made, and somebody took it away with its finalizer.
    m.plan.apply(Object::Record(written.clone()));
    m.plan.remove(&Key::Record(name.clone()));
    m.plan.wrote(&name, Ok(Written::Record(written)), m.now);
    m.watch_tells = true;
    m.pass(Duration::from_secs(7200));
    m.plan.look_at_everything();
    m.pass(Duration::from_secs(60));
    assert!(m.records.contains_key(&name), "a ghost is taken for it");
}

#[test]
fn s07_the_end_of_a_record_is_heard_after_a_list_in_place_of_a_watch() {
    let mut m = model();
    m.pod(&pod("p"), "n0", "a");
    soon(&mut m);
    let name = m.records.keys().next().unwrap().clone();
    // The watch is away: the record goes and comes again, and a list shows the second one.
    m.watch_tells = false;
    m.delete_pod(&pod("p"));
    m.pass(LINGER * 2);
    assert!(m.records.is_empty());
    m.pod(&pod("p"), "n0", "a");
    soon(&mut m);
    m.watch_tells = true;
    m.plan
        .apply(Object::Record(Record::read(&m.records[&name])));
    // Somebody takes that one away, finalizer and all.
    m.records.remove(&name);
    m.plan.remove(&Key::Record(name.clone()));
    m.pass(Duration::from_secs(7200));
    m.plan.look_at_everything();
    m.pass(Duration::from_secs(60));
    assert!(m.records.contains_key(&name), "its end was passed over");
}

#[test]
fn s08_a_record_that_only_others_keep_still_speaks() {
    let mut m = model();
    m.pod(&pod("p"), "n0", "a");
    soon(&mut m);
    let mut theirs = m.records.values().next().unwrap().clone();
    theirs.metadata.finalizers = Some(vec!["backup.example/keep".into()]);
    let name = ObjectRef::of(&theirs.metadata);
    theirs.metadata.deletion_timestamp =
        Some(serde_json::from_value(serde_json::json!("2026-01-01T00:00:00Z")).unwrap());
    m.write_record(theirs);
    soon(&mut m);
    m.delete_pod(&pod("p"));
    m.pass(LINGER * 3);
    assert!(m.records.contains_key(&name), "theirs to let go");
    assert!(
        on(&m, &scale_set("one")).is_empty(),
        "when they let go, nothing speaks of it any more"
    );
}

#[test]
fn s09_after_a_conflict_nobody_waits_for_minutes() {
    let mut m = model();
    m.pod(&pod("p"), "n0", "a");
    let conflict = ErrorClass::Conflict { retry_after: None };
    changes_fail(&mut m, Duration::from_secs(520), &conflict);
    m.pass(Duration::from_secs(60));
    assert_eq!(state(&m, "p", "a"), Some(AssignedState::Assigned));
}

#[test]
fn s10_one_404_of_a_scale_set_without_nodes_leaks() {
    let mut m = model();
    m.pod(&pod("p"), "m0", "a");
    soon(&mut m);
    // Scaled to zero: the scale set stays.
    m.delete_pod(&pod("p"));
    m.delete_node("m0");
    let (id, _) = request(&mut m);
    m.plan
        .answered(&id, Err(error(ErrorClass::NotFound)), m.now);
    m.pass(Duration::from_secs(900));
    assert!(
        on(&m, &scale_set("two")).is_empty() || !m.records.is_empty(),
        "no record speaks of it"
    );
}

#[test]
fn s11_what_a_record_says_is_there_is_no_news_of_an_updating_machine() {
    let mut m = model();
    m.pod(&pod("p"), "n0", "a");
    soon(&mut m);
    m.azure.get_mut(&scale_set("one")).unwrap().mood = Mood::Updating;
    m.crash();
    m.pass(Duration::from_secs(1));
    // The cluster grows, and pods come with the nodes.
    m.pod(&pod("q"), "n1", "a");
    m.pass(Duration::from_secs(30));
    assert_eq!(
        state(&m, "q", "a"),
        Some(AssignedState::Assigned),
        "it has been there for days"
    );
}

#[test]
fn s12_an_old_release_takes_no_time_from_a_new_one() {
    let mut m = model();
    m.pod(&pod("web-0"), "n0", "a");
    soon(&mut m);
    // It moves, and what it held cannot be taken for a while.
    m.azure.get_mut(&scale_set("one")).unwrap().mood = Mood::Deleting;
    m.delete_pod(&pod("web-0"));
    m.pod(&pod("web-0"), "m0", "a");
    m.pass(Duration::from_secs(600));
    assert_eq!(record(&m, "web-0", "a").unwrap().releases.len(), 1);
    // Its successor is a moment late.
    m.delete_pod(&pod("web-0"));
    m.pass(Duration::from_secs(3));
    assert_eq!(on(&m, &scale_set("two")), ["a"], "taken without lingering");
}

#[test]
fn s13_an_answer_looks_only_at_whom_it_concerns() {
    let mut m = model();
    for number in 0..300 {
        m.pod(&pod(&format!("old{number}")), "n0", "a");
    }
    soon(&mut m);
    for number in 0..300 {
        m.delete_pod(&pod(&format!("old{number}")));
    }
    soon(&mut m);
    m.pod(&pod("new"), "n0", "b");
    let (id, _) = request(&mut m);
    let compute = m.azure(&id, &Ask::Look);
    m.plan.answered(&id, compute, m.now);
    let looked_at = m.plan.backlog().records;
    assert!(looked_at <= 2, "{looked_at} looked at for one answer");
}

#[test]
fn s14_a_machine_that_nothing_wants_is_forgotten_however_little_room_there_is() {
    let mut m = model();
    m.pod(&pod("p"), "vm", "a");
    soon(&mut m);
    m.delete_pod(&pod("p"));
    m.crash();
    for _ in ["look", "change"] {
        let (id, ask) = request(&mut m);
        let answer = m.azure(&id, &ask);
        m.plan.answered(&id, answer, m.now);
    }
    // All writes that may be under way are.
    assert!(m.plan.effects(m.now, 0).is_empty());
    m.pass(DRIFT * 3);
    assert!(m.records.is_empty());
    assert_eq!(
        m.plan.machines.len(),
        0,
        "kept until everything is looked at again"
    );
}

#[test]
fn s15_what_was_asked_for_and_is_not_listed_yet_may_still_come() {
    let mut m = model();
    m.pod(&pod("p"), "n0", "a");
    let (id, _) = request(&mut m);
    let compute = m.azure(&id, &Ask::Look);
    m.plan.answered(&id, compute, m.now);
    let (id, ask) = request(&mut m);
    assert!(matches!(ask, Ask::Change(_)));
    // Sent, and followed no longer.
    m.plan
        .answered(&id, Err(error(ErrorClass::Unfinished)), m.now);
    m.delete_pod(&pod("p"));
    m.azure.get_mut(&id).unwrap().mood = Mood::Updating;
    m.pass(LINGER * 2);
    let there = &mut m.azure.get_mut(&id).unwrap().present;
    there.insert(resource("a"));
    m.azure.get_mut(&id).unwrap().mood = Mood::Well;
    m.pass(Duration::from_secs(900));
    assert!(
        on(&m, &id).is_empty(),
        "leaked: the machine was still changing when it was believed not to be there"
    );
}

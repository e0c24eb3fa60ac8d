//! What a review found wrong once, each as the history that showed it.

use super::model::*;
use super::scenarios::{model, on, pod, soon, state, writes};
use crate::plan::queue::{Lane, Queue};
use crate::plan::{Ask, Effect};
use crate::record::Record;
use podgate_api::{ASSIGNED_FINALIZER, AssignedState, AzureIdentitySpec, ObjectRef};
use podgate_azure::arm::ErrorClass;
use std::time::Duration;

#[test]
fn r01_adopted_record_whose_node_goes_leaks() {
    let mut m = model();
    m.pod(&pod("p"), "n0", "a");
    soon(&mut m);
    for r in m.records.clone().into_values() {
        m.write_record(without_annotations(r));
    }
    m.crash();
    soon(&mut m);
    // scale-in: the pod is drained, the node goes within the linger
    m.delete_pod(&pod("p"));
    m.pass(Duration::from_secs(10));
    m.delete_node("n0");
    m.pass(Duration::from_secs(900));
    assert!(m.records.is_empty());
    assert!(
        on(&m, &scale_set("one")).is_empty(),
        "leaked {:?}",
        on(&m, &scale_set("one"))
    );
}

#[test]
fn r02_wanted_again_while_being_taken_stays_assigned() {
    let mut m = model();
    m.pod(&pod("p"), "n0", "a");
    soon(&mut m);
    m.delete_binding(&object("shop", "a"));
    m.take();
    m.now += settings().coalesce;
    m.take();
    assert!(
        m.pending
            .iter()
            .any(|e| matches!(e, Effect::Azure(_, Ask::Change(_)))),
        "{:?}",
        m.pending
    );
    m.binding(&object("shop", "a"), "a", "a", 0);
    writes(&mut m);
    assert_eq!(
        state(&m, "p", "a"),
        Some(AssignedState::Created),
        "while Azure takes it"
    );
}

#[test]
fn r03_look_refused_tells_nobody() {
    let mut m = model();
    m.pod(&pod("p"), "n0", "a");
    writes(&mut m);
    m.now += Duration::from_secs(1);
    m.take();
    let which = m
        .pending
        .iter()
        .position(|e| matches!(e, Effect::Azure(..)))
        .unwrap();
    m.pending.remove(which);
    for _ in 0..3 {
        m.plan
            .answered(&scale_set("one"), Err(error(ErrorClass::Forbidden)), m.now);
        m.now += Duration::from_secs(300);
        m.take();
        m.pending.clear();
    }
    assert!(
        m.notices.iter().any(|n| n.is_warning),
        "nobody is told: {:?}",
        m.notices
    );
}

#[test]
fn r04_scale_set_with_nodes_said_to_be_deleting_leaks() {
    let mut m = model();
    m.pod(&pod("p"), "n0", "a");
    soon(&mut m);
    m.delete_pod(&pod("p"));
    m.now += LINGER;
    for _ in 0..50 {
        m.take();
        if m.pending.is_empty() {
            match m.plan.wakes_at() {
                Some(at) => {
                    m.now = at.max(m.now);
                    m.take();
                }
                None => break,
            }
        }
        if m.pending
            .iter()
            .any(|e| matches!(e, Effect::Azure(_, Ask::Change(_))))
        {
            break;
        }
        m.carry_out(0);
    }
    assert!(
        matches!(&m.pending[..], [Effect::Azure(_, Ask::Change(_))]),
        "{:?}",
        m.pending
    );
    m.pending.clear();
    // "Operation … is not allowed on VM 'np_3' since the VM is marked for deletion."
    m.plan
        .answered(&scale_set("one"), Err(error(ErrorClass::Deleting)), m.now);
    m.pass(Duration::from_secs(900));
    assert!(
        on(&m, &scale_set("one")).is_empty() || !m.records.is_empty(),
        "leaked, and no record speaks of it"
    );
}

#[test]
fn r05_unassigned_wanted_again_adds_before_the_record_says_so() {
    let mut m = model();
    m.pod(&pod("p"), "n0", "a");
    soon(&mut m);
    m.delete_pod(&pod("p"));
    // Broken off between the two calls of the removal.
    m.pass(LINGER - Duration::from_secs(1));
    m.azure.get_mut(&scale_set("one")).unwrap().present.clear();
    let mut half = m.records.values().next().unwrap().clone();
    half.metadata.finalizers = None;
    half.status.as_mut().unwrap().status = "Unassigned".into();
    let name = ObjectRef::of(&half.metadata);
    m.records.insert(name.clone(), half.clone());
    m.write_record(half);
    m.crash();
    m.pod(&pod("p"), "n0", "a");
    // Until Azure has done it; the answer is lost with the process.
    for _ in 0..200 {
        m.take();
        if let Some(w) = m
            .pending
            .iter()
            .position(|e| matches!(e, Effect::Azure(_, Ask::Change(_))))
        {
            m.carry_out_and_crash(w);
            break;
        }
        if m.pending.is_empty() {
            m.now = m.plan.wakes_at().unwrap().max(m.now);
        } else {
            m.carry_out(0);
        }
    }
    assert_eq!(on(&m, &scale_set("one")), ["a"]);
    m.delete_pod(&pod("p"));
    m.pass(Duration::from_secs(900));
    assert!(m.records.is_empty());
    assert!(on(&m, &scale_set("one")).is_empty(), "leaked");
}

#[test]
fn r06_records_of_mic_are_adopted_without_a_write() {
    let mut m = model();
    m.pod(&pod("p"), "n0", "a");
    soon(&mut m);
    for r in m.records.clone().into_values() {
        // As Go writes the embedded copy: a struct is never omitted.
        let mut json = serde_json::to_value(without_annotations(r)).unwrap();
        json["spec"]["azureIdentityRef"]["spec"]["clientPassword"] = serde_json::json!({});
        json["spec"]["azureIdentityRef"]["spec"]["replicas"] = serde_json::json!(null);
        json["spec"]["azureIdentityRef"]["spec"]["metadata"] = serde_json::json!({});
        m.write_record(serde_json::from_value(json).unwrap());
    }
    let w = m.writes;
    m.crash();
    soon(&mut m);
    assert_eq!(m.writes, w, "written anew at the take-over");
}

#[test]
fn r07_giving_waits_behind_taking() {
    let mut q = Queue::default();
    for n in 0..1000 {
        q.push(object("x", &format!("{n}")), Lane::Taking);
    }
    q.push(object("x", "999"), Lane::Giving);
    assert_eq!(q.pop().unwrap().name, "999");
}

#[test]
fn r08_many_refused_come_back_in_one_request() {
    let mut m = model();
    for n in 0..50 {
        let name = format!("i{n}");
        m.identity(&object("shop", &name), managed(&name), false);
        m.binding(&object("shop", &name), &name, &name, 0);
        m.refused.insert(resource(&name));
        m.pod(&pod(&format!("p{n}")), "n0", &name);
    }
    m.pass(Duration::from_secs(120));
    let before = m.patches;
    m.refused.clear();
    m.pass(Duration::from_secs(600));
    assert!(
        m.patches - before <= 5,
        "{} requests after the role was given",
        m.patches - before
    );
}

#[test]
fn r09_node_that_is_away_for_a_moment() {
    let mut m = model();
    m.pod(&pod("p"), "n0", "a");
    soon(&mut m);
    m.plan.remove(&crate::index::Key::Node("n0".into()));
    m.world.nodes.remove("n0");
    m.pass(Duration::from_secs(2));
    assert_eq!(
        on(&m, &scale_set("one")),
        ["a"],
        "taken from a pod that runs"
    );
}

#[test]
fn r10_vm_whose_node_object_is_deleted_leaks() {
    let mut m = model();
    m.pod(&pod("p"), "vm", "a");
    soon(&mut m);
    m.delete_pod(&pod("p"));
    m.pass(Duration::from_secs(5));
    m.plan.remove(&crate::index::Key::Node("vm".into()));
    let node = m.world.nodes.remove("vm").unwrap();
    m.pass(Duration::from_secs(60));
    m.world.nodes.insert("vm".into(), node.clone());
    m.plan
        .apply(crate::index::Object::Node(crate::index::Node::read(&node)));
    m.pass(Duration::from_secs(900));
    assert!(m.records.is_empty());
    assert!(on(&m, &machine("vm")).is_empty(), "leaked");
}

#[test]
fn r11_a_moved_pods_identity_lingers() {
    let mut m = model();
    m.pod(&pod("web-0"), "n0", "a");
    soon(&mut m);
    m.delete_pod(&pod("web-0"));
    m.pod(&pod("web-0"), "m0", "a");
    soon(&mut m);
    assert_eq!(on(&m, &scale_set("one")), ["a"], "taken at once");
}

#[test]
fn r12_assigned_without_finalizer_gets_it() {
    let mut m = model();
    m.pod(&pod("p"), "n0", "a");
    soon(&mut m);
    let mut r = m.records.values().next().unwrap().clone();
    r.metadata.finalizers = None;
    m.write_record(r);
    m.pass(Duration::from_secs(400));
    assert!(Record::read(m.records.values().next().unwrap()).finalized);
    let _ = ASSIGNED_FINALIZER;
}

#[test]
fn r13_foreign_finalizers_stay() {
    let mut m = model();
    m.pod(&pod("p"), "n0", "a");
    soon(&mut m);
    let mut r = m.records.values().next().unwrap().clone();
    r.metadata
        .finalizers
        .as_mut()
        .unwrap()
        .push("backup.example/keep".into());
    m.write_record(r);
    // A new edition: Replace.
    let spec = AzureIdentitySpec {
        client_id: Some("00000000-0000-0000-0000-0000000000ff".into()),
        ..managed("a")
    };
    m.identity(&object("shop", "a"), spec, false);
    soon(&mut m);
    let f = m
        .records
        .values()
        .next()
        .unwrap()
        .metadata
        .finalizers
        .clone()
        .unwrap();
    assert!(f.iter().any(|f| f.starts_with("backup")), "{f:?}");
}

#[test]
fn r14_quarantine_is_forgotten_with_its_identity() {
    let mut m = model();
    m.pod(&pod("good"), "n0", "a");
    m.refused.insert(resource("b"));
    m.pod(&pod("bad"), "n0", "b");
    soon(&mut m);
    m.delete_pod(&pod("bad"));
    m.delete_identity(&object("shop", "b"));
    m.pass(Duration::from_secs(3600));
    assert_eq!(m.plan.backlog().quarantined, 0);
}

#[test]
fn r15_mic_kept_our_annotation_when_the_pod_moved() {
    let mut m = model();
    m.pod(&pod("web-0"), "n0", "a");
    soon(&mut m);
    // MIC takes over: the pod moves to set two; MIC keeps the old metadata, annotations included.
    let mut r = m.records.values().next().unwrap().clone();
    r.spec.node_name = "m0".into();
    m.azure.get_mut(&scale_set("one")).unwrap().present.clear();
    m.azure
        .get_mut(&scale_set("two"))
        .unwrap()
        .present
        .insert(resource("a"));
    m.world.pods.clear();
    let name = ObjectRef::of(&r.metadata);
    m.records.insert(name, r.clone());
    m.crash();
    m.pass(Duration::from_secs(900));
    assert!(m.records.is_empty());
    assert!(on(&m, &scale_set("two")).is_empty(), "leaked");
}

#[test]
fn r16_leaving_is_looked_at_once_per_newcomer() {
    let mut m = model();
    for n in 0..300 {
        m.pod(&pod(&format!("old{n}")), "n0", "a");
    }
    soon(&mut m);
    for n in 0..300 {
        m.delete_pod(&pod(&format!("old{n}")));
    }
    soon(&mut m);
    m.pod(&pod("new"), "n0", "a");
    assert!(
        m.plan.backlog().records <= 2,
        "{} looked at for one pod",
        m.plan.backlog().records
    );
}

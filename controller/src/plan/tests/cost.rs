//! What one event costs is counted, not timed: how many records are looked at, whatever else is in the cluster.

use std::time::Duration;

use super::model::{DRIFT, Model, managed, object, scale_set, settings};
use crate::plan::Backlog;

const NODES: usize = 20;

fn model(pods: usize) -> Model {
    let mut model = Model::new(settings());
    for number in 0..NODES {
        let set = scale_set(&format!("set{}", number % 5));
        model.node(&format!("n{number}"), &set, u32::try_from(number).ok());
    }
    for number in 0..20 {
        let name = format!("i{number}");
        model.identity(&object("shop", &name), managed(&name), false);
        model.binding(&object("shop", &name), &name, &name, 0);
    }
    for number in 0..pods {
        let pod = object("shop", &format!("p{number}"));
        model.pod(
            &pod,
            &format!("n{}", number % NODES),
            &format!("i{}", number % 20),
        );
    }
    model.pass(Duration::from_secs(60));
    assert_eq!(model.records.len(), pods);
    assert_eq!(model.plan.backlog(), Backlog::default());
    model
}

#[test]
fn a_pods_event_looks_at_its_own_records_among_any_number_of_pods() {
    for pods in [20, 2_000] {
        let mut model = model(pods);
        let writes = model.writes;
        model.pod(&object("shop", "new"), "n0", "i0");
        assert_eq!(model.plan.backlog().records, 1, "among {pods}");
        model.run();
        assert_eq!(model.writes, writes + 1);
        model.delete_pod(&object("shop", "new"));
        assert_eq!(model.plan.backlog().records, 1, "among {pods}");
    }
}

#[test]
fn a_bindings_event_looks_at_the_pods_it_selects() {
    let mut model = model(2_000);
    model.binding(&object("shop", "more"), "i1", "i0", 0);
    assert_eq!(model.plan.backlog().records, 2 * 2_000 / 20);
}

#[test]
fn a_nodes_event_looks_at_its_pods() {
    let mut model = model(2_000);
    model.delete_node("n0");
    assert_eq!(model.plan.backlog().records, 2_000 / NODES);
}

#[test]
fn nothing_is_kept_of_what_is_gone() {
    let mut model = model(20);
    let size = |model: &Model| format!("{:?}", model.plan).len();
    let churn = |model: &mut Model| {
        for number in 0..50 {
            let pod = object("shop", &format!("passing{number}"));
            model.pod(&pod, "n0", "i5");
            model.pass(Duration::from_secs(5));
            model.delete_pod(&pod);
        }
        model.pass(DRIFT * 3);
    };
    churn(&mut model);
    let before = size(&model);
    churn(&mut model);
    // Only numbers and times may have other lengths.
    assert!(
        size(&model).abs_diff(before) < 200,
        "{before} {}",
        size(&model)
    );
}

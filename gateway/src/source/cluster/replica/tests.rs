use proptest::prelude::*;
use serde_json::{Value, json};

use super::*;

mod model;

use model::{Model, Stored, json_of, steps};

proptest! {
    #[test]
    fn whatever_the_line_does_the_world_comes_to_what_the_api_server_holds(
        lives in prop::collection::vec(steps(), 1..4),
    ) {
        let mut model = Model::new();
        for steps in lives {
            for step in &steps {
                model.step(step);
                model.check_addresses();
                let known = model.known();
                for (name, pod) in &model.untouched {
                    prop_assert_eq!(known.get(name), Some(pod), "{} went without a reason, at {:?}", name, step);
                }
            }
            model.catch_up();
            prop_assert_eq!(model.known(), model.server.readable());
            model.check_addresses();
        }
    }
}

fn page(items: &[Value], next: &str) -> PageText {
    let page = json!({"metadata": {"resourceVersion": "7", "continue": next}, "items": items});
    PageText(page.to_string().into_bytes())
}

fn pod(name: u8) -> Value {
    let stored = Stored {
        uid: u64::from(name),
        edition: 1,
        spoiled: false,
    };
    json_of(name, &stored, 1)
}

#[test]
fn half_a_list_takes_nothing_away_and_a_whole_one_what_it_does_not_have() {
    let mut model = Model::new();
    model.replica.begin();
    model.replica.page(&page(&[pod(1), pod(2)], "")).unwrap();
    model.replica.begin();
    model.replica.page(&page(&[pod(1)], "more")).unwrap();
    assert_eq!(model.known().len(), 2, "half a list");
    model.replica.begin();
    model.replica.page(&page(&[pod(3)], "more")).unwrap();
    model.replica.page(&page(&[], "")).unwrap();
    assert_eq!(
        model.known().into_keys().collect::<Vec<_>>(),
        ["pod-3"],
        "what the broken list had counts for nothing"
    );
}

#[test]
fn another_nodes_pod_is_not_taken_whatever_the_server_selects() {
    let mut model = Model::new();
    let mut foreign = pod(1);
    foreign["spec"]["nodeName"] = json!("node-2");
    model.replica.begin();
    model.replica.page(&page(&[foreign, pod(2)], "")).unwrap();
    assert_eq!(model.known().into_keys().collect::<Vec<_>>(), ["pod-2"]);
}

#[test]
fn an_object_that_cannot_be_read_harms_only_itself_and_goes() {
    let mut model = Model::new();
    model.replica.begin();
    model.replica.page(&page(&[pod(1), pod(2)], "")).unwrap();
    let mut bad = pod(1);
    bad["spec"]["containers"] = json!("none");
    let nameless = json!({"metadata": "none"});
    model.replica.begin();
    model
        .replica
        .page(&page(&[nameless, bad, pod(2)], ""))
        .unwrap();
    assert_eq!(model.known().into_keys().collect::<Vec<_>>(), ["pod-2"]);
}

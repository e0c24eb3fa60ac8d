use std::collections::{BTreeMap, BTreeSet};

use podgate_watch::{Kind as _, Reading};
use proptest::prelude::*;
use serde_json::json;

use super::*;
use crate::world::testing::rules;

/// What a watch of pods may say. Few names and fewer addresses, so that they meet.
#[derive(Clone, Debug)]
enum Step {
    /// A pod of this name, uid and address, be it new, changed or another one.
    Set { name: u8, uid: u8, address: u8 },
    /// It goes.
    Remove(u8),
}

fn steps() -> impl Strategy<Value = Vec<Step>> {
    let set = (0..6_u8, 0..3_u8, 0..4_u8);
    let step = prop_oneof![
        3 => set.prop_map(|(name, uid, address)| Step::Set { name, uid, address }),
        1 => (0..6_u8).prop_map(Step::Remove),
    ];
    prop::collection::vec(step, 1..80)
}

fn named(name: u8) -> String {
    format!("pod-{name}")
}

fn read(kind: &Kind, name: u8, uid: u8, address: u8) -> Object {
    let pod = json!({
        "metadata": {"name": named(name), "namespace": "default", "uid": uid.to_string()},
        "spec": {"nodeName": "node-1", "containers": []},
        "status": {"podIP": format!("10.0.0.{address}")},
    });
    let key = kind.key(Some("default"), &named(name)).unwrap();
    match kind.read(&key, &pod.to_string()) {
        Reading::Object(object) => object,
        other => panic!("{other:?}"),
    }
}

/// Addresses and the names of the pods that have them.
type Addresses = BTreeMap<u8, BTreeSet<String>>;

fn at(world: &World) -> Addresses {
    let index = world.read();
    let names = |address: u8| {
        let pods = index.pods_at(format!("10.0.0.{address}").parse().unwrap());
        pods.iter().map(|pod| pod.object.name.clone()).collect()
    };
    (0..4).map(|address| (address, names(address))).collect()
}

fn of(pods: &BTreeMap<u8, u8>) -> Addresses {
    let names = |address: u8| {
        let pods = pods.iter().filter(|(_, own)| **own == address);
        pods.map(|(name, _)| named(*name)).collect()
    };
    (0..4).map(|address| (address, names(address))).collect()
}

async fn follow(steps: Vec<Step>) -> Result<(), TestCaseError> {
    let world = World::new(rules());
    let kind = Kind::Pods("node-1".parse().unwrap());
    let mut feed = Feed {
        world: world.clone(),
        metrics: Arc::default(),
        first: None,
    };
    let mut pods = BTreeMap::new();
    for step in steps {
        match step {
            Step::Set { name, uid, address } => {
                feed.apply(read(&kind, name, uid, address)).await;
                pods.insert(name, address);
            }
            Step::Remove(name) => {
                let key = kind.key(Some("default"), &named(name)).unwrap();
                feed.remove(&key).await;
                pods.remove(&name);
            }
        }
        prop_assert_eq!(at(&world), of(&pods), "after {:?}", step);
    }
    Ok(())
}

proptest! {
    #[test]
    fn addresses_lead_to_the_pods_that_are_known_and_to_no_other(steps in steps()) {
        let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
        runtime.block_on(follow(steps))?;
    }
}

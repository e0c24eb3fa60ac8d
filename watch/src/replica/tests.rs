use proptest::prelude::*;
use serde_json::{Value, json};

use super::*;
use crate::tests::fixture::{Known, Thing, identity, node, secret};

mod model;

use model::{Model, Step, Stored, json_of, steps};

async fn live(lives: Vec<Vec<Step>>) -> Result<(), TestCaseError> {
    let mut model = Model::new();
    for steps in lives {
        for step in &steps {
            model.step(step).await;
            let known = model.known.objects();
            for (name, pod) in &model.untouched {
                prop_assert_eq!(
                    known.get(name),
                    Some(pod),
                    "{} went without a reason, at {:?}",
                    name,
                    step
                );
            }
        }
        model.catch_up().await;
        prop_assert_eq!(model.known.objects(), model.server.readable());
    }
    Ok(())
}

proptest! {
    #[test]
    fn whatever_the_line_does_the_sink_comes_to_what_the_api_server_holds(
        lives in prop::collection::vec(steps(), 1..4),
    ) {
        let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
        runtime.block_on(live(lives))?;
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

/// A replica into which lists of one page, or parts of some, come.
struct Listed {
    replica: Replica<Thing, Known>,
    known: Known,
}

impl Listed {
    fn new(kind: Thing) -> Self {
        let known = Known::default();
        let replica = Replica::new(kind, known.clone());
        Self { replica, known }
    }

    async fn page(&mut self, items: &[Value], next: &str) {
        self.replica.page(&page(items, next)).await.unwrap();
    }

    async fn whole(&mut self, items: &[Value]) {
        self.replica.begin();
        self.page(items, "").await;
    }

    async fn event(&mut self, word: &str, object: &Value) -> Result<(), Failure> {
        let line = json!({"type": word, "object": object}).to_string();
        let event = Event::parse(line.as_bytes()).unwrap();
        self.replica.event(&event).await
    }
}

#[tokio::test]
async fn half_a_list_takes_nothing_away_and_a_whole_one_what_it_does_not_have() {
    let mut pods = Listed::new(Thing::Pods);
    pods.whole(&[pod(1), pod(2)]).await;
    pods.replica.begin();
    pods.page(&[pod(1)], "more").await;
    assert_eq!(pods.known.keys().len(), 2, "half a list");
    pods.replica.begin();
    pods.page(&[pod(3)], "more").await;
    pods.page(&[], "").await;
    assert_eq!(
        pods.known.keys(),
        ["default/pod-3"],
        "what the broken list had counts for nothing"
    );
}

#[tokio::test]
async fn another_nodes_pod_is_not_taken_whatever_the_server_selects() {
    let mut pods = Listed::new(Thing::Pods);
    let mut foreign = pod(1);
    foreign["spec"]["nodeName"] = json!("node-2");
    pods.whole(&[foreign.clone(), pod(2)]).await;
    assert_eq!(pods.known.keys(), ["default/pod-2"]);
    pods.whole(&[pod(1), pod(2)]).await;
    pods.event("MODIFIED", &foreign).await.unwrap();
    assert_eq!(pods.known.keys(), ["default/pod-2"], "it was this node's");
    assert_eq!(pods.known.unreadable(), 0);
}

#[tokio::test]
async fn an_object_that_cannot_be_read_harms_only_itself_and_goes() {
    let mut pods = Listed::new(Thing::Pods);
    pods.whole(&[pod(1), pod(2)]).await;
    let mut bad = pod(1);
    bad["spec"]["containers"] = json!("none");
    let nameless = json!({"metadata": "none"});
    pods.whole(&[nameless, bad, pod(2)]).await;
    assert_eq!(pods.known.keys(), ["default/pod-2"]);
    assert_eq!(pods.known.unreadable(), 2);
}

#[tokio::test]
async fn what_stands_for_an_unreadable_object_goes_with_it() {
    let mut identities = Listed::new(Thing::Identities);
    let bad = json!({"metadata": {"name": "a", "namespace": "default", "uid": 3}});
    identities.whole(&[identity("a")]).await;
    identities.event("MODIFIED", &bad).await.unwrap();
    let told = identities.known.told("default/a");
    assert_eq!(told.as_deref(), Some("unreadable"));
    identities.whole(&[]).await;
    assert_eq!(identities.known.told("default/a"), None);
}

/// One that cannot be read, of a name that can.
fn spoiled(name: &str) -> Value {
    json!({"metadata": {"name": name, "namespace": "default", "uid": 3}})
}

#[tokio::test]
async fn what_stands_in_doubt_stays_while_it_cannot_be_read_and_goes_when_it_is_deleted() {
    let mut bindings = Listed::new(Thing::Bindings);
    bindings.whole(&[identity("a"), identity("b")]).await;
    bindings.event("MODIFIED", &spoiled("a")).await.unwrap();
    bindings
        .whole(&[spoiled("a"), identity("b"), spoiled("new")])
        .await;
    assert_eq!(bindings.known.keys(), ["default/a", "default/b"]);
    assert_eq!(bindings.known.told("default/a").as_deref(), Some("a "));
    assert_eq!(bindings.known.unreadable(), 3, "each time it is told");
    assert_eq!(bindings.replica.kept(), 1);
    bindings.event("DELETED", &spoiled("a")).await.unwrap();
    assert_eq!(bindings.known.keys(), ["default/b"]);
    assert_eq!(bindings.replica.kept(), 0);
    bindings.event("MODIFIED", &spoiled("b")).await.unwrap();
    bindings.event("MODIFIED", &identity("b")).await.unwrap();
    assert_eq!(bindings.replica.kept(), 0, "it can be read again");
    bindings.event("MODIFIED", &spoiled("b")).await.unwrap();
    bindings.whole(&[]).await;
    assert!(
        bindings.known.keys().is_empty(),
        "gone while nobody watched"
    );
    assert_eq!(bindings.replica.kept(), 0);
}

#[tokio::test]
async fn what_has_no_name_may_be_any_object_that_stands_in_doubt() {
    let nameless = json!({"metadata": "none"});
    let mut bindings = Listed::new(Thing::Bindings);
    bindings.whole(&[identity("a"), identity("b")]).await;
    bindings.whole(&[identity("a"), nameless.clone()]).await;
    assert_eq!(bindings.known.keys(), ["default/a", "default/b"]);
    assert_eq!(bindings.replica.kept(), 1);
    bindings.whole(&[identity("a")]).await;
    assert_eq!(bindings.known.keys(), ["default/a"], "a whole list again");
    let mut identities = Listed::new(Thing::Identities);
    identities.whole(&[identity("a")]).await;
    identities.whole(&[nameless]).await;
    assert!(identities.known.keys().is_empty());
}

#[tokio::test]
async fn an_object_without_a_name_is_none() {
    let unnamed = [
        json!({}),
        json!({"metadata": {"name": "", "namespace": "default"}}),
        json!({"metadata": 1}),
    ];
    for value in unnamed {
        let mut identities = Listed::new(Thing::Identities);
        identities.whole(&[value.clone(), identity("a")]).await;
        assert_eq!(identities.known.keys(), ["default/a"], "{value}");
        assert_eq!(identities.known.unreadable(), 1, "{value}");
        let failure = identities.event("ADDED", &value).await.unwrap_err();
        assert_eq!(failure, NAMELESS, "{value}");
    }
}

#[tokio::test]
async fn a_namespace_is_part_of_the_name_where_the_kind_has_one_and_only_there() {
    let mut identities = Listed::new(Thing::Identities);
    for namespace in [Value::Null, json!("")] {
        let mut homeless = identity("a");
        homeless["metadata"]["namespace"] = namespace;
        identities.whole(&[homeless]).await;
    }
    assert_eq!(identities.known.unreadable(), 2);
    assert!(identities.known.keys().is_empty());
    let mut nodes = Listed::new(Thing::Nodes);
    let mut empty = node("b");
    empty["metadata"]["namespace"] = json!("");
    nodes.whole(&[node("a"), empty]).await;
    nodes.event("DELETED", &node("a")).await.unwrap();
    assert_eq!(nodes.known.keys(), ["b"]);
}

#[tokio::test]
async fn an_object_that_is_held_stands_when_it_may_no_longer_be_read_and_not_when_it_is_deleted() {
    let mut secrets = Listed::new(Thing::Secret);
    let forbidden = Failure::status(Some(403), b"");
    secrets.replica.failed(&forbidden).await;
    let told = || secrets.known.told("shop/login");
    assert_eq!(told().as_deref(), Some("forbidden"));
    secrets.whole(&[secret()]).await;
    secrets.replica.failed(&forbidden).await;
    assert_eq!(secrets.known.told("shop/login").as_deref(), Some("1 "));
    secrets.event("DELETED", &secret()).await.unwrap();
    assert_eq!(secrets.known.told("shop/login").as_deref(), Some("absent"));
}

use podgate_watch::Kind as _;
use serde_json::{Value, json};

use super::*;

fn read_of(kind: &Kind, value: &Value) -> Reading<Object> {
    let metadata = &value["metadata"];
    let key = kind.key(
        metadata["namespace"].as_str(),
        metadata["name"].as_str().unwrap(),
    );
    kind.read(&key.unwrap(), &value.to_string())
}

fn metadata() -> Value {
    json!({"name": "shop", "namespace": "store", "uid": "1", "resourceVersion": "5"})
}

fn node() -> super::super::NodeName {
    "node-1".parse().unwrap()
}

fn is_object(reading: &Reading<Object>) -> bool {
    matches!(reading, Reading::Object(_))
}

#[test]
fn an_identity_that_cannot_be_read_stops_being_usable_and_says_why_without_quoting_it() {
    let reading = read_of(
        &Kind::Identities,
        &json!({"metadata": metadata(), "spec": {"type": 1, "clientPassword": "hunter2"}}),
    );
    let told = format!("{reading:?}");
    let Reading::Unreadable {
        stand_in: Some(Object::Unusable(invalid)),
        ..
    } = reading
    else {
        panic!("{told}");
    };
    assert_eq!(invalid.object, ObjectRef::new("store", "shop"));
    assert!(!told.contains("hunter2"), "{told}");
}

#[test]
fn a_binding_or_an_exception_that_cannot_be_read_counts_as_gone() {
    for kind in [Kind::Bindings, Kind::Exceptions] {
        let reading = read_of(&kind, &json!({"metadata": metadata(), "spec": "none"}));
        let gone = matches!(reading, Reading::Unreadable { stand_in: None, .. });
        assert!(gone, "{reading:?}");
    }
}

#[test]
fn a_secret_that_cannot_be_read_is_not_quoted() {
    let kind = Kind::Secret(ObjectRef::new("store", "shop"));
    let reading = read_of(
        &kind,
        &json!({"metadata": metadata(), "data": {"clientSecret": ["hunter2"]}}),
    );
    let told = format!("{reading:?}");
    let Reading::Unreadable { stand_in, .. } = reading else {
        panic!("{told}");
    };
    assert!(matches!(stand_in, Some(Object::NoSecret(..))), "{told}");
    assert!(!told.contains("hunter2"), "{told}");
}

#[test]
fn another_secret_than_the_one_that_was_asked_for_is_not_taken() {
    let kind = Kind::Secret(ObjectRef::new("store", "till"));
    let reading = read_of(&kind, &json!({"metadata": metadata(), "data": {}}));
    assert!(matches!(reading, Reading::Foreign), "{reading:?}");
}

#[test]
fn a_record_of_another_node_is_not_taken() {
    let kind = Kind::Assigned(node());
    let record = |node: &str| json!({"metadata": metadata(), "spec": {"nodename": node}});
    assert!(matches!(
        read_of(&kind, &record("node-2")),
        Reading::Foreign
    ));
    assert!(is_object(&read_of(&kind, &record("node-1"))));
}

#[test]
fn a_pod_with_an_address_that_is_none_or_without_a_uid_is_nobody() {
    let pod = |uid: Value, ip: &str| {
        json!({
            "metadata": {"name": "shop", "namespace": "store", "uid": uid, "resourceVersion": "5"},
            "spec": {"nodeName": "node-1", "containers": []},
            "status": {"podIPs": [{"ip": ip}]},
        })
    };
    let kind = Kind::Pods(node());
    let gone = |reading| matches!(reading, Reading::Unreadable { stand_in: None, .. });
    assert!(is_object(&read_of(&kind, &pod(json!("1"), "10.0.0.1"))));
    assert!(gone(read_of(&kind, &pod(json!("1"), "10.0.0.1/8"))));
    assert!(gone(read_of(&kind, &pod(Value::Null, "10.0.0.1"))));
}

#[test]
fn another_nodes_pod_is_not_taken_whatever_the_server_selects() {
    let pod =
        |node: &str| json!({"metadata": metadata(), "spec": {"nodeName": node, "containers": []}});
    let kind = Kind::Pods(node());
    assert!(matches!(read_of(&kind, &pod("node-2")), Reading::Foreign));
    assert!(is_object(&read_of(&kind, &pod("node-1"))));
}

#[test]
fn every_object_is_of_a_namespace() {
    let secret = Kind::Secret(ObjectRef::new("store", "shop"));
    for kind in [Kind::Pods(node()), Kind::Identities, secret] {
        assert!(kind.key(None, "shop").is_none(), "{kind:?}");
    }
}

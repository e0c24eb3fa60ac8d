use serde_json::{Value, json};

use super::*;

fn raw(value: &Value) -> Box<RawValue> {
    RawValue::from_string(value.to_string()).unwrap()
}

fn read_of(kind: &Kind, value: &Value) -> Item {
    read(kind, &raw(value)).unwrap()
}

fn metadata() -> Value {
    json!({"name": "shop", "namespace": "store", "uid": "1", "resourceVersion": "5"})
}

fn node() -> super::super::NodeName {
    "node-1".parse().unwrap()
}

#[test]
fn an_identity_that_cannot_be_read_stops_being_usable_and_says_why_without_quoting_it() {
    let item = read_of(
        &Kind::Identities,
        &json!({"metadata": metadata(), "spec": {"type": 1, "clientPassword": "hunter2"}}),
    );
    let Some(Object::Unusable(invalid)) = item.object else {
        panic!("{:?}", item.object);
    };
    assert_eq!(invalid.object, ObjectRef::new("store", "shop"));
    assert!(!invalid.problem.contains("hunter2"), "{}", invalid.problem);
    assert!(item.problem.is_some());
}

#[test]
fn a_binding_or_an_exception_that_cannot_be_read_counts_as_gone() {
    for kind in [Kind::Bindings, Kind::Exceptions] {
        let item = read_of(&kind, &json!({"metadata": metadata(), "spec": "none"}));
        assert!(item.object.is_none() && item.problem.is_some(), "{item:?}");
        assert_eq!(item.key, kind.key(ObjectRef::new("store", "shop")));
    }
}

#[test]
fn a_secret_that_cannot_be_read_is_not_quoted() {
    let kind = Kind::Secret(ObjectRef::new("store", "shop"));
    let item = read_of(
        &kind,
        &json!({"metadata": metadata(), "data": {"clientSecret": ["hunter2"]}}),
    );
    let told = format!("{item:?}");
    assert!(matches!(item.object, Some(Object::NoSecret(..))), "{told}");
    assert!(!told.contains("hunter2"), "{told}");
}

#[test]
fn another_secret_than_the_one_that_was_asked_for_is_not_taken() {
    let kind = Kind::Secret(ObjectRef::new("store", "till"));
    let item = read_of(&kind, &json!({"metadata": metadata(), "data": {}}));
    assert!(item.object.is_none(), "{item:?}");
}

#[test]
fn a_record_of_another_node_is_not_taken() {
    let kind = Kind::Assigned(node());
    let record = |node: &str| json!({"metadata": metadata(), "spec": {"nodename": node}});
    assert!(read_of(&kind, &record("node-2")).object.is_none());
    assert!(read_of(&kind, &record("node-1")).object.is_some());
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
    assert!(
        read_of(&kind, &pod(json!("1"), "10.0.0.1"))
            .object
            .is_some()
    );
    assert!(
        read_of(&kind, &pod(json!("1"), "10.0.0.1/8"))
            .object
            .is_none()
    );
    assert!(
        read_of(&kind, &pod(Value::Null, "10.0.0.1"))
            .object
            .is_none()
    );
}

#[test]
fn an_object_without_a_name_is_none() {
    for value in [
        json!({}),
        json!({"metadata": {"name": ""}}),
        json!({"metadata": 1}),
    ] {
        assert!(read(&Kind::Identities, &raw(&value)).is_none(), "{value}");
    }
}

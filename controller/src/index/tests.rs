use podgate_api::BINDING_LABEL;
use serde_json::json;

use super::*;

fn pod(phase: &str, label: &str, node: Option<&str>) -> k8s_openapi::api::core::v1::Pod {
    serde_json::from_value(json!({
        "metadata": {"name": "p", "namespace": "n", "uid": "1", "labels": {BINDING_LABEL: label}},
        "spec": {"nodeName": node, "containers": []},
        "status": {"phase": phase},
    }))
    .unwrap()
}

#[test]
fn only_scheduled_labelled_pods_that_have_not_ended_count() {
    assert!(Pod::read(&pod("Running", "x", Some("n")), false).is_some());
    assert!(Pod::read(&pod("Pending", "x", Some("n")), false).is_some());
    assert!(Pod::read(&pod("Running", "", Some("n")), false).is_none());
    assert!(Pod::read(&pod("Running", "x", None), false).is_none());
    for phase in ["Succeeded", "Failed"] {
        assert!(Pod::read(&pod(phase, "x", Some("n")), false).is_none());
        assert!(Pod::read(&pod(phase, "x", Some("n")), true).is_some());
    }
}

#[test]
fn the_same_edition_again_makes_nothing_dirty() {
    let mut index = Index::default();
    let pod = Pod::read(&pod("Running", "x", Some("n")), false).unwrap();
    assert_eq!(index.apply(Object::Pod(pod.clone())).pods.len(), 1);
    assert_eq!(index.apply(Object::Pod(pod)), Dirty::default());
}

#[test]
fn a_provider_id_of_no_machine_is_explained() {
    let wire = serde_json::from_value(
        json!({"metadata": {"name": "n"}, "spec": {"providerID": "aws:///x"}}),
    );
    let node = Node::read(&wire.unwrap());
    assert!(node.compute.unwrap_err().contains("azure:///"));
}

#[test]
fn objects_leave_nothing_behind() {
    let mut index = Index::default();
    let pod = Pod::read(&pod("Running", "x", Some("n")), false).unwrap();
    let key = Object::Pod(pod.clone()).key();
    index.apply(Object::Pod(pod));
    index.remove(&key);
    assert!(index.pods_of_selector.0.is_empty() && index.pods_of_node.0.is_empty());
}

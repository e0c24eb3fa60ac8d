use serde_json::json;

use super::*;

fn wire(annotations: serde_json::Value, version: &str) -> AzureAssignedIdentity {
    serde_json::from_value(json!({
        "apiVersion": "aadpodidentity.k8s.io/v1",
        "kind": "AzureAssignedIdentity",
        "metadata": {"name": "p-n-i", "namespace": "default", "uid": "1", "resourceVersion": version,
                     "annotations": annotations},
        "spec": {"pod": "p", "podNamespace": "n", "nodename": "node",
                 "azureIdentityRef": {"metadata": {"name": "i", "namespace": "n"}, "spec": {}},
                 "azureBindingRef": {"metadata": {"name": "b", "namespace": "n"}, "spec": {}}},
        "status": {"status": "Assigned"},
    }))
    .unwrap()
}

const SET: &str =
    "/subscriptions/s/resourceGroups/g/providers/Microsoft.Compute/virtualMachineScaleSets/v";
const ID: &str = "/subscriptions/s/resourceGroups/g/providers/Microsoft.ManagedIdentity/userAssignedIdentities/i";

#[test]
fn what_is_still_to_be_let_go_survives_being_written_and_read() {
    let hold = Hold {
        compute: SET.parse().unwrap(),
        resource: ID.parse().unwrap(),
    };
    let releases = vec![hold.clone(), hold];
    let read = Record::read(&wire(json!({RELEASES_ANNOTATION: text(&releases)}), "1"));
    assert_eq!(read.releases, releases);
}

#[test]
fn annotations_that_make_no_sense_are_passed_over() {
    let odd = json!({COMPUTE_ANNOTATION: "elsewhere", RELEASES_ANNOTATION: format!("x\n{SET}\n{SET} y\n {ID}")});
    let read = Record::read(&wire(odd, "1"));
    assert_eq!((read.compute.as_ref(), read.releases.len()), (None, 0));
}

#[test]
fn an_older_edition_never_replaces_a_newer_one() {
    let [nine, ten, odd] = ["9", "10", "x"].map(|version| Record::read(&wire(json!({}), version)));
    assert!(ten.is_newer_than(&nine) && !nine.is_newer_than(&ten));
    assert!(!odd.is_newer_than(&nine) && !nine.is_newer_than(&odd));
}

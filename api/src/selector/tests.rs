use proptest::prelude::*;

use super::*;
use crate::{AzureIdentityBindingSpec, AzureIdentitySpec};

fn binding(selector: &str) -> AzureIdentityBinding {
    let spec = AzureIdentityBindingSpec {
        selector: selector.to_owned(),
        ..AzureIdentityBindingSpec::default()
    };
    AzureIdentityBinding::new("binding", spec)
}

fn labels(value: &str) -> BTreeMap<String, String> {
    BTreeMap::from([(BINDING_LABEL.to_owned(), value.to_owned())])
}

fn identity(key: &str, value: &str) -> AzureIdentity {
    let mut identity = AzureIdentity::new("identity", AzureIdentitySpec::default());
    identity
        .annotations_mut()
        .insert(key.to_owned(), value.to_owned());
    identity
}

#[test]
fn a_binding_selects_by_equality_of_one_label() {
    assert!(selects(&binding("orders"), &labels("orders")));
    for other in ["Orders", "orders ", "order", "orders,stock", "*"] {
        assert!(!selects(&binding("orders"), &labels(other)), "{other}");
    }
    let elsewhere = BTreeMap::from([("AadPodIdBinding".to_owned(), "orders".to_owned())]);
    assert!(!selects(&binding("orders"), &elsewhere));
    assert!(!selects(&binding("*"), &labels("orders")));
}

#[test]
fn an_empty_selector_selects_nobody() {
    assert!(!selects(&binding(""), &labels("")));
    assert!(!selects(&binding(""), &BTreeMap::new()));
}

#[test]
fn only_the_exact_annotation_makes_an_identity_namespaced() {
    assert!(is_namespaced(&identity(
        "aadpodidentity.k8s.io/Behavior",
        "namespaced"
    )));
    assert!(!is_namespaced(&identity(
        "aadpodidentity.k8s.io/behavior",
        "namespaced"
    )));
    assert!(!is_namespaced(&identity(BEHAVIOR_ANNOTATION, "Namespaced")));
    assert!(!is_namespaced(&AzureIdentity::default()));
}

proptest! {
    #[test]
    fn a_binding_selects_exactly_its_own_label(one in "[a-zA-Z0-9._-]{0,4}", other in "[a-zA-Z0-9._-]{0,4}") {
        prop_assert_eq!(selects(&binding(&one), &labels(&other)), one == other && !one.is_empty());
    }
}

//! From the label to the identity.

use serde_json::{Value, json};

use super::fixture::{
    CLIENT, OTHER, arm, binding, bound, component, environment, managed, named, object, of, pod,
    says, with_state, without,
};
use crate::explain::diagnose::Cause;
use crate::explain::facts::{Fact, Facts, Gap, Why};

#[test]
fn the_kinds_are_not_installed() {
    let diagnosis = without(|facts| {
        facts.bindings = Fact::Unknown(Gap {
            what: "bindings".to_owned(),
            why: Why::NoSuchKind,
        });
    });
    says(&diagnosis, Cause::NotInstalled, &["install podgate"]);
}

#[test]
fn no_label() {
    let unlabelled = |owned: bool| {
        without(|facts| {
            facts.pod = Fact::Known(Some(pod(|pod| {
                pod["metadata"]["labels"] = json!({});
                if owned {
                    pod["metadata"]["ownerReferences"] = json!([{"apiVersion": "apps/v1", "kind": "ReplicaSet", "name": "web-5d", "uid": "r"}]);
                }
            })));
        })
    };
    says(
        &unlabelled(false),
        Cause::NoLabel,
        &["kubectl label pod web -n shop --overwrite aadpodidbinding=web"],
    );
    let owned = unlabelled(true);
    says(
        &owned,
        Cause::NoLabel,
        &["in the pod template behind ReplicaSet/web-5d to web"],
    );
    assert_eq!(
        owned.next.unwrap().command,
        None,
        "a label of one pod is gone with it"
    );
}

#[test]
fn a_label_that_matches_no_binding_and_the_nearest_that_there_is() {
    let other = without(|facts| {
        facts.bindings = Fact::Known(vec![of(binding("shop", "ledger", "ledger"))])
    });
    says(&other, Cause::NoBinding, &["spec.selector web"]);
    let near =
        without(|facts| facts.bindings = Fact::Known(vec![of(binding("shop", "web", "Web"))]));
    says(
        &near,
        Cause::NoBinding,
        &["did you mean Web", "aadpodidbinding=Web"],
    );
}

#[test]
fn a_selector_of_a_shells_words_gets_into_no_command() {
    let diagnosis =
        without(|facts| facts.bindings = Fact::Known(vec![of(binding("shop", "web", "web;rm"))]));
    assert_eq!(diagnosis.cause, Cause::NoBinding);
    let command = diagnosis.next.unwrap().command;
    assert!(
        command.is_none_or(|command| !command.contains("rm")),
        "the command of somebody else"
    );
}

#[test]
fn fields_of_the_old_spelling() {
    let applied = |mut object: Value, written: Value| {
        let text = json!({"spec": written}).to_string();
        object["metadata"]["annotations"] =
            json!({"kubectl.kubernetes.io/last-applied-configuration": text});
        object
    };
    let identity = without(|facts| {
        let pruned = object("AzureIdentity", "shop", "web", json!({}));
        let pruned = applied(
            pruned,
            json!({"ClientID": CLIENT, "ResourceID": arm("web")}),
        );
        facts.identities = Fact::Known(vec![of(pruned)]);
    });
    says(
        &identity,
        Cause::OldCasing,
        &["AzureIdentity shop/web", "ClientID (now clientID)"],
    );
    let selector = without(|facts| {
        let pruned = object(
            "AzureIdentityBinding",
            "shop",
            "web",
            json!({"azureIdentity": "web"}),
        );
        facts.bindings = Fact::Known(vec![of(applied(
            pruned,
            json!({"azureIdentity": "web", "Selector": "web"}),
        ))]);
    });
    says(
        &selector,
        Cause::OldCasing,
        &["AzureIdentityBinding shop/web", "Selector (now selector)"],
    );
    let target = without(|facts| {
        let pruned = object(
            "AzureIdentityBinding",
            "shop",
            "web",
            json!({"selector": "web"}),
        );
        facts.bindings = Fact::Known(vec![of(applied(
            pruned,
            json!({"selector": "web", "AzureIdentity": "web"}),
        ))]);
    });
    says(
        &target,
        Cause::OldCasing,
        &["AzureIdentity (now azureIdentity)"],
    );
}

#[test]
fn a_binding_of_another_namespace_counts_only_where_namespaces_do_not() {
    let foreign = |facts: &mut Facts| {
        facts.bindings = Fact::Known(vec![of(binding("infra", "web", "web"))]);
        facts.identities = Fact::Known(vec![of(managed("infra", "web", CLIENT))]);
        facts.records = [(named("infra", "web"), Fact::Known(None))].into();
    };
    let diagnosis = without(foreign);
    says(
        &diagnosis,
        Cause::WrongNamespace,
        &["infra/web", "--forceNamespaced"],
    );
    let across = |facts: &mut Facts| {
        foreign(facts);
        facts.gateways = Fact::Known(vec![component(
            "gateway",
            &["--forceNamespaced=false"],
            None,
        )]);
    };
    says(&without(across), Cause::NoRecord, &["infra/web"]);
    let annotated = without(|facts| {
        across(facts);
        let mut identity = managed("infra", "web", CLIENT);
        identity["metadata"]["annotations"] =
            json!({"aadpodidentity.k8s.io/Behavior": "namespaced"});
        facts.identities = Fact::Known(vec![of(identity)]);
    });
    says(&annotated, Cause::WrongNamespace, &["Behavior"]);
}

#[test]
fn a_binding_whose_identity_is_missing() {
    let diagnosis = without(|facts| facts.identities = Fact::Known(Vec::new()));
    says(
        &diagnosis,
        Cause::IdentityMissing,
        &[
            "names AzureIdentity web",
            "kubectl get azureidentities -n shop",
        ],
    );
}

#[test]
fn an_identity_that_cannot_be_used() {
    let diagnosis = without(|facts| {
        let broken = object(
            "AzureIdentity",
            "shop",
            "web",
            json!({"clientID": CLIENT, "resourceID": "web"}),
        );
        facts.identities = Fact::Known(vec![of(broken)]);
    });
    says(
        &diagnosis,
        Cause::IdentityInvalid,
        &["spec.resourceID", "kubectl get azureidentity web -n shop"],
    );
}

#[test]
fn a_broken_identity_beside_a_good_one_is_not_the_cause() {
    let diagnosis = without(|facts| {
        bound(&[("broken", "none"), ("web", CLIENT)])(facts);
        with_state(facts, None);
    });
    says(&diagnosis, Cause::NoRecord, &["shop/web"]);
}

#[test]
fn a_pod_that_names_what_it_is_not_bound_to() {
    let named =
        without(|facts| environment(facts, json!({"name": "AZURE_CLIENT_ID", "value": OTHER})));
    says(&named, Cause::NamedNotBound, &[OTHER, CLIENT]);
    let malformed =
        without(|facts| environment(facts, json!({"name": "AZURE_CLIENT_ID", "value": "web"})));
    says(&malformed, Cause::NamedNotBound, &["no GUID"]);
    let asked = without(|facts| facts.asked.client_id = Some(OTHER.parse().unwrap()));
    says(&asked, Cause::NamedNotBound, &["--client-id"]);
}

#[test]
fn a_secret_that_is_missing_is_named_with_its_key() {
    for (kind, key) in [(1, "clientSecret"), (2, "certificate")] {
        let diagnosis = without(|facts| {
            let spec = json!({"type": kind, "clientID": CLIENT, "tenantID": "contoso.com", "clientPassword": {"name": "web-secret"}});
            facts.identities = Fact::Known(vec![of(object("AzureIdentity", "shop", "web", spec))]);
            facts.secrets = [(named("shop", "web-secret"), Fact::Known(false))].into();
        });
        says(&diagnosis, Cause::SecretMissing, &["shop/web-secret", key]);
    }
}

#[test]
fn several_identities_and_none_named() {
    let two = || bound(&[("archive", OTHER), ("web", CLIENT)]);
    says(
        &without(two()),
        Cause::SeveralIdentities,
        &[OTHER, CLIENT, "AZURE_CLIENT_ID"],
    );
    let named = without(|facts| {
        two()(facts);
        environment(facts, json!({"name": "AZURE_CLIENT_ID", "value": CLIENT}));
        with_state(facts, None);
    });
    says(&named, Cause::NoRecord, &["shop/web"]);
    let first = without(|facts| {
        two()(facts);
        facts.gateways = Fact::Known(vec![component(
            "gateway",
            &["--default-identity=first"],
            None,
        )]);
        facts.records = [(self::named("shop", "archive"), Fact::Known(None))].into();
    });
    says(&first, Cause::NoRecord, &["shop/archive"]);
    let indirect = without(|facts| {
        two()(facts);
        environment(
            facts,
            json!({"name": "AZURE_CLIENT_ID", "valueFrom": {"fieldRef": {"fieldPath": "metadata.name"}}}),
        );
    });
    says(&indirect, Cause::CannotTell, &["--client-id"]);
}

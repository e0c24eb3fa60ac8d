//! What the chart grants is what the documents say, rule by rule.

use std::collections::BTreeSet;
use std::fs;

use serde_json::Value;

use crate::helm::repository;

/// A rule without the names it is for, but with whether it is for names.
type Rule = (Vec<String>, Vec<String>, Vec<String>, bool);

fn texts(value: &Value) -> Vec<String> {
    let mut texts: Vec<String> = value
        .as_array()
        .into_iter()
        .flatten()
        .map(|text| text.as_str().unwrap().to_owned())
        .collect();
    texts.sort();
    texts
}

fn rules(document: &Value) -> Vec<Rule> {
    let rules = document["rules"].as_array().into_iter().flatten();
    rules
        .map(|rule| {
            let named = rule.get("resourceNames").is_some();
            (
                texts(&rule["apiGroups"]),
                texts(&rule["resources"]),
                texts(&rule["verbs"]),
                named,
            )
        })
        .collect()
}

fn documents(yaml: &str) -> Vec<Value> {
    yaml.split("\n---")
        .filter(|text| !text.trim().is_empty())
        .map(|text| serde_saphyr::from_str(text).unwrap())
        .collect()
}

/// Where docs/rbac.md turns from the gateway to the controller.
const CONTROLLER: &str = "\n## The controller\n";

fn page(name: &str) -> String {
    fs::read_to_string(repository("docs").join(name)).unwrap()
}

fn of_text(text: &str) -> BTreeSet<Rule> {
    let fences = text
        .split("```yaml\n")
        .skip(1)
        .map(|rest| rest.split("```").next().unwrap());
    fences
        .flat_map(documents)
        .flat_map(|document| rules(&document))
        .collect()
}

/// Of the roles whose names begin with this.
fn of_golden(mode: &str, role: &str) -> BTreeSet<Rule> {
    let text = fs::read_to_string(repository("tests/chart/golden").join(mode)).unwrap();
    let is_role = |document: &Value| {
        let name = document["metadata"]["name"].as_str().unwrap_or_default();
        matches!(document["kind"].as_str(), Some("Role" | "ClusterRole")) && name.starts_with(role)
    };
    documents(&text)
        .into_iter()
        .filter(is_role)
        .flat_map(|document| rules(&document))
        .collect()
}

#[test]
fn the_gateways_roles_are_those_of_the_documents() {
    let modes = [
        "service-principals.yaml",
        "startup-taint.yaml",
        "plugins.yaml",
    ];
    let chart: BTreeSet<Rule> = modes
        .into_iter()
        .flat_map(|mode| of_golden(mode, "podgate-gateway"))
        .collect();
    let (rbac, interception) = (page("rbac.md"), page("interception.md"));
    let (gateway, _) = rbac.split_once(CONTROLLER).unwrap();
    let told: BTreeSet<Rule> = [gateway, &interception]
        .into_iter()
        .flat_map(of_text)
        .collect();
    assert!(chart.len() >= 5, "{chart:?}");
    assert_eq!(
        chart, told,
        "left: the chart; right: docs/rbac.md and docs/interception.md"
    );
}

/// Group, resource and verb, each by itself.
fn rights(rules: BTreeSet<Rule>) -> BTreeSet<(String, String, String)> {
    let mut rights = BTreeSet::new();
    for (groups, resources, verbs, _) in rules {
        for (group, resource) in groups
            .iter()
            .flat_map(|group| resources.iter().map(move |one| (group, one)))
        {
            rights.extend(
                verbs
                    .iter()
                    .map(|verb| (group.clone(), resource.clone(), verb.clone())),
            );
        }
    }
    rights
}

/// The chart narrows the lease to its name, which the page only speaks of.
#[test]
fn the_controllers_rights_are_those_of_the_document() {
    let rbac = page("rbac.md");
    let (_, told) = rbac.split_once(CONTROLLER).unwrap();
    let chart = rights(of_golden("standard.yaml", "podgate-controller"));
    assert!(!chart.is_empty());
    assert_eq!(
        chart,
        rights(of_text(told)),
        "left: the chart; right: docs/rbac.md"
    );
}

#[test]
fn managed_mode_grants_nothing_on_records_and_has_no_controller() {
    let standard = of_golden("standard.yaml", "podgate-");
    let managed = of_golden("managed.yaml", "podgate-");
    let on_records = |rules: &BTreeSet<Rule>| {
        rules
            .iter()
            .any(|(_, resources, ..)| resources.contains(&"azureassignedidentities".to_owned()))
    };
    assert!(on_records(&standard) && !on_records(&managed));
    assert!(of_golden("managed.yaml", "podgate-controller").is_empty());
}

#[test]
fn nobody_may_do_everything() {
    for mode in crate::helm::modes() {
        let mode = mode.file_name().unwrap().to_str().unwrap().to_owned();
        let rules = of_golden(&mode, "");
        assert!(!rules.is_empty(), "{mode}");
        for (groups, resources, verbs, _) in rules {
            let all = groups.iter().chain(&resources).chain(&verbs);
            assert!(
                all.clone().all(|word| word != "*"),
                "{mode}: {resources:?} {verbs:?}"
            );
        }
    }
}

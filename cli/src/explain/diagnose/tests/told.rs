//! What cannot be told, and how it is told.

use super::fixture::{
    CLIENT, component, event, forbidden, healthy, record, refuses, says, with, with_state, without,
};
use crate::explain::diagnose::Cause;
use crate::explain::facts::{Fact, Gap, Why};
use crate::explain::report::Report;
use crate::explain::text;

#[test]
fn what_cannot_be_told_names_the_right_that_is_missing_and_how_to_check_it() {
    let pod = with(|facts| facts.pod = forbidden("pod shop/web", "get", "pods"));
    says(
        &pod,
        Cause::CannotTell,
        &["you may not get pods", "kubectl auth can-i get pods -A"],
    );
    let gateway =
        with(|facts| facts.answer = Some(forbidden("what the gateway answers", "get", "pods")));
    says(&gateway, Cause::CannotTell, &["what the gateway answers"]);
    let failed = with(|facts| {
        let gap = Gap {
            what: "what the gateway answers".to_owned(),
            why: Why::Failed("port 8085: connection refused".to_owned()),
        };
        facts.answer = Some(Fact::Unknown(gap));
    });
    says(&failed, Cause::CannotTell, &["connection refused"]);
}

#[test]
fn an_unknown_fact_is_no_finding() {
    let diagnosis = without(|facts| {
        facts.bindings = forbidden("azureidentitybindings", "list", "azureidentitybindings");
        facts.identities = forbidden("azureidentities", "list", "azureidentities");
        facts.exceptions = forbidden("exceptions", "list", "azurepodidentityexceptions");
        facts.gateways = forbidden("the gateways", "list", "pods");
        facts.records.clear();
        facts.answer = None;
    });
    says(
        &diagnosis,
        Cause::CannotTell,
        &["kubectl auth can-i list azureidentitybindings -A"],
    );
    let blind = without(|facts| {
        facts.bindings = Fact::Known(Vec::new());
        facts.gateways = Fact::Known(vec![component(
            "gateway",
            &["--forceNamespaced=false"],
            None,
        )]);
        facts.elsewhere = forbidden::<()>("other namespaces", "list", "azureidentitybindings")
            .gap()
            .cloned();
        facts.answer = None;
    });
    says(&blind, Cause::CannotTell, &["other namespaces"]);
}

#[test]
fn every_cause_has_a_row_in_the_documentation() {
    let page = include_str!("../../../../../docs/cli.md");
    for cause in Cause::ALL {
        let word = serde_json::to_value(cause).unwrap();
        let row = format!("| `{}` |", word.as_str().unwrap());
        assert!(page.contains(&row), "{row}");
    }
}

#[test]
fn the_exit_code_says_the_verdict() {
    assert_eq!(Cause::GetsTokens.because(String::new()).verdict.code(), 0);
    assert_eq!(Cause::NoLabel.because(String::new()).verdict.code(), 1);
    assert_eq!(Cause::CannotTell.because(String::new()).verdict.code(), 2);
}

#[test]
fn the_report_shows_what_was_read_and_stays_as_it_is() {
    let mut facts = healthy();
    facts.answer = refuses();
    facts.events = vec![event(
        "AzureIdentityBinding/web",
        "LinkedAuthorizationFailed",
    )];
    facts.unread_events = vec![
        forbidden::<()>("events of Pod shop/web", "list", "events")
            .gap()
            .cloned()
            .unwrap(),
    ];
    with_state(&mut facts, Some(record("Created", "2026-11-21T11:50:00Z")));
    let told = text::text(&Report::of(&facts));
    assert_eq!(told, include_str!("created.txt"));
}

#[test]
fn json_has_the_same_and_says_it_by_stable_names() {
    let mut facts = healthy();
    facts.answer = refuses();
    with_state(&mut facts, Some(record("Created", "2026-11-21T11:50:00Z")));
    let json = serde_json::to_value(Report::of(&facts)).unwrap();
    assert_eq!(json["verdict"], "something-to-do");
    assert_eq!(json["cause"], "not-assigned");
    assert_eq!(json["identities"][0]["state"], "Created");
    assert_eq!(json["identities"][0]["clientId"], CLIENT);
    assert_eq!(json["gateway"]["mode"], "standard");
    assert_eq!(json["machine"], "scale set pool (group mc_shop)");
    assert!(
        json["next"]["command"]
            .as_str()
            .unwrap()
            .starts_with("kubectl logs")
    );
}

//! The records, and who writes them.

use super::fixture::{NOW, component, event, forbidden, lease, record, says, with_state, without};
use crate::explain::diagnose::Cause;
use crate::explain::facts::{EventFacts, Fact, Facts};

#[test]
fn a_record_of_another_pod_or_another_node() {
    let taken = without(|facts| {
        let mut record = record("Assigned", NOW);
        record.spec.pod = "web-shop".to_owned();
        with_state(facts, Some(record));
    });
    says(&taken, Cause::NameTaken, &["shop/web-shop"]);
    let stale = without(|facts| {
        let mut record = record("Assigned", NOW);
        record.spec.node_name = "node2".to_owned();
        with_state(facts, Some(record));
    });
    says(&stale, Cause::StaleRecord, &["node2", "node1"]);
}

#[test]
fn no_record_where_a_controller_works() {
    let silent = without(|facts| with_state(facts, None));
    says(
        &silent,
        Cause::NoRecord,
        &["kubectl logs podgate-controller-x -n podgate"],
    );
    let told = without(|facts| {
        with_state(facts, None);
        facts.events = vec![event(
            "AzureIdentityBinding/web",
            "node node1 can hold no identity",
        )];
    });
    says(&told, Cause::NoRecord, &["the controller said: node node1"]);
}

#[test]
fn in_managed_mode_records_do_not_count() {
    let diagnosis = without(|facts| {
        facts.gateways = Fact::Known(vec![component(
            "gateway",
            &["--operation-mode=managed"],
            None,
        )]);
        with_state(facts, None);
    });
    says(&diagnosis, Cause::GatewayRefuses, &[]);
}

#[test]
fn a_record_that_is_created_is_on_its_way_first_and_then_a_matter_of_the_controllers_events() {
    let soon = without(|facts| with_state(facts, Some(record("Created", "2026-11-21T11:59:40Z"))));
    says(&soon, Cause::OnItsWay, &["Created since 20s", "wait"]);
    let long = |events: Vec<EventFacts>| {
        without(|facts| {
            with_state(facts, Some(record("Created", "2026-11-21T11:00:00Z")));
            facts.events = events;
        })
    };
    says(
        &long(Vec::new()),
        Cause::NotAssigned,
        &["Created since 60m", "kubectl logs"],
    );
    let told = long(vec![event(
        "AzureIdentity/web",
        "LinkedAuthorizationFailed",
    )]);
    says(
        &told,
        Cause::NotAssigned,
        &["the controller said: LinkedAuthorizationFailed"],
    );
    let mut before = event("AzureIdentity/web", "of another pod");
    before.at = Some("2026-11-21T10:00:00Z".parse().unwrap());
    let diagnosis = long(vec![before]);
    assert!(
        !format!("{diagnosis:?}").contains("another pod"),
        "it was said before the record was there"
    );
}

#[test]
fn a_state_that_is_no_state_is_quoted() {
    let diagnosis =
        without(|facts| with_state(facts, Some(record("Whatever", "2026-11-21T11:00:00Z"))));
    says(&diagnosis, Cause::NotAssigned, &["Whatever"]);
}

#[test]
fn nobody_assigns() {
    let created =
        |facts: &mut Facts| with_state(facts, Some(record("Created", "2026-11-21T11:00:00Z")));
    let nobody = without(|facts| {
        created(facts);
        facts.controllers = Fact::Known(Vec::new());
        facts.lease = Fact::Known(None);
    });
    says(
        &nobody,
        Cause::NoController,
        &["no controller is in the cluster"],
    );
    let unready = without(|facts| {
        created(facts);
        facts.controllers =
            Fact::Known(vec![component("controller", &[], Some("ImagePullBackOff"))]);
        facts.lease = lease("2026-11-21T11:00:00Z");
    });
    says(
        &unready,
        Cause::NoController,
        &["ImagePullBackOff", "kubectl logs podgate-controller-x"],
    );
    let leaderless = without(|facts| {
        created(facts);
        facts.lease = lease("2026-11-21T11:00:00Z");
    });
    says(
        &leaderless,
        Cause::NoController,
        &["nobody holds the controllers' Lease"],
    );
    let unseen = without(|facts| {
        created(facts);
        facts.controllers = forbidden("the controllers", "list", "pods");
        facts.lease = Fact::Known(None);
    });
    says(&unseen, Cause::NotAssigned, &[]);
}

#[test]
fn the_old_controller_assigns_without_a_lease() {
    let diagnosis = without(|facts| {
        with_state(facts, None);
        facts.controllers = Fact::Known(vec![component("mic", &[], None)]);
        facts.lease = Fact::Known(None);
    });
    says(&diagnosis, Cause::NoRecord, &["kubectl logs podgate-mic-x"]);
}

//! The pod's node and its gateway.

use serde_json::json;

use super::fixture::{answer, component, forbidden, says, with, without};
use crate::explain::answer::Answer;
use crate::explain::diagnose::Cause;
use crate::explain::facts::Fact;

#[test]
fn the_gateways_yes_counts_more_than_what_could_not_be_read() {
    let diagnosis = with(|facts| {
        facts.bindings = forbidden("bindings", "list", "azureidentitybindings");
        facts.records.clear();
    });
    says(&diagnosis, Cause::GetsTokens, &[]);
}

#[test]
fn the_old_gateway_beside_the_own_and_alone() {
    let old = component("nmi", &[], None);
    let beside = with(|facts| {
        let own = component("gateway", &[], None);
        facts.gateways = Fact::Known(vec![own, old.clone()]);
    });
    says(
        &beside,
        Cause::OldGateway,
        &["besides", "podgate-gateway-x", "podgate-nmi-x"],
    );
    let alone = without(|facts| facts.gateways = Fact::Known(vec![old]));
    says(&alone, Cause::OldGateway, &["not by podgate"]);
}

#[test]
fn a_node_without_a_gateway() {
    let diagnosis = with(|facts| {
        facts.gateways = Fact::Known(Vec::new());
        facts.answer = None;
    });
    says(&diagnosis, Cause::NoGateway, &["node1", "DaemonSet"]);
}

#[test]
fn a_gateway_that_is_not_ready_or_still_starts() {
    let crashing = without(|facts| {
        facts.gateways = Fact::Known(vec![component("gateway", &[], Some("CrashLoopBackOff"))]);
        facts.answer = None;
    });
    says(
        &crashing,
        Cause::GatewayNotReady,
        &[
            "CrashLoopBackOff",
            "kubectl logs podgate-gateway-x -n podgate",
        ],
    );
    let starting = with(|facts| {
        facts.answer = Some(Fact::Known(Answer::read(
            503,
            b"awaited: AzureIdentity list",
        )));
    });
    says(
        &starting,
        Cause::GatewayNotReady,
        &["awaited: AzureIdentity list"],
    );
}

#[test]
fn a_refusal_that_nothing_explains_is_quoted_and_a_stale_gateway_named() {
    let denied =
        with(|facts| facts.answer = answer("403: denied by policy office-hours: closed", "x"));
    says(
        &denied,
        Cause::GatewayRefuses,
        &["denied by policy office-hours"],
    );
    let stale = with(|facts| {
        let body = json!({"outcome": "404: pod shop/web is not on this node", "stages": [],
            "state": [{"of": "pods of node node1", "problem": "cannot be reached"}]});
        facts.answer = Some(Fact::Known(Answer::read(200, body.to_string().as_bytes())));
    });
    says(
        &stale,
        Cause::GatewayRefuses,
        &["not up to date", "cannot be reached"],
    );
}

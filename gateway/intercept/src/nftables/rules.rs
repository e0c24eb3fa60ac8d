//! The text of the table. A pure function of the plan, written the way `nft list` writes it, so that what is in place
//! can be compared with it line by line.
//!
//! Only forms that all versions of `nft` list the same are used: `oif 0` rather than `oif missing` (listed as `check
//! missing` from 1.1.2 on), one rule per uplink rather than a set of names (listed in the order of the kernel's hash).

use std::net::{IpAddr, SocketAddr};

use crate::plan::{Plan, Redirect, ReversePath};

/// Name of the table.
pub(crate) const TABLE: &str = "podgate";
/// Its family: IPv4 and IPv6.
pub(super) const FAMILY: &str = "inet";

/// Before connections are looked up: sources and destinations are still as the sender wrote them.
const RAW: i32 = -300;
/// Before everybody else's translations of destinations, which are at -100: kube-proxy's, and the old agent's.
const BEFORE_DSTNAT: i32 = -110;
/// After everybody's translations of destinations.
const AFTER_DSTNAT: i32 = -90;
/// Where filters usually are.
const FILTER: i32 = 0;

/// The whole replacement, as one transaction. Adding the table first makes deleting it possible in any case.
pub(super) fn transaction(plan: &Plan) -> String {
    format!("{}{}", removal(), table(plan))
}

/// The removal, which succeeds in any case.
pub(super) fn removal() -> String {
    format!("table {FAMILY} {TABLE}\ndelete table {FAMILY} {TABLE}\n")
}

/// The table.
pub(super) fn table(plan: &Plan) -> String {
    let chains = [
        chain("guard", "filter", "prerouting", RAW, &guard(plan)),
        chain(
            "intercept",
            "nat",
            "prerouting",
            BEFORE_DSTNAT,
            &intercept(plan),
        ),
        chain(
            "closed",
            "filter",
            "prerouting",
            AFTER_DSTNAT,
            &closed(plan),
        ),
        chain("local", "filter", "input", FILTER, &local(plan)),
    ];
    format!("table {FAMILY} {TABLE} {{\n{}}}\n", chains.concat())
}

fn chain(name: &str, kind: &str, hook: &str, priority: i32, rules: &[String]) -> String {
    let rules: String = rules.iter().map(|rule| format!("\t\t{rule}\n")).collect();
    format!(
        "\tchain {name} {{\n\t\ttype {kind} hook {hook} priority {priority}; policy accept;\n{rules}\t}}\n"
    )
}

/// The listener is never addressed directly, since redirected packets still have the metadata address here; and
/// whoever asks for metadata sits where its address is routed to.
fn guard(plan: &Plan) -> Vec<String> {
    let path = match plan.reverse_path {
        ReversePath::Strict => "fib saddr . iif oif 0",
        ReversePath::Loose => "fib saddr oif 0",
    };
    each(plan, |redirect| {
        let (metadata, listener) = (to(redirect.metadata.ip()), to(redirect.listener.ip()));
        vec![
            format!("iifname != \"lo\" {listener} counter drop"),
            format!("{metadata} {path} counter drop"),
        ]
    })
}

/// Pods' requests become the gateway's; what comes in from the node's network is left to `closed`.
fn intercept(plan: &Plan) -> Vec<String> {
    let uplinks = plan
        .uplinks
        .iter()
        .map(|uplink| format!("iifname \"{uplink}\" return"));
    let redirects = each(plan, |redirect| {
        let (metadata, port) = (to(redirect.metadata.ip()), redirect.metadata.port());
        let (family, listener) = (family(redirect), redirect.listener);
        vec![format!(
            "{metadata} tcp dport {port} counter dnat {family} to {listener}"
        )]
    });
    uplinks.chain(redirects).collect()
}

/// Whatever still has the metadata address now was not redirected: another port or protocol, a connection older than
/// the rules, a packet from the node's network. TCP is reset, so that clients connect anew at once.
fn closed(plan: &Plan) -> Vec<String> {
    let mut rules = each(plan, |redirect| {
        let metadata = to(redirect.metadata.ip());
        vec![
            format!("iifname != \"lo\" {metadata} meta l4proto tcp counter reject with tcp reset"),
            format!("iifname != \"lo\" {metadata} counter drop"),
        ]
    });
    if plan.wire_server {
        // Not the whole address: it is the name server of nodes and pods as well.
        rules.push(
            "iifname != \"lo\" ip daddr 168.63.129.16 tcp dport { 80, 32526 } counter reject with tcp reset"
                .to_owned(),
        );
    }
    rules
}

/// The listener takes what was sent to the metadata address, and nothing that others' rules translate to it.
fn local(plan: &Plan) -> Vec<String> {
    let loopback = "iifname \"lo\" accept".to_owned();
    let listeners = each(plan, |redirect| {
        let (metadata, listener) = (to(redirect.metadata.ip()), to(redirect.listener.ip()));
        vec![
            format!("{listener} ct original {metadata} counter accept"),
            format!("{listener} counter drop"),
        ]
    });
    std::iter::once(loopback).chain(listeners).collect()
}

fn each(plan: &Plan, rules: impl Fn(&Redirect) -> Vec<String>) -> Vec<String> {
    plan.redirects.iter().flat_map(rules).collect()
}

fn family(redirect: &Redirect) -> &'static str {
    match redirect.is_v4() {
        true => "ip",
        false => "ip6",
    }
}

fn to(address: IpAddr) -> String {
    match address {
        IpAddr::V4(v4) => format!("ip daddr {v4}"),
        IpAddr::V6(v6) => format!("ip6 daddr {v6}"),
    }
}

/// The lines that say something.
pub(super) fn lines(text: &str) -> Vec<String> {
    text.lines()
        .map(str::trim)
        .filter(|line| !line.is_empty())
        .map(str::to_owned)
        .collect()
}

/// The addresses that a listing's rules lead to.
pub(super) fn listeners(listing: &str) -> Vec<IpAddr> {
    let target = |line: &str| {
        let (_, target) = line.split_once(" counter dnat ip")?;
        let (_, target) = target.split_once("to ")?;
        target.trim().parse().ok()
    };
    listing
        .lines()
        .filter_map(target)
        .map(|listener: SocketAddr| listener.ip())
        .collect()
}

#[cfg(test)]
mod tests;

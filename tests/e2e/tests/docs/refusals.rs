//! `docs/refusals.md`: every way not to get a token.

use std::collections::BTreeSet;
use std::net::{IpAddr, Ipv4Addr};
use std::time::Duration;

use podgate_gateway::refusal::Refusal;
use podgate_gateway::reply::{self, ErrorFormat};
use podgate_gateway::world::ObjectRef;

use crate::{rows, section, word, words};

const REFUSALS: &str = include_str!("../../../../docs/refusals.md");

/// The words that a source's `fn category` answers with.
pub(crate) fn categories(source: &str) -> BTreeSet<&str> {
    let function = source.split_once("pub fn category(&self)").unwrap().1;
    let body = function.split_once("\n    }\n").unwrap().0;
    body.split('"').skip(1).step_by(2).collect()
}

#[test]
fn every_refusal_has_a_row_and_every_row_a_refusal() {
    let mut known = categories(include_str!("../../../../gateway/src/refusal.rs"));
    known.extend(categories(include_str!("../../../../azure/src/failure.rs")));
    assert!(known.len() > 15, "{known:?}");
    let documented = rows(section(REFUSALS, "## Refusals"));
    assert_eq!(words(&documented), known);
    assert_eq!(documented.len(), known.len(), "a row is there twice");
}

#[test]
fn every_row_tells_the_status_and_the_wait_that_pods_really_get() {
    let upstream = categories(include_str!("../../../../azure/src/failure.rs"));
    for row in rows(section(REFUSALS, "## Refusals")) {
        // What an authority says has no one status; tokens.rs asks for each.
        if upstream.contains(word(&row)) {
            continue;
        }
        let refusal = example(word(&row));
        assert_eq!(refusal.category(), word(&row));
        let answer = reply::refusal(&refusal, ErrorFormat::Json);
        assert_eq!(answer.status().as_str(), row[1], "{row:?}");
        let wait = answer
            .headers()
            .get("retry-after")
            .map(|wait| wait.to_str().unwrap());
        match (row[2], wait) {
            ("–", None) | ("varies", Some(_)) => {}
            (told, wait) => assert_eq!(Some(told), wait, "{row:?}"),
        }
    }
}

fn example(category: &str) -> Refusal {
    let (text, plugin) = (String::new, || "p".to_owned());
    let ip = IpAddr::from(Ipv4Addr::LOCALHOST);
    let pod = ObjectRef {
        namespace: text(),
        name: text(),
    };
    match category {
        "bad_request" => Refusal::BadRequest(text()),
        "no_metadata_header" => Refusal::NoMetadataHeader,
        "not_found" => Refusal::NotFound(text()),
        "method_not_allowed" => Refusal::MethodNotAllowed(text()),
        "instance_metadata_blocked" => Refusal::InstanceMetadataBlocked,
        "unknown_pod" => Refusal::UnknownPod { ip },
        "no_such_pod" => Refusal::NoSuchPod(pod),
        "not_host" => Refusal::NotHost(1000),
        "ambiguous_pod" => Refusal::AmbiguousPod { ip, pods: 2 },
        "pod_changed" => Refusal::PodChanged { ip },
        "denied" => Refusal::Denied {
            plugin: plugin(),
            reason: text(),
        },
        "policy_failed" => Refusal::PolicyFailed { plugin: plugin() },
        "policy_unavailable" => Refusal::PolicyUnavailable { plugin: plugin() },
        "no_identity" => Refusal::NoIdentity(text()),
        "several_identities" => Refusal::SeveralIdentities(text()),
        "not_assigned_yet" => Refusal::NotAssignedYet(text()),
        "misconfigured" => Refusal::Misconfigured(text()),
        "too_many" => Refusal::TooMany {
            pod,
            retry_after: Duration::from_millis(400),
        },
        "cache_full" => Refusal::CacheFull { pod, share: 64 },
        "deadline" => Refusal::Deadline(Duration::from_secs(20)),
        other => panic!("{other} needs an example here"),
    }
}

#[test]
fn every_outcome_of_a_plugin_call_has_a_row_and_every_row_an_outcome() {
    let known = categories(include_str!("../../../../gateway/plugin-host/src/error.rs"));
    assert!(known.len() > 15, "{known:?}");
    let documented = rows(section(REFUSALS, "## Outcomes of plugin calls"));
    assert_eq!(words(&documented), known);
    assert_eq!(documented.len(), known.len(), "a row is there twice");
}

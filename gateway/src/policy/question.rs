//! A pod's question in the words of the plugin host.

use std::collections::BTreeMap;

use podgate_azure::imds::Selector;
use podgate_plugin_host as host;
use podgate_plugin_host::PolicyQuestion;

use crate::imds::TokenQuestion;
use crate::pod::ResolvedPod;
use crate::world::Exceptions;

pub(super) fn to_host(
    pod: &ResolvedPod,
    question: &TokenQuestion,
    exceptions: &Exceptions,
) -> PolicyQuestion {
    let pod = pod.pod();
    PolicyQuestion {
        pod: host::Pod {
            namespace: pod.object.namespace.clone(),
            name: pod.object.name.clone(),
            uid: pod.uid.to_string(),
            service_account: pod.service_account.clone(),
            labels: labels(&pod.labels),
        },
        request: host::TokenRequest {
            path: question.route.name().to_owned(),
            resource: question.resource.to_string(),
            identity: selector(&question.selector),
        },
        exceptions: exceptions
            .entries
            .iter()
            .map(|(name, pod_labels)| host::PodException {
                name: name.clone(),
                pod_labels: labels(pod_labels),
            })
            .collect(),
    }
}

fn labels(labels: &BTreeMap<String, String>) -> Vec<host::Label> {
    labels
        .iter()
        .map(|(name, value)| host::Label {
            name: name.clone(),
            value: value.clone(),
        })
        .collect()
}

/// In one case, since Azure compares ids without regard to it and so does the memo: a verdict must not depend
/// on the spelling that came first.
pub(super) fn selector(selector: &Selector) -> host::IdentitySelector {
    let lower = |id: &str| id.to_ascii_lowercase();
    match selector {
        Selector::Unspecified => host::IdentitySelector::Unspecified,
        Selector::ClientId(id) => host::IdentitySelector::ClientId(lower(id.as_str())),
        Selector::ObjectId(id) => host::IdentitySelector::ObjectId(lower(id.as_str())),
        Selector::ResourceId(id) => host::IdentitySelector::ResourceId(lower(id.as_str())),
    }
}

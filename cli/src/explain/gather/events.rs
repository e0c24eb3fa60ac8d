//! The Events that concern a pod's identities.

use futures::future::join_all;
use jiff::Timestamp;
use k8s_openapi::api::core::v1::Event;
use podgate_api::ObjectRef;

use super::read::Reader;
use crate::explain::facts::{EventFacts, Fact, Facts, Gap};
use crate::explain::text::plain;
use crate::explain::view::Candidate;

/// The newest that are shown.
const SHOWN: usize = 8;
/// Of one Event's message. Azure's errors are long, and their beginning says what happened.
const MAX_MESSAGE: usize = 400;
/// The name under which both controllers write.
const SOURCE: &str = "aadpodidentity.k8s.io";

/// Where Events are of what is in no namespace.
const NODES_EVENTS: &str = "default";

/// An object whose Events are read.
struct Subject {
    kind: &'static str,
    object: ObjectRef,
    /// An object of this name before it is another one.
    uid: String,
}

/// The newest first, and whose could not be read.
pub(super) async fn read(
    reader: &Reader,
    facts: &Facts,
    found: &[Candidate<'_>],
) -> (Vec<EventFacts>, Vec<Gap>) {
    let requests = subjects(facts, found)
        .into_iter()
        .map(|subject| of(reader, subject));
    let (mut events, mut gaps) = (Vec::new(), Vec::<Gap>::new());
    for read in join_all(requests).await {
        match read {
            Ok(read) => events.extend(read),
            // One line for a namespace.
            Err(gap) if gaps.iter().any(|other| other.why == gap.why) => {}
            Err(gap) => gaps.push(gap),
        }
    }
    events.sort_by_key(|event: &EventFacts| std::cmp::Reverse(event.at));
    events.dedup();
    events.truncate(SHOWN);
    (events, gaps)
}

fn subjects(facts: &Facts, found: &[Candidate<'_>]) -> Vec<Subject> {
    let mut subjects = vec![Subject {
        kind: "Pod",
        object: facts.asked.pod.clone(),
        uid: facts.pod().map(|pod| pod.uid.clone()).unwrap_or_default(),
    }];
    let node = facts.pod().and_then(|pod| pod.node.clone());
    subjects.extend(node.map(|node| Subject {
        kind: "Node",
        object: ObjectRef::new(NODES_EVENTS, &node),
        uid: node,
    }));
    for candidate in found {
        let metadata = &candidate.binding.metadata;
        subjects.push(Subject {
            kind: "AzureIdentityBinding",
            object: ObjectRef::of(metadata),
            uid: metadata.uid.clone().unwrap_or_default(),
        });
        if let Some(wire) = candidate.wire {
            subjects.push(Subject {
                kind: "AzureIdentity",
                object: candidate.identity.clone(),
                uid: wire.metadata.uid.clone().unwrap_or_default(),
            });
        }
    }
    subjects
}

/// By name: the old controller writes a kind of its own making (`v1.AzureIdentityBinding`).
async fn of(reader: &Reader, subject: Subject) -> Result<Vec<EventFacts>, Gap> {
    let Subject { kind, object, uid } = &subject;
    let fields = format!("involvedObject.name={}", object.name);
    let what = format!("events of {kind} {object}");
    match reader
        .by_field::<Event>(&what, &object.namespace, &fields)
        .await
    {
        Fact::Known(events) => Ok(events
            .iter()
            .filter(|event| concerns(event, kind, uid))
            .map(|event| facts_of(event, kind))
            .collect()),
        Fact::Unknown(gap) => Err(gap),
    }
}

fn concerns(event: &Event, kind: &str, uid: &str) -> bool {
    let involved = &event.involved_object;
    let kinds = involved
        .kind
        .as_deref()
        .and_then(|involved| involved.rsplit('.').next());
    let same = involved
        .uid
        .as_deref()
        .is_none_or(|other| other.is_empty() || other == uid);
    let source = event
        .source
        .as_ref()
        .and_then(|source| source.component.as_deref());
    let source = source
        .or(event.reporting_component.as_deref())
        .unwrap_or_default();
    let ours = source == SOURCE || source.starts_with("podgate");
    let counts = match kind {
        // Why a pod does not start is its own Events' to say.
        "Pod" => ours || event.type_.as_deref() == Some("Warning"),
        "Node" => ours,
        _ => true,
    };
    kinds == Some(kind) && same && counts
}

fn facts_of(event: &Event, kind: &str) -> EventFacts {
    let name = event.involved_object.name.as_deref().unwrap_or_default();
    EventFacts {
        at: at(event),
        warning: event.type_.as_deref() == Some("Warning"),
        about: format!("{kind}/{name}"),
        reason: plain(event.reason.as_deref().unwrap_or_default(), MAX_MESSAGE),
        message: plain(event.message.as_deref().unwrap_or_default(), MAX_MESSAGE),
    }
}

/// Old and new Events keep it in different places.
fn at(event: &Event) -> Option<Timestamp> {
    let series = event
        .series
        .as_ref()
        .and_then(|series| series.last_observed_time.as_ref());
    series
        .map(|time| time.0)
        .or(event.last_timestamp.as_ref().map(|time| time.0))
        .or(event.event_time.as_ref().map(|time| time.0))
        .or(event
            .metadata
            .creation_timestamp
            .as_ref()
            .map(|time| time.0))
}

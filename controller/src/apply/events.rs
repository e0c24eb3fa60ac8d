//! Events of Kubernetes, for `kubectl describe` and `kubectl get events`.

use std::sync::Arc;
use std::time::Duration;

use k8s_openapi::api::core::v1::{Event, EventSource, ObjectReference};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::{ObjectMeta, Time};
use k8s_openapi::jiff::Timestamp;
use kube::Client;
use kube::api::{Api, PostParams};
use podgate_watch::reasons;
use tokio::sync::mpsc;
use tokio::time::{sleep, timeout};

use super::Permit;
use crate::metrics::Metrics;
use crate::plan::Notice;
use said::{Said, Status};

mod said;

/// Who says it: the old controller's word, by which people filter.
const COMPONENT: &str = "aadpodidentity.k8s.io";
/// Notices that wait. What comes on top is dropped: the records themselves say how things are.
const WAITING: usize = 4_096;
/// Between two Events: records matter more to the API server than what is said of them.
const PAUSE: Duration = Duration::from_millis(20);
const DEADLINE: Duration = Duration::from_secs(10);
/// Longest message that the API server takes (events.k8s.io: 1 kB).
const MESSAGE: usize = 1_000;
/// Of objects without a namespace.
const DEFAULT: &str = "default";

/// Where notices go. Never waits for the API server.
pub struct Events {
    said: Said,
    waiting: mpsc::Sender<Notice>,
    metrics: Arc<Metrics>,
}

struct Writer {
    client: Client,
    permit: Permit,
    waiting: mpsc::Receiver<Notice>,
    metrics: Arc<Metrics>,
}

impl Events {
    /// Begins to write to an API server, until this object is gone.
    pub fn start(client: Client, permit: Permit, metrics: Arc<Metrics>) -> Self {
        let (sender, waiting) = mpsc::channel(WAITING);
        let writer = Writer {
            client,
            permit,
            waiting,
            metrics: Arc::clone(&metrics),
        };
        tokio::spawn(writer.run());
        Self::into(sender, metrics)
    }

    fn into(waiting: mpsc::Sender<Notice>, metrics: Arc<Metrics>) -> Self {
        Self {
            said: Said::default(),
            waiting,
            metrics,
        }
    }

    /// Says something, to the log at once. What was said a short time ago is not said again, to nobody.
    pub fn tell(&mut self, notice: Notice) {
        match self.said.hear(&notice) {
            Status::Old => return,
            Status::Unwritten => {}
            Status::New => log(&notice),
        }
        match self.waiting.try_reserve() {
            Ok(place) => {
                self.said.write(&notice);
                place.send(notice);
            }
            Err(_) => self.metrics.notice_dropped(),
        }
    }
}

fn log(notice: &Notice) {
    let Notice {
        subject,
        reason,
        message,
        ..
    } = notice;
    let (kind, object) = (subject.kind, &subject.object);
    match notice.is_warning {
        true => tracing::warn!(kind, %object, reason, message),
        false => tracing::debug!(kind, %object, reason, message),
    }
}

impl Writer {
    async fn run(mut self) {
        while let Some(notice) = self.waiting.recv().await {
            if !self.permit.is_valid() {
                continue;
            }
            if !self.write(&notice).await {
                self.metrics.notice_dropped();
            }
            sleep(PAUSE).await;
        }
    }

    async fn write(&self, notice: &Notice) -> bool {
        let event = event(notice);
        let namespace = event.metadata.namespace.as_deref().unwrap_or(DEFAULT);
        let api: Api<Event> = Api::namespaced(self.client.clone(), namespace);
        let written = timeout(DEADLINE, api.create(&PostParams::default(), &event)).await;
        match written {
            Ok(Ok(_)) => true,
            Ok(Err(error)) => {
                let error = reasons(&error);
                tracing::debug!(error, "an Event was not written");
                false
            }
            Err(_) => false,
        }
    }
}

fn event(notice: &Notice) -> Event {
    let subject = &notice.subject;
    let namespace = match subject.object.namespace.as_str() {
        "" => DEFAULT,
        namespace => namespace,
    };
    let now = Time(Timestamp::now());
    let word = if notice.is_warning {
        "Warning"
    } else {
        "Normal"
    };
    Event {
        metadata: ObjectMeta {
            generate_name: Some("podgate-".to_owned()),
            namespace: Some(namespace.to_owned()),
            ..ObjectMeta::default()
        },
        involved_object: ObjectReference {
            api_version: Some(subject.api_version.to_owned()),
            kind: Some(subject.kind.to_owned()),
            name: Some(subject.object.name.clone()),
            namespace: Some(subject.object.namespace.clone())
                .filter(|namespace| !namespace.is_empty()),
            uid: Some(subject.uid.clone()).filter(|uid| !uid.is_empty()),
            ..ObjectReference::default()
        },
        reason: Some(notice.reason.to_owned()),
        message: Some(notice.message.chars().take(MESSAGE).collect()),
        type_: Some(word.to_owned()),
        source: Some(EventSource {
            component: Some(COMPONENT.to_owned()),
            host: None,
        }),
        first_timestamp: Some(now.clone()),
        last_timestamp: Some(now),
        count: Some(1),
        ..Event::default()
    }
}

#[cfg(test)]
mod tests;

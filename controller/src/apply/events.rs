//! Events of Kubernetes, for `kubectl describe` and `kubectl get events`.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use k8s_openapi::api::core::v1::{Event, EventSource, ObjectReference};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::{ObjectMeta, Time};
use k8s_openapi::jiff::Timestamp;
use kube::Client;
use kube::api::{Api, PostParams};
use tokio::sync::mpsc;
use tokio::time::{Instant, sleep, timeout};

use super::Permit;
use crate::metrics::Metrics;
use crate::plan::Notice;

/// Who says it: the old controller's word, by which people filter.
const COMPONENT: &str = "aadpodidentity.k8s.io";
/// The same is not said again within this time.
const AGAIN: Duration = Duration::from_secs(30 * 60);
/// Notices that are remembered for that; beyond it the older half is forgotten.
const REMEMBERED: usize = 16_384;
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
#[derive(Clone)]
pub struct Events {
    waiting: mpsc::Sender<Notice>,
    metrics: Arc<Metrics>,
}

struct Writer {
    client: Client,
    permit: Permit,
    waiting: mpsc::Receiver<Notice>,
    said: HashMap<Notice, Instant>,
    metrics: Arc<Metrics>,
}

impl Events {
    /// Begins to write to an API server, until the last clone is gone.
    pub fn start(client: Client, permit: Permit, metrics: Arc<Metrics>) -> Self {
        let (sender, waiting) = mpsc::channel(WAITING);
        let writer = Writer {
            client,
            permit,
            waiting,
            said: HashMap::new(),
            metrics: Arc::clone(&metrics),
        };
        tokio::spawn(writer.run());
        Self {
            waiting: sender,
            metrics,
        }
    }

    /// Says something, to the log at once.
    pub fn tell(&self, notice: Notice) {
        let Notice {
            subject,
            reason,
            message,
            ..
        } = &notice;
        let (kind, object) = (subject.kind, &subject.object);
        match notice.is_warning {
            true => tracing::warn!(kind, %object, reason, message),
            false => tracing::debug!(kind, %object, reason, message),
        }
        if self.waiting.try_send(notice).is_err() {
            self.metrics.notice_dropped();
        }
    }
}

impl Writer {
    async fn run(mut self) {
        while let Some(notice) = self.waiting.recv().await {
            if !self.is_new(&notice) || !self.permit.is_valid() {
                continue;
            }
            if !self.write(&notice).await {
                self.metrics.notice_dropped();
            }
            sleep(PAUSE).await;
        }
    }

    fn is_new(&mut self, notice: &Notice) -> bool {
        let now = Instant::now();
        if self.said.get(notice).is_some_and(|at| now - *at < AGAIN) {
            return false;
        }
        if self.said.len() >= REMEMBERED {
            let mut times: Vec<Instant> = self.said.values().copied().collect();
            let (_, middle, _) = times.select_nth_unstable(REMEMBERED / 2);
            let middle = *middle;
            self.said.retain(|_, at| *at > middle);
        }
        self.said.insert(notice.clone(), now);
        true
    }

    async fn write(&self, notice: &Notice) -> bool {
        let event = event(notice);
        let namespace = event.metadata.namespace.as_deref().unwrap_or(DEFAULT);
        let api: Api<Event> = Api::namespaced(self.client.clone(), namespace);
        let written = timeout(DEADLINE, api.create(&PostParams::default(), &event)).await;
        match written {
            Ok(Ok(_)) => true,
            Ok(Err(error)) => {
                tracing::debug!(%error, "an Event was not written");
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

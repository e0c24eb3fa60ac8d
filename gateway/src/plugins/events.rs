//! Events of the plugins' ConfigMap, for `kubectl describe` and `kubectl get events`: that a node cannot use what it
//! says, and that it can again.
//!
//! Nobody waits for them, and none is worth a burden: every node of a cluster has the same bad file at the same time.
//! So the latest word is written, at most one each ten seconds, the same one at most every five minutes, and what
//! cannot be written is left to the log.

use std::fmt;
use std::str::FromStr;
use std::time::Duration;

use k8s_openapi::api::core::v1::{ConfigMap, Event, EventSource, ObjectReference};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::{ObjectMeta, Time};
use k8s_openapi::jiff::Timestamp;
use kube::api::{Api, Patch, PatchParams, PostParams};
use kube::{Client, Error};
use serde_json::json;
use thiserror::Error;
use tokio::sync::watch;
use tokio::time::{Instant, sleep, timeout};

use crate::source::{NodeName, is_object_name};

/// Who says it.
const COMPONENT: &str = "podgate-gateway";
/// Between two requests that write.
const PAUSE: Duration = Duration::from_secs(10);
/// The same is not said again within this time.
const AGAIN: Duration = Duration::from_secs(5 * 60);
const DEADLINE: Duration = Duration::from_secs(10);
/// Longest message that the API server takes is 1 kB; in characters, of which the gateway's are of one byte mostly.
const MESSAGE: usize = 1000;

/// Namespace and name of the ConfigMap that the plugins file is of.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ConfigMapName {
    namespace: String,
    name: String,
}

/// Text that no ConfigMap is called.
#[derive(Debug, Error, PartialEq, Eq)]
#[error("it is no NAMESPACE/NAME of a ConfigMap")]
pub struct InvalidConfigMapName;

/// What is said.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Word {
    is_warning: bool,
    reason: &'static str,
    message: String,
}

/// Where what happens to the plugins file goes. Never waits for the API server.
#[derive(Clone, Debug)]
pub struct Events(watch::Sender<Option<Word>>);

/// Writes them.
struct Writer {
    client: Client,
    of: ConfigMapName,
    node: String,
    pause: Duration,
    last: Option<Written>,
}

/// The Event that was written last.
struct Written {
    word: Word,
    name: String,
    count: i32,
    at: Instant,
}

/// As client libraries call them: no two, and none longer than a name may be.
fn event_name(of: &str) -> String {
    let cut: String = of.chars().take(200).collect();
    let cut = cut.trim_end_matches(['.', '-']);
    format!("{cut}.{:x}", Timestamp::now().as_nanosecond())
}

// === impl ConfigMapName ===

impl FromStr for ConfigMapName {
    type Err = InvalidConfigMapName;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        match text.split_once('/') {
            Some((namespace, name)) if is_object_name(namespace, name) => Ok(Self {
                namespace: namespace.to_owned(),
                name: name.to_owned(),
            }),
            _ => Err(InvalidConfigMapName),
        }
    }
}

impl fmt::Display for ConfigMapName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.namespace, self.name)
    }
}

// === impl Events ===

impl Events {
    /// Of this ConfigMap, by the gateway of this node. The future writes them, for as long as it is polled.
    pub fn new(
        client: Client,
        of: ConfigMapName,
        node: &NodeName,
    ) -> (Self, impl Future<Output = ()> + Send + use<>) {
        let (sender, words) = watch::channel(None);
        let writer = Writer {
            client,
            of,
            node: node.to_string(),
            pause: PAUSE,
            last: None,
        };
        (Self(sender), writer.run(words))
    }

    /// The file cannot be used: what stands on `/readyz`.
    pub(super) fn bad(&self, told: &str) {
        self.say(true, "PluginsNotReloaded", told);
    }

    /// It can be used again.
    pub(super) fn good(&self) {
        // Whoever was not told of a failure does not ask about its end: a thousand nodes would say it at each reload.
        let was_bad = |word: &Option<Word>| word.as_ref().is_some_and(|word| word.is_warning);
        if was_bad(&self.0.borrow()) {
            self.say(
                false,
                "PluginsReloaded",
                "the plugins file is in force again",
            );
        }
    }

    fn say(&self, is_warning: bool, reason: &'static str, message: &str) {
        self.0.send_replace(Some(Word {
            is_warning,
            reason,
            message: message.to_owned(),
        }));
    }
}

// === impl Writer ===

impl Writer {
    async fn run(mut self, mut words: watch::Receiver<Option<Word>>) {
        while words.changed().await.is_ok() {
            let word = words.borrow_and_update().clone();
            let Some(word) = word.filter(|word| self.is_due(word)) else {
                continue;
            };
            match timeout(DEADLINE, self.write(word)).await {
                Ok(Ok(())) => {}
                Ok(Err(error)) => {
                    tracing::debug!(%error, of = %self.of, "an Event was not written")
                }
                Err(_) => tracing::debug!(of = %self.of, "an Event was not written in time"),
            }
            sleep(self.pause).await;
        }
    }

    fn is_due(&self, word: &Word) -> bool {
        let last = self.last.as_ref();
        last.is_none_or(|last| last.word != *word || last.at.elapsed() >= AGAIN)
    }

    async fn write(&mut self, word: Word) -> Result<(), Error> {
        if let Some(last) = self.last.take_if(|last| last.word == word)
            && let Some(again) = self.again(last).await?
        {
            self.last = Some(again);
            return Ok(());
        }
        let uid = self.uid().await;
        let name = event_name(&self.of.name);
        let event = self.event(&word, name.clone(), uid);
        self.events().create(&PostParams::default(), &event).await?;
        let (count, at) = (1, Instant::now());
        self.last = Some(Written {
            word,
            name,
            count,
            at,
        });
        Ok(())
    }

    /// Counts it up; none where it has been forgotten, as the API server does after an hour.
    async fn again(&self, last: Written) -> Result<Option<Written>, Error> {
        let count = last.count.saturating_add(1);
        let patch = json!({"count": count, "lastTimestamp": Time(Timestamp::now())});
        let patched = self
            .events()
            .patch(&last.name, &PatchParams::default(), &Patch::Merge(patch))
            .await;
        match patched {
            Ok(_) => Ok(Some(Written {
                count,
                at: Instant::now(),
                ..last
            })),
            Err(Error::Api(status)) if status.code == 404 => Ok(None),
            Err(error) => Err(error),
        }
    }

    /// `kubectl describe configmap` looks for it. Without the right to get the ConfigMap there is an Event all the same.
    async fn uid(&self) -> Option<String> {
        let maps: Api<ConfigMap> = Api::namespaced(self.client.clone(), &self.of.namespace);
        let found = maps.get_metadata(&self.of.name).await;
        found.ok().and_then(|map| map.metadata.uid)
    }

    fn events(&self) -> Api<Event> {
        Api::namespaced(self.client.clone(), &self.of.namespace)
    }

    fn event(&self, word: &Word, name: String, uid: Option<String>) -> Event {
        let now = Time(Timestamp::now());
        let kind = if word.is_warning { "Warning" } else { "Normal" };
        let message = format!("node {}: {}", self.node, word.message);
        Event {
            metadata: ObjectMeta {
                name: Some(name),
                namespace: Some(self.of.namespace.clone()),
                ..ObjectMeta::default()
            },
            involved_object: ObjectReference {
                api_version: Some("v1".to_owned()),
                kind: Some("ConfigMap".to_owned()),
                name: Some(self.of.name.clone()),
                namespace: Some(self.of.namespace.clone()),
                uid,
                ..ObjectReference::default()
            },
            reason: Some(word.reason.to_owned()),
            message: Some(message.chars().take(MESSAGE).collect()),
            type_: Some(kind.to_owned()),
            source: Some(EventSource {
                component: Some(COMPONENT.to_owned()),
                host: Some(self.node.clone()),
            }),
            first_timestamp: Some(now.clone()),
            last_timestamp: Some(now),
            count: Some(1),
            ..Event::default()
        }
    }
}

#[cfg(test)]
mod tests;

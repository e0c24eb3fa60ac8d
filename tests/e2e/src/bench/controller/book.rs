//! What a watch at the API server tells, with the time of each word.

use std::collections::HashMap;
use std::time::Duration;

use anyhow::{Context, Result, bail};
use http::Request;
use http_body_util::BodyExt;
use kube::Client;
use kube::client::Body;
use serde::Deserialize;
use serde_json::Value;
use tokio::sync::mpsc;
use tokio::task::JoinHandle;
use tokio::time::{Instant, timeout_at};

use super::stage::now;

/// The path of all records.
pub(super) const RECORDS: &str = "/apis/aadpodidentity.k8s.io/v1/azureassignedidentities";
/// The path of all pods.
pub(super) const PODS: &str = "/api/v1/pods";

/// The objects of one kind that came, changed or went since it began. It reads no more of them than it must: it takes
/// processor time from what is measured.
pub(super) struct Book {
    seen: mpsc::UnboundedReceiver<Seen>,
    reader: JoinHandle<()>,
    lives: HashMap<String, Life>,
    /// How many of them are Assigned and not gone.
    pub(super) assigned: usize,
    /// How many of them are there.
    pub(super) there: usize,
    /// How often one came about or was changed: what the API server was written, whoever wrote it.
    pub(super) writes: usize,
}

/// When an object was seen, since 1970.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Life {
    pub(super) created: Duration,
    pub(super) assigned: Option<Duration>,
    pub(super) gone: Option<Duration>,
}

struct Seen {
    at: Duration,
    word: Word,
}

#[derive(Deserialize)]
struct Word {
    r#type: String,
    object: Object,
}

#[derive(Deserialize)]
struct Object {
    metadata: Metadata,
    status: Option<Status>,
}

#[derive(Deserialize)]
struct Metadata {
    name: String,
}

#[derive(Deserialize)]
struct Status {
    /// Pods have none.
    status: Option<String>,
}

impl Book {
    /// From now on.
    pub(super) async fn open(kube: &Client, path: &str) -> Result<Self> {
        let first = Request::get(format!("{path}?limit=1")).body(Vec::new())?;
        let first: Value = kube.request(first).await?;
        let version = &first["metadata"]["resourceVersion"];
        let version = version.as_str().context("no resourceVersion")?;
        let watch = format!("{path}?watch=1&timeoutSeconds=7200&resourceVersion={version}");
        let answer = kube.send(Request::get(watch).body(Body::empty())?).await?;
        anyhow::ensure!(
            answer.status() == 200,
            "watching {path}: {}",
            answer.status()
        );
        let (told, seen) = mpsc::unbounded_channel();
        let reader = tokio::spawn(async move { read(answer.into_body(), &told).await });
        Ok(Self {
            seen,
            reader,
            lives: HashMap::new(),
            assigned: 0,
            there: 0,
            writes: 0,
        })
    }

    /// Reads on until it is so, and says when the last word before that came.
    pub(super) async fn until(
        &mut self,
        what: &str,
        patience: Duration,
        is_so: impl Fn(&Self) -> bool,
    ) -> Result<Duration> {
        let (end, mut last) = (Instant::now() + patience, now());
        while !is_so(self) {
            let Ok(seen) = timeout_at(end, self.seen.recv()).await else {
                bail!(
                    "{what}: not within {patience:?} ({} there, {} Assigned)",
                    self.there,
                    self.assigned
                );
            };
            let seen = seen.context("the watch ended")?;
            last = seen.at;
            self.enter(seen);
        }
        Ok(last)
    }

    /// An object that has been seen.
    pub(super) fn life(&self, name: &str) -> Option<Life> {
        self.lives.get(name).copied()
    }

    fn enter(&mut self, Seen { at, word }: Seen) {
        let Word { r#type, object } = word;
        let life = self.lives.entry(object.metadata.name).or_default();
        let (was_there, was_assigned) = (life.is_there(), life.is_assigned());
        self.writes += usize::from(r#type != "DELETED");
        match r#type.as_str() {
            "DELETED" => life.gone = Some(at),
            "ADDED" => {
                *life = Life {
                    created: at,
                    ..Life::default()
                }
            }
            _ => {}
        }
        let state = object.status.and_then(|status| status.status);
        if state.as_deref() == Some("Assigned") {
            life.assigned.get_or_insert(at);
        }
        self.there = self.there + usize::from(life.is_there()) - usize::from(was_there);
        self.assigned = self.assigned + usize::from(life.is_assigned()) - usize::from(was_assigned);
    }
}

impl Drop for Book {
    fn drop(&mut self) {
        self.reader.abort();
    }
}

impl Life {
    fn is_there(self) -> bool {
        !self.created.is_zero() && self.gone.is_none()
    }

    /// Unassigned ones are about to go.
    pub(super) fn is_assigned(self) -> bool {
        self.assigned.is_some() && self.gone.is_none()
    }
}

/// One JSON document per line. Ends with the watch, or with what is none.
async fn read(mut body: Body, told: &mpsc::UnboundedSender<Seen>) {
    let mut rest = Vec::new();
    while let Some(Ok(frame)) = body.frame().await {
        let at = now();
        rest.extend_from_slice(frame.data_ref().map_or(&[], |data| data.as_ref()));
        let whole = rest
            .iter()
            .rposition(|byte| *byte == b'\n')
            .map_or(0, |end| end + 1);
        for line in rest[..whole]
            .split(|byte| *byte == b'\n')
            .filter(|line| !line.is_empty())
        {
            let Ok(word) = serde_json::from_slice(line) else {
                return;
            };
            if told.send(Seen { at, word }).is_err() {
                return;
            }
        }
        rest.drain(..whole);
    }
}

//! An API server, and a program that watches it over a bad line.

use std::collections::BTreeMap;

use proptest::prelude::*;
use serde_json::{Value, json};

use super::super::*;
use crate::tests::fixture::{Known, Thing};

/// What a test does to the API server, and what of it reaches the program.
#[derive(Clone, Debug)]
pub(super) enum Step {
    /// A pod is made, or changed.
    Set(u8),
    /// It goes.
    Delete(u8),
    /// It goes, and another one of its name comes.
    Replace(u8),
    /// Somebody makes it unreadable.
    Spoil(u8),
    /// So many events arrive.
    Deliver(u8),
    /// The last event arrives once more.
    Repeat,
    /// A bookmark arrives.
    Bookmark,
    /// The server forgets its history: a watch that is behind ends with 410.
    Forget,
    /// A list begins, anew if one is on.
    List,
    /// Its next page arrives.
    Page,
    /// The connection breaks: of a list nothing more comes.
    Break,
}

pub(super) fn steps() -> impl Strategy<Value = Vec<Step>> {
    let pod = 0..6_u8;
    let step = prop_oneof![
        4 => pod.clone().prop_map(Step::Set),
        2 => pod.clone().prop_map(Step::Delete),
        2 => pod.clone().prop_map(Step::Replace),
        1 => pod.prop_map(Step::Spoil),
        4 => (1..4_u8).prop_map(Step::Deliver),
        1 => Just(Step::Repeat),
        1 => Just(Step::Bookmark),
        1 => Just(Step::Forget),
        2 => Just(Step::List),
        4 => Just(Step::Page),
        1 => Just(Step::Break),
    ];
    prop::collection::vec(step, 1..80)
}

/// A pod as the API server holds it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Stored {
    pub(super) uid: u64,
    pub(super) edition: u64,
    pub(super) spoiled: bool,
}

#[derive(Default)]
pub(super) struct Server {
    version: u64,
    pods: BTreeMap<u8, Stored>,
    /// Version, type of event, object.
    history: Vec<(u64, &'static str, Value)>,
    forgotten: u64,
}

pub(super) fn json_of(name: u8, stored: &Stored, version: u64) -> Value {
    let ip = match stored.spoiled {
        true => json!("no address"),
        false => json!(format!("10.0.0.{name}")),
    };
    json!({
        "metadata": {
            "name": format!("pod-{name}"), "namespace": "default", "uid": stored.uid.to_string(),
            "resourceVersion": version.to_string(), "labels": {"edition": stored.edition.to_string()},
            "managedFields": [{"manager": "kubelet"}],
        },
        "spec": {"nodeName": "node-1", "containers": []},
        "status": {"podIP": ip, "podIPs": [{"ip": ip}]},
    })
}

pub(super) fn key_of(name: u8) -> String {
    format!("default/pod-{name}")
}

impl Server {
    pub(super) fn record(&mut self, event: &'static str, name: u8, stored: &Stored) {
        let object = json_of(name, stored, self.version);
        self.history.push((self.version, event, object));
    }

    pub(super) fn set(&mut self, name: u8, spoiled: bool) {
        self.version += 1;
        let (event, uid) = match self.pods.get(&name) {
            Some(old) => ("MODIFIED", old.uid),
            None => ("ADDED", self.version),
        };
        let stored = Stored {
            uid,
            edition: self.version,
            spoiled,
        };
        self.record(event, name, &stored);
        self.pods.insert(name, stored);
    }

    pub(super) fn delete(&mut self, name: u8) {
        if let Some(stored) = self.pods.remove(&name) {
            self.version += 1;
            self.record("DELETED", name, &stored);
        }
    }

    /// The pages of a list of now, of two pods each.
    pub(super) fn pages(&self) -> Vec<PageText> {
        let items: Vec<Value> = self
            .pods
            .iter()
            .map(|(name, stored)| json_of(*name, stored, stored.edition))
            .collect();
        let mut chunks: Vec<&[Value]> = items.chunks(2).collect();
        if chunks.is_empty() {
            chunks.push(&[]);
        }
        let last = chunks.len() - 1;
        let page = |(number, chunk): (usize, &&[Value])| {
            let next = if number < last { "more" } else { "" };
            let version = self.version.to_string();
            let page =
                json!({"metadata": {"resourceVersion": version, "continue": next}, "items": chunk});
            PageText(page.to_string().into_bytes())
        };
        let mut pages: Vec<PageText> = chunks.iter().enumerate().map(page).collect();
        pages.reverse();
        pages
    }

    /// What the program should come to know.
    pub(super) fn readable(&self) -> BTreeMap<String, String> {
        let readable = self.pods.iter().filter(|(_, stored)| !stored.spoiled);
        readable
            .map(|(name, stored)| {
                let told = format!("{} {}", stored.uid, stored.edition);
                (key_of(*name), told)
            })
            .collect()
    }
}

/// A server, and a program that watches it over a bad line.
pub(super) struct Model {
    pub(super) server: Server,
    pub(super) replica: Replica<Thing, Known>,
    pub(super) known: Known,
    /// The pages of the list that is on, the next one last.
    pages: Vec<PageText>,
    last: Option<String>,
    /// What no message since has given a reason to forget: pods of the last whole state that nobody has touched.
    pub(super) untouched: BTreeMap<String, String>,
}

impl Model {
    pub(super) fn new() -> Self {
        let known = Known::default();
        Self {
            server: Server::default(),
            replica: Replica::new(Thing::Pods, known.clone()),
            known,
            pages: Vec::new(),
            last: None,
            untouched: BTreeMap::new(),
        }
    }

    pub(super) async fn step(&mut self, step: &Step) {
        match step {
            Step::Set(name) => self.touch(*name, |server, name| server.set(name, false)),
            Step::Delete(name) => self.touch(*name, Server::delete),
            Step::Replace(name) => self.touch(*name, |server, name| {
                server.delete(name);
                server.set(name, false);
            }),
            Step::Spoil(name) => self.touch(*name, |server, name| server.set(name, true)),
            Step::Deliver(count) => {
                for _ in 0..*count {
                    self.deliver().await;
                }
            }
            Step::Repeat => self.repeat().await,
            Step::Bookmark => self.bookmark().await,
            Step::Forget => self.server.forgotten = self.server.version,
            Step::List => self.list(),
            Step::Page => self.page().await,
            Step::Break => self.pages.clear(),
        }
    }

    pub(super) fn touch(&mut self, name: u8, act: impl FnOnce(&mut Server, u8)) {
        self.untouched.remove(&key_of(name));
        act(&mut self.server, name);
    }

    pub(super) fn position(&self) -> Option<u64> {
        let listing = !self.pages.is_empty();
        let version = self.replica.version().filter(|_| !listing)?;
        Some(version.parse().unwrap())
    }

    /// The next event of the watch, unless the server no longer has it.
    pub(super) async fn deliver(&mut self) {
        let Some(position) = self.position() else {
            return;
        };
        if position < self.server.forgotten {
            return self.expired().await;
        }
        let mut history = self.server.history.iter();
        if let Some((_, event, object)) = history.find(|(version, ..)| *version > position) {
            let line = json!({"type": event, "object": object}).to_string();
            self.event(line).await;
        }
    }

    pub(super) async fn event(&mut self, line: String) {
        let event = Event::parse(line.as_bytes()).unwrap();
        self.replica.event(&event).await.unwrap();
        self.last = Some(line);
    }

    /// A line that was delivered before, of a time that is over only if nothing came since.
    pub(super) async fn repeat(&mut self) {
        let (Some(line), Some(position)) = (self.last.clone(), self.position()) else {
            return;
        };
        let value: Value = serde_json::from_str(&line).unwrap();
        let version = value["object"]["metadata"]["resourceVersion"].as_str();
        if version == Some(position.to_string().as_str()) {
            self.event(line).await;
        }
    }

    pub(super) async fn bookmark(&mut self) {
        let behind = |position| {
            self.server
                .history
                .iter()
                .any(|(version, ..)| *version > position)
        };
        if self.position().is_some_and(|position| !behind(position)) {
            let version = self.server.version.to_string();
            let object = json!({"metadata": {"resourceVersion": version}});
            let line = json!({"type": "BOOKMARK", "object": object}).to_string();
            self.replica
                .event(&Event::parse(line.as_bytes()).unwrap())
                .await
                .unwrap();
        }
    }

    pub(super) async fn expired(&mut self) {
        let line =
            json!({"type": "ERROR", "object": {"code": 410, "message": "too old"}}).to_string();
        let failure = self
            .replica
            .event(&Event::parse(line.as_bytes()).unwrap())
            .await
            .unwrap_err();
        assert!(failure.is_gone());
        self.replica.failed(&failure).await;
        assert_eq!(
            self.replica.version(),
            None,
            "after 410 everything is listed"
        );
    }

    pub(super) fn list(&mut self) {
        self.replica.begin();
        self.pages = self.server.pages();
    }

    pub(super) async fn page(&mut self) {
        let Some(page) = self.pages.pop() else {
            return;
        };
        match self.replica.page(&page).await.unwrap() {
            Next::Page(_) => assert!(!self.pages.is_empty()),
            Next::Watch(_) => assert!(self.pages.is_empty()),
        }
    }

    /// Every page and every event that is still to come.
    pub(super) async fn catch_up(&mut self) {
        if self
            .position()
            .is_none_or(|position| position < self.server.forgotten)
        {
            self.list();
        }
        while !self.pages.is_empty() {
            self.page().await;
        }
        for _ in 0..self.server.history.len() {
            self.deliver().await;
        }
        self.untouched = self.server.readable();
    }
}

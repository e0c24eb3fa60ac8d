//! A source, its fake API server, and the objects of both.

use std::time::Duration;

use podgate_watch::Patience;
use podgate_watch::testing::Fake;
use serde_json::{Value, json};
use tokio::task::JoinHandle;
use tokio::time::{Instant, sleep};

use super::super::*;
use crate::assignment::DefaultIdentity;
use crate::world::testing::rules;
use crate::world::{ObjectRef, SecretState};

/// A gateway's source that watches a fake API server.
pub(super) struct Fixture {
    pub(super) fake: Fake,
    pub(super) world: World,
    pub(super) readiness: Readiness,
    pub(super) metrics: Arc<Metrics>,
    task: JoinHandle<()>,
}

/// Much longer than anything here takes, and shorter than a reader's patience.
pub(super) const DEADLINE: Duration = Duration::from_secs(20);
/// Longer than a busy machine takes to answer, and short for a test of it.
pub(super) const SILENCE: Duration = Duration::from_millis(700);

pub(super) fn rules_of(mode: Mode) -> Rules {
    Rules {
        mode,
        namespaced: true,
        default_identity: DefaultIdentity::Refuse,
        wait: Duration::from_secs(1),
    }
}

impl Fixture {
    pub(super) async fn start(mode: Mode, script: impl FnOnce(&Fake)) -> Self {
        let fake = Fake::start().await;
        script(&fake);
        let (metrics, readiness) = (Arc::<Metrics>::default(), Readiness::default());
        let api = Api::new(fake.client(), "the gateway").with_patience(Patience {
            answer: SILENCE,
            silence: SILENCE,
        });
        let node = "node-1".parse().unwrap();
        let cluster = Cluster {
            secrets: api.clone(),
            api,
            kinds: pending(&node, mode, &readiness),
            rules: rules_of(mode),
            metrics: Arc::clone(&metrics),
        };
        let world = World::new(rules());
        world.incomplete(true);
        let running = Box::new(cluster).run(world.clone());
        let task = tokio::spawn(async move { running.await.unwrap() });
        Self {
            fake,
            world,
            readiness,
            metrics,
            task,
        }
    }

    pub(super) async fn until(&self, what: &str, mut there: impl FnMut(&Self) -> bool) {
        let deadline = Instant::now() + DEADLINE;
        while !there(self) {
            assert!(
                Instant::now() < deadline,
                "{what} never came: {:?}",
                self.problems()
            );
            sleep(Duration::from_millis(2)).await;
        }
    }

    pub(super) async fn ready(&self) {
        self.until("readiness", |fixture| {
            fixture.readiness.awaited().is_empty()
        })
        .await;
    }

    pub(super) fn problems(&self) -> Vec<String> {
        self.metrics.freshness().problems()
    }

    pub(super) fn has(&self, name: &str) -> bool {
        let object = ObjectRef::new("default", name);
        self.world.read().pod(&object).is_some()
    }

    /// What pod `name` could get: an identity's name, or why not.
    pub(super) fn identities(&self, name: &str) -> Vec<Result<String, String>> {
        let index = self.world.read();
        let pod = index.pod(&ObjectRef::new("default", name)).unwrap();
        let candidates = index.candidates(pod).into_iter();
        candidates
            .map(|candidate| match candidate.identity {
                Some(Ok(identity)) => Ok(identity.object.name.clone()),
                Some(Err(invalid)) => Err(invalid.problem),
                None => Err("none".to_owned()),
            })
            .collect()
    }

    pub(super) fn secret(&self, name: &str) -> String {
        match self.world.read().secret(&ObjectRef::new("default", name)) {
            SecretState::Known(data) => {
                String::from_utf8(data.get("clientSecret").unwrap().to_vec()).unwrap()
            }
            SecretState::Missing(why) => format!("missing: {why}"),
            SecretState::Awaited => "awaited".to_owned(),
        }
    }

    pub(super) fn counted(&self, series: &str) -> bool {
        self.metrics.render().contains(series)
    }

    pub(super) fn asked(&self, part: &str) -> usize {
        let requests = self.fake.requests();
        requests
            .iter()
            .filter(|request| request.contains(part))
            .count()
    }
}

impl Drop for Fixture {
    fn drop(&mut self) {
        self.task.abort();
    }
}

pub(super) fn metadata(name: &str) -> Value {
    json!({"name": name, "namespace": "default", "uid": name, "resourceVersion": "5",
        "labels": {"aadpodidbinding": "shop"}})
}

pub(super) fn pod(name: &str, ip: &str) -> Value {
    json!({"metadata": metadata(name), "spec": {"nodeName": "node-1", "containers": []}, "status": {"podIP": ip}})
}

pub(super) fn identity(name: &str) -> Value {
    json!({"metadata": metadata(name), "spec": {"type": 0, "clientID": "7a1d0c8e-2f34-4f0e-9a6f-0123456789ab"}})
}

pub(super) fn principal(name: &str, secret: &str) -> Value {
    json!({"metadata": metadata(name), "spec": {
        "type": 1, "clientID": "7a1d0c8e-2f34-4f0e-9a6f-0123456789ab",
        "tenantID": "00000000-0000-0000-0000-000000000001", "clientPassword": {"name": secret},
    }})
}

pub(super) fn binding(name: &str, identity: &str) -> Value {
    json!({"metadata": metadata(name), "spec": {"azureIdentity": identity, "selector": "shop"}})
}

pub(super) fn secret(name: &str, content: &str) -> Value {
    use base64::Engine;
    let content = base64::engine::general_purpose::STANDARD.encode(content);
    json!({"metadata": metadata(name), "data": {"clientSecret": content}})
}

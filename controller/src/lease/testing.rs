//! A Lease in memory, with a network in between that loses and delays.

use std::sync::Arc;
use std::time::Duration;

use k8s_openapi::api::coordination::v1::{Lease, LeaseSpec};
use parking_lot::Mutex;
use tokio::sync::{oneshot, watch};
use tokio::time::sleep;

use super::{Candidacy, Store, StoreError};

/// The API server: one Lease, and what each of its editions was.
#[derive(Clone, Default)]
pub(crate) struct Server(Arc<Mutex<State>>);

struct State {
    version: u64,
    lease: Option<Lease>,
    calls: usize,
    changes: watch::Sender<u64>,
}

/// One candidate's way to it. Clones are the same way.
#[derive(Clone)]
pub(crate) struct Link {
    server: Server,
    weather: Arc<Mutex<Weather>>,
}

/// What happens to calls on their way.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Weather {
    /// Before the server hears of it.
    pub(crate) there: Duration,
    /// Before its answer is heard.
    pub(crate) back: Duration,
    pub(crate) lost: Lost,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) enum Lost {
    #[default]
    Nothing,
    /// Nobody hears anything.
    Requests,
    /// What is asked is done, and nobody says so.
    Answers,
    /// An error comes at once.
    Refused,
}

pub(crate) fn candidacy() -> Candidacy {
    Candidacy {
        namespace: "default".to_owned(),
        name: "aad-pod-identity-mic".to_owned(),
        instance: "mic".to_owned(),
        duration: "15s".parse().unwrap(),
    }
}

impl Default for State {
    fn default() -> Self {
        Self {
            version: 0,
            lease: None,
            calls: 0,
            changes: watch::Sender::new(0),
        }
    }
}

impl Server {
    /// With a Lease that nobody holds.
    pub(crate) fn released() -> Self {
        let server = Self::default();
        server.edit(|lease| *lease = Some(Lease::default()));
        server
    }

    pub(crate) fn link(&self) -> Link {
        Link {
            server: self.clone(),
            weather: Arc::default(),
        }
    }

    pub(crate) fn lease(&self) -> Option<Lease> {
        self.0.lock().lease.clone()
    }

    pub(crate) fn spec(&self) -> LeaseSpec {
        self.lease()
            .and_then(|lease| lease.spec)
            .unwrap_or_default()
    }

    pub(crate) fn calls(&self) -> usize {
        self.0.lock().calls
    }

    /// Somebody's hand.
    pub(crate) fn edit(&self, edit: impl FnOnce(&mut Option<Lease>)) {
        let mut state = self.0.lock();
        edit(&mut state.lease);
        state.changed();
    }

    fn write(&self, lease: &Lease, creates: bool) -> Result<Lease, StoreError> {
        let mut state = self.0.lock();
        state.calls += 1;
        let version = |lease: &Lease| lease.metadata.resource_version.clone();
        let fits = match &state.lease {
            None => creates,
            Some(there) => !creates && version(there) == version(lease),
        };
        if !fits {
            return Err(StoreError::Outdated);
        }
        state.lease = Some(lease.clone());
        state.changed();
        Ok(state.lease.clone().unwrap())
    }
}

impl State {
    fn changed(&mut self) {
        self.version += 1;
        let version = self.version.to_string();
        if let Some(lease) = &mut self.lease {
            lease.metadata.resource_version = Some(version);
        }
        self.changes.send_replace(self.version);
    }
}

impl Link {
    /// To a Lease of its own that nobody holds.
    pub(crate) fn released() -> Self {
        Server::released().link()
    }

    pub(crate) fn weather(&self, weather: Weather) {
        *self.weather.lock() = weather;
    }

    /// The server goes on by itself, whether or not somebody still waits for the answer.
    async fn call<T: Send + 'static>(
        &self,
        done: impl FnOnce(&Server) -> Result<T, StoreError> + Send + 'static,
    ) -> Result<T, StoreError> {
        let Weather { there, back, lost } = *self.weather.lock();
        if lost == Lost::Refused {
            return Err(StoreError::Unavailable("connection refused".to_owned()));
        }
        let (answer, answered) = oneshot::channel();
        let server = self.server.clone();
        tokio::spawn(async move {
            sleep(there).await;
            if lost == Lost::Requests {
                return std::future::pending().await;
            }
            let outcome = done(&server);
            sleep(back).await;
            if lost == Lost::Answers {
                return std::future::pending().await;
            }
            let _ = answer.send(outcome);
        });
        answered.await.unwrap()
    }
}

impl Store for Link {
    async fn read(&self) -> Result<Option<Lease>, StoreError> {
        self.call(|server| {
            server.0.lock().calls += 1;
            Ok(server.lease())
        })
        .await
    }

    async fn create(&self, lease: &Lease) -> Result<Lease, StoreError> {
        let lease = lease.clone();
        self.call(move |server| server.write(&lease, true)).await
    }

    async fn replace(&self, lease: &Lease) -> Result<Lease, StoreError> {
        let lease = lease.clone();
        self.call(move |server| server.write(&lease, false)).await
    }

    async fn changed(&self, version: &str) {
        let mut changes = self.server.0.lock().changes.subscribe();
        let version: u64 = version.parse().unwrap();
        let _ = changes.wait_for(|now| *now > version).await;
        if self.weather.lock().lost != Lost::Nothing {
            std::future::pending().await
        }
    }
}

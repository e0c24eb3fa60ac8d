//! Where the Lease is.

use std::future::{Future, pending};
use std::pin::pin;

use futures::StreamExt;
use k8s_openapi::api::coordination::v1::Lease;
use kube::api::{Api, PostParams, WatchEvent, WatchParams};
use kube::{Client, Error};
use podgate_watch::reasons;
use thiserror::Error as ThisError;

use super::Candidacy;

/// Who changed the Lease, in its `managedFields`.
const MANAGER: &str = "podgate-controller";

/// Characters of the API server's own words that are told.
const MESSAGE: usize = 400;

/// One Lease, read and written whole. A write that was not answered may have been done.
pub trait Store: Send + Sync {
    /// The Lease as it is now: not from a cache.
    fn read(&self) -> impl Future<Output = Result<Option<Lease>, StoreError>> + Send;
    /// A new one, where there is none.
    fn create(&self, lease: &Lease) -> impl Future<Output = Result<Lease, StoreError>> + Send;
    /// Another one, where its `resourceVersion` and uid are still the same.
    fn replace(&self, lease: &Lease) -> impl Future<Output = Result<Lease, StoreError>> + Send;
    /// Resolves when it seems no longer to be the one of this `resourceVersion`. It may never do: whoever waits for it looks
    /// from time to time all the same.
    fn changed(&self, version: &str) -> impl Future<Output = ()> + Send;
}

/// Why a Lease was not read or written.
#[derive(Clone, Debug, PartialEq, Eq, ThisError)]
pub enum StoreError {
    /// It is another one by now, or gone, or there already.
    #[error("the lease was changed by somebody else")]
    Outdated,
    /// The API server will not do it.
    #[error("{0}")]
    Refused(String),
    /// An outage, or no answer.
    #[error("{0}")]
    Unavailable(String),
}

/// The Lease of an API server.
#[derive(Clone)]
pub struct ApiStore {
    api: Api<Lease>,
    name: String,
}

// === impl ApiStore ===

impl ApiStore {
    /// The Lease of this candidacy.
    pub fn new(client: Client, candidacy: &Candidacy) -> Self {
        Self {
            api: Api::namespaced(client, &candidacy.namespace),
            name: candidacy.name.clone(),
        }
    }
}

impl Store for ApiStore {
    async fn read(&self) -> Result<Option<Lease>, StoreError> {
        self.api
            .get_opt(&self.name)
            .await
            .map_err(|error| failed(&error))
    }

    async fn create(&self, lease: &Lease) -> Result<Lease, StoreError> {
        let created = self.api.create(&parameters(), lease).await;
        created.map_err(|error| match failed(&error) {
            // The Lease cannot be meant: it is its namespace.
            StoreError::Outdated if code(&error) == Some(404) => StoreError::Refused(format!(
                "{}; create the namespace, or name another one with --leader-election-namespace",
                words(&error)
            )),
            failure => failure,
        })
    }

    async fn replace(&self, lease: &Lease) -> Result<Lease, StoreError> {
        let replaced = self.api.replace(&self.name, &parameters(), lease).await;
        replaced.map_err(|error| failed(&error))
    }

    async fn changed(&self, version: &str) {
        let one = WatchParams::default()
            .fields(&format!("metadata.name={}", self.name))
            .disable_bookmarks();
        if let Ok(events) = self.api.watch(&one, version).await
            && let Some(Ok(event)) = pin!(events).next().await
            && !matches!(event, WatchEvent::Error(_))
        {
            return;
        }
        // Without a watch, looking has to do.
        pending().await
    }
}

fn parameters() -> PostParams {
    PostParams {
        field_manager: Some(MANAGER.to_owned()),
        ..PostParams::default()
    }
}

fn code(error: &Error) -> Option<u16> {
    match error {
        Error::Api(status) => Some(status.code),
        _ => None,
    }
}

fn words(error: &Error) -> String {
    match error {
        Error::Api(status) => {
            let message: String = status.message.chars().take(MESSAGE).collect();
            format!("the API server answered {}: {message}", status.code)
        }
        _ => format!("the API server cannot be reached: {}", reasons(error)),
    }
}

fn failed(error: &Error) -> StoreError {
    let words = words(error);
    match code(error) {
        Some(404 | 409) => StoreError::Outdated,
        Some(401 | 403) => StoreError::Refused(format!(
            "{words}; give the controller's ServiceAccount get, watch, create and update of leases there"
        )),
        Some(429) | None => StoreError::Unavailable(words),
        Some(400..=499) => StoreError::Refused(words),
        Some(_) => StoreError::Unavailable(words),
    }
}

#[cfg(test)]
mod tests {
    use kube::core::Status;

    use super::*;

    fn answered(code: u16) -> StoreError {
        let status = Status {
            code,
            message: "no".repeat(500),
            ..Status::default()
        };
        failed(&Error::Api(Box::new(status)))
    }

    #[test]
    fn an_answer_says_whether_to_look_again_to_wait_or_to_call_somebody() {
        assert_eq!(answered(409), StoreError::Outdated);
        assert_eq!(answered(404), StoreError::Outdated);
        for code in [429, 500, 503, 504] {
            assert!(
                matches!(answered(code), StoreError::Unavailable(_)),
                "{code}"
            );
        }
        for code in [400, 403, 422] {
            let StoreError::Refused(words) = answered(code) else {
                panic!("{code}");
            };
            assert!(words.len() < 600, "bounded: {}", words.len());
        }
        assert!(answered(403).to_string().contains("update of leases"));
    }
}

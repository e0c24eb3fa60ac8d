//! The DaemonSet that `watch` runs in: when it is being deleted, the rules go with it.
//!
//! RBAC: `get` of this one DaemonSet, by name.

use std::time::Duration;

use anyhow::Result;
use k8s_openapi::api::apps::v1::DaemonSet;
use kube::Api;
use tokio::sync::OnceCell;
use tokio::time::sleep;

use crate::cli::{DaemonSetName, Watch};
use crate::cluster;

/// Between tries to see the DaemonSet for the first time.
const RETRY: Duration = Duration::from_secs(5);

/// The DaemonSet, where one is named.
pub(crate) struct Owner(Option<Named>);

struct Named {
    name: DaemonSetName,
    api: Api<DaemonSet>,
    /// Its uid when this process first saw it.
    seen: OnceCell<String>,
}

/// What the API server says of the DaemonSet.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Found {
    Nothing,
    Something { uid: String, is_ending: bool },
}

impl Owner {
    /// Takes the DaemonSet from the options.
    ///
    /// # Errors
    /// One is named, and there is no way to the API server.
    pub(crate) async fn new(options: &Watch) -> Result<Self> {
        let Some(name) = options.daemonset.clone() else {
            return Ok(Self(None));
        };
        let client = cluster::client(options.kubeconfig.as_deref()).await?;
        Ok(Self(Some(Named {
            api: Api::namespaced(client, &name.namespace),
            name,
            seen: OnceCell::new(),
        })))
    }

    /// Learns which DaemonSet it is, and then waits for ever. Without having seen it, its absence proves nothing: the
    /// name may be wrong.
    pub(crate) async fn observe(&self) {
        if let Some(named) = &self.0 {
            named.observe().await;
        }
        std::future::pending().await
    }

    /// Whether the DaemonSet is being deleted, or is gone. In doubt it is not.
    pub(crate) async fn is_ending(&self) -> bool {
        match &self.0 {
            Some(named) => named.is_ending().await,
            None => false,
        }
    }
}

impl Named {
    async fn observe(&self) {
        loop {
            match self.find().await {
                Ok(Found::Something { uid, .. }) => {
                    // Set once, here and nowhere else.
                    let _ = self.seen.set(uid);
                    return;
                }
                Ok(Found::Nothing) => tracing::warn!(
                    daemonset = %self,
                    "there is no such DaemonSet; until it is seen, the rules stay at this process's end"
                ),
                Err(error) => {
                    tracing::warn!(daemonset = %self, %error, "cannot see the DaemonSet yet");
                }
            }
            sleep(RETRY).await;
        }
    }

    async fn is_ending(&self) -> bool {
        match self.find().await {
            Ok(found) => is_ending(self.seen.get().map(String::as_str), &found),
            Err(error) => {
                tracing::warn!(daemonset = %self, %error, "cannot tell whether the DaemonSet is being deleted");
                false
            }
        }
    }

    async fn find(&self) -> Result<Found, kube::Error> {
        let found = self.api.get_opt(&self.name.name).await?;
        Ok(found.map_or(Found::Nothing, |set| Found::Something {
            uid: set.metadata.uid.unwrap_or_default(),
            is_ending: set.metadata.deletion_timestamp.is_some(),
        }))
    }
}

impl std::fmt::Display for Named {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}/{}", self.name.namespace, self.name.name)
    }
}

/// One that was replaced by another of the same name has an heir, to whom the rules belong.
fn is_ending(seen: Option<&str>, found: &Found) -> bool {
    match (seen, found) {
        (Some(_), Found::Nothing) => true,
        (None, Found::Nothing) => false,
        (seen, Found::Something { uid, is_ending }) => {
            *is_ending && seen.is_none_or(|seen| seen == uid)
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn mk_found(uid: &str, is_ending: bool) -> Found {
        let uid = uid.to_owned();
        Found::Something { uid, is_ending }
    }

    #[test]
    fn rules_go_with_a_daemonset_that_is_being_deleted_or_gone() {
        assert!(is_ending(Some("a"), &mk_found("a", true)));
        assert!(is_ending(None, &mk_found("a", true)));
        assert!(is_ending(Some("a"), &Found::Nothing));
    }

    #[test]
    fn rules_stay_while_the_daemonset_or_an_heir_lives() {
        assert!(!is_ending(Some("a"), &mk_found("a", false)));
        assert!(!is_ending(Some("a"), &mk_found("b", false)));
        assert!(!is_ending(Some("a"), &mk_found("b", true)));
    }

    #[test]
    fn a_daemonset_that_was_never_seen_is_not_missed() {
        assert!(!is_ending(None, &Found::Nothing));
    }
}

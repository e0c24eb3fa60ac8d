//! From an [`Assignment`] to a token: the only stage that holds a credential.

use std::sync::Arc;
use std::time::Instant;

use arc_swap::ArcSwap;
use async_trait::async_trait;
use podgate_api::{Resource, TenantId};
use podgate_azure::failure::Failure;
use podgate_azure::imds::{ImdsClient, Selector};
use podgate_azure::token::Token;

use crate::assignment::{Assignment, Whose};
use crate::metrics::{ImdsOperation, Metrics};
use crate::world::{ObjectRef, SecretData, Way};

mod certificate;
pub mod key;
mod managed;
mod pem;
mod pfx;
mod secret;

pub use certificate::Certificates;
pub use secret::Secrets;

/// What a token is wanted for.
#[derive(Clone, Debug)]
pub struct Wanted {
    /// The identity.
    pub assignment: Assignment,
    /// One of its auxiliary tenants, or its own.
    pub tenant: Option<TenantId>,
    /// The audience.
    pub resource: Resource,
}

/// Gets tokens. The token cache stands in front and asks once per key at a time.
#[async_trait]
pub trait TokenSource: Send + Sync {
    /// One call to the authority.
    ///
    /// # Errors
    /// The authority's refusal, or why it could not be asked.
    async fn fetch(&self, wanted: &Wanted) -> Result<Token, Failure>;

    /// This Secret was edited or removed: what was derived from it is dropped.
    fn forget(&self, _secret: &ObjectRef) {}
}

/// A source whose calls are timed and counted.
pub struct Measured<S> {
    source: S,
    metrics: Arc<Metrics>,
}

impl<S> Measured<S> {
    /// Counts what `source` does.
    pub fn new(source: S, metrics: Arc<Metrics>) -> Self {
        Self { source, metrics }
    }
}

#[async_trait]
impl<S: TokenSource> TokenSource for Measured<S> {
    async fn fetch(&self, wanted: &Wanted) -> Result<Token, Failure> {
        let start = Instant::now();
        let fetched = self.source.fetch(wanted).await;
        let operation = wanted.operation();
        self.metrics
            .imds(operation, start.elapsed(), fetched.is_err());
        fetched
    }

    fn forget(&self, secret: &ObjectRef) {
        self.source.forget(secret);
    }
}

impl Wanted {
    fn operation(&self) -> ImdsOperation {
        match self.assignment.whose() {
            Whose::Node(Selector::Unspecified) => ImdsOperation::Msi,
            Whose::Node(_) => ImdsOperation::UserAssigned,
            Whose::Bound { identity, .. } => match identity.way {
                Way::Managed { .. } => ImdsOperation::UserAssigned,
                Way::Secret(_) | Way::Certificate(_) | Way::Federated(_) => ImdsOperation::Entra,
            },
        }
    }
}

/// The ways of [`Way`], one client each.
pub struct Credentials {
    /// The node's IMDS.
    pub imds: ImdsClient,
    /// Client secrets.
    pub secrets: Secrets,
    /// Certificates, through the credential plugin of now. A call ends with the one it began with.
    pub certificates: Arc<ArcSwap<Certificates>>,
}

#[async_trait]
impl TokenSource for Credentials {
    async fn fetch(&self, wanted: &Wanted) -> Result<Token, Failure> {
        let resource = &wanted.resource;
        match wanted.assignment.whose() {
            Whose::Node(selector) => self.imds.token(selector, resource, EXCEPTED).await,
            Whose::Bound { identity, secret } => match &identity.way {
                Way::Managed { .. } => managed::fetch(&self.imds, identity, resource).await,
                Way::Secret(principal) => {
                    let tenant = wanted.tenant.as_ref().unwrap_or(&principal.tenant);
                    let secret = needed(secret.as_ref())?;
                    let fetched = self
                        .secrets
                        .fetch(principal, tenant, secret, resource)
                        .await;
                    fetched.map_err(not_the_pods_fault)
                }
                Way::Certificate(principal) => {
                    let secret = needed(secret.as_ref())?;
                    let certificates = self.certificates.load_full();
                    let fetched = certificates.fetch(principal, secret, resource).await;
                    fetched.map_err(not_the_pods_fault)
                }
                Way::Federated(application) => {
                    let certificates = self.certificates.load_full();
                    let fetched = certificates.federated(application, resource).await;
                    fetched.map_err(not_the_pods_fault)
                }
            },
        }
    }

    fn forget(&self, secret: &ObjectRef) {
        self.certificates.load().forget(secret);
    }
}

/// The party at IMDS of the node's own identities, which excepted pods of all namespaces share. No namespace
/// has an upper-case name.
const EXCEPTED: &str = "EXCEPTED";

/// `assignment` hands over no identity of types 1 and 2 without its Secret.
fn needed(secret: Option<&SecretData>) -> Result<&SecretData, Failure> {
    secret.ok_or_else(|| refused("the identity's Secret is missing"))
}

/// A refusal of the gateway's own, before any authority was asked.
fn refused(description: impl Into<String>) -> Failure {
    Failure::Refused {
        error: "invalid_client".to_owned(),
        description: description.into(),
        stale_credential: false,
    }
}

/// What Entra ID calls an invalid request is one of this gateway's making, by an AzureIdentity: no pod can
/// mend it by asking otherwise.
fn not_the_pods_fault(failure: Failure) -> Failure {
    match failure {
        Failure::Refused {
            error,
            description,
            stale_credential,
        } if error == "invalid_request" => Failure::Refused {
            error: "invalid_client".to_owned(),
            description,
            stale_credential,
        },
        other => other,
    }
}

/// The upstream selector of a managed identity: always explicit, or IMDS would choose by itself.
fn upstream(identity: &crate::world::Identity) -> Option<Selector> {
    identity
        .client_id()
        .cloned()
        .map(Selector::ClientId)
        .or_else(|| identity.resource_id().cloned().map(Selector::ResourceId))
}

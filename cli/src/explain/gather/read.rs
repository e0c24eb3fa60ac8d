//! One object or one list, or why not, in bounded time.

use std::fmt::Debug;
use std::time::Duration;

use k8s_openapi::api::core::v1::Pod;
use kube::api::{Api, ListParams};
use kube::core::{ClusterResourceScope, NamespaceResourceScope};
use kube::{Client, Error, Resource};
use podgate_api::ObjectRef;
use serde::de::DeserializeOwned;
use tokio::time::timeout;

use crate::explain::facts::{Fact, Gap, Right, Scope, Why};
use crate::explain::text::plain;

/// An API server that is busy takes seconds for a long list.
const PATIENCE: Duration = Duration::from_secs(15);

/// What one line of an error says.
const MAX_ERROR: usize = 300;

/// The API server, one fact at a time.
pub(super) struct Reader {
    client: Client,
}

/// A kind that is in namespaces.
pub(super) trait Kind:
    Resource<Scope = NamespaceResourceScope, DynamicType = ()> + Clone + Debug + DeserializeOwned
{
}

impl<K> Kind for K where
    K: Resource<Scope = NamespaceResourceScope, DynamicType = ()>
        + Clone
        + Debug
        + DeserializeOwned
{
}

impl Reader {
    pub(super) fn new(client: Client) -> Self {
        Self { client }
    }

    pub(super) fn client(&self) -> Client {
        self.client.clone()
    }

    /// An object, or that there is none.
    pub(super) async fn get<K: Kind>(&self, object: &ObjectRef) -> Fact<Option<K>> {
        let api: Api<K> = Api::namespaced(self.client(), &object.namespace);
        let right = named::<K>("get", object);
        let what = format!("{} {object}", K::kind(&()));
        settle(what, right, api.get_opt(&object.name)).await
    }

    /// An object that is in no namespace.
    pub(super) async fn get_of_cluster<K>(&self, name: &str) -> Fact<Option<K>>
    where
        K: Resource<Scope = ClusterResourceScope, DynamicType = ()>,
        K: Clone + Debug + DeserializeOwned,
    {
        let api: Api<K> = Api::all(self.client());
        let mut right = right::<K>("get", Scope::Cluster);
        right.name = Some(name.to_owned());
        settle(format!("{} {name}", K::kind(&())), right, api.get_opt(name)).await
    }

    /// Whether an object is there; nothing but its metadata comes over the wire.
    pub(super) async fn is_there<K: Kind>(&self, object: &ObjectRef) -> Fact<bool> {
        let api: Api<K> = Api::namespaced(self.client(), &object.namespace);
        let what = format!("{} {object}", K::kind(&()));
        let asked = api.get_metadata_opt(&object.name);
        settle(what, named::<K>("get", object), asked)
            .await
            .map(|there| there.is_some())
    }

    /// All of a kind.
    pub(super) async fn list<K: Kind>(&self, scope: &Scope) -> Fact<Vec<K>> {
        let what = format!("{}{}", K::plural(&()), of(scope));
        self.listed(what, scope, &ListParams::default()).await
    }

    /// All of the cluster, or where that may not be read, of the namespace; then also why not the others.
    pub(super) async fn near_and_far<K: Kind>(
        &self,
        namespace: &str,
    ) -> (Fact<Vec<K>>, Option<Gap>) {
        match self.list(&Scope::Everywhere).await {
            Fact::Unknown(gap) if gap.right().is_some() => (
                self.list(&Scope::Namespace(namespace.to_owned())).await,
                Some(gap),
            ),
            everywhere => (everywhere, None),
        }
    }

    /// Pods by label and field.
    pub(super) async fn pods(
        &self,
        what: &str,
        scope: &Scope,
        labels: &str,
        fields: Option<&str>,
    ) -> Fact<Vec<Pod>> {
        let mut parameters = ListParams::default().labels(labels);
        parameters.field_selector = fields.map(str::to_owned);
        self.listed(what.to_owned(), scope, &parameters).await
    }

    /// By field alone.
    pub(super) async fn by_field<K: Kind>(
        &self,
        what: &str,
        namespace: &str,
        fields: &str,
    ) -> Fact<Vec<K>> {
        let scope = Scope::Namespace(namespace.to_owned());
        self.listed(
            what.to_owned(),
            &scope,
            &ListParams::default().fields(fields),
        )
        .await
    }

    async fn listed<K: Kind>(
        &self,
        what: String,
        scope: &Scope,
        parameters: &ListParams,
    ) -> Fact<Vec<K>> {
        let api: Api<K> = match scope {
            Scope::Namespace(namespace) => Api::namespaced(self.client(), namespace),
            Scope::Everywhere | Scope::Cluster => Api::all(self.client()),
        };
        let listed = settle(
            what,
            right::<K>("list", scope.clone()),
            api.list(parameters),
        );
        listed.await.map(|list| list.items)
    }
}

fn of(scope: &Scope) -> String {
    match scope {
        Scope::Namespace(namespace) => format!(" of namespace {namespace}"),
        Scope::Everywhere => " of other namespaces".to_owned(),
        Scope::Cluster => String::new(),
    }
}

fn named<K: Kind>(verb: &'static str, object: &ObjectRef) -> Right {
    let mut right = right::<K>(verb, Scope::Namespace(object.namespace.clone()));
    right.name = Some(object.name.clone());
    right
}

fn right<K: Resource<DynamicType = ()>>(verb: &'static str, scope: Scope) -> Right {
    let (plural, group) = (K::plural(&()), K::group(&()));
    Right {
        verb,
        resource: match group.as_ref() {
            "" => plural.into_owned(),
            group => format!("{plural}.{group}"),
        },
        subresource: None,
        name: None,
        scope,
    }
}

/// Waits for an answer, and says what a failure means.
async fn settle<T>(
    what: String,
    right: Right,
    asked: impl Future<Output = Result<T, Error>>,
) -> Fact<T> {
    match timeout(PATIENCE, asked).await {
        Ok(Ok(known)) => Fact::Known(known),
        Ok(Err(error)) => Fact::Unknown(Gap {
            what,
            why: why(&error, right),
        }),
        Err(_) => Fact::Unknown(Gap {
            what,
            why: Why::Failed(format!("no answer within {} s", PATIENCE.as_secs())),
        }),
    }
}

/// What an error of the API server means to whoever lacks the right.
pub(super) fn why(error: &Error, right: Right) -> Why {
    match error {
        Error::Api(status) if status.code == 403 => Why::Forbidden(right),
        Error::Api(status) if status.code == 404 => Why::NoSuchKind,
        Error::Api(status) => Why::Failed(plain(
            &format!("{} ({})", status.message, status.code),
            MAX_ERROR,
        )),
        error => Why::Failed(plain(&chain(error), MAX_ERROR)),
    }
}

/// An error with its causes: kube's own text leaves out what a connection failed of.
pub(super) fn chain(error: &(dyn std::error::Error + 'static)) -> String {
    let mut text = error.to_string();
    let mut cause = error.source();
    while let Some(next) = cause {
        let words = next.to_string();
        if !text.contains(&words) {
            text = format!("{text}: {words}");
        }
        cause = next.source();
    }
    text
}

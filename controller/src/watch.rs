//! What is watched: only what matters, trimmed as it comes in.

use std::sync::Arc;

use k8s_openapi::api::core::v1 as core;
use podgate_api::{
    AzureAssignedIdentity, AzureIdentity, AzureIdentityBinding, BINDING_LABEL, ObjectRef,
};
use podgate_watch::{Api, Freshness, InDoubt, Kind, Reading, Selectors, Sink, Watch};
use serde::de::DeserializeOwned;
use tokio::sync::mpsc;
use tokio::task::JoinSet;

use crate::index::{Binding, Identity, Key, Node, Object, Pod};
use crate::metrics::Metrics;
use crate::record::Record;

const GROUP: &str = "aadpodidentity.k8s.io";

/// News that wait to be heard; the watches wait beyond that.
const WAITING: usize = 1_024;

/// News from the API server.
#[derive(Debug)]
pub enum News {
    /// An object is there, or has a new edition.
    There(Object),
    /// An object is gone.
    Gone(Key),
    /// All objects of one more kind have been told.
    Complete,
}

/// The kinds that are watched.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Watched {
    Pods { keep_ended: bool },
    Nodes,
    Identities,
    Bindings,
    Records,
}

/// Where the news go.
struct Teller {
    news: mpsc::Sender<News>,
    metrics: Arc<Metrics>,
}

/// How many [`News::Complete`] make the picture whole.
pub const KINDS: usize = 5;

/// Begins to watch. The watches end with the set that is returned; none ends by itself.
pub fn start(
    api: &Api,
    keep_ended: bool,
    freshness: &Arc<Freshness>,
    metrics: &Arc<Metrics>,
) -> (mpsc::Receiver<News>, JoinSet<()>) {
    let (sender, news) = mpsc::channel(WAITING);
    let kinds: [Watched; KINDS] = [
        Watched::Nodes,
        Watched::Identities,
        Watched::Bindings,
        Watched::Records,
        Watched::Pods { keep_ended },
    ];
    let mut tasks = JoinSet::new();
    for kind in kinds {
        let teller = Teller {
            news: sender.clone(),
            metrics: Arc::clone(metrics),
        };
        tasks.spawn(Watch::new(api.clone(), kind, teller, freshness).run());
    }
    (news, tasks)
}

impl Watched {
    fn plural(self) -> &'static str {
        match self {
            Self::Pods { .. } => "pods",
            Self::Nodes => "nodes",
            Self::Identities => "azureidentities",
            Self::Bindings => "azureidentitybindings",
            Self::Records => "azureassignedidentities",
        }
    }

    fn is_core(self) -> bool {
        matches!(self, Self::Pods { .. } | Self::Nodes)
    }

    fn object(self, json: &str) -> Result<Option<Object>, String> {
        Ok(match self {
            Self::Pods { keep_ended } => {
                Pod::read(&parse::<core::Pod>(json)?, keep_ended).map(Object::Pod)
            }
            Self::Nodes => Some(Object::Node(Node::read(&parse::<core::Node>(json)?))),
            Self::Identities => Some(Object::Identity(Identity::read(parse::<AzureIdentity>(
                json,
            )?))),
            Self::Bindings => Some(Object::Binding(Binding::read(
                parse::<AzureIdentityBinding>(json)?,
            ))),
            Self::Records => Some(Object::Record(Record::read(
                &parse::<AzureAssignedIdentity>(json)?,
            ))),
        })
    }
}

fn parse<T: DeserializeOwned>(json: &str) -> Result<T, String> {
    serde_json::from_str(json).map_err(|error| error.to_string())
}

impl Kind for Watched {
    type Key = Key;
    type Object = Object;

    fn name(&self) -> &'static str {
        match self {
            Self::Pods { .. } => "Pod",
            Self::Nodes => "Node",
            Self::Identities => "AzureIdentity",
            Self::Bindings => "AzureIdentityBinding",
            Self::Records => "AzureAssignedIdentity",
        }
    }

    fn what(&self) -> String {
        match self {
            Self::Pods { .. } => format!("pods with the label {BINDING_LABEL}"),
            Self::Nodes => "nodes".to_owned(),
            _ => format!("{} list", self.name()),
        }
    }

    fn path(&self) -> String {
        match self.is_core() {
            true => format!("/api/v1/{}", self.plural()),
            false => format!("/apis/{GROUP}/v1/{}", self.plural()),
        }
    }

    /// A pod that is not scheduled, or has ended, needs nothing, and the API server need not tell of it.
    fn selectors(&self) -> Selectors {
        let Self::Pods { keep_ended } = self else {
            return Selectors::default();
        };
        let fields = match keep_ended {
            true => "spec.nodeName!=",
            false => "spec.nodeName!=,status.phase!=Succeeded,status.phase!=Failed",
        };
        Selectors {
            fields: Some(fields.to_owned()),
            labels: Some(BINDING_LABEL.to_owned()),
        }
    }

    fn definition(&self) -> Option<String> {
        (!self.is_core()).then(|| format!("{}.{GROUP}", self.plural()))
    }

    /// What is gone costs pods their identities, at once: only the API server's plain word is enough for that.
    fn in_doubt(&self) -> InDoubt {
        InDoubt::Stands
    }

    fn needs(&self) -> String {
        match self.is_core() {
            true => format!("list and watch {}", self.plural()),
            false => format!("list and watch {}.{GROUP}", self.plural()),
        }
    }

    fn key(&self, namespace: Option<&str>, name: &str) -> Option<Key> {
        if *self == Self::Nodes {
            return Some(Key::Node(name.to_owned()));
        }
        let object = ObjectRef::new(namespace?, name);
        Some(match self {
            Self::Nodes => return None,
            Self::Pods { .. } => Key::Pod(object),
            Self::Identities => Key::Identity(object),
            Self::Bindings => Key::Binding(object),
            Self::Records => Key::Record(object),
        })
    }

    fn read(&self, _: &Key, json: &str) -> Reading<Object> {
        match self.object(json) {
            Ok(Some(object)) => Reading::Object(object),
            Ok(None) => Reading::Foreign,
            Err(problem) => Reading::Unreadable {
                problem,
                stand_in: None,
            },
        }
    }
}

impl Sink<Watched> for Teller {
    async fn apply(&mut self, object: Object) {
        self.tell(News::There(object)).await;
    }

    async fn remove(&mut self, key: &Key) {
        self.tell(News::Gone(key.clone())).await;
    }

    async fn complete(&mut self) {
        self.tell(News::Complete).await;
    }

    fn unreadable(&mut self) {
        self.metrics.unreadable();
    }
}

impl Teller {
    /// Whoever does not listen any more is ending, and this watch with it.
    async fn tell(&self, news: News) {
        let _ = self.news.send(news).await;
    }
}

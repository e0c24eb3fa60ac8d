//! What is watched, how an object of it is read, and where it goes.

use std::hash::Hash;

/// One watch's objects: of a namespaced kind or of a cluster-scoped one, all of them or a selection.
pub trait Kind: Send + Sync + 'static {
    /// Tells the objects of this watch apart.
    type Key: Clone + Eq + Hash + Send + Sync;
    /// What is kept of an object. Nothing else of it is.
    type Object: Send;

    /// For labels of metrics, so from a closed set: `AzureIdentity`.
    fn name(&self) -> &'static str;

    /// For people: `pods of node n`.
    fn what(&self) -> String;

    /// The path of the collection: `/api/v1/nodes`. Whatever of it others choose must have been checked: it becomes
    /// part of a URL.
    fn path(&self) -> String;

    /// What the API server is asked to leave out.
    fn selectors(&self) -> Selectors {
        Selectors::default()
    }

    /// The name of the CustomResourceDefinition that brings the kind, if one must.
    fn definition(&self) -> Option<String> {
        None
    }

    /// What becomes of objects of which nobody can say whether they are still as they were: one that can no longer be read,
    /// and all of a kind that the API server does not have (404, see [`definition`](Self::definition)).
    fn in_doubt(&self) -> InDoubt {
        InDoubt::Gone
    }

    /// The right that both calls need, as after "may not": `list and watch pods`.
    fn needs(&self) -> String;

    /// The key of an object; a cluster-scoped one has no namespace. None where an object of the kind has no such name,
    /// as a namespaced one without a namespace.
    fn key(&self, namespace: Option<&str>, name: &str) -> Option<Self::Key>;

    /// Reads an object, which is JSON. Whatever it says is its author's: it is to be checked here, and what is told of
    /// a Secret must not quote it. A proxy or an old server may pass over a selector: what was not asked for is
    /// [`Reading::Foreign`].
    fn read(&self, key: &Self::Key, json: &str) -> Reading<Self::Object>;

    /// What the [`Sink`] is told when there is no object: for a kind of one object that somebody waits for.
    fn absent(&self) -> Option<Self::Object> {
        None
    }

    /// The same where the program may not read the kind, and holds nothing from before.
    fn forbidden(&self) -> Option<Self::Object> {
        None
    }
}

/// What is to be thought of an object where the API server gives no word on it that can be understood.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum InDoubt {
    /// It is gone. For who gives something away because of it, and had better not.
    Gone,
    /// It is as it was when it was last understood, until the API server says that it is deleted. For who takes something
    /// away because of its absence.
    Stands,
}

/// An object as it was read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Reading<O> {
    /// One that was asked for.
    Object(O),
    /// Not one of these, or not any more: what was held of its name goes.
    Foreign,
    /// What it said before is no longer what its author says: see [`Kind::in_doubt`].
    Unreadable {
        /// What is wrong with it, for the log.
        problem: String,
        /// What the [`Sink`] gets in its place, where it counts as gone, and somebody asks for it by name and shall be told
        /// why.
        stand_in: Option<O>,
    },
}

/// Selectors of a list and of a watch, in Kubernetes' own notation. Values that others choose must have been checked.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Selectors {
    /// `spec.nodeName=n`. One object is selected by `metadata.name=…`, which is also what makes `resourceNames` of a
    /// role count for list and watch.
    pub fields: Option<String>,
    /// `nodename=n`
    pub labels: Option<String>,
}

/// Where one watch's objects go.
///
/// The watch reads on when a call is done, so a bounded channel behind it slows the API server down rather than fill
/// the memory; what waits there for too long makes the watch stale, and costs a list if the API server hangs up.
/// `async fn` implements these.
pub trait Sink<K: Kind>: Send + 'static {
    /// A new object, or a new edition of one. May be the edition that is there already: lists tell everything.
    fn apply(&mut self, object: K::Object) -> impl Future<Output = ()> + Send;

    /// An object has gone, or is no longer one of these, or counts as gone since it cannot be read any more.
    fn remove(&mut self, key: &K::Key) -> impl Future<Output = ()> + Send;

    /// Everything that was there has been told, for the first time.
    fn complete(&mut self) -> impl Future<Output = ()> + Send;

    /// An object cannot be read, to be counted. The log has it already.
    fn unreadable(&mut self);
}

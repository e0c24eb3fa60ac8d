//! What is there: nodes and records, listed. A watch is not needed, since nobody else writes records meanwhile.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Debug;
use std::time::Duration;

use anyhow::{anyhow, bail};
use k8s_openapi::api::core::v1::Node as WireNode;
use kube::api::{Api, DeleteParams, DynamicObject, ListParams, Patch, PatchParams, Preconditions};
use kube::core::ApiResource;
use kube::{Client, Error, ResourceExt};
use podgate_api::{ASSIGNED_FINALIZER, AssignedState, AzureAssignedIdentity, ObjectRef};
use podgate_watch::reasons;
use serde::de::DeserializeOwned;
use serde_json::{Value, json};
use tokio::time::{Instant, sleep, timeout, timeout_at};

use crate::apply::Permit;
use crate::index::{Key, Node, Object};
use crate::plan::Plan;
use crate::record::Record;

/// Objects of one answer: what has to be kept in memory as it is on the wire.
const PAGE: u32 = 500;
/// One call. The API server itself gives up after a minute.
const DEADLINE: Duration = Duration::from_secs(30);
/// After a list that failed.
const AGAIN: Duration = Duration::from_secs(2);

/// Nodes and records, as they were last seen.
pub(super) struct Census {
    client: Client,
    known: BTreeSet<Key>,
    /// Records that cannot be read, and why.
    unreadable: BTreeMap<ObjectRef, String>,
}

impl Census {
    /// Nothing was seen yet.
    pub(super) fn new(client: Client) -> Self {
        Self {
            client,
            known: BTreeSet::new(),
            unreadable: BTreeMap::new(),
        }
    }

    /// No record was there when it was last looked.
    pub(super) fn is_empty(&self) -> bool {
        let mut records = self.known.iter().filter(|key| is_record(key));
        records.next().is_none() && self.unreadable.is_empty()
    }

    /// Records of which it is not known what they hold, and why.
    pub(super) fn unreadable(&self) -> &BTreeMap<ObjectRef, String> {
        &self.unreadable
    }

    /// Tells a plan of everything, as soon as the API server says it.
    ///
    /// # Errors
    /// It does not do so before the deadline.
    pub(super) async fn first(&mut self, plan: &mut Plan, deadline: Instant) -> anyhow::Result<()> {
        loop {
            let looked = timeout_at(deadline, self.look(plan)).await;
            match looked.map_err(|_| anyhow!("nodes and records were not listed in time"))? {
                Ok(()) => return Ok(()),
                Err(error) if Instant::now() + AGAIN > deadline => return Err(error),
                Err(error) => tracing::warn!("{error:#}; trying on"),
            }
            sleep(AGAIN).await;
        }
    }

    /// Tells a plan of everything that is another than it was.
    ///
    /// # Errors
    /// The API server does not list nodes or records.
    pub(super) async fn look(&mut self, plan: &mut Plan) -> anyhow::Result<()> {
        let mut there = self.nodes().await?;
        let mut unreadable = BTreeMap::new();
        for object in self.records().await? {
            let name = name(&object);
            match read::<AzureAssignedIdentity>(object) {
                Ok(record) => there.push(Object::Record(Record::read(&record))),
                Err(problem) => drop(unreadable.insert(name, problem)),
            }
        }
        self.unreadable = unreadable;
        let known = there.iter().map(Object::key).collect();
        for gone in std::mem::replace(&mut self.known, known) {
            if !self.known.contains(&gone) {
                plan.remove(&gone);
            }
        }
        there.into_iter().for_each(|object| plan.apply(object));
        Ok(())
    }

    async fn nodes(&self) -> anyhow::Result<Vec<Object>> {
        let api: Api<WireNode> = Api::all(self.client.clone());
        let read = |node: &WireNode| Object::Node(Node::read(node));
        let pages = pages(&api, |page| page.iter().map(read).collect()).await;
        pages.map_err(|error| anyhow!("listing nodes: {}", reasons(&error)))
    }

    /// One by one, since one that cannot be read must not hide the others. Without the definition there are none.
    async fn records(&self) -> anyhow::Result<Vec<DynamicObject>> {
        let api: Api<DynamicObject> = Api::all_with(self.client.clone(), &resource());
        match pages(&api, |page| page).await {
            Err(Error::Api(status)) if status.code == 404 => Ok(Vec::new()),
            listed => listed
                .map_err(|error| anyhow!("listing AzureAssignedIdentities: {}", reasons(&error))),
        }
    }

    /// Removes all records that are there, whatever Azure says. What others have put on them as finalizers stays.
    ///
    /// # Errors
    /// Some are still there.
    pub(super) async fn bury(&self, permit: &Permit) -> anyhow::Result<()> {
        let mut failures = Vec::new();
        for record in self.records().await? {
            if !permit.is_valid() {
                bail!("the lease was lost before all records were removed; run it again");
            }
            if let Err(error) = self.bury_one(&record).await {
                failures.push(format!("{}: {error:#}", name(&record)));
            }
        }
        if !failures.is_empty() {
            bail!("records could not be removed: {}", failures.join("; "));
        }
        Ok(())
    }

    async fn bury_one(&self, record: &DynamicObject) -> anyhow::Result<()> {
        let namespace = record.namespace().unwrap_or_default();
        let api: Api<DynamicObject> =
            Api::namespaced_with(self.client.clone(), &namespace, &resource());
        let name = record.name_any();
        let body = released(record);
        let parameters = PatchParams::default();
        let patch = Patch::Merge(&body);
        ignoring_gone(call(api.patch(&name, &parameters, &patch)).await)?;
        let only_this = DeleteParams::default().preconditions(Preconditions {
            uid: record.uid(),
            resource_version: None,
        });
        ignoring_gone(call(api.delete(&name, &only_this)).await)
    }
}

fn is_record(key: &Key) -> bool {
    matches!(key, Key::Record(_))
}

fn resource() -> ApiResource {
    ApiResource::erase::<AzureAssignedIdentity>(&())
}

fn name(object: &DynamicObject) -> ObjectRef {
    ObjectRef::of(&object.metadata)
}

fn read<T: DeserializeOwned>(object: DynamicObject) -> Result<T, String> {
    serde_json::to_value(object)
        .and_then(serde_json::from_value)
        .map_err(|error| error.to_string())
}

/// The JSON merge patch (RFC 7396) that takes podgate's finalizer off.
fn released(record: &DynamicObject) -> Value {
    let others = record.finalizers().iter();
    let others: Vec<&String> = others.filter(|name| *name != ASSIGNED_FINALIZER).collect();
    json!({
        "metadata": {"uid": record.uid(), "resourceVersion": record.resource_version(), "finalizers": others},
        "status": {"status": AssignedState::Unassigned.as_str()},
    })
}

async fn pages<K, T>(api: &Api<K>, mut take: impl FnMut(Vec<K>) -> Vec<T>) -> Result<Vec<T>, Error>
where
    K: Clone + Debug + DeserializeOwned,
{
    let mut parameters = ListParams::default().limit(PAGE);
    let mut found = Vec::new();
    loop {
        let page = call(api.list(&parameters)).await?;
        found.extend(take(page.items));
        match page.metadata.continue_.filter(|token| !token.is_empty()) {
            Some(token) => parameters = parameters.continue_token(&token),
            None => return Ok(found),
        }
    }
}

/// An answer that does not come is one that says so.
async fn call<T>(call: impl Future<Output = Result<T, Error>>) -> Result<T, Error> {
    timeout(DEADLINE, call)
        .await
        .unwrap_or_else(|late| Err(Error::Service(late.into())))
}

/// It is gone, or another one by now.
fn ignoring_gone<T>(outcome: Result<T, Error>) -> anyhow::Result<()> {
    match outcome {
        Err(Error::Api(status)) if status.code == 404 => Ok(()),
        Err(error) => Err(anyhow!(reasons(&error))),
        Ok(_) => Ok(()),
    }
}

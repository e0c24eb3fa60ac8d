//! What exists, and what is under way.

use std::collections::{BTreeMap, BTreeSet};

use http::StatusCode;
use parking_lot::{Mutex, MutexGuard};

use super::auth::Caller;
use super::buckets::{Buckets, Charge, Place};
use super::clock::{Agenda, Clock};
use super::document;
use super::errors::Refusal;
use super::operation::Operation;
use super::route::{ComputeRef, Request, Route};
use super::settings::{ArmSettings, Compute, SystemIdentity};
use crate::ManagedIdentity;
use crate::sim::reply::Reply;

/// The whole of ARM.
pub(crate) struct Arm {
    pub(super) settings: ArmSettings,
    pub(super) state: Mutex<State>,
}

pub(super) struct State {
    /// By id in lower case.
    pub(super) resources: BTreeMap<String, Resource>,
    /// The user-assigned identities that exist, likewise.
    pub(super) identities: BTreeMap<String, ManagedIdentity>,
    /// Those that nobody may assign, likewise.
    pub(super) unassignable: BTreeSet<String>,
    /// By name.
    pub(super) operations: BTreeMap<String, Operation>,
    pub(super) buckets: Buckets,
    pub(super) operation_ms: u64,
    pub(super) clock: Clock,
    pub(super) agenda: Agenda,
}

/// A virtual machine or scale set.
#[derive(Clone)]
pub(super) struct Resource {
    pub(super) id: ComputeRef,
    pub(super) location: String,
    pub(super) system: Option<SystemIdentity>,
    /// By id in lower case; the value as it was spelt when it came.
    pub(super) assigned: BTreeMap<String, String>,
    pub(super) state: String,
    /// Counts every change.
    pub(super) version: u64,
    /// The operation that is under way.
    pub(super) running: Option<String>,
}

impl Resource {
    /// `None` where the id is none.
    fn new(compute: &Compute) -> Option<Self> {
        let assigned = compute
            .identities
            .iter()
            .map(|id| (id.to_lowercase(), id.clone()));
        Some(Self {
            id: ComputeRef::parse(&compute.id)?,
            location: compute.location.clone(),
            system: compute.system_assigned.clone(),
            assigned: assigned.collect(),
            state: compute.state.clone(),
            version: 1,
            running: None,
        })
    }

    pub(super) fn etag(&self) -> String {
        format!("\"{}\"", self.version)
    }

    fn shown(&self) -> Compute {
        Compute {
            id: self.id.path.clone(),
            location: self.location.clone(),
            system_assigned: self.system.clone(),
            identities: self.assigned.values().cloned().collect(),
            state: self.state.clone(),
        }
    }
}

impl Arm {
    pub(crate) fn new(mut settings: ArmSettings) -> Self {
        if let Some(fleet) = settings.fleet.clone() {
            fleet.join(&mut settings);
        }
        let unassignable = settings.unassignable.iter().map(|id| id.to_lowercase());
        let state = State {
            resources: BTreeMap::new(),
            identities: BTreeMap::new(),
            unassignable: unassignable.collect(),
            operations: BTreeMap::new(),
            buckets: Buckets::new(&settings),
            operation_ms: settings.operation_ms,
            clock: Clock::new(settings.manual_time),
            agenda: Agenda::default(),
        };
        let arm = Self {
            state: Mutex::new(state),
            settings,
        };
        arm.set_computes(&arm.settings.computes);
        arm.set_identities(arm.settings.identities.clone());
        arm
    }

    pub(super) fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock()
    }

    /// Replaces all virtual machines and scale sets; those with an id that is none are left out.
    pub(crate) fn set_computes(&self, computes: &[Compute]) {
        let resources = computes.iter().filter_map(Resource::new);
        self.lock().resources = resources.map(|one| (one.id.key(), one)).collect();
    }

    pub(crate) fn add_compute(&self, compute: &Compute) -> bool {
        let Some(resource) = Resource::new(compute) else {
            return false;
        };
        self.lock().resources.insert(resource.id.key(), resource);
        true
    }

    pub(crate) fn remove_compute(&self, id: &str) -> bool {
        self.lock().resources.remove(&id.to_lowercase()).is_some()
    }

    pub(crate) fn computes(&self) -> Vec<Compute> {
        self.lock()
            .resources
            .values()
            .map(Resource::shown)
            .collect()
    }

    pub(crate) fn compute(&self, id: &str) -> Option<Compute> {
        self.lock()
            .resources
            .get(&id.to_lowercase())
            .map(Resource::shown)
    }

    pub(crate) fn set_identities(&self, identities: Vec<ManagedIdentity>) {
        let by_id = identities
            .into_iter()
            .map(|one| (one.resource_id.to_lowercase(), one));
        self.lock().identities = by_id.collect();
    }

    pub(crate) fn add_identity(&self, identity: ManagedIdentity) {
        self.lock()
            .identities
            .insert(identity.resource_id.to_lowercase(), identity);
    }

    pub(crate) fn remove_identity(&self, id: &str) -> bool {
        self.lock().identities.remove(&id.to_lowercase()).is_some()
    }

    pub(crate) fn set_assignable(&self, id: &str, assignable: bool) {
        let (mut state, key) = (self.lock(), id.to_lowercase());
        match assignable {
            true => state.unassignable.remove(&key),
            false => state.unassignable.insert(key),
        };
    }

    /// Replaces the list of those that nobody may assign.
    pub(crate) fn set_unassignable(&self, ids: &[String]) {
        self.lock().unassignable = ids.iter().map(|id| id.to_lowercase()).collect();
    }

    pub(crate) fn set_operation_ms(&self, milliseconds: u64) {
        self.lock().operation_ms = milliseconds;
    }

    pub(super) fn takes_audience(&self, audience: &str) -> bool {
        let bare = |text: &str| text.trim_end_matches('/').to_owned();
        self.settings
            .audiences
            .iter()
            .any(|one| bare(one) == bare(audience))
    }

    pub(super) fn charge(
        &self,
        request: &Request,
        caller: &Caller,
    ) -> Result<Vec<Charge>, Refusal> {
        let mut state = self.lock();
        let on = match &request.route {
            Route::Operation { name, .. } => state.operations.get(name).map(|one| one.on.clone()),
            Route::Compute(id) => Some(id.key()),
            Route::List(_) => None,
        };
        let resource = on.as_ref().and_then(|key| state.resources.get(key));
        let place = Place {
            region: resource.map_or_else(String::new, |one| one.location.to_lowercase()),
            on,
        };
        let now = state.clock.now();
        state.buckets.charge(request, caller, &place, now)
    }

    /// The answer to a GET of one.
    pub(super) fn show(
        &self,
        tenant: &crate::sim::World,
        id: &ComputeRef,
        request: &Request,
    ) -> Result<Reply, Refusal> {
        let state = self.lock();
        let body = document::of(tenant, &state, state.find(id)?, request);
        Ok(Reply::json(StatusCode::OK, &body))
    }

    /// The identities that the node of this simulation's IMDS has, `None` where IMDS has its own list.
    pub(super) fn of_imds_node(&self) -> Option<Vec<ManagedIdentity>> {
        let node = self.settings.nodes.get(self.settings.imds_node.as_ref()?)?;
        let state = self.lock();
        let Some(resource) = state.resources.get(&node.to_lowercase()) else {
            return Some(Vec::new());
        };
        let system = resource.system.iter().map(|one| ManagedIdentity {
            client_id: one.client_id.clone(),
            object_id: one.object_id.clone(),
            resource_id: String::new(),
        });
        let assigned = resource
            .assigned
            .keys()
            .filter_map(|id| state.identities.get(id).cloned());
        Some(system.chain(assigned).collect())
    }
}

impl State {
    /// What is not there is said as ARM says it: the subscription, then the group, then the resource.
    pub(super) fn find(&self, id: &ComputeRef) -> Result<&Resource, Refusal> {
        if let Some(resource) = self.resources.get(&id.key()) {
            return Ok(resource);
        }
        self.of_group(&id.subscription, &id.group)?;
        Err(Refusal::not_found(
            "ResourceNotFound",
            format!(
                "The Resource '{id}' under resource group '{}' was not found. For more details please go to \
                 https://aka.ms/ARMResourceNotFoundFix",
                id.group
            ),
        ))
    }

    /// Everything of a resource group, which is there if it has anything.
    pub(super) fn of_group(
        &self,
        subscription: &str,
        group: &str,
    ) -> Result<Vec<&Resource>, Refusal> {
        let same = |a: &str, b: &str| a.to_lowercase() == b.to_lowercase();
        let all = self.resources.values();
        let mut there: Vec<&Resource> = all
            .filter(|one| same(&one.id.subscription, subscription))
            .collect();
        if there.is_empty() {
            let message = format!("The subscription '{subscription}' could not be found.");
            return Err(Refusal::not_found("SubscriptionNotFound", message));
        }
        there.retain(|one| same(&one.id.group, group));
        if there.is_empty() {
            let message = format!("Resource group '{group}' could not be found.");
            return Err(Refusal::not_found("ResourceGroupNotFound", message));
        }
        Ok(there)
    }
}

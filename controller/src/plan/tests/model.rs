//! An API server and an Azure in a few maps, and a controller between them that can be broken off at any step.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::time::{Duration, Instant};

use podgate_api::{AzureAssignedIdentity, AzureIdentitySpec, ObjectRef, ResourceId};
use podgate_azure::arm::{ArmError, ComputeId, ErrorClass};

use crate::index::{Binding, Identity, Node, Object, Pod};
use crate::matching::Rules;
use crate::plan::{Ask, Effect, NotWritten, Notice, Plan, Settings, Write, Written};
use crate::record::{COMPUTE_ANNOTATION, RELEASES_ANNOTATION, Record};
use people::Told;
use server::merged;

mod azure;
mod people;
mod right;
mod server;

pub(super) use azure::{Machine, Mood};
pub(super) use people::{KINDS, World};

pub(super) const LINGER: Duration = Duration::from_secs(30);
pub(super) const DRIFT: Duration = Duration::from_secs(180);
const SUBSCRIPTION: &str = "00000000-0000-0000-0000-000000000001";

/// The world, and the controller in it.
pub(super) struct Model {
    pub(super) now: Instant,
    pub(super) settings: Settings,
    pub(super) plan: Plan,
    pub(super) world: World,
    /// What the controller has been told of it.
    pub(super) seen: World,
    untold: [VecDeque<Told>; KINDS],
    lags: [bool; KINDS],
    pub(super) records: BTreeMap<ObjectRef, AzureAssignedIdentity>,
    pub(super) azure: BTreeMap<ComputeId, Machine>,
    /// Identities that Azure refuses.
    pub(super) refused: BTreeSet<ResourceId>,
    /// It does not say which.
    pub(super) names_nobody: bool,
    /// Every call is refused as one too many.
    pub(super) throttles: bool,
    /// No write succeeds.
    pub(super) api_away: bool,
    /// The watch tells of writes, before their answers or after.
    pub(super) watch_tells: bool,
    /// Effects that were not carried out yet.
    pub(super) pending: Vec<Effect>,
    pub(super) notices: Vec<Notice>,
    pub(super) patches: usize,
    pub(super) looks: usize,
    pub(super) writes: usize,
    version: u64,
    death: Option<(usize, Death)>,
}

/// Where in a step the process dies.
#[derive(Clone, Copy, Debug)]
pub(super) enum Death {
    /// Nothing was sent.
    Before,
    /// Between the two calls of a removal.
    Between,
    /// It was done, and the answer never came.
    After,
}

pub(super) fn settings() -> Settings {
    Settings {
        rules: Rules { namespaced: false },
        linger: LINGER,
        coalesce: Duration::from_millis(100),
        drift: DRIFT,
        immutable: BTreeSet::new(),
    }
}

pub(super) fn resource(name: &str) -> ResourceId {
    format!(
        "/subscriptions/{SUBSCRIPTION}/resourceGroups/ids/providers/Microsoft.ManagedIdentity/userAssignedIdentities/{name}"
    )
    .parse()
    .unwrap()
}

pub(super) fn scale_set(name: &str) -> ComputeId {
    format!(
        "/subscriptions/{SUBSCRIPTION}/resourceGroups/nodes/providers/Microsoft.Compute/virtualMachineScaleSets/{name}"
    )
    .parse()
    .unwrap()
}

pub(super) fn machine(name: &str) -> ComputeId {
    format!("/subscriptions/{SUBSCRIPTION}/resourceGroups/nodes/providers/Microsoft.Compute/virtualMachines/{name}")
        .parse()
        .unwrap()
}

impl Model {
    pub(super) fn new(settings: Settings) -> Self {
        let now = Instant::now();
        let mut plan = Plan::new(settings.clone());
        plan.lead(now);
        Self {
            now,
            settings,
            plan,
            world: World::default(),
            seen: World::default(),
            untold: Default::default(),
            lags: [false; KINDS],
            records: BTreeMap::new(),
            azure: BTreeMap::new(),
            refused: BTreeSet::new(),
            names_nobody: false,
            throttles: false,
            api_away: false,
            watch_tells: true,
            pending: Vec::new(),
            notices: Vec::new(),
            patches: 0,
            looks: 0,
            writes: 0,
            version: 0,
            death: None,
        }
    }

    fn next_version(&mut self) -> String {
        self.version += 1;
        self.version.to_string()
    }

    // --- the controller's process ---

    /// The process dies, with whatever it was about to do, and another one begins.
    pub(super) fn crash(&mut self) {
        self.give_up_what_nothing_notes();
        self.pending.clear();
        self.plan = Plan::new(self.settings.clone());
        self.untold = Default::default();
        self.seen = self.world.clone();
        self.list();
        self.plan.lead(self.now);
    }

    fn list(&mut self) {
        for node in self.world.nodes.values() {
            self.plan.apply(Object::Node(Node::read(node)));
        }
        let pods = self.world.pods.values();
        for pod in pods.filter_map(|pod| Pod::read(pod, false)) {
            self.plan.apply(Object::Pod(pod));
        }
        for identity in self.world.identities.values() {
            self.plan
                .apply(Object::Identity(Identity::read(identity.clone())));
        }
        for binding in self.world.bindings.values() {
            self.plan
                .apply(Object::Binding(Binding::read(binding.clone())));
        }
        for record in self.records.values() {
            self.plan.apply(Object::Record(Record::read(record)));
        }
    }

    /// A record of the old controller names a node only. Where that went while nobody was there to note what it was, nobody
    /// can know what it held: neither could the old one.
    fn give_up_what_nothing_notes(&mut self) {
        for record in self.records.values().map(Record::read) {
            let known = record.compute.is_some() || self.world.nodes.contains_key(&record.node);
            let noted = |compute: &ComputeId| record.releases.iter().any(|h| h.compute == *compute);
            for (id, machine) in &mut self.azure {
                let held = record
                    .resource
                    .iter()
                    .filter(|id| machine.present.contains(*id));
                if !known && !noted(id) {
                    machine.lost.extend(held.cloned());
                }
            }
        }
    }

    /// Takes up what is to be done.
    pub(super) fn take(&mut self) {
        let effects = self.plan.effects(self.now, 20);
        for effect in &effects {
            if let Effect::Azure(id, Ask::Change(change)) = effect {
                self.check(id, change);
            }
        }
        self.pending.extend(effects);
        self.notices.extend(self.plan.notices());
    }

    /// Carries out one of the pending effects, in any order.
    pub(super) fn carry_out(&mut self, which: usize) {
        if self.pending.is_empty() {
            return;
        }
        let which = which % self.pending.len();
        match self.pending.remove(which) {
            Effect::Write(write) => {
                let record = write.record();
                let outcome = self.write(write);
                // Now and then the watch is faster than the answer.
                let early = self.watch_tells && self.version.is_multiple_of(2);
                if early {
                    self.echo(&record, &outcome);
                }
                self.plan.wrote(&record, outcome.clone(), self.now);
                if self.watch_tells && !early {
                    self.echo(&record, &outcome);
                }
            }
            Effect::Azure(id, ask) => {
                let answer = self.azure(&id, &ask);
                self.plan.answered(&id, answer, self.now);
            }
        }
    }

    fn echo(&mut self, record: &ObjectRef, outcome: &Result<Written, NotWritten>) {
        if outcome.is_ok() {
            let there = self.records.get(record).cloned().map(Box::new);
            self.tell(Told::Record(record.clone(), there));
        }
    }

    /// Carries out an effect, and its outcome is lost with the process.
    pub(super) fn carry_out_and_crash(&mut self, which: usize) {
        if !self.pending.is_empty() {
            let which = which % self.pending.len();
            match self.pending.remove(which) {
                Effect::Write(write) => drop(self.write(write)),
                Effect::Azure(id, ask) => drop(self.azure(&id, &ask)),
            }
        }
        self.crash();
    }

    /// The process dies once, at the step of this number.
    pub(super) fn die_at(&mut self, step: usize, how: Death) {
        self.death = Some((step, how));
    }

    /// Whether it has died by now.
    pub(super) fn has_died(&self) -> bool {
        self.death.is_none()
    }

    /// Counts down to the process's death, and whether it came.
    fn dies(&mut self) -> bool {
        match &mut self.death {
            Some((0, how)) => {
                let how = *how;
                self.death = None;
                self.die(how);
                true
            }
            Some((left, _)) => {
                *left -= 1;
                false
            }
            None => false,
        }
    }

    fn die(&mut self, how: Death) {
        match (how, &self.pending[0]) {
            (Death::Before, _) => {}
            (Death::After, _) => return self.carry_out_and_crash(0),
            (Death::Between, Effect::Write(Write::Remove(removal))) => {
                let name = removal.record.clone();
                if let Some(there) = self.records.get(&name)
                    && let Ok(mut half) = merged(there, &removal.body())
                {
                    half.metadata.resource_version = Some(self.next_version());
                    self.records.insert(name, half);
                }
            }
            (Death::Between, _) => {}
        }
        self.crash();
    }

    /// Does whatever there is to do now.
    pub(super) fn run(&mut self) {
        for _ in 0..3_000 {
            self.take();
            if self.pending.is_empty() {
                return;
            }
            if !self.dies() {
                self.carry_out(0);
            }
        }
        self.take();
        panic!("the plan never comes to rest: {:#?}", self.pending);
    }

    /// Lets time pass, and everything be done that becomes due.
    pub(super) fn pass(&mut self, time: Duration) {
        let end = self.now + time;
        self.run();
        while let Some(at) = self.plan.wakes_at().filter(|at| *at <= end) {
            self.now = at.max(self.now);
            self.run();
        }
        self.now = end;
        self.run();
    }
}

pub(super) fn error(class: ErrorClass) -> ArmError {
    ArmError {
        class,
        tried: "changing the identities".to_owned(),
        status: None,
        code: None,
        message: "because".to_owned(),
    }
}

pub(super) fn managed(name: &str) -> AzureIdentitySpec {
    AzureIdentitySpec {
        resource_id: Some(resource(name).to_string()),
        client_id: Some("00000000-0000-0000-0000-0000000000aa".to_owned()),
        ..AzureIdentitySpec::default()
    }
}

pub(super) fn object(namespace: &str, name: &str) -> ObjectRef {
    ObjectRef::new(namespace, name)
}

/// Takes podgate's annotations off, as a record of the old controller has none.
pub(super) fn without_annotations(mut record: AzureAssignedIdentity) -> AzureAssignedIdentity {
    if let Some(annotations) = &mut record.metadata.annotations {
        annotations.remove(COMPUTE_ANNOTATION);
        annotations.remove(RELEASES_ANNOTATION);
    }
    record
}

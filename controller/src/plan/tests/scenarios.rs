//! The end-to-end scenarios of aad-pod-identity that concern the controller, at this level, and the defects it had.

use std::collections::BTreeSet;
use std::time::Duration;

use podgate_api::{AssignedState, AzureIdentitySpec, IdentityType, ObjectRef};
use podgate_azure::arm::{ComputeId, ErrorClass};

use super::model::{
    LINGER, Model, Mood, error, machine, managed, object, resource, scale_set, settings,
    without_annotations,
};
use crate::plan::{Ask, Effect, Settings};
use crate::record::Record;

mod machines;
mod pods;
mod refusals;
mod takeover;

/// Two nodes of one scale set, one of another, and a virtual machine; identities `a`, `b`, `c` of namespace `shop`, each bound
/// by its own name.
pub(super) fn model() -> Model {
    model_of(settings())
}

pub(super) fn model_of(settings: Settings) -> Model {
    let mut model = Model::new(settings);
    model.node("n0", &scale_set("one"), Some(0));
    model.node("n1", &scale_set("one"), Some(1));
    model.node("m0", &scale_set("two"), Some(0));
    model.node("vm", &machine("vm"), None);
    for name in ["a", "b", "c"] {
        model.identity(&object("shop", name), managed(name), false);
        model.binding(&object("shop", name), name, name, 0);
    }
    model
}

pub(super) fn pod(name: &str) -> ObjectRef {
    object("shop", name)
}

pub(super) fn record(model: &Model, pod: &str, identity: &str) -> Option<Record> {
    let name = object("default", &format!("{pod}-shop-{identity}"));
    model
        .records
        .get(&name)
        .map(|record| (*Record::read(record)).clone())
}

pub(super) fn state(model: &Model, pod: &str, identity: &str) -> Option<AssignedState> {
    record(model, pod, identity).map(|record| record.state)
}

pub(super) fn on(model: &Model, compute: &podgate_azure::arm::ComputeId) -> Vec<String> {
    model.azure[compute]
        .present
        .iter()
        .map(|id| id.name().to_owned())
        .collect()
}

pub(super) fn soon(model: &mut Model) {
    model.pass(Duration::from_secs(3));
}

/// Does what is pending of one kind only.
pub(super) fn writes(model: &mut Model) {
    model.take();
    while let Some(which) = model
        .pending
        .iter()
        .position(|effect| matches!(effect, Effect::Write(_)))
    {
        model.carry_out(which);
        model.take();
    }
}

/// Takes the next request to Azure out of what is pending, letting time pass and writes be done until there is one.
pub(super) fn request(m: &mut Model) -> (ComputeId, Ask) {
    for _ in 0..1_000 {
        writes(m);
        if let Some(which) = m
            .pending
            .iter()
            .position(|effect| matches!(effect, Effect::Azure(..)))
        {
            let Effect::Azure(id, ask) = m.pending.remove(which) else {
                unreachable!()
            };
            return (id, ask);
        }
        m.now = m.plan.wakes_at().expect("something is due").max(m.now);
    }
    panic!("nothing is asked for");
}

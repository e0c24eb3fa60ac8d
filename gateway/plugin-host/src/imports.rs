//! What components may import, and the linking of what one was granted.

use wasmtime::Engine;
use wasmtime::component::{Component, HasSelf, InstancePre, Linker};

use crate::bindings::credential::podgate::types as credential;
use crate::bindings::policy::podgate::types as shared;
use crate::guest::State;
use crate::inspect::{Import, Inspected};

mod clock;
pub(crate) mod http;
pub(crate) mod keys;
mod log;
pub(crate) mod service_account;
mod wasi;

/// Gives a component the imports it has, which were all granted: what it did not ask for is not even there.
pub(crate) fn link(
    engine: &Engine,
    component: &Component,
    inspected: &Inspected,
) -> wasmtime::Result<InstancePre<State>> {
    let mut linker = Linker::new(engine);
    shared::model::add_to_linker::<_, HasSelf<State>>(&mut linker, same)?;
    shared::log::add_to_linker::<_, HasSelf<State>>(&mut linker, same)?;
    if inspected.has(Import::Clock) {
        shared::clock::add_to_linker::<_, HasSelf<State>>(&mut linker, same)?;
    }
    if inspected.has(Import::Keys) {
        credential::keys::add_to_linker::<_, HasSelf<State>>(&mut linker, same)?;
    }
    if inspected.has(Import::Http) {
        credential::http::add_to_linker::<_, HasSelf<State>>(&mut linker, same)?;
    }
    if inspected.has(Import::ServiceAccount) {
        credential::service_account::add_to_linker::<_, HasSelf<State>>(&mut linker, same)?;
    }
    if inspected.has(Import::Wasi) {
        wasmtime_wasi::p2::add_to_linker_async(&mut linker)?;
    }
    linker.instantiate_pre(component)
}

fn same(state: &mut State) -> &mut State {
    state
}

/// The interface of shared types has no functions.
impl shared::model::Host for State {}

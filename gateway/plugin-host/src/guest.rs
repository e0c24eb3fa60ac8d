//! One plugin at work: its stores, its limits, and who it is.

use std::sync::Arc;
use std::sync::atomic::AtomicBool;

use tokio::sync::Semaphore;
use tokio::time::Instant;
use wasmtime::Store;

use crate::engine::{Runtime, Turn};
use crate::imports::http::{Allowance, Origin};
use crate::imports::service_account::Tokens;
use crate::plugin::{MAX_MEMORY, MAX_TABLE_ELEMENTS};
use crate::{Instances, Limits, Outbound, Plugin, PluginError, Surroundings, World};

pub(crate) mod call;
pub(crate) mod fault;
pub(crate) mod log;
pub(crate) mod memory;
mod pace;
mod state;

pub(crate) use call::{Answering, Calls, Configured, Linked};
use log::Budget;
use memory::{FULL_INSTANCES, SharedMemory};
pub(crate) use state::State;

/// Calls of one plugin at a time: a quarter of all places, so that one which hangs leaves the others theirs.
pub(crate) const MAX_CALLS: usize = 32;
/// Bytes that one host call, or one answer, may bring from the guest before it is looked at: room to refuse
/// a long answer or cut a long log line in words, where going beyond it is a trap.
const MAX_TRANSFER: usize = 1024 * 1024;

/// A plugin with everything its calls share.
pub(crate) struct Guest {
    pub(crate) name: Arc<str>,
    pub(crate) world: World,
    pub(crate) settings: String,
    pub(crate) limits: Limits,
    pub(crate) instances: Instances,
    pub(crate) may_bypass: bool,
    granted: Arc<[Origin]>,
    pub(crate) audiences: Arc<[String]>,
    http: Arc<dyn Outbound>,
    surroundings: Surroundings,
    runtime: Arc<Runtime>,
    places: Arc<Semaphore>,
    /// Of calls that begin in the background.
    slow_places: Arc<Semaphore>,
    memory: Arc<SharedMemory>,
    /// Its last call took more than a slice, failed, or flooded the log.
    is_slow: AtomicBool,
    turn: Turn,
    log_budget: Arc<Budget>,
}

// === impl Guest ===

impl Guest {
    pub(crate) fn new(
        plugin: &Plugin,
        world: World,
        runtime: Arc<Runtime>,
        http: Arc<dyn Outbound>,
        surroundings: Surroundings,
    ) -> Result<Arc<Self>, PluginError> {
        check_limits(plugin)?;
        check_instances(plugin, world)?;
        Ok(Arc::new(Self {
            name: plugin.name.as_str().into(),
            world,
            settings: plugin.settings.clone(),
            limits: plugin.limits.clone(),
            instances: plugin.instances,
            may_bypass: plugin.grants.bypass,
            granted: granted(plugin)?,
            audiences: plugin.grants.service_account.as_slice().into(),
            http,
            surroundings,
            runtime,
            places: Arc::new(Semaphore::new(MAX_CALLS)),
            slow_places: Arc::new(Semaphore::new(max_slow_calls(world))),
            memory: SharedMemory::new(&plugin.limits),
            is_slow: AtomicBool::new(false),
            turn: Turn::new(),
            log_budget: Budget::new(),
        }))
    }

    /// What a call may send. `authority` is the host that it may reach besides those the operator granted.
    fn allowance(&self, deadline: Instant, authority: Option<Origin>) -> Allowance {
        Allowance {
            outbound: Arc::clone(&self.http),
            granted: Arc::clone(&self.granted),
            authority,
            deadline,
            requests_left: self.limits.http_requests,
            max_body: self.limits.http_body,
        }
    }

    fn store(&self, http: Allowance) -> Store<State> {
        let state = State::new(
            &self.name,
            &self.log_budget,
            &self.limits,
            Arc::clone(&self.memory),
            http,
            self.tokens(),
            Arc::clone(&self.surroundings.clock),
        );
        let mut store = Store::new(&self.runtime.engine, state);
        store.limiter(|state| &mut state.limiter);
        store.set_hostcall_fuel(self.max_transfer());
        store
    }

    fn tokens(&self) -> Tokens {
        let source = Arc::clone(&self.surroundings.service_account);
        Tokens::new(source, Arc::clone(&self.audiences))
    }

    fn max_transfer(&self) -> usize {
        MAX_TRANSFER.max(self.limits.answer.saturating_mul(2))
    }

    pub(crate) fn overloaded(&self, cause: &'static str) -> PluginError {
        PluginError::Overloaded {
            plugin: self.name.to_string(),
            cause,
        }
    }

    pub(crate) fn oversized(&self, what: &'static str, limit: usize) -> PluginError {
        PluginError::Oversized {
            plugin: self.name.to_string(),
            what,
            limit,
        }
    }

    pub(crate) fn invalid_answer(&self, cause: &str) -> PluginError {
        PluginError::InvalidAnswer {
            plugin: self.name.to_string(),
            cause: crate::text::clean(cause, crate::text::MAX_SHOWN),
        }
    }

    pub(crate) fn timeout(&self) -> PluginError {
        PluginError::Timeout {
            plugin: self.name.to_string(),
            limit: self.limits.call,
        }
    }

    fn out_of_cpu(&self) -> PluginError {
        PluginError::Cpu {
            plugin: self.name.to_string(),
            limit: self.limits.cpu,
        }
    }

    /// Refuses an answer of so many bytes where that is too many.
    pub(crate) fn check_size(&self, what: &'static str, bytes: usize) -> Result<(), PluginError> {
        match bytes <= self.limits.answer {
            true => Ok(()),
            false => Err(self.oversized(what, self.limits.answer)),
        }
    }
}

/// Calls that begin in the background, at a time: one of the plugin runs at a time, and all may fill their memory. A
/// credential plugin's wait for authorities, of which one may be silent.
fn max_slow_calls(world: World) -> usize {
    match world {
        World::Policy | World::Cache => FULL_INSTANCES,
        World::Credential => MAX_CALLS,
    }
}

fn granted(plugin: &Plugin) -> Result<Arc<[Origin]>, PluginError> {
    let hosts = plugin.grants.http_hosts.iter();
    hosts
        .map(|host| Origin::granted(host))
        .collect::<Result<_, _>>()
        .map_err(|cause| configuration(plugin, "grants.http", cause))
}

fn check_limits(plugin: &Plugin) -> Result<(), PluginError> {
    let limits = &plugin.limits;
    let wrong = |key, cause: String| Err(configuration(plugin, key, cause));
    if limits.memory > MAX_MEMORY {
        return wrong(
            "limits.memoryMiB",
            format!("at most {} fit the pool", MAX_MEMORY >> 20),
        );
    }
    if limits.table_elements > MAX_TABLE_ELEMENTS {
        return wrong(
            "limits.tableElements",
            format!("at most {MAX_TABLE_ELEMENTS} fit the pool"),
        );
    }
    for (key, time) in [("limits.call", limits.call), ("limits.cpu", limits.cpu)] {
        if time.is_zero() {
            let cause = "no call ends in no time; leave it out for the default";
            return wrong(key, cause.into());
        }
    }
    Ok(())
}

fn check_instances(plugin: &Plugin, world: World) -> Result<(), PluginError> {
    match (plugin.instances, world) {
        (Instances::Kept, World::Credential) => Err(configuration(
            plugin,
            "instances",
            "a credential plugin's are always fresh: one that is kept could still hold another identity's key; leave it out"
                .into(),
        )),
        _ => Ok(()),
    }
}

fn configuration(plugin: &Plugin, key: &'static str, cause: String) -> PluginError {
    PluginError::Configuration {
        plugin: plugin.name.clone(),
        key,
        cause,
    }
}

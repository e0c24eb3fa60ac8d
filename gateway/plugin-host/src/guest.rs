//! One plugin at work: a fresh instance for each call, its limits, and what its end means.

use std::sync::Arc;
use std::time::Duration;

use thiserror::Error;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio::time::error::Elapsed;
use tokio::time::{Instant, timeout_at};
use wasmtime::{Store, StoreContextMut, UpdateDeadline};

use crate::bindings::policy::podgate::types::model;
use crate::engine::Runtime;
use crate::imports::http::{Allowance, Origin};
use crate::imports::service_account::Tokens;
use crate::plugin::{MAX_MEMORY, MAX_TABLE_ELEMENTS};
use crate::{Limits, Outbound, Plugin, PluginError, Surroundings, World};

pub(crate) mod fault;
pub(crate) mod log;
pub(crate) mod memory;
mod state;

use memory::SharedMemory;
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
    pub(crate) may_bypass: bool,
    granted: Arc<[Origin]>,
    pub(crate) audiences: Arc<[String]>,
    http: Arc<dyn Outbound>,
    surroundings: Surroundings,
    runtime: Arc<Runtime>,
    places: Arc<Semaphore>,
    memory: Arc<SharedMemory>,
}

/// One call under way. Whatever its end, its store goes with it: an instance that trapped or was stopped in
/// the middle is never entered again (CVE-2026-104855).
pub(crate) struct Call {
    pub(crate) store: Store<State>,
    pub(crate) deadline: Instant,
    guest: Arc<Guest>,
    _place: OwnedSemaphorePermit,
}

/// The guest held its thread until its time was over.
#[derive(Debug, Error)]
#[error("out of time")]
pub(crate) struct OutOfTime;

/// `configure` did not accept the settings.
#[derive(Debug, Error)]
#[error("settings refused")]
pub(crate) struct SettingsRefused(pub(crate) Vec<model::Problem>);

/// The result of `configure`, as an error that ends the call.
pub(crate) fn accepted(answer: Result<(), Vec<model::Problem>>) -> wasmtime::Result<()> {
    answer.map_err(|problems| wasmtime::Error::new(SettingsRefused(problems)))
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
        Ok(Arc::new(Self {
            name: plugin.name.as_str().into(),
            world,
            settings: plugin.settings.clone(),
            limits: plugin.limits.clone(),
            may_bypass: plugin.grants.bypass,
            granted: granted(plugin)?,
            audiences: plugin.grants.service_account.as_slice().into(),
            http,
            surroundings,
            runtime,
            places: Arc::new(Semaphore::new(MAX_CALLS)),
            memory: SharedMemory::new(&plugin.limits),
        }))
    }

    /// Takes a place and makes a store for one call. `authority` is the host that this call may reach
    /// besides those the operator granted.
    pub(crate) async fn begin(
        self: &Arc<Self>,
        authority: Option<Origin>,
    ) -> Result<Call, PluginError> {
        let deadline = Instant::now() + self.limits.call;
        let place = timeout_at(deadline, Arc::clone(&self.places).acquire_owned()).await;
        let Ok(Ok(place)) = place else {
            return Err(self.overloaded("each of its places was taken for a whole call's time"));
        };
        Ok(Call {
            store: self.store(deadline, authority),
            deadline,
            guest: Arc::clone(self),
            _place: place,
        })
    }

    fn store(&self, deadline: Instant, authority: Option<Origin>) -> Store<State> {
        let allowance = Allowance {
            outbound: Arc::clone(&self.http),
            granted: Arc::clone(&self.granted),
            authority,
            deadline,
            requests_left: self.limits.http_requests,
            max_body: self.limits.http_body,
        };
        let state = State::new(
            &self.name,
            &self.limits,
            Arc::clone(&self.memory),
            allowance,
            self.tokens(),
            Arc::clone(&self.surroundings.clock),
        );
        let mut store = Store::new(&self.runtime.engine, state);
        store.limiter(|state| &mut state.limiter);
        store.set_hostcall_fuel(self.max_transfer());
        store.set_epoch_deadline(1);
        let left = deadline.saturating_duration_since(Instant::now());
        store.epoch_deadline_callback(at_each_tick(left));
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

    /// Refuses an answer of so many bytes where that is too many.
    pub(crate) fn check_size(&self, what: &'static str, bytes: usize) -> Result<(), PluginError> {
        match bytes <= self.limits.answer {
            true => Ok(()),
            false => Err(self.oversized(what, self.limits.answer)),
        }
    }
}

// === impl Call ===

impl Call {
    /// What the call came to. Drops the instance before anybody sees the answer.
    pub(crate) fn end<T>(
        self,
        outcome: Result<wasmtime::Result<T>, Elapsed>,
    ) -> Result<T, PluginError> {
        match outcome {
            Ok(Ok(answer)) => Ok(answer),
            Ok(Err(error)) => {
                let refused = self.store.data().limiter.refused;
                Err(fault::explain(&self.guest, refused, &error))
            }
            Err(Elapsed { .. }) => Err(self.guest.timeout()),
        }
    }
}

/// Lets others run, and ends a guest whose time is over. A timer alone would come late: where a looping
/// guest is the only task, the runtime looks at its timers at each 61st turn, which is 600 ms here.
fn at_each_tick(
    left: Duration,
) -> impl FnMut(StoreContextMut<'_, State>) -> wasmtime::Result<UpdateDeadline> + Send + Sync + 'static
{
    // The machine's clock: in tests with a paused one, a loop still takes real time.
    let until = std::time::Instant::now() + left;
    move |_| match std::time::Instant::now() < until {
        true => Ok(UpdateDeadline::YieldCustom(
            1,
            Box::pin(tokio::task::yield_now()),
        )),
        false => Err(wasmtime::Error::new(OutOfTime)),
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
    if limits.call.is_zero() {
        return wrong(
            "limits.call",
            "no call ends in no time; leave it out for the default".into(),
        );
    }
    Ok(())
}

fn configuration(plugin: &Plugin, key: &'static str, cause: String) -> PluginError {
    PluginError::Configuration {
        plugin: plugin.name.clone(),
        key,
        cause,
    }
}

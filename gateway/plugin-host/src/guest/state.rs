//! What belongs to one call, or to the calls of one instance: its log, its handles, its allowances.

use std::sync::Arc;

use wasmtime::component::ResourceTable;
use wasmtime_wasi::WasiCtx;

use super::log::{Budget, CallLog};
use super::memory::{Limiter, SharedMemory};
use crate::imports::http::Allowance;
use crate::imports::service_account::Tokens;
use crate::{Clock, Limits};

/// Host handles that a guest holds at a time: a key, and WASI's streams and timers.
const MAX_HANDLES: usize = 256;

/// The data of a store.
pub(crate) struct State {
    pub(crate) log: CallLog,
    pub(crate) limiter: Limiter,
    pub(crate) handles: ResourceTable,
    pub(crate) http: Allowance,
    pub(crate) tokens: Tokens,
    pub(crate) clock: Arc<dyn Clock>,
    /// Made at its first use: few components have one.
    pub(crate) wasi: Option<WasiCtx>,
}

// === impl State ===

impl State {
    pub(crate) fn new(
        plugin: &Arc<str>,
        budget: &Arc<Budget>,
        limits: &Limits,
        memory: Arc<SharedMemory>,
        http: Allowance,
        tokens: Tokens,
        clock: Arc<dyn Clock>,
    ) -> Self {
        let mut handles = ResourceTable::new();
        handles.set_max_capacity(MAX_HANDLES);
        Self {
            log: CallLog::new(Arc::clone(plugin), limits, Arc::clone(budget)),
            limiter: Limiter::new(limits, memory),
            handles,
            http,
            tokens,
            clock,
            wasi: None,
        }
    }

    /// Another call of the same instance: what one call may use up is there again. What belongs to the instance stays:
    /// its memory, and the streams that its language's runtime has opened once and for all.
    pub(crate) fn begin(&mut self, http: Allowance, tokens: Tokens) {
        // What an earlier call went without and answered all the same explains no failure of this one.
        self.limiter.refused = None;
        self.http = http;
        self.tokens = tokens;
    }
}

//! The WebAssembly engine: how components are compiled, and the pool their instances come from.

use std::sync::Arc;

use wasmtime::{Config, Engine, PoolingAllocationConfig};

use crate::HostError;
use crate::plugin::{MAX_MEMORY, MAX_TABLE_ELEMENTS};

mod background;
mod ticker;

use background::Background;
pub(crate) use background::{Outcome, Turn, Work, thread_time};
use ticker::Ticker;
pub(crate) use ticker::UnderWay;

/// Instances that live at one time, of all plugins together. Calls of policy and cache plugins do not wait,
/// so as many live as there are worker threads; a credential call waits for its authority. Room for three
/// plugins that use up [`crate::guest::MAX_CALLS`] each, and more. A place costs address space, not memory.
///
/// From 128 on wasmtime splits the pool by processor, and [`WARM_PLACES`] with it: with ten policies a call took 60 µs
/// instead of 15, on 16 processors it would with two.
const PLACES: u32 = 127;
/// Core modules of one component, on average: a Rust component has three (itself, and two that wire its
/// imports), one with the WASI adapter four.
const MODULES: u32 = 4;
/// Core modules of one component at most: CPython's comes as some twenty shared libraries, and 38 in all with what wires
/// them.
const MAX_MODULES: u32 = 64;
/// Tables of one component at most; a Rust component has two.
const MAX_TABLES: u32 = 16;
/// What is wiped, rather than unmapped, when an instance ends: the whole memory of a small component with a
/// 64 KiB stack. Measured: 15 µs for a fresh instance, against 23 µs with none.
const KEEP_MEMORY: usize = 256 * 1024;
/// The same for a table: 512 elements, all of a small component's.
const KEEP_TABLE: usize = 4 * 1024;
/// Places that wait, still holding what [`KEEP_MEMORY`] kept, for the component they had last: one for each
/// worker thread and each of ten plugins on a node of 3 cores, and at most 8 MiB.
const WARM_PLACES: u32 = 32;
/// Stack of the guest's own frames. Deeper recursion is a trap; the fiber below it has 2 MiB.
const GUEST_STACK: usize = 512 * 1024;

/// The engine, with what keeps guests that compute for long out of everybody's way. Lives as long as any plugin.
pub(crate) struct Runtime {
    pub(crate) engine: Engine,
    pub(crate) background: Background,
    ticker: Ticker,
}

// === impl Runtime ===

impl Runtime {
    pub(crate) fn start() -> Result<Arc<Self>, HostError> {
        let engine = Engine::new(&config()).map_err(|error| HostError::Engine {
            cause: format!("{error:#}"),
        })?;
        let ticker = Ticker::start(engine.weak()).map_err(HostError::Ticker)?;
        Ok(Arc::new(Self {
            engine,
            background: Background::default(),
            ticker,
        }))
    }

    /// A call is under way until what it returns is dropped.
    pub(crate) fn begin(&self) -> UnderWay {
        self.ticker.begin()
    }
}

fn config() -> Config {
    let mut config = Config::new();
    config
        .wasm_component_model(true)
        // The interfaces are synchronous: without tasks and streams there is less to attack, and a call
        // costs less than half.
        .concurrency_support(false)
        .epoch_interruption(true)
        .max_wasm_stack(GUEST_STACK)
        // Its results differ between processors; a verdict must not.
        .wasm_relaxed_simd(false)
        .allocation_strategy(pool());
    config
}

fn pool() -> PoolingAllocationConfig {
    let mut pool = PoolingAllocationConfig::default();
    pool.total_component_instances(PLACES)
        .total_core_instances(PLACES * MODULES)
        .total_memories(PLACES)
        .total_tables(PLACES * 2)
        .total_stacks(PLACES)
        .max_core_instances_per_component(MAX_MODULES)
        .max_memories_per_component(4)
        .max_tables_per_component(MAX_TABLES)
        .max_tables_per_module(4)
        .table_elements(MAX_TABLE_ELEMENTS)
        .max_memory_size(MAX_MEMORY)
        .linear_memory_keep_resident(KEEP_MEMORY)
        .table_keep_resident(KEEP_TABLE)
        .max_unused_warm_slots(WARM_PLACES);
    pool
}

//! Why a call failed, from what wasmtime says about it.

use wasmtime::{PoolConcurrencyLimitError, Trap, WasmBacktrace};
use wasmtime_wasi::I32Exit;

use super::Guest;
use super::call::SettingsRefused;
use super::memory::Refused;
use crate::bindings::policy::podgate::types::model;
use crate::text::{self, MAX_SHOWN};
use crate::{PluginError, Problem};

/// Functions of a backtrace that are shown: the panic's own machinery takes four or five.
const MAX_FRAMES: usize = 10;
/// Longest name of a function: generic Rust names are longer and say nothing more.
const MAX_FUNCTION: usize = 120;
/// Problems of settings that are shown.
const MAX_PROBLEMS: usize = 20;
/// wasmtime's own type for this is private; a test holds these words to it.
const TRANSFER_EXHAUSTED: &str = "fuel allocated for hostcalls";

/// The error of a call that wasmtime ended.
pub(super) fn explain(
    guest: &Guest,
    refused: Option<Refused>,
    error: &wasmtime::Error,
) -> PluginError {
    if let Some(SettingsRefused(found)) = error.downcast_ref() {
        return settings(guest, found);
    }
    if error.is::<PoolConcurrencyLimitError>() {
        return guest.overloaded("the calls of all plugins take every place");
    }
    match refused {
        Some(refused) => over_limit(guest, refused),
        None => crash(guest, error),
    }
}

/// What is wrong with the settings, fit to be shown.
fn settings(guest: &Guest, found: &[model::Problem]) -> PluginError {
    let shown = found.iter().take(MAX_PROBLEMS).map(|problem| Problem {
        setting: text::clean(&problem.setting, MAX_SHOWN),
        message: text::clean(&problem.message, MAX_SHOWN),
    });
    PluginError::Settings {
        plugin: guest.name.to_string(),
        problems: shown.collect(),
    }
}

fn over_limit(guest: &Guest, refused: Refused) -> PluginError {
    let plugin = guest.name.to_string();
    match refused {
        Refused::Memory => PluginError::Memory {
            plugin,
            limit: guest.limits.memory,
        },
        Refused::Table => PluginError::Table {
            plugin,
            limit: guest.limits.table_elements,
        },
        Refused::SharedMemory => guest.overloaded("together they hold all the memory it may have"),
    }
}

fn crash(guest: &Guest, error: &wasmtime::Error) -> PluginError {
    if let Some(trap) = error.downcast_ref::<Trap>() {
        return trapped(guest, words(*trap), error);
    }
    if let Some(I32Exit(code)) = error.downcast_ref() {
        return trapped(guest, &format!("it called exit({code})"), error);
    }
    let cause = error.root_cause().to_string();
    match cause.contains(TRANSFER_EXHAUSTED) {
        true => guest.oversized("data for the host", guest.max_transfer()),
        false => guest.invalid_answer(&cause),
    }
}

fn words(trap: Trap) -> &'static str {
    match trap {
        Trap::UnreachableCodeReached => "it panicked or aborted (wasm `unreachable`)",
        Trap::StackOverflow => "its stack overflowed",
        Trap::MemoryOutOfBounds | Trap::HeapMisaligned => {
            "it reached outside its memory, as it does when its stack is too small"
        }
        Trap::IntegerDivisionByZero => "it divided by zero",
        Trap::IntegerOverflow | Trap::BadConversionToInteger => "a number did not fit",
        Trap::TableOutOfBounds | Trap::IndirectCallToNull | Trap::BadSignature => {
            "it called a function that does not exist"
        }
        _ => "it broke a rule of WebAssembly",
    }
}

fn trapped(guest: &Guest, cause: &str, error: &wasmtime::Error) -> PluginError {
    PluginError::Trap {
        plugin: guest.name.to_string(),
        cause: cause.to_owned(),
        backtrace: error.downcast_ref().map(functions).unwrap_or_default(),
    }
}

fn functions(backtrace: &WasmBacktrace) -> Vec<String> {
    let frames = backtrace.frames().iter();
    frames
        .filter_map(|frame| frame.func_name())
        .take(MAX_FRAMES)
        .map(|name| text::clean(name, MAX_FUNCTION))
        .collect()
}

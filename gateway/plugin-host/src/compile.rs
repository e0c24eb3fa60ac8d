//! From a plugin's bytes to code that can be linked.

use wasmtime::Engine;
use wasmtime::component::Component;

use crate::PluginError;
use crate::code_cache::{self, CodeCache};
use crate::plugin::MAX_COMPONENT;

/// First bytes of a core module: magic number, version 1, layer 0.
const CORE_MODULE: &[u8] = b"\0asm\x01\0\0\0";
/// First bytes of a component: magic number, version 13, layer 1.
const COMPONENT: &[u8] = b"\0asm\x0d\0\x01\0";

/// Compiles a component, or takes its code from the cache. Takes seconds for a large one: not for a thread
/// that serves requests.
pub(crate) fn compile(
    engine: &Engine,
    cache: Option<&CodeCache>,
    plugin: &str,
    bytes: &[u8],
) -> Result<Component, PluginError> {
    check(plugin, bytes)?;
    let digest = code_cache::sha256(bytes);
    if let Some(component) = cached(engine, cache, &digest) {
        return Ok(component);
    }
    let component = Component::from_binary(engine, bytes).map_err(|error| {
        not_component(
            plugin,
            format!("it is damaged or uses what this gateway lacks: {error:#}"),
        )
    })?;
    if let Some(cache) = cache {
        keep(cache, &digest, &component);
    }
    Ok(component)
}

fn cached(
    engine: &Engine,
    cache: Option<&CodeCache>,
    digest: &code_cache::Digest,
) -> Option<Component> {
    let code = cache?.read(digest)?;
    // SAFETY: deserializing runs whatever the bytes say. They are a former result of `serialize`: the cache
    // gives only what this user wrote, in a folder closed to others, with a digest that proves it whole and
    // made from this component. wasmtime itself refuses the code of another engine.
    let loaded = unsafe { Component::deserialize(engine, code) };
    loaded
        .inspect_err(|error| tracing::warn!(%error, "compiled code is not used and is made anew"))
        .ok()
}

fn keep(cache: &CodeCache, digest: &code_cache::Digest, component: &Component) {
    match component.serialize() {
        Ok(code) => cache.write(digest, &code),
        Err(error) => tracing::warn!(%error, "compiled code could not be kept"),
    }
}

fn check(plugin: &str, bytes: &[u8]) -> Result<(), PluginError> {
    let size = bytes.len();
    if size > MAX_COMPONENT {
        return Err(PluginError::ComponentTooLarge {
            plugin: plugin.to_owned(),
            size,
            limit: MAX_COMPONENT,
        });
    }
    let cause = match () {
        () if bytes.starts_with(COMPONENT) => return Ok(()),
        () if bytes.starts_with(CORE_MODULE) => "it is a core WebAssembly module, not a component",
        () if bytes.starts_with(b"\0asm") => {
            "it is a component of an old draft of the component model"
        }
        () if bytes.is_empty() => "it is empty",
        () => "it is no WebAssembly at all",
    };
    Err(not_component(plugin, cause.to_owned()))
}

fn not_component(plugin: &str, cause: String) -> PluginError {
    PluginError::NotComponent {
        plugin: plugin.to_owned(),
        cause: crate::text::clean(&cause, crate::text::MAX_SHOWN),
    }
}

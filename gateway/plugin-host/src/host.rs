//! The host: one engine for all plugins, and the way from bytes to a plugin that answers.

use std::path::PathBuf;
use std::sync::Arc;

use wasmtime::component::{Component, InstancePre};

use crate::bindings::cache::CachePre;
use crate::bindings::credential::CredentialPre;
use crate::bindings::policy::PolicyPre;
use crate::code_cache::CodeCache;
use crate::engine::Runtime;
use crate::guest::{Guest, State};
use crate::inspect::{self, Inspected};
use crate::{
    CachePolicy, Credential, HostError, Outbound, Plugin, PluginError, Policy, Surroundings, World,
    cache, compile, credential, imports, policy,
};

/// What a host is built from.
pub struct HostConfig {
    /// The folder for compiled code, made with mode 0700 where it does not exist; without one every start
    /// compiles anew.
    pub code_cache: Option<PathBuf>,
    /// What sends credential plugins' requests.
    pub http: Arc<dyn Outbound>,
}

/// Loads plugins. They keep what they need of it, so it may be dropped while they run.
#[derive(Clone)]
pub struct Host(Arc<Inner>);

struct Inner {
    runtime: Arc<Runtime>,
    code_cache: Option<CodeCache>,
    http: Arc<dyn Outbound>,
    surroundings: Surroundings,
}

/// A component that was compiled, checked and linked.
struct Linked {
    guest: Arc<Guest>,
    inspected: Inspected,
    pre: InstancePre<State>,
}

// === impl Host ===

impl Host {
    /// Starts the engine and its ticker, and checks the code cache's folder.
    ///
    /// # Errors
    /// The machine or the folder is not fit.
    pub fn new(config: HostConfig) -> Result<Self, HostError> {
        Self::within(Surroundings::default(), config)
    }

    /// The same in a place that is not the usual one.
    ///
    /// # Errors
    /// As [`Host::new`].
    pub fn within(surroundings: Surroundings, config: HostConfig) -> Result<Self, HostError> {
        let runtime = Runtime::start()?;
        let code_cache = config
            .code_cache
            .map(|folder| CodeCache::open(&folder, &runtime.engine))
            .transpose()?;
        Ok(Self(Arc::new(Inner {
            runtime,
            code_cache,
            http: config.http,
            surroundings,
        })))
    }

    /// Loads a policy plugin: compiles it off the runtime's threads, checks world, versions, imports and
    /// grants, and tries its settings.
    ///
    /// # Errors
    /// See [`PluginError`].
    pub async fn policy(&self, plugin: Plugin) -> Result<Arc<dyn Policy>, PluginError> {
        let linked = self.link(plugin, World::Policy).await?;
        let pre = PolicyPre::new(linked.pre.clone()).map_err(|error| linked.mismatch(&error))?;
        let is_pure = linked.inspected.is_pure();
        Ok(Arc::new(
            policy::component::Component::load(linked.guest, pre, is_pure).await?,
        ))
    }

    /// Loads a credential plugin, as [`Host::policy`].
    ///
    /// # Errors
    /// See [`PluginError`].
    pub async fn credential(&self, plugin: Plugin) -> Result<Arc<dyn Credential>, PluginError> {
        let linked = self.link(plugin, World::Credential).await?;
        let pre =
            CredentialPre::new(linked.pre.clone()).map_err(|error| linked.mismatch(&error))?;
        Ok(Arc::new(
            credential::component::Component::load(linked.guest, pre).await?,
        ))
    }

    /// Loads a cache plugin, as [`Host::policy`].
    ///
    /// # Errors
    /// See [`PluginError`].
    pub async fn cache(&self, plugin: Plugin) -> Result<Arc<dyn CachePolicy>, PluginError> {
        let linked = self.link(plugin, World::Cache).await?;
        let pre = CachePre::new(linked.pre.clone()).map_err(|error| linked.mismatch(&error))?;
        Ok(Arc::new(
            cache::component::Component::load(linked.guest, pre).await?,
        ))
    }

    async fn link(&self, plugin: Plugin, world: World) -> Result<Linked, PluginError> {
        let inner = Arc::clone(&self.0);
        let name = plugin.name.clone();
        let linking = tokio::task::spawn_blocking(move || inner.link(&plugin, world));
        linking.await.unwrap_or_else(|error| {
            Err(PluginError::NotComponent {
                plugin: name,
                cause: format!("the compiler gave up on it: {error}"),
            })
        })
    }
}

// === impl Inner ===

impl Inner {
    fn link(&self, plugin: &Plugin, world: World) -> Result<Linked, PluginError> {
        let (runtime, http) = (Arc::clone(&self.runtime), Arc::clone(&self.http));
        let surroundings = self.surroundings.clone();
        let guest = Guest::new(plugin, world, runtime, http, surroundings)?;
        let engine = &self.runtime.engine;
        let cache = self.code_cache.as_ref();
        let component = compile::compile(engine, cache, &plugin.name, &plugin.component)?;
        let inspected = self.inspect(plugin, world, &component)?;
        let pre = imports::link(engine, &component, &inspected)
            .map_err(|error| inspected.mismatch(&plugin.name, world, in_words(&error)))?;
        Ok(Linked {
            guest,
            inspected,
            pre,
        })
    }

    fn inspect(
        &self,
        plugin: &Plugin,
        world: World,
        component: &Component,
    ) -> Result<Inspected, PluginError> {
        let engine = &self.runtime.engine;
        let names = component.component_type();
        let imports = names.imports(engine).map(|(name, _)| name);
        let exports = names.exports(engine).map(|(name, _)| name);
        inspect::inspect(&plugin.name, world, &plugin.grants, imports, exports)
    }
}

// === impl Linked ===

impl Linked {
    fn mismatch(&self, error: &wasmtime::Error) -> PluginError {
        let guest = &self.guest;
        self.inspected
            .mismatch(&guest.name, guest.world, in_words(error))
    }
}

fn in_words(error: &wasmtime::Error) -> String {
    crate::text::clean(&format!("{error:#}"), crate::text::MAX_SHOWN)
}

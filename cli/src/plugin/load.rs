//! A plugin in the host, as the gateway loads it.

use std::sync::Arc;
use std::time::{Duration, Instant};

use anyhow::Context;
use podgate_plugin_host::{
    CachePolicy, Credential, Grants, Host, HostConfig, Instances, Limits, Outbound, Plugin,
    PluginError, Policy, Surroundings, World,
};
use tempfile::TempDir;

use super::file::ComponentFile;

/// A host with a code cache of its own, which is gone with it.
pub(super) struct Bench {
    host: Host,
    code: TempDir,
}

/// A loaded plugin.
pub(super) enum Loaded {
    /// Of `podgate:policy`.
    Policy(Arc<dyn Policy>),
    /// Of `podgate:credential`.
    Credential(Arc<dyn Credential>),
    /// Of `podgate:cache`.
    Cache(Arc<dyn CachePolicy>),
}

// === impl Bench ===

impl Bench {
    /// A host whose plugins' requests go there.
    pub(super) fn new(http: Arc<dyn Outbound>) -> anyhow::Result<Self> {
        Self::within(Surroundings::default(), http)
    }

    /// The same in another place than this machine's.
    pub(super) fn within(
        surroundings: Surroundings,
        http: Arc<dyn Outbound>,
    ) -> anyhow::Result<Self> {
        let code = tempfile::tempdir().context("making a folder for compiled code")?;
        let config = HostConfig {
            code_cache: Some(code.path().join("code")),
            http,
        };
        let host = Host::within(surroundings, config)?;
        Ok(Self { host, code })
    }

    /// Loads a plugin, and says how long that took.
    pub(super) async fn load(
        &self,
        world: World,
        plugin: Plugin,
    ) -> (Result<Loaded, PluginError>, Duration) {
        let start = Instant::now();
        let loaded = match world {
            World::Policy => self.host.policy(plugin).await.map(Loaded::Policy),
            World::Credential => self.host.credential(plugin).await.map(Loaded::Credential),
            World::Cache => self.host.cache(plugin).await.map(Loaded::Cache),
        };
        (loaded, start.elapsed())
    }

    /// The bytes of all code that was compiled.
    pub(super) fn code_size(&self) -> u64 {
        let entries = std::fs::read_dir(self.code.path().join("code"));
        let sizes = entries
            .into_iter()
            .flatten()
            .filter_map(|entry| entry.ok()?.metadata().ok());
        sizes.map(|metadata| metadata.len()).sum()
    }
}

/// A plugin as a plugins file describes it.
pub(super) fn plugin(
    file: &ComponentFile,
    world: World,
    settings: String,
    grants: Grants,
) -> Plugin {
    let limits = match world {
        World::Credential => Limits::credential(),
        World::Policy | World::Cache => Limits::default(),
    };
    Plugin {
        name: file.plugin_name(),
        component: file.bytes.clone(),
        settings,
        grants,
        limits,
        instances: Instances::Fresh,
    }
}

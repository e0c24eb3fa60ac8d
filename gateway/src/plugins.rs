//! From a plugins file to running components, and from each edition of the file to the next.
//!
//! ```text
//! plugins file ─▶ parse ─▶ component (built in | file | OCI) ─▶ SHA-256 ─▶ compile, configure ─▶ Loaded
//!      └ watched: reload ─▶ the same, off the requests' path ─▶ all of it replaces what runs, or nothing does
//! ```

use std::path::Path;
use std::sync::Arc;

use anyhow::Context;
use podgate_plugin_host as host;
use podgate_plugin_host::{CachePolicy, Credential, Grants, Host, Limits, Policy};

use crate::config::plugins::{self as file, Plugin, Plugins};
use crate::policy::Terms;

mod builtin;
mod component;
mod count;
mod digest;
mod events;
mod oci;
mod outbound;
mod read;
pub mod registry;
mod reload;
mod seen;
mod service_account;

pub use count::Count;
use digest::Digest;
pub use events::{ConfigMapName, Events, InvalidConfigMapName};
pub use outbound::HttpOutbound;
use registry::Registries;
pub use reload::{Live, Reload};
use seen::Seen;
pub use service_account::TokenFile;

/// The components of a plugins file, loaded, checked and configured.
#[derive(Clone, Default)]
pub struct Loaded {
    /// The policy chain.
    pub policies: Vec<(Arc<dyn Policy>, Terms)>,
    /// The way to tokens by certificate.
    pub credential: Option<Arc<dyn Credential>>,
    /// How long tokens are kept.
    pub cache: Option<Arc<dyn CachePolicy>>,
    keys: Keys,
}

/// What each of them was made of, in the same order.
#[derive(Clone, Default)]
struct Keys {
    policies: Vec<Key>,
    credential: Option<Key>,
    cache: Option<Key>,
}

/// All that a plugin is made of: two with the same key are the same.
#[derive(Clone, PartialEq, Eq)]
struct Key {
    name: String,
    component: Digest,
    settings: String,
    grants: Grants,
    limits: Limits,
    instances: host::Instances,
}

/// Where components are looked for.
#[derive(Clone, Copy)]
struct Sources<'a> {
    /// Where relative paths begin.
    folder: &'a Path,
    registries: Option<&'a Registries>,
}

/// Reads, verifies, compiles and configures every plugin. All or nothing: a chain with a hole is no chain. No registry
/// is asked.
///
/// # Errors
/// Which plugin, what is wrong with it and what to do.
pub async fn load(host: &Host, plugins: &Plugins, folder: &Path) -> anyhow::Result<Loaded> {
    let sources = Sources {
        folder,
        registries: None,
    };
    Loaded::default().next(host, plugins, sources).await
}

/// A plugins file as it was at its first reading.
pub struct First {
    /// What runs from the beginning.
    pub loaded: Loaded,
    seen: Seen,
}

/// Loads what a plugins file names; without one, the built-in plugins.
///
/// # Errors
/// The file, or a plugin of it, cannot be used.
pub async fn start(
    host: &Host,
    registries: &Registries,
    path: Option<&Path>,
) -> anyhow::Result<First> {
    let (seen, loaded) = match path {
        None => {
            let plugins = Plugins::parse(file::DEFAULT)?;
            (Seen::nothing(), load(host, &plugins, Path::new(".")).await)
        }
        Some(path) => attempt(host, registries, path, &Loaded::default()).await,
    };
    let loaded = loaded?;
    Ok(First { loaded, seen })
}

/// What the file says now, loaded where it differs from what runs, and the editions of the files that it was read of.
async fn attempt(
    host: &Host,
    registries: &Registries,
    path: &Path,
    running: &Loaded,
) -> (Seen, anyhow::Result<Loaded>) {
    // Looked at first, read second: a change in between is seen at the next look.
    let mut seen = Seen::of(path);
    let plugins = match parse(path).await {
        Ok(plugins) => plugins,
        Err(error) => return (seen, Err(error)),
    };
    let folder = folder(path);
    for plugin in plugins.all() {
        component::files(&plugin.component, folder).for_each(|file| seen.add(&file));
    }
    let sources = Sources {
        folder,
        registries: Some(registries),
    };
    let loaded = running.next(host, &plugins, sources).await;
    (seen, loaded)
}

async fn parse(path: &Path) -> anyhow::Result<Plugins> {
    let bytes = read::bounded(path, file::MAX_FILE as u64)
        .await
        .with_context(|| format!("plugins file {}", path.display()))?;
    let text = String::from_utf8(bytes)
        .with_context(|| format!("plugins file {}: it is no text", path.display()))?;
    Ok(Plugins::parse(&text)?)
}

/// Where the relative paths of a plugins file begin.
fn folder(path: &Path) -> &Path {
    let parent = path.parent();
    parent
        .filter(|parent| *parent != Path::new(""))
        .unwrap_or(Path::new("."))
}

// === impl Loaded ===

impl Loaded {
    /// What another plugins file makes of this: what it has in common with it stays as it is, the rest is loaded.
    async fn next(
        &self,
        host: &Host,
        plugins: &Plugins,
        sources: Sources<'_>,
    ) -> anyhow::Result<Self> {
        let mut next = Self::default();
        for plugin in &plugins.policy {
            let (key, described) = describe(plugin, &sources, Limits::default()).await?;
            let policy = match self.policy(&key) {
                Some(policy) => policy,
                None => host.policy(described).await?,
            };
            next.policies.push((policy, terms(plugin)));
            next.keys.policies.push(key);
        }
        if let Some(plugin) = plugins.credential.first() {
            let (key, described) = describe(plugin, &sources, Limits::credential()).await?;
            next.credential = Some(match &self.credential {
                Some(known) if self.keys.credential.as_ref() == Some(&key) => Arc::clone(known),
                _ => host.credential(described).await?,
            });
            next.keys.credential = Some(key);
        }
        if let Some(plugin) = plugins.cache.first() {
            let (key, described) = describe(plugin, &sources, Limits::default()).await?;
            next.cache = Some(match &self.cache {
                Some(known) if self.keys.cache.as_ref() == Some(&key) => Arc::clone(known),
                _ => host.cache(described).await?,
            });
            next.keys.cache = Some(key);
        }
        Ok(next)
    }

    fn policy(&self, key: &Key) -> Option<Arc<dyn Policy>> {
        let known = self.keys.policies.iter().position(|known| known == key)?;
        self.policies
            .get(known)
            .map(|(policy, _)| Arc::clone(policy))
    }

    fn terms(&self) -> impl Iterator<Item = &Terms> {
        self.policies.iter().map(|(_, terms)| terms)
    }

    /// Whether the other one does the same.
    fn is_same(&self, other: &Self) -> bool {
        self.keys.policies == other.keys.policies
            && self.terms().eq(other.terms())
            && self.keys.credential == other.keys.credential
            && self.keys.cache == other.keys.cache
    }
}

fn terms(plugin: &Plugin) -> Terms {
    Terms {
        on_failure: plugin.on_failure.unwrap_or_default(),
        mode: plugin.mode.unwrap_or_default(),
        scope: plugin.scope.clone(),
    }
}

/// A plugin of the file as the host takes it, and what tells it apart from others.
async fn describe(
    plugin: &Plugin,
    sources: &Sources<'_>,
    mut limits: Limits,
) -> anyhow::Result<(Key, host::Plugin)> {
    let name = &plugin.name;
    let (digest, bytes) = component::read(&plugin.component, sources)
        .await
        .with_context(|| format!("plugin {name}"))?;
    if let Some(memory) = plugin.limits.memory_mib {
        limits.memory = memory.saturating_mul(1024 * 1024);
    }
    if let Some(call) = plugin.limits.call {
        limits.call = call;
    }
    if let Some(cpu) = plugin.limits.cpu {
        limits.cpu = cpu;
    }
    let described = host::Plugin {
        name: name.clone(),
        component: bytes,
        settings: plugin.settings.to_string(),
        grants: Grants {
            clock: plugin.grants.clock,
            http_hosts: plugin.grants.http.clone(),
            service_account: plugin.grants.service_account.clone(),
            bypass: plugin.grants.bypass,
        },
        limits,
        instances: match plugin.instances {
            file::Instances::Fresh => host::Instances::Fresh,
            file::Instances::Kept => host::Instances::Kept,
        },
    };
    Ok((Key::of(&described, digest), described))
}

// === impl Key ===

impl Key {
    fn of(plugin: &host::Plugin, component: Digest) -> Self {
        Self {
            name: plugin.name.clone(),
            component,
            settings: plugin.settings.clone(),
            grants: plugin.grants.clone(),
            limits: plugin.limits.clone(),
            instances: plugin.instances,
        }
    }
}

#[cfg(test)]
mod testing;
#[cfg(test)]
mod tests;

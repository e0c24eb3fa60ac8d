//! From a plugins file to running components.

use std::path::Path;
use std::sync::Arc;

use anyhow::{Context, bail, ensure};
use aws_lc_rs::digest::{SHA256, digest};
use bytes::Bytes;
use podgate_plugin_host as host;
use podgate_plugin_host::{CachePolicy, Credential, Grants, Host, Limits, Policy};

use crate::config::plugins::{Plugin, Plugins};
use crate::policy::OnFailure;

mod builtin;
mod outbound;

pub use outbound::HttpOutbound;

/// The components of a plugins file, loaded, checked and configured.
pub struct Loaded {
    /// The policy chain.
    pub policies: Vec<(Arc<dyn Policy>, OnFailure)>,
    /// The way to tokens by certificate.
    pub credential: Option<Arc<dyn Credential>>,
    /// How long tokens are kept.
    pub cache: Option<Arc<dyn CachePolicy>>,
}

/// Reads, verifies, compiles and configures every plugin. All or nothing: a chain with a hole is no chain.
///
/// # Errors
/// Which plugin, what is wrong with it and what to do.
pub async fn load(host: &Host, plugins: &Plugins, folder: &Path) -> anyhow::Result<Loaded> {
    let mut policies = Vec::new();
    for plugin in &plugins.policy {
        let loaded = host
            .policy(component(plugin, folder, policy_limits()).await?)
            .await?;
        policies.push((loaded, plugin.on_failure.unwrap_or_default()));
    }
    let credential = match plugins.credential.first() {
        None => None,
        Some(plugin) => {
            let limits = Limits::credential();
            Some(
                host.credential(component(plugin, folder, limits).await?)
                    .await?,
            )
        }
    };
    let cache = match plugins.cache.first() {
        None => None,
        Some(plugin) => Some(
            host.cache(component(plugin, folder, policy_limits()).await?)
                .await?,
        ),
    };
    Ok(Loaded {
        policies,
        credential,
        cache,
    })
}

fn policy_limits() -> Limits {
    Limits::default()
}

async fn component(
    plugin: &Plugin,
    folder: &Path,
    mut limits: Limits,
) -> anyhow::Result<host::Plugin> {
    let name = &plugin.name;
    let bytes = bytes(plugin, folder)
        .await
        .with_context(|| format!("plugin {name}"))?;
    if let Some(memory) = plugin.limits.memory_mib {
        limits.memory = memory.saturating_mul(1024 * 1024);
    }
    if let Some(call) = plugin.limits.call {
        limits.call = call;
    }
    Ok(host::Plugin {
        name: name.clone(),
        component: bytes,
        settings: plugin.settings.to_string(),
        grants: Grants {
            clock: plugin.grants.clock,
            http_hosts: plugin.grants.http.clone(),
            bypass: plugin.grants.bypass,
        },
        limits,
    })
}

async fn bytes(plugin: &Plugin, folder: &Path) -> anyhow::Result<Bytes> {
    if let Some(name) = &plugin.component.builtin {
        return builtin::component(name).with_context(|| {
            let names = builtin::NAMES.join(", ");
            format!("there is no built-in component {name}; there are {names}")
        });
    }
    let (Some(file), Some(expected)) = (&plugin.component.file, &plugin.component.sha256) else {
        bail!("component names neither a built-in nor a file");
    };
    let path = folder.join(file);
    let bytes = tokio::fs::read(&path)
        .await
        .with_context(|| format!("reading component {}", path.display()))?;
    let found = hex(digest(&SHA256, &bytes).as_ref());
    ensure!(
        found.eq_ignore_ascii_case(expected),
        "component {} has the SHA-256 {found}, but sha256 says {expected}; if the new file is meant, put its \
         digest into the plugins file",
        path.display()
    );
    Ok(bytes.into())
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

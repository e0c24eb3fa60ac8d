//! How long it takes from a component's bytes to a plugin that answers: compiled, and out of the code cache.

use std::path::Path;
use std::sync::Arc;

use anyhow::Result;
use podgate_gateway::config::plugins::Plugins;
use podgate_gateway::plugins;
use podgate_plugin_host::{Host, HostConfig};
use serde_json::json;

use super::report::Report;
use super::timing::timed;
use super::worlds::AtOnce;

/// What is built in: its place in the plugins file, its name, and what it is granted.
const BUILT_IN: [(&str, &str, bool); 3] = [
    ("policy", "exception-matcher", false),
    ("cache", "token-cache", false),
    ("credential", "certificate-auth", true),
];

/// Measures.
pub async fn measure(report: &mut Report) -> Result<()> {
    let folder = tempfile::tempdir()?;
    let code = folder.path().join("code");
    for (kind, name, clock) in BUILT_IN {
        let plugin =
            json!({"name": name, "component": {"builtin": name}, "grants": {"clock": clock}});
        let plugins = Plugins::parse(&json!({kind: [plugin]}).to_string())?;
        let compiled = load(&plugins, None, 1).await?;
        // The first one fills the cache.
        load(&plugins, Some(&code), 1).await?;
        let cached = load(&plugins, Some(&code), 10).await?;
        let what = format!("load, {name}");
        report.add(&what, "compiled", compiled / 1e3, "ms");
        let figure = report.add(&what, "code cache", cached / 1e3, "ms");
        figure.against("compiled", compiled / 1e3);
    }
    Ok(())
}

/// Microseconds, with an engine that is there.
async fn load(plugins: &Plugins, code: Option<&Path>, times: u32) -> Result<f64> {
    let host = Host::new(HostConfig {
        code_cache: code.map(Path::to_owned),
        http: Arc::new(AtOnce),
    })?;
    timed(times, async || {
        plugins::load(&host, plugins, ".".as_ref()).await.is_ok()
    })
    .await
}

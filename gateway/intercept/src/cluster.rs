//! The API server, for the two things that are asked of it: whether the DaemonSet is ending, and the node's taint.

use std::path::Path;
use std::time::Duration;

use anyhow::{Context, Result};
use kube::config::{KubeConfigOptions, Kubeconfig};
use kube::{Client, Config};

/// An answer takes milliseconds; what takes longer is asked again.
const PATIENCE: Duration = Duration::from_secs(4);

/// Prepares a client; nothing is asked yet.
///
/// # Errors
/// The kubeconfig is unreadable, or there is neither one nor a service account.
pub(crate) async fn client(kubeconfig: Option<&Path>) -> Result<Client> {
    let mut config = match kubeconfig {
        Some(path) => from_file(path)
            .await
            .with_context(|| format!("kubeconfig {}", path.display()))?,
        None => Config::incluster()
            .context("the pod's service account; mount its token or pass --kubeconfig")?,
    };
    config.connect_timeout = Some(PATIENCE);
    config.read_timeout = Some(PATIENCE);
    // A proxy of the environment is meant for other programs.
    config.proxy_url = None;
    Client::try_from(config).context("preparing the client of the API server")
}

async fn from_file(path: &Path) -> Result<Config> {
    let kubeconfig = Kubeconfig::read_from(path)?;
    Ok(Config::from_custom_kubeconfig(kubeconfig, &KubeConfigOptions::default()).await?)
}

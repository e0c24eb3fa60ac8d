//! Where plugins' components come from, what they may be given, and where it is told what became of them: flags.

use std::path::PathBuf;

use clap::Args;

use crate::plugins::ConfigMapName;
use crate::plugins::registry;

/// The flags.
#[derive(Clone, Debug, Default, Args)]
pub struct Components {
    /// ConfigMap that the plugins file is of: an edition that cannot be used becomes an Event of it.
    #[arg(
        long,
        env = "PODGATE_PLUGINS_CONFIG_MAP",
        value_name = "NAMESPACE/NAME",
        requires = "node"
    )]
    pub plugins_config_map: Option<ConfigMapName>,
    /// Folder for components that come from registries; without it each reload and each start pulls them anew.
    #[arg(long, env = "PODGATE_COMPONENT_CACHE", value_name = "FOLDER")]
    pub component_cache: Option<PathBuf>,
    /// Accounts at registries: a file as `docker login` writes it, such as a mounted Secret of type
    /// kubernetes.io/dockerconfigjson.
    #[arg(long, env = "PODGATE_REGISTRY_CREDENTIALS", value_name = "FILE")]
    pub registry_credentials: Option<PathBuf>,
    /// Registries that are asked by http, as HOST or HOST:PORT. Whoever is in between sees the account, and swaps
    /// nothing: the digest says what is taken.
    #[arg(
        long,
        env = "PODGATE_PLAIN_REGISTRIES",
        value_delimiter = ',',
        value_name = "HOSTS"
    )]
    pub plain_registries: Vec<String>,
    /// Token of the gateway's own service account for an authority outside the cluster, as a projected volume has it: for
    /// credential plugins with the grant serviceAccount.
    #[arg(long, env = "PODGATE_SERVICE_ACCOUNT_TOKEN", value_name = "FILE")]
    pub service_account_token: Option<PathBuf>,
}

impl Components {
    /// What the registries' client is made of.
    pub fn registries(&self) -> registry::Settings {
        registry::Settings {
            credentials: self.registry_credentials.clone(),
            plain: self.plain_registries.clone(),
            store: self.component_cache.clone(),
        }
    }
}

//! The API server, as whoever runs the command.

use std::net::IpAddr;
use std::path::PathBuf;

use anyhow::Context;
use clap::Args;
use hyper_util::client::proxy::matcher::Matcher;
use kube::config::{KubeConfigOptions, Kubeconfig};
use kube::{Client, Config};

/// Which cluster, as `kubectl` has it.
#[derive(Debug, Args)]
pub(crate) struct Connection {
    /// The kubeconfig file. Without it the files of KUBECONFIG, ~/.kube/config, or the ServiceAccount of the pod that
    /// this runs in
    #[arg(long, value_name = "FILE")]
    kubeconfig: Option<PathBuf>,
    /// The kubeconfig's context, instead of its current one
    #[arg(long, value_name = "NAME")]
    context: Option<String>,
}

/// A cluster, and the namespace that its context means.
pub(crate) struct Cluster {
    pub(crate) client: Client,
    pub(crate) namespace: String,
}

impl Connection {
    /// Reads the settings and signs in, by an exec plugin where the kubeconfig names one.
    ///
    /// # Errors
    /// No settings, or none that can be used. The API server itself is not asked.
    pub(crate) async fn open(&self) -> anyhow::Result<Cluster> {
        let config = self.settings().await?;
        let namespace = config.default_namespace.clone();
        let server = config.cluster_url.clone();
        let client =
            Client::try_from(config).with_context(|| format!("credentials for {server}"))?;
        Ok(Cluster { client, namespace })
    }

    async fn settings(&self) -> anyhow::Result<Config> {
        let options = KubeConfigOptions {
            context: self.context.clone(),
            ..KubeConfigOptions::default()
        };
        let Some(kubeconfig) = self.file()? else {
            return Config::incluster().context(
                "no kubeconfig was found, and this is no pod with a ServiceAccount; give --kubeconfig FILE",
            );
        };
        let own_proxy = names_proxy(&kubeconfig, self.context.as_deref());
        let mut config = Config::from_custom_kubeconfig(kubeconfig, &options)
            .await
            .context("reading the kubeconfig")?;
        if !own_proxy && !is_proxied(&config.cluster_url) {
            config.proxy_url = None;
        }
        Ok(config)
    }

    /// None where nothing was asked for and nothing is there.
    fn file(&self) -> anyhow::Result<Option<Kubeconfig>> {
        if let Some(path) = &self.kubeconfig {
            let read = Kubeconfig::read_from(path);
            return read
                .map(Some)
                .with_context(|| format!("--kubeconfig {}", path.display()));
        }
        match Kubeconfig::read() {
            Ok(kubeconfig) => Ok(Some(kubeconfig)),
            Err(_) if self.context.is_none() && std::env::var_os("KUBECONFIG").is_none() => {
                Ok(None)
            }
            Err(error) => Err(error).context("reading the kubeconfig"),
        }
    }
}

/// Whether the cluster of the context has a proxy of its own, which counts whatever the environment says.
fn names_proxy(kubeconfig: &Kubeconfig, context: Option<&str>) -> bool {
    let name = context.or(kubeconfig.current_context.as_deref());
    let context = kubeconfig
        .contexts
        .iter()
        .find(|context| Some(context.name.as_str()) == name)
        .and_then(|context| context.context.as_ref());
    let cluster = kubeconfig
        .clusters
        .iter()
        .find(|cluster| context.is_some_and(|context| context.cluster == cluster.name));
    cluster
        .and_then(|cluster| cluster.cluster.as_ref()?.proxy_url.as_ref())
        .is_some_and(|url| !url.is_empty())
}

/// Whether HTTPS_PROXY counts for this server. kube compares NO_PROXY with the proxy's own name; and loopback is
/// never proxied, as for kubectl.
fn is_proxied(server: &http::Uri) -> bool {
    let host = server.host().unwrap_or_default().trim_matches(['[', ']']);
    let local = host == "localhost" || host.parse().is_ok_and(|ip: IpAddr| ip.is_loopback());
    !local && Matcher::from_env().intercept(server).is_some()
}

#[cfg(test)]
mod tests {
    use super::*;

    const TWO: &str = "
current-context: plain
contexts:
- { name: plain, context: { cluster: plain, user: me } }
- { name: behind, context: { cluster: behind, user: me } }
clusters:
- { name: plain, cluster: { server: 'https://10.0.0.1:6443' } }
- { name: behind, cluster: { server: 'https://10.0.0.2:6443', proxy-url: 'socks5://127.0.0.1:1080' } }
users:
- { name: me, user: { token: t } }
";

    fn connection(text: &str, context: Option<&str>) -> (tempfile::TempDir, Connection) {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("config");
        std::fs::write(&path, text).unwrap();
        let connection = Connection {
            kubeconfig: Some(path),
            context: context.map(str::to_owned),
        };
        (folder, connection)
    }

    #[tokio::test]
    async fn the_context_that_is_named_counts_and_its_own_proxy_with_it() {
        let (_folder, plain) = connection(TWO, None);
        let plain = plain.settings().await.unwrap();
        assert_eq!(plain.cluster_url.host(), Some("10.0.0.1"));
        let (_folder, behind) = connection(TWO, Some("behind"));
        let behind = behind.settings().await.unwrap();
        assert_eq!(behind.cluster_url.host(), Some("10.0.0.2"));
        assert!(behind.proxy_url.is_some());
    }

    #[tokio::test]
    async fn a_context_or_a_file_that_is_not_there_is_named() {
        let (_folder, nowhere) = connection(TWO, Some("nowhere"));
        let error = format!("{:#}", nowhere.settings().await.unwrap_err());
        assert!(error.contains("nowhere"), "{error}");
        let missing = Connection {
            kubeconfig: Some("/nowhere/config".into()),
            context: None,
        };
        let error = format!("{:#}", missing.settings().await.unwrap_err());
        assert!(error.contains("--kubeconfig /nowhere/config"), "{error}");
    }

    #[tokio::test]
    async fn an_exec_plugin_is_asked_for_the_credential() {
        let credential = r#"{"apiVersion":"client.authentication.k8s.io/v1","kind":"ExecCredential","status":{"token":"t"}}"#;
        let text = |command: &str| {
            TWO.replace("{ token: t }", &format!("{{ exec: {{ apiVersion: client.authentication.k8s.io/v1, interactiveMode: Never, command: {command}, args: ['{credential}'] }} }}"))
        };
        let (_folder, signs_in) = connection(&text("echo"), None);
        assert!(signs_in.open().await.is_ok());
        let (_folder, cannot) = connection(&text("false"), None);
        let error = format!("{:#}", cannot.open().await.err().unwrap());
        assert!(
            error.contains("credentials for https://10.0.0.1"),
            "{error}"
        );
    }

    #[test]
    fn loopback_is_never_proxied() {
        for server in [
            "https://127.0.0.1:6443",
            "https://[::1]:6443",
            "https://localhost:6443",
        ] {
            assert!(!is_proxied(&server.parse().unwrap()), "{server}");
        }
    }
}

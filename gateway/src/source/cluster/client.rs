//! The connection to the API server.

use std::path::Path;
use std::time::Duration;

use anyhow::{Context, bail, ensure};
use hyper_rustls::{FixedServerNameResolver, HttpsConnectorBuilder};
use hyper_util::client::legacy;
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::rt::{TokioExecutor, TokioTimer};
use kube::client::{Body, Client, ConfigExt};
use kube::config::{KubeConfigOptions, Kubeconfig};
use rustls::pki_types::ServerName;
use tower::{BoxError, ServiceBuilder};

/// A node that does not answer at all.
const DIAL: Duration = Duration::from_secs(10);
/// All watches share one connection (HTTP/2), so that each costs a stream only. A ping this often, answered within
/// [`PONG`], tells a dead connection from a quiet one for all of them.
const PING: Duration = Duration::from_secs(20);
const PONG: Duration = Duration::from_secs(10);

/// Where the API server is and who the gateway is there: from a kubeconfig, or from the pod's ServiceAccount.
///
/// # Errors
/// The settings cannot be read, or would let somebody in between answer as the API server.
pub(super) async fn settings(kubeconfig: Option<&Path>) -> anyhow::Result<kube::Config> {
    let config = match kubeconfig {
        Some(path) => from_file(path).await.with_context(|| format!("--kubeconfig {}", path.display()))?,
        None => kube::Config::incluster().context(
            "no --kubeconfig was given, and this is no pod with a ServiceAccount's token (automountServiceAccountToken)",
        )?,
    };
    check(&config)?;
    Ok(config)
}

async fn from_file(path: &Path) -> anyhow::Result<kube::Config> {
    let kubeconfig = Kubeconfig::read_from(path)?;
    Ok(kube::Config::from_custom_kubeconfig(kubeconfig, &KubeConfigOptions::default()).await?)
}

/// Whoever answers as the API server says who gets which identity.
fn check(config: &kube::Config) -> anyhow::Result<()> {
    let url = &config.cluster_url;
    let host = url.host().unwrap_or_default().trim_matches(['[', ']']);
    let local = host
        .parse()
        .is_ok_and(|ip: std::net::IpAddr| ip.is_loopback());
    match url.scheme_str() {
        Some("https") => {}
        // `kubectl proxy`
        Some("http") if local => {}
        _ => bail!("the API server's URL {url} is not https; only a proxy on loopback may be http"),
    }
    ensure!(
        !config.accept_invalid_certs,
        "insecure-skip-tls-verify is not accepted: whoever is in between could hand out identities; give \
         certificate-authority"
    );
    ensure!(
        config.proxy_url.is_none(),
        "a proxy to the API server is not supported; remove proxy-url and the proxy variables"
    );
    Ok(())
}

/// A client without retries of its own, since the watches know better when to come back, and without log lines.
///
/// # Errors
/// The certificates or credentials of the settings cannot be used.
pub(super) fn connect(config: &kube::Config) -> anyhow::Result<Client> {
    // An error only says that there is one already.
    let _ = rustls::crypto::aws_lc_rs::default_provider().install_default();
    let https = https(config)?;
    let client: legacy::Client<_, Body> = legacy::Client::builder(TokioExecutor::new())
        .timer(TokioTimer::new())
        .pool_timer(TokioTimer::new())
        .http2_keep_alive_interval(PING)
        .http2_keep_alive_timeout(PONG)
        .build(https);
    let service = ServiceBuilder::new()
        .layer(config.base_uri_layer())
        .option_layer(
            config
                .auth_layer()
                .context("credentials for the API server")?,
        )
        .layer(config.extra_headers_layer()?)
        .map_err(BoxError::from)
        .service(client);
    Ok(Client::new(service, "default"))
}

fn https(config: &kube::Config) -> anyhow::Result<hyper_rustls::HttpsConnector<HttpConnector>> {
    let tls = config
        .rustls_client_config()
        .context("certificates for the API server")?;
    let mut tcp = HttpConnector::new();
    tcp.enforce_http(false);
    tcp.set_nodelay(true);
    tcp.set_connect_timeout(Some(DIAL));
    let mut builder = HttpsConnectorBuilder::new()
        .with_tls_config(tls)
        .https_or_http();
    if let Some(name) = &config.tls_server_name {
        let name = ServerName::try_from(name.clone()).context("tls-server-name")?;
        builder = builder.with_server_name_resolver(FixedServerNameResolver::new(name));
    }
    Ok(builder.enable_all_versions().wrap_connector(tcp))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn config(url: &str) -> kube::Config {
        kube::Config::new(url.parse().unwrap())
    }

    #[test]
    fn nobody_in_between_can_answer_as_the_api_server() {
        assert!(check(&config("https://10.0.0.1:6443")).is_ok());
        assert!(check(&config("http://127.0.0.1:8001")).is_ok());
        assert!(check(&config("http://[::1]:8001")).is_ok());
        assert!(check(&config("http://10.0.0.1:8001")).is_err());
        let mut insecure = config("https://10.0.0.1:6443");
        insecure.accept_invalid_certs = true;
        assert!(check(&insecure).is_err());
    }

    #[tokio::test]
    async fn a_kubeconfig_that_is_not_there_is_named() {
        let error = settings(Some(Path::new("/nowhere/config")))
            .await
            .unwrap_err();
        assert!(
            format!("{error:#}").contains("--kubeconfig /nowhere/config"),
            "{error:#}"
        );
    }
}

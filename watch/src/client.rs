//! The connection to the API server.

use std::path::{Path, PathBuf};
use std::time::Duration;

use hyper_rustls::{FixedServerNameResolver, HttpsConnectorBuilder};
use hyper_util::client::legacy;
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::rt::{TokioExecutor, TokioTimer};
use kube::client::{Body, Client, ConfigExt};
use kube::config::{InClusterError, KubeConfigOptions, Kubeconfig, KubeconfigError};
use rustls::pki_types::{InvalidDnsNameError, ServerName};
use thiserror::Error;
use tower::{BoxError, ServiceBuilder};

/// A node that does not answer at all.
const DIAL: Duration = Duration::from_secs(10);
/// All watches share one connection (HTTP/2), so that each costs a stream only. A ping this often, answered within
/// [`PONG`], tells a dead connection from a quiet one for all of them.
const PING: Duration = Duration::from_secs(20);
const PONG: Duration = Duration::from_secs(10);

/// Why there is no connection to be made. What the settings hold is not told.
#[derive(Debug, Error)]
pub enum ClientError {
    /// The file cannot be read, or says nothing of use.
    #[error("--kubeconfig {}", path.display())]
    Kubeconfig {
        /// The file.
        path: PathBuf,
        /// Why.
        source: Box<KubeconfigError>,
    },
    /// Not told where the API server is, and in no pod that would know.
    #[error(
        "no --kubeconfig was given, and this is no pod with a ServiceAccount's token (automountServiceAccountToken)"
    )]
    NoPod(#[source] InClusterError),
    /// Anybody on the way could answer as the API server.
    #[error("the API server's URL {0} is not https; only a proxy on loopback may be http")]
    NotHttps(http::Uri),
    /// So they could here.
    #[error(
        "insecure-skip-tls-verify is not accepted: whoever is in between could hand out identities; give \
         certificate-authority"
    )]
    Unverified,
    /// Not supported.
    #[error("a proxy to the API server is not supported; remove proxy-url and the proxy variables")]
    Proxied,
    /// They cannot be used.
    #[error("credentials for the API server")]
    Credentials(#[source] Box<kube::Error>),
    /// They cannot be used.
    #[error("certificates for the API server")]
    Certificates(#[source] Box<kube::Error>),
    /// They cannot be sent.
    #[error("whom to impersonate, and other headers for the API server")]
    Headers(#[source] Box<kube::Error>),
    /// No name that a certificate could have.
    #[error("tls-server-name")]
    ServerName(#[source] InvalidDnsNameError),
}

/// Where the API server is and who this program is there: from a kubeconfig, or from the pod's ServiceAccount. The API
/// server itself may be away.
///
/// # Errors
/// The settings cannot be read, or would let somebody in between answer as the API server.
pub async fn settings(kubeconfig: Option<&Path>) -> Result<kube::Config, ClientError> {
    let config = match kubeconfig {
        Some(path) => from_file(path).await?,
        None => kube::Config::incluster().map_err(ClientError::NoPod)?,
    };
    check(&config)?;
    Ok(config)
}

async fn from_file(path: &Path) -> Result<kube::Config, ClientError> {
    let failed = |source| ClientError::Kubeconfig {
        path: path.to_owned(),
        source: Box::new(source),
    };
    let kubeconfig = Kubeconfig::read_from(path).map_err(failed)?;
    let options = KubeConfigOptions::default();
    let config = kube::Config::from_custom_kubeconfig(kubeconfig, &options);
    config.await.map_err(failed)
}

/// Whoever answers as the API server says who gets which identity.
fn check(config: &kube::Config) -> Result<(), ClientError> {
    let url = &config.cluster_url;
    let host = url.host().unwrap_or_default().trim_matches(['[', ']']);
    let local = host
        .parse()
        .is_ok_and(|ip: std::net::IpAddr| ip.is_loopback());
    match url.scheme_str() {
        Some("https") => {}
        // `kubectl proxy`
        Some("http") if local => {}
        _ => return Err(ClientError::NotHttps(url.clone())),
    }
    if config.accept_invalid_certs {
        return Err(ClientError::Unverified);
    }
    if config.proxy_url.is_some() {
        return Err(ClientError::Proxied);
    }
    Ok(())
}

/// A client without retries of its own, since the watches know better when to come back, and without log lines. It
/// connects when it is first used.
///
/// # Errors
/// The certificates or credentials of the settings cannot be used.
pub fn connect(config: &kube::Config) -> Result<Client, ClientError> {
    // An error only says that there is one already.
    let _ = rustls::crypto::aws_lc_rs::default_provider().install_default();
    let https = https(config)?;
    let auth = config.auth_layer();
    let auth = auth.map_err(|error| ClientError::Credentials(Box::new(error)))?;
    let headers = config.extra_headers_layer();
    let headers = headers.map_err(|error| ClientError::Headers(Box::new(error)))?;
    let client: legacy::Client<_, Body> = legacy::Client::builder(TokioExecutor::new())
        .timer(TokioTimer::new())
        .pool_timer(TokioTimer::new())
        .http2_keep_alive_interval(PING)
        .http2_keep_alive_timeout(PONG)
        .build(https);
    let service = ServiceBuilder::new()
        .layer(config.base_uri_layer())
        .option_layer(auth)
        .layer(headers)
        .map_err(BoxError::from)
        .service(client);
    Ok(Client::new(service, "default"))
}

fn https(
    config: &kube::Config,
) -> Result<hyper_rustls::HttpsConnector<HttpConnector>, ClientError> {
    let tls = config.rustls_client_config();
    let tls = tls.map_err(|error| ClientError::Certificates(Box::new(error)))?;
    let mut tcp = HttpConnector::new();
    tcp.enforce_http(false);
    tcp.set_nodelay(true);
    tcp.set_connect_timeout(Some(DIAL));
    let mut builder = HttpsConnectorBuilder::new()
        .with_tls_config(tls)
        .https_or_http();
    if let Some(name) = &config.tls_server_name {
        let name = ServerName::try_from(name.clone()).map_err(ClientError::ServerName)?;
        builder = builder.with_server_name_resolver(FixedServerNameResolver::new(name));
    }
    Ok(builder.enable_all_versions().wrap_connector(tcp))
}

#[cfg(test)]
mod tests {
    use std::error::Error;

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
        let mut proxied = config("https://10.0.0.1:6443");
        proxied.proxy_url = Some("http://10.0.0.2:3128".parse().unwrap());
        assert!(check(&proxied).is_err());
    }

    #[tokio::test]
    async fn a_kubeconfig_that_is_not_there_is_named() {
        let error = settings(Some(Path::new("/nowhere/config")))
            .await
            .unwrap_err();
        assert!(
            error.to_string().contains("--kubeconfig /nowhere/config"),
            "{error}"
        );
        assert!(error.source().is_some(), "why is not told: {error:?}");
    }
}

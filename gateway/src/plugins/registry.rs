//! Components from registries, by digest (OCI distribution-spec 1.1, "Pull").
//!
//! ```text
//! image ─▶ store ─ it is there, and each blob has its digest ──────────────────────────────▶ component
//!            └ not there ─▶ manifest ─▶ oci::layer ─▶ blob ─▶ SHA-256 of both ─▶ store ──────▶
//!                             └ 401 ▸ challenge ▸ credentials ▸ token      └ redirects, without the token
//! ```
//! Off the requests' path, by the task that loads plugins. A registry decides nothing but whether there is an answer:
//! what it may say is bounded in time and size, and only the bytes that the digest means are taken.

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use anyhow::Context;
use bytes::Bytes;
use podgate_azure::http::HttpClient;
use tokio::time::{Instant, sleep};
use url::{Host, Url};

use super::oci;
use crate::config::plugins::Image;
use error::PullError;
use session::Session;
use store::Store;

mod challenge;
mod credentials;
mod error;
mod session;
mod store;

/// All of a pull, with its repetitions. A component of 64 MiB takes that long at half a megabyte per second; whoever
/// waits is a start or a reload, and no request.
const PULL: Duration = Duration::from_secs(120);
/// Waits before a pull is tried again that failed by what may pass.
const WAITS: [Duration; 2] = [Duration::from_secs(1), Duration::from_secs(3)];

/// Registries as this gateway may ask them. Cheap to clone.
#[derive(Clone)]
pub struct Registries(Arc<Inner>);

struct Inner {
    https: HttpClient,
    plain: HttpClient,
    settings: Settings,
    store: Option<Store>,
}

/// What the operator says of registries.
#[derive(Clone, Debug, Default)]
pub struct Settings {
    /// A file as `docker login` writes it (Kubernetes: a Secret of type kubernetes.io/dockerconfigjson, mounted). It is
    /// read for each pull, so that another edition of it counts.
    pub credentials: Option<PathBuf>,
    /// Registries that are asked by http, as `HOST` or `HOST:PORT`.
    pub plain: Vec<String>,
    /// Where what was pulled is kept.
    pub store: Option<PathBuf>,
}

/// An artifact that was pulled, verified.
struct Pulled {
    manifest: Bytes,
    layer: String,
    component: Bytes,
}

// === impl Registries ===

impl Registries {
    /// `https` is for all registries but those that the settings, or an address of loopback, make plain.
    ///
    /// # Errors
    /// The folder for what is pulled cannot be made.
    pub fn new(https: HttpClient, settings: Settings) -> anyhow::Result<Self> {
        let folder = settings.store.clone();
        let store = folder.map(Store::open).transpose()?;
        let plain = HttpClient::plain();
        Ok(Self(Arc::new(Inner {
            https,
            plain,
            settings,
            store,
        })))
    }

    /// The component of an artifact.
    ///
    /// # Errors
    /// It is not stored, and the registry does not give it within two minutes.
    pub(super) async fn component(&self, image: &Image) -> anyhow::Result<Bytes> {
        if let Some(store) = &self.0.store
            && let Some(component) = store.get(&image.digest).await
        {
            return Ok(component);
        }
        let pulled = self.0.pull(image).await;
        let pulled = pulled.with_context(|| format!("pulling {image}"))?;
        tracing::info!(%image, bytes = pulled.component.len(), "component pulled");
        if let Some(store) = &self.0.store
            && let Err(error) = store.keep(&image.digest, &pulled).await
        {
            let error = format!("{error:#}");
            tracing::warn!(%image, error, "what was pulled cannot be stored, and is pulled again next time");
        }
        Ok(pulled.component)
    }
}

// === impl Inner ===

impl Inner {
    async fn pull(&self, image: &Image) -> Result<Pulled, PullError> {
        let deadline = Instant::now() + PULL;
        let mut waits = WAITS.into_iter();
        loop {
            let error = match self.try_pull(image, deadline).await {
                Ok(pulled) => return Ok(pulled),
                Err(error) => error,
            };
            match waits.next() {
                Some(wait) if error.may_pass() && Instant::now() + wait < deadline => {
                    sleep(wait).await;
                }
                _ => return Err(error),
            }
        }
    }

    async fn try_pull(&self, image: &Image, deadline: Instant) -> Result<Pulled, PullError> {
        let mut session = Session::new(self, image, deadline)?;
        let manifest = session.manifest().await?;
        let layer = oci::layer_of(&manifest, &image.digest).map_err(PullError::Artifact)?;
        let component = session.blob(&layer.digest, layer.size).await?;
        Ok(Pulled {
            manifest,
            layer: layer.digest,
            component,
        })
    }

    fn client(&self, url: &Url) -> &HttpClient {
        match url.scheme() {
            "http" => &self.plain,
            _ => &self.https,
        }
    }

    /// Where a registry's API begins.
    fn base(&self, registry: &str) -> Result<Url, PullError> {
        // The one registry whose name is not its address.
        let host = match registry {
            "docker.io" => "registry-1.docker.io",
            other => other,
        };
        let url = |scheme: &str| Url::parse(&format!("{scheme}://{host}/"));
        let plain = url("http").map_err(|_| PullError::NoUrl)?;
        match self.is_plain(&plain) {
            true => Ok(plain),
            false => url("https").map_err(|_| PullError::NoUrl),
        }
    }

    /// Whether http may be spoken there: nobody is in between on loopback, and the rest is the operator's word.
    fn is_plain(&self, url: &Url) -> bool {
        is_loopback(url) || self.is_listed(url)
    }

    fn is_listed(&self, url: &Url) -> bool {
        let host = url.host_str().unwrap_or_default();
        let place = match url.port() {
            Some(port) => format!("{host}:{port}"),
            None => host.to_owned(),
        };
        self.settings.plain.contains(&place)
    }

    /// Whether a registry may send its client there. By https anywhere; by http only where the operator speaks http
    /// anyway, and never from another host to the node's own ports: this client is on the node's network.
    fn may_lead(&self, base: &Url, target: &Url) -> bool {
        let has_user = !target.username().is_empty() || target.password().is_some();
        let is_plain = || match is_loopback(target) {
            true => is_loopback(base),
            false => self.is_listed(target),
        };
        match target.scheme() {
            _ if has_user => false,
            "https" => !is_loopback(target) || is_loopback(base),
            "http" => base.scheme() == "http" && is_plain(),
            _ => false,
        }
    }
}

/// By its address. A name such as `localhost` is whatever somebody says it is.
fn is_loopback(url: &Url) -> bool {
    match url.host() {
        Some(Host::Ipv4(ip)) => ip.is_loopback(),
        Some(Host::Ipv6(ip)) => ip.is_loopback(),
        Some(Host::Domain(_)) | None => false,
    }
}

#[cfg(test)]
mod tests;

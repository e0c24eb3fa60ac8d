//! The requests of one pull.

use std::time::Duration;

use bytes::Bytes;
use http::header::{ACCEPT, AUTHORIZATION, LOCATION, USER_AGENT};
use http::{HeaderMap, HeaderValue, Request, Response, StatusCode};
use podgate_azure::http::Bounds;
use serde::Deserialize;
use tokio::time::Instant;
use url::Url;
use zeroize::{Zeroize, ZeroizeOnDrop, Zeroizing};

use super::super::digest::Digest;
use super::super::oci;
use super::challenge::{self, Challenge};
use super::error::PullError;
use super::{Inner, PULL, credentials};
use crate::config::plugins::Image;

/// Registries keep blobs elsewhere, one redirect away.
const REDIRECTS: usize = 5;
/// What an error's answer may have.
const MAX_ERROR: usize = 64 * 1024;
/// What a token service's answer may have, and a token in it: more fits into no header of any registry.
const MAX_ANSWER: usize = 64 * 1024;
const MAX_TOKEN: usize = 16 * 1024;
/// One exchange; what is left of the pull where that is less.
const EXCHANGE: Duration = Duration::from_secs(60);
/// Kinds of manifests, OCI's and the one it came from.
const MANIFESTS: &str = "application/vnd.oci.image.manifest.v1+json, application/vnd.docker.distribution.manifest.v2+json";
const AGENT: &str = concat!("podgate/", env!("CARGO_PKG_VERSION"));

/// One pull's requests, which share a token.
pub(super) struct Session<'a> {
    registries: &'a Inner,
    image: &'a Image,
    base: Url,
    deadline: Instant,
    authorization: Option<HeaderValue>,
}

/// What is asked for.
struct Wanted<'a> {
    what: &'static str,
    path: String,
    accept: &'a str,
    limit: usize,
}

#[derive(Deserialize, Zeroize, ZeroizeOnDrop)]
struct TokenAnswer {
    token: Option<String>,
    access_token: Option<String>,
}

// === impl Session ===

impl<'a> Session<'a> {
    pub(super) fn new(
        registries: &'a Inner,
        image: &'a Image,
        deadline: Instant,
    ) -> Result<Self, PullError> {
        Ok(Self {
            registries,
            image,
            base: registries.base(&image.registry)?,
            deadline,
            authorization: None,
        })
    }

    /// The artifact's manifest, which is the one that the image's digest means.
    pub(super) async fn manifest(&mut self) -> Result<Bytes, PullError> {
        let digest = &self.image.digest;
        let wanted = Wanted {
            what: "manifest",
            path: format!("v2/{}/manifests/{digest}", self.image.name),
            accept: MANIFESTS,
            limit: oci::MAX_MANIFEST as usize,
        };
        let manifest = self.get(&wanted).await?;
        verify("manifest", &manifest, digest)?;
        Ok(manifest)
    }

    /// A blob of just this size and digest.
    pub(super) async fn blob(&mut self, digest: &str, size: u64) -> Result<Bytes, PullError> {
        let wanted = Wanted {
            what: "component",
            path: format!("v2/{}/blobs/{digest}", self.image.name),
            accept: "*/*",
            limit: usize::try_from(size).unwrap_or(usize::MAX),
        };
        let blob = self.get(&wanted).await?;
        if blob.len() as u64 != size {
            let found = blob.len();
            return Err(PullError::Size {
                found,
                expected: size,
            });
        }
        verify("component", &blob, digest)?;
        Ok(blob)
    }

    async fn get(&mut self, wanted: &Wanted<'_>) -> Result<Bytes, PullError> {
        let url = self.base.join(&wanted.path).map_err(|_| PullError::NoUrl)?;
        let mut answer = self.follow(&url, wanted).await?;
        if answer.status() == StatusCode::UNAUTHORIZED && self.authorization.is_none() {
            self.authorization = Some(self.authorize(answer.headers()).await?);
            answer = self.follow(&url, wanted).await?;
        }
        match answer.status() {
            StatusCode::OK => Ok(answer.into_body()),
            status => Err(PullError::status(
                wanted.what,
                status.as_u16(),
                answer.body(),
            )),
        }
    }

    async fn follow(&self, from: &Url, wanted: &Wanted<'_>) -> Result<Response<Bytes>, PullError> {
        let mut url = from.clone();
        for _ in 0..=REDIRECTS {
            let answer = self.ask(&url, wanted).await?;
            match self.next(&url, &answer)? {
                Some(next) => url = next,
                None => return Ok(answer),
            }
        }
        Err(PullError::Redirects(REDIRECTS))
    }

    async fn ask(&self, url: &Url, wanted: &Wanted<'_>) -> Result<Response<Bytes>, PullError> {
        let mut request = Request::get(url.as_str()).header(ACCEPT, wanted.accept);
        // Whoever the registry sends this client to gets no token: an address is not an account.
        if url.origin() == self.base.origin()
            && let Some(authorization) = &self.authorization
        {
            request = request.header(AUTHORIZATION, authorization);
        }
        self.send(url, request, wanted.limit.max(MAX_ERROR)).await
    }

    async fn send(
        &self,
        url: &Url,
        request: http::request::Builder,
        max_body: usize,
    ) -> Result<Response<Bytes>, PullError> {
        let request = request.header(USER_AGENT, AGENT).body(Bytes::new());
        let request = request.map_err(|_| PullError::NoUrl)?;
        let left = self.deadline.saturating_duration_since(Instant::now());
        if left.is_zero() {
            return Err(PullError::Late(PULL));
        }
        let deadline = left.min(EXCHANGE);
        let client = self.registries.client(url);
        Ok(client.send(request, Bounds { deadline, max_body }).await?)
    }

    /// Where an answer sends its client.
    fn next(&self, from: &Url, answer: &Response<Bytes>) -> Result<Option<Url>, PullError> {
        if !matches!(answer.status().as_u16(), 301 | 302 | 303 | 307 | 308) {
            return Ok(None);
        }
        let location = answer.headers().get(LOCATION);
        let location = location.and_then(|location| location.to_str().ok());
        let target = location.and_then(|location| from.join(location).ok());
        match target {
            Some(target) if self.registries.may_lead(&self.base, &target) => Ok(Some(target)),
            Some(target) => Err(PullError::Redirect(place(&target))),
            None => Err(PullError::Redirect("nowhere".to_owned())),
        }
    }

    /// What the registry takes as proof of who asks.
    async fn authorize(&self, headers: &HeaderMap) -> Result<HeaderValue, PullError> {
        match challenge::offered(headers) {
            None => Err(PullError::NoChallenge),
            Some(Challenge::Basic) => self.account().await?.ok_or_else(|| {
                let registry = &self.image.registry;
                PullError::NoAccount(format!("--registry-credentials has none for {registry}"))
            }),
            Some(Challenge::Bearer { realm, service }) => {
                self.token(&realm, service.as_deref()).await
            }
        }
    }

    async fn account(&self) -> Result<Option<HeaderValue>, PullError> {
        match &self.registries.settings.credentials {
            None => Ok(None),
            Some(file) => {
                let account = credentials::basic(file, self.image).await;
                account.map_err(PullError::NoAccount)
            }
        }
    }

    /// A token for pulling from this one repository, whatever else the challenge would like to have asked for.
    async fn token(&self, realm: &str, service: Option<&str>) -> Result<HeaderValue, PullError> {
        let mut url = self.realm(realm)?;
        if let Some(service) = service {
            url.query_pairs_mut().append_pair("service", service);
        }
        let scope = format!("repository:{}:pull", self.image.name);
        url.query_pairs_mut().append_pair("scope", &scope);
        let mut request = Request::get(url.as_str());
        if let Some(account) = self.account().await? {
            request = request.header(AUTHORIZATION, account);
        }
        let answer = self.send(&url, request, MAX_ANSWER).await?;
        match answer.status() {
            StatusCode::OK => bearer(answer.body()),
            status => Err(PullError::status("token", status.as_u16(), answer.body())),
        }
    }

    fn realm(&self, realm: &str) -> Result<Url, PullError> {
        let url = Url::parse(realm).ok();
        let url = url.ok_or(PullError::Token(
            "has no place: the challenge's realm is no URL",
        ))?;
        match self.registries.may_lead(&self.base, &url) {
            true => Ok(url),
            false => Err(PullError::Realm(place(&url))),
        }
    }
}

/// Scheme and host: a query may hold what gives access.
fn place(url: &Url) -> String {
    let host = url.host_str().unwrap_or("-");
    let port = url.port().map(|port| format!(":{port}"));
    format!("{}://{host}{}", url.scheme(), port.unwrap_or_default())
}

fn bearer(body: &[u8]) -> Result<HeaderValue, PullError> {
    let answer: TokenAnswer =
        serde_json::from_slice(body).map_err(|_| PullError::Token("is none in JSON"))?;
    let token = answer.token.as_ref().or(answer.access_token.as_ref());
    let token = token.ok_or(PullError::Token("has no token"))?;
    if token.is_empty() || token.len() > MAX_TOKEN {
        return Err(PullError::Token("has a token of no possible length"));
    }
    let text = Zeroizing::new(format!("Bearer {token}"));
    let value = HeaderValue::from_str(&text);
    let mut value = value.map_err(|_| PullError::Token("has a token that fits into no header"))?;
    value.set_sensitive(true);
    Ok(value)
}

fn verify(what: &'static str, bytes: &[u8], digest: &str) -> Result<(), PullError> {
    let found = Digest::of(bytes).to_string();
    match digest.strip_prefix("sha256:") == Some(found.as_str()) {
        true => Ok(()),
        false => Err(PullError::Digest { what, found }),
    }
}

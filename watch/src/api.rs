//! The two calls, list and watch, bounded in time and size.

use std::fmt;
use std::time::Duration;

use bytes::BytesMut;
use http_body_util::BodyExt;
use kube::api::{ListParams, WatchParams};
use kube::client::{Body, Client};
use kube::core::Request;
use serde::Deserialize;
use serde_json::value::RawValue;
use tokio::time::timeout;

use crate::failure::Failure;
use crate::kind::{Kind, Selectors};

/// A page of a list.
const PAGE: usize = 32 << 20;
/// An event. etcd takes objects of 1.5 MiB, and JSON may escape every byte of one.
const EVENT: usize = 16 << 20;
/// An error's body.
const STATUS: usize = 64 << 10;

/// The API server, as watches ask it. Cheap to clone; all clones share one connection.
#[derive(Clone)]
pub struct Api {
    client: Client,
    program: &'static str,
    patience: Patience,
}

/// How long is waited for what.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Patience {
    /// From the request to the head of its answer, dialling included, and between two parts of a list.
    pub answer: Duration,
    /// Between two signs of life of a watch. The API server sends a bookmark every minute.
    pub silence: Duration,
}

/// A page of a list, as text that [`PageText::parse`] reads.
pub(crate) struct PageText(pub(crate) Vec<u8>);

/// A page of a list.
#[derive(Deserialize)]
pub(crate) struct Page<'a> {
    #[serde(default)]
    metadata: ListMetadata,
    #[serde(borrow, default)]
    items: Option<Vec<&'a RawValue>>,
}

#[derive(Default, Deserialize)]
#[serde(rename_all = "camelCase")]
struct ListMetadata {
    #[serde(default)]
    resource_version: String,
    #[serde(default)]
    r#continue: String,
}

/// The events of a watch, line by line.
pub(crate) struct Lines {
    body: Body,
    silence: Duration,
    buffer: BytesMut,
    /// Bytes without a line's end.
    searched: usize,
}

/// One event.
#[derive(Deserialize)]
pub(crate) struct Event<'a> {
    /// `ADDED`, `MODIFIED`, `DELETED`, `BOOKMARK` or `ERROR`
    pub(crate) r#type: Word,
    /// The object.
    #[serde(borrow)]
    pub(crate) object: &'a RawValue,
}

/// The types of events.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "UPPERCASE")]
pub(crate) enum Word {
    Added,
    Modified,
    Deleted,
    Bookmark,
    Error,
    #[serde(other)]
    Other,
}

/// Which object, and of which version, whatever else is in it.
#[derive(Deserialize)]
pub(crate) struct Head {
    namespace: Option<String>,
    pub(crate) name: String,
    #[serde(default, rename = "resourceVersion")]
    pub(crate) version: String,
}

type Built = Result<http::Request<Vec<u8>>, kube::core::request::Error>;

// === impl Api ===

impl Api {
    /// By a client of [`crate::client::connect`], which neither retries nor logs. `program` is who asks, for people:
    /// `the gateway`, as in "the gateway may not list and watch pods".
    pub fn new(client: Client, program: &'static str) -> Self {
        Self {
            client,
            program,
            patience: Patience::default(),
        }
    }

    /// With another patience than [`Patience::default`].
    #[must_use]
    pub fn with_patience(self, patience: Patience) -> Self {
        Self { patience, ..self }
    }

    pub(crate) fn program(&self) -> &'static str {
        self.program
    }

    /// Asks for a page of a list.
    pub(crate) async fn list(
        &self,
        kind: &impl Kind,
        limit: u32,
        next: Option<&str>,
    ) -> Result<PageText, Failure> {
        let request = Request::new(kind.path()).list(&list_params(kind.selectors(), limit, next));
        let body = self.send(request).await?;
        collect(body, PAGE, self.patience.answer)
            .await
            .map(PageText)
    }

    /// Asks for the changes since `version`, for so many seconds.
    pub(crate) async fn watch(
        &self,
        kind: &impl Kind,
        version: &str,
        seconds: u32,
    ) -> Result<Lines, Failure> {
        let request =
            Request::new(kind.path()).watch(&watch_params(kind.selectors(), seconds), version);
        Ok(Lines {
            body: self.send(request).await?,
            silence: self.patience.silence,
            buffer: BytesMut::new(),
            searched: 0,
        })
    }

    async fn send(&self, request: Built) -> Result<Body, Failure> {
        let request =
            request.map_err(|_| Failure::Malformed("no request can be made of the names"))?;
        let patience = self.patience.answer;
        let sent = timeout(patience, self.client.send(request.map(Body::from))).await;
        let answer = sent
            .map_err(|_| Failure::Silent(patience))?
            .map_err(|error| Failure::connection(&error))?;
        if answer.status().is_success() {
            return Ok(answer.into_body());
        }
        let code = answer.status().as_u16();
        let body = collect(answer.into_body(), STATUS, patience).await?;
        Err(Failure::status(Some(code), &body))
    }
}

impl Default for Patience {
    /// A bookmark comes every minute; a watch of which nothing is heard for longer is dead.
    fn default() -> Self {
        Self {
            answer: Duration::from_secs(30),
            silence: Duration::from_secs(75),
        }
    }
}

fn list_params(selectors: Selectors, limit: u32, next: Option<&str>) -> ListParams {
    ListParams {
        field_selector: selectors.fields,
        label_selector: selectors.labels,
        limit: Some(limit),
        continue_token: next.map(str::to_owned),
        ..ListParams::default()
    }
}

fn watch_params(selectors: Selectors, seconds: u32) -> WatchParams {
    WatchParams {
        field_selector: selectors.fields,
        label_selector: selectors.labels,
        timeout: Some(seconds),
        bookmarks: true,
        send_initial_events: false,
    }
}

async fn collect(mut body: Body, most: usize, patience: Duration) -> Result<Vec<u8>, Failure> {
    let mut all = Vec::new();
    while let Some(bytes) = frame(&mut body, patience).await? {
        if all.len() + bytes.len() > most {
            return Err(Failure::TooLarge(most));
        }
        all.extend_from_slice(&bytes);
    }
    Ok(all)
}

async fn frame(body: &mut Body, patience: Duration) -> Result<Option<bytes::Bytes>, Failure> {
    let next = timeout(patience, body.frame()).await;
    match next.map_err(|_| Failure::Silent(patience))? {
        None => Ok(None),
        Some(Ok(frame)) => Ok(Some(frame.into_data().unwrap_or_default())),
        Some(Err(error)) => Err(Failure::connection(&error)),
    }
}

// === impl Page ===

impl PageText {
    pub(crate) fn parse(&self) -> Result<Page<'_>, Failure> {
        serde_json::from_slice(&self.0).map_err(|_| Failure::Malformed("a list that is none"))
    }
}

impl<'a> Page<'a> {
    pub(crate) fn items(&self) -> impl Iterator<Item = &'a RawValue> + '_ {
        self.items.iter().flatten().copied()
    }

    /// Where the next page begins.
    pub(crate) fn next(&self) -> Option<&str> {
        Some(self.metadata.r#continue.as_str()).filter(|next| !next.is_empty())
    }

    /// From where to watch.
    pub(crate) fn version(&self) -> Result<&str, Failure> {
        match self.metadata.resource_version.as_str() {
            "" => Err(Failure::Malformed("a list without a resourceVersion")),
            version => Ok(version),
        }
    }
}

// === impl Lines ===

impl Lines {
    /// The next line, or none at the watch's regular end.
    pub(crate) async fn next(&mut self) -> Result<Option<BytesMut>, Failure> {
        loop {
            let fresh = &self.buffer[self.searched..];
            if let Some(end) = fresh.iter().position(|byte| *byte == b'\n') {
                let line = self.buffer.split_to(self.searched + end + 1);
                self.searched = 0;
                return Ok(Some(line));
            }
            self.searched = self.buffer.len();
            if self.searched > EVENT {
                return Err(Failure::TooLarge(EVENT));
            }
            match frame(&mut self.body, self.silence).await? {
                Some(bytes) => self.buffer.extend_from_slice(&bytes),
                None => return Ok(None),
            }
        }
    }
}

impl<'a> Event<'a> {
    /// Reads a line.
    pub(crate) fn parse(line: &'a [u8]) -> Result<Self, Failure> {
        serde_json::from_slice(line).map_err(|_| Failure::Malformed("an event that is none"))
    }
}

// === impl Head ===

impl Head {
    /// None where it has no name.
    pub(crate) fn read(raw: &RawValue) -> Option<Self> {
        #[derive(Deserialize)]
        struct Object {
            metadata: Head,
        }
        let Object { metadata } = serde_json::from_str(raw.get()).ok()?;
        Some(metadata).filter(|head| !head.name.is_empty())
    }

    /// None of a cluster-scoped object.
    pub(crate) fn namespace(&self) -> Option<&str> {
        self.namespace
            .as_deref()
            .filter(|namespace| !namespace.is_empty())
    }
}

impl fmt::Display for Head {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.namespace() {
            Some(namespace) => write!(f, "{namespace}/{}", self.name),
            None => f.write_str(&self.name),
        }
    }
}

/// `metadata.resourceVersion` of a bookmark, which has no name.
pub(crate) fn bookmark(raw: &RawValue) -> Result<String, Failure> {
    #[derive(Deserialize)]
    struct Bookmark {
        metadata: ListMetadata,
    }
    let bookmark: Option<Bookmark> = serde_json::from_str(raw.get()).ok();
    let version = bookmark.map(|bookmark| bookmark.metadata.resource_version);
    version
        .filter(|version| !version.is_empty())
        .ok_or(Failure::Malformed("a bookmark without a resourceVersion"))
}

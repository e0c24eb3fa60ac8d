//! The two calls, list and watch, bounded in time and size.
//!
//! kube's own watcher is not used: it hides bookmarks, the only sign of life of a quiet watch; its lists have no
//! deadline; one object that cannot be read ends a whole list; and what cannot be read is logged, a Secret as well.

use std::time::Duration;

use bytes::BytesMut;
use http_body_util::BodyExt;
use kube::client::{Body, Client};
use kube::core::Request;
use serde::Deserialize;
use serde_json::value::RawValue;
use tokio::time::timeout;

use super::failure::Failure;
use super::kind::Kind;

/// A page of a list.
const PAGE: usize = 32 << 20;
/// An event. etcd takes objects of 1.5 MiB, and JSON may escape every byte of one.
const EVENT: usize = 16 << 20;
/// An error's body.
const STATUS: usize = 64 << 10;

/// The API server, asked by these calls only.
#[derive(Clone)]
pub(super) struct Api {
    pub(super) client: Client,
    pub(super) patience: Patience,
}

/// How long is waited for what.
#[derive(Clone, Copy, Debug)]
pub(super) struct Patience {
    /// From the request to the head of its answer, dialling included, and between two parts of a list.
    pub(super) answer: Duration,
    /// Between two signs of life of a watch.
    pub(super) silence: Duration,
}

/// A page of a list, as text that [`PageText::parse`] reads.
pub(super) struct PageText(pub(super) Vec<u8>);

/// A page of a list.
#[derive(Deserialize)]
pub(super) struct Page<'a> {
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
pub(super) struct Lines {
    body: Body,
    silence: Duration,
    buffer: BytesMut,
    /// Bytes without a line's end.
    searched: usize,
}

/// One event.
#[derive(Deserialize)]
pub(super) struct Event<'a> {
    /// `ADDED`, `MODIFIED`, `DELETED`, `BOOKMARK` or `ERROR`
    pub(super) r#type: Word,
    /// The object.
    #[serde(borrow)]
    pub(super) object: &'a RawValue,
}

/// The types of events.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "UPPERCASE")]
pub(super) enum Word {
    Added,
    Modified,
    Deleted,
    Bookmark,
    Error,
    #[serde(other)]
    Other,
}

type Built = Result<http::Request<Vec<u8>>, kube::core::request::Error>;

// === impl Api ===

impl Api {
    /// Asks for a page of a list.
    pub(super) async fn list(
        &self,
        kind: &Kind,
        limit: u32,
        next: Option<&str>,
    ) -> Result<PageText, Failure> {
        let request = Request::new(kind.path()).list(&kind.list_params(limit, next));
        let body = self.send(request).await?;
        collect(body, PAGE, self.patience.answer)
            .await
            .map(PageText)
    }

    /// Asks for the changes since `version`, for so many seconds.
    pub(super) async fn watch(
        &self,
        kind: &Kind,
        version: &str,
        seconds: u32,
    ) -> Result<Lines, Failure> {
        let request = Request::new(kind.path()).watch(&kind.watch_params(seconds), version);
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
    pub(super) fn parse(&self) -> Result<Page<'_>, Failure> {
        serde_json::from_slice(&self.0).map_err(|_| Failure::Malformed("a list that is none"))
    }
}

impl<'a> Page<'a> {
    pub(super) fn items(&self) -> impl Iterator<Item = &'a RawValue> + '_ {
        self.items.iter().flatten().copied()
    }

    /// Where the next page begins.
    pub(super) fn next(&self) -> Option<&str> {
        Some(self.metadata.r#continue.as_str()).filter(|next| !next.is_empty())
    }

    /// From where to watch.
    pub(super) fn version(&self) -> Result<&str, Failure> {
        match self.metadata.resource_version.as_str() {
            "" => Err(Failure::Malformed("a list without a resourceVersion")),
            version => Ok(version),
        }
    }
}

// === impl Lines ===

impl Lines {
    /// The next line, or none at the watch's regular end.
    pub(super) async fn next(&mut self) -> Result<Option<BytesMut>, Failure> {
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
    pub(super) fn parse(line: &'a [u8]) -> Result<Self, Failure> {
        serde_json::from_slice(line).map_err(|_| Failure::Malformed("an event that is none"))
    }
}

/// `metadata.resourceVersion` of a bookmark, which has no name.
pub(super) fn bookmark(raw: &RawValue) -> Result<String, Failure> {
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

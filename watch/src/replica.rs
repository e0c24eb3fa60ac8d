//! What one watch has brought to its sink, and how far it has come. No I/O.

use std::collections::HashSet;

use serde_json::value::RawValue;

use crate::api::{self, Event, Head, PageText, Word};
use crate::failure::Failure;
use crate::kind::{InDoubt, Kind, Reading, Sink};

/// The objects of one watch.
///
/// A watch that was away misses deletions, and only a whole list shows them: what is held and not listed goes when
/// the list is done, and not before.
pub(crate) struct Replica<K: Kind, S> {
    kind: K,
    sink: S,
    held: HashSet<K::Key>,
    /// Those of them that can no longer be read, and stand as they were.
    kept: HashSet<K::Key>,
    /// While a list comes in.
    listed: HashSet<K::Key>,
    /// Something in that list has no name that can be read: it may be any of those that are not listed.
    nameless: bool,
    /// From where to watch; without it everything is listed.
    version: Option<String>,
    /// The sink has been told that everything is there.
    complete: bool,
}

/// What follows a page of a list.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Next {
    /// The page of this token.
    Page(String),
    /// Nothing: the list was whole, and the watch goes on from this version.
    Watch(String),
}

struct Item<K: Kind> {
    head: Head,
    key: K::Key,
    reading: Reading<K::Object>,
}

const NAMELESS: Failure = Failure::Malformed("an event without a name");

impl<K: Kind, S: Sink<K>> Replica<K, S> {
    pub(crate) fn new(kind: K, sink: S) -> Self {
        Self {
            kind,
            sink,
            held: HashSet::new(),
            kept: HashSet::new(),
            listed: HashSet::new(),
            nameless: false,
            version: None,
            complete: false,
        }
    }

    pub(crate) fn kind(&self) -> &K {
        &self.kind
    }

    /// From where to watch.
    pub(crate) fn version(&self) -> Option<&str> {
        self.version.as_deref()
    }

    /// How many objects stand as they were, since they can no longer be read.
    pub(crate) fn kept(&self) -> usize {
        self.kept.len()
    }

    fn stands_in_doubt(&self) -> bool {
        self.kind.in_doubt() == InDoubt::Stands
    }

    /// A list begins. One that was broken off before counts for nothing.
    pub(crate) fn begin(&mut self) {
        self.listed.clear();
        self.nameless = false;
    }

    /// A page of a list.
    pub(crate) async fn page(&mut self, text: &PageText) -> Result<Next, Failure> {
        let page = text.parse()?;
        for raw in page.items() {
            match self.read(raw) {
                Some(item) => {
                    self.listed.insert(item.key.clone());
                    self.put(item).await;
                }
                None => {
                    self.nameless = true;
                    self.report("(without a name)", "metadata cannot be read");
                }
            }
        }
        if let Some(next) = page.next() {
            return Ok(Next::Page(next.to_owned()));
        }
        let version = page.version()?.to_owned();
        self.finish().await;
        self.version = Some(version.clone());
        Ok(Next::Watch(version))
    }

    /// The list is whole: what it does not have has gone unseen.
    async fn finish(&mut self) {
        let missed: Vec<K::Key> = self.held.difference(&self.listed).cloned().collect();
        match self.nameless && self.stands_in_doubt() {
            true => self.kept.extend(missed),
            false => self.miss(&missed).await,
        }
        self.listed = HashSet::new();
        self.stand_in(self.kind.absent()).await;
    }

    async fn miss(&mut self, missed: &[K::Key]) {
        for key in missed {
            self.take(key).await;
        }
        if !missed.is_empty() {
            let (watch, missed) = (self.kind.what(), missed.len());
            tracing::info!(watch, missed, "objects had gone while nobody watched");
        }
    }

    /// A list is in. The first one is told.
    pub(crate) async fn complete(&mut self) {
        if !std::mem::replace(&mut self.complete, true) {
            self.sink.complete().await;
        }
    }

    /// One event of the watch.
    pub(crate) async fn event(&mut self, event: &Event<'_>) -> Result<(), Failure> {
        match event.r#type {
            Word::Added | Word::Modified => {
                let item = self.read(event.object).ok_or(NAMELESS)?;
                let version = item.head.version.clone();
                self.put(item).await;
                self.at(version);
            }
            Word::Deleted => {
                let (head, key) = self.named(event.object).ok_or(NAMELESS)?;
                self.take(&key).await;
                self.stand_in(self.kind.absent()).await;
                self.at(head.version);
            }
            Word::Bookmark => self.at(api::bookmark(event.object)?),
            Word::Error => return Err(Failure::status(None, event.object.get().as_bytes())),
            Word::Other => {}
        }
        Ok(())
    }

    /// The list or the watch failed.
    ///
    /// Where the API server knows no such kind there are no objects of it, or they are in doubt: a definition that is away for
    /// a moment takes no object with it. Where it cannot be asked, or has no answer for this program, what it said last stands.
    pub(crate) async fn failed(&mut self, failure: &Failure) {
        if !failure.resumes() {
            self.version = None;
        }
        let is_unknown = failure.is_unknown_kind() && self.kind.definition().is_some();
        if is_unknown && !self.stands_in_doubt() {
            self.begin();
            self.finish().await;
        }
        if failure.is_forbidden() {
            self.stand_in(self.kind.forbidden()).await;
        }
    }

    /// None where not even its name can be read.
    fn read(&self, raw: &RawValue) -> Option<Item<K>> {
        let (head, key) = self.named(raw)?;
        let reading = self.kind.read(&key, raw.get());
        Some(Item { head, key, reading })
    }

    fn named(&self, raw: &RawValue) -> Option<(Head, K::Key)> {
        let head = Head::read(raw)?;
        let key = self.kind.key(head.namespace(), &head.name)?;
        Some((head, key))
    }

    async fn put(&mut self, item: Item<K>) {
        let object = match item.reading {
            Reading::Object(object) => Some(object),
            Reading::Foreign => None,
            Reading::Unreadable { problem, stand_in } => {
                self.report(&item.head.to_string(), &problem);
                if self.stands_in_doubt() {
                    return self.keep(item.key);
                }
                stand_in
            }
        };
        match object {
            Some(object) => {
                self.kept.remove(&item.key);
                self.held.insert(item.key);
                self.sink.apply(object).await;
            }
            None => self.take(&item.key).await,
        }
    }

    /// Of one that was never understood there is nothing to keep.
    fn keep(&mut self, key: K::Key) {
        if self.held.contains(&key) {
            self.kept.insert(key);
        }
    }

    async fn take(&mut self, key: &K::Key) {
        self.kept.remove(key);
        if self.held.remove(key) {
            self.sink.remove(key).await;
        }
    }

    /// Of some objects it matters to know why there is none.
    async fn stand_in(&mut self, object: Option<K::Object>) {
        if let Some(object) = object.filter(|_| self.held.is_empty()) {
            self.sink.apply(object).await;
        }
    }

    fn at(&mut self, version: String) {
        if !version.is_empty() {
            self.version = Some(version);
        }
    }

    fn report(&mut self, object: &str, problem: &str) {
        self.sink.unreadable();
        let kind = self.kind.name();
        match self.kind.in_doubt() {
            InDoubt::Gone => tracing::error!(
                kind,
                object,
                problem,
                "this object cannot be read, and counts as not being there"
            ),
            InDoubt::Stands => tracing::error!(
                kind,
                object,
                problem,
                "this object cannot be read; what it said before stands, if it was read before"
            ),
        }
    }
}

#[cfg(test)]
mod tests;

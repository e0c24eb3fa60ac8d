//! What one watch has brought into the world, and how far it has come. No I/O.

use std::collections::HashSet;
use std::sync::Arc;

use super::api::{self, Event, PageText, Word};
use super::failure::Failure;
use super::kind::Kind;
use super::object::{self, Item};
use crate::metrics::Metrics;
use crate::world::{ObjectKey, World};

/// The objects of one watch.
///
/// A watch that was away misses deletions, and only a whole list shows them: what is held and not listed goes when
/// the list is done, and not before.
pub(super) struct Replica {
    kind: Kind,
    world: World,
    metrics: Arc<Metrics>,
    held: HashSet<ObjectKey>,
    /// While a list comes in.
    listed: HashSet<ObjectKey>,
    /// From where to watch; without it everything is listed.
    version: Option<String>,
}

/// What follows a page of a list.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Next {
    /// The page of this token.
    Page(String),
    /// Nothing: the list was whole, and the watch goes on from this version.
    Watch(String),
}

const NAMELESS: Failure = Failure::Malformed("an event without a name");

impl Replica {
    pub(super) fn new(kind: Kind, world: World, metrics: Arc<Metrics>) -> Self {
        Self {
            kind,
            world,
            metrics,
            held: HashSet::new(),
            listed: HashSet::new(),
            version: None,
        }
    }

    pub(super) fn kind(&self) -> &Kind {
        &self.kind
    }

    /// From where to watch.
    pub(super) fn version(&self) -> Option<&str> {
        self.version.as_deref()
    }

    /// A list begins. One that was broken off before counts for nothing.
    pub(super) fn begin(&mut self) {
        self.listed.clear();
    }

    /// A page of a list.
    pub(super) fn page(&mut self, text: &PageText) -> Result<Next, Failure> {
        let page = text.parse()?;
        for raw in page.items() {
            match object::read(&self.kind, raw) {
                Some(item) => {
                    self.listed.insert(item.key.clone());
                    self.put(item);
                }
                None => self.report("(without a name)", "metadata cannot be read"),
            }
        }
        if let Some(next) = page.next() {
            return Ok(Next::Page(next.to_owned()));
        }
        let version = page.version()?.to_owned();
        self.finish();
        self.version = Some(version.clone());
        Ok(Next::Watch(version))
    }

    /// The list is whole: what it does not have has gone unseen.
    fn finish(&mut self) {
        let missed: Vec<ObjectKey> = self.held.difference(&self.listed).cloned().collect();
        for key in &missed {
            self.take(key);
        }
        if !missed.is_empty() {
            let (watch, missed) = (self.kind.what(), missed.len());
            tracing::info!(watch, missed, "objects had gone while nobody watched");
        }
        self.listed = HashSet::new();
        self.stand_in(self.kind.absent());
    }

    /// One event of the watch.
    pub(super) fn event(&mut self, event: &Event<'_>) -> Result<(), Failure> {
        match event.r#type {
            Word::Added | Word::Modified => {
                let item = object::read(&self.kind, event.object).ok_or(NAMELESS)?;
                let version = item.version.clone();
                self.put(item);
                self.at(version);
            }
            Word::Deleted => {
                let (object, version) = object::head(event.object).ok_or(NAMELESS)?;
                self.take(&self.kind.key(object));
                self.stand_in(self.kind.absent());
                self.at(version);
            }
            Word::Bookmark => self.at(api::bookmark(event.object)?),
            Word::Error => return Err(Failure::status(None, event.object.get().as_bytes())),
            Word::Other => {}
        }
        Ok(())
    }

    /// The list or the watch failed.
    ///
    /// Where the API server knows no such kind there are no objects of it. Where it cannot be asked, or has no answer
    /// for this gateway, what it said last stands.
    pub(super) fn failed(&mut self, failure: &Failure) {
        if !failure.resumes() {
            self.version = None;
        }
        if failure.is_unknown_kind() && self.kind.definition().is_some() {
            self.begin();
            self.finish();
        }
        if failure.is_forbidden() {
            self.stand_in(self.kind.forbidden());
        }
    }

    fn put(&mut self, item: Item) {
        if let Some(problem) = &item.problem {
            self.report(&item.key.object().to_string(), problem);
        }
        match item.object {
            Some(object) => {
                self.world.apply(object);
                self.held.insert(item.key);
            }
            None => self.take(&item.key),
        }
    }

    fn take(&mut self, key: &ObjectKey) {
        if self.held.remove(key) {
            self.world.remove(key);
        }
    }

    /// Of a Secret it matters to know why there is none.
    fn stand_in(&self, object: Option<crate::world::Object>) {
        if let Some(object) = object.filter(|_| self.held.is_empty()) {
            self.world.apply(object);
        }
    }

    fn at(&mut self, version: String) {
        if !version.is_empty() {
            self.version = Some(version);
        }
    }

    fn report(&self, object: &str, problem: &str) {
        self.metrics.source_error();
        tracing::error!(
            kind = self.kind.name(),
            object,
            problem,
            "this object cannot be read, and counts as not being there"
        );
    }
}

#[cfg(test)]
mod tests;

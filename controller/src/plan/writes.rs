//! Writes of records, and what becomes of them.

use std::sync::Arc;
use std::time::{Duration, Instant};

use podgate_api::{AssignedState, AzureAssignedIdentity, ObjectRef};
use serde_json::{Value, json};

use super::Plan;
use super::notice::Notice;
use super::queue::Wake;
use crate::index::{Key, Object};
use crate::record::{self, Hold, RELEASES_ANNOTATION, Record};

/// After a first failure; it doubles up to [`LONGEST`].
const SHORTEST: Duration = Duration::from_millis(250);
const LONGEST: Duration = Duration::from_secs(60);

/// One write of one record.
#[derive(Clone, Debug)]
pub enum Write {
    /// A new one.
    Create(Box<AzureAssignedIdentity>),
    /// The whole of it, where its resourceVersion is still the same.
    Replace(Box<AzureAssignedIdentity>),
    /// A part of it.
    Patch(Patch),
    /// Its end.
    Remove(Removal),
}

/// A change of a part of a record, which is still to be the same as it was read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Patch {
    /// Which one.
    pub record: ObjectRef,
    uid: String,
    version: String,
    pub(super) state: Option<AssignedState>,
    pub(super) releases: Option<Vec<Hold>>,
    finalizers: Option<Vec<String>>,
}

/// The end of a record: it says Unassigned and loses its finalizer, and is deleted.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Removal {
    /// Which one.
    pub record: ObjectRef,
    /// Its uid: a later one of the same name must not be meant.
    pub uid: String,
    version: String,
    /// It has the finalizer, or does not say Unassigned yet.
    pub unassigns: bool,
    /// It has been deleted already, and goes with its finalizer.
    pub deleting: bool,
    /// Other people's, which stay.
    finalizers: Vec<String>,
}

/// What a write is for. When its outcome comes, the watch may have told of it already.
#[derive(Debug)]
pub(super) enum Intent {
    /// The record becomes Assigned.
    Assign,
    /// This record goes.
    Remove(Arc<Record>),
    /// Anything else.
    Other,
}

/// What a write led to.
#[derive(Clone, Debug)]
pub enum Written {
    /// The record as it is now.
    Record(Arc<Record>),
    /// It is gone.
    Gone,
}

/// Why a write led to nothing.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum NotWritten {
    /// The record is another by now, or is there already, or is gone; the watch will tell.
    #[error("the record was changed by somebody else")]
    Outdated,
    /// The API server will not take it.
    #[error("{0}")]
    Refused(String),
    /// No answer, or an outage.
    #[error("{0}")]
    Unavailable(String),
}

impl Write {
    /// Which record it writes.
    pub fn record(&self) -> ObjectRef {
        match self {
            Self::Create(object) | Self::Replace(object) => ObjectRef::of(&object.metadata),
            Self::Patch(patch) => patch.record.clone(),
            Self::Remove(removal) => removal.record.clone(),
        }
    }

    /// For metrics.
    pub fn verb(&self) -> &'static str {
        match self {
            Self::Create(_) => "create",
            Self::Replace(_) => "replace",
            Self::Patch(_) => "patch",
            Self::Remove(_) => "remove",
        }
    }
}

impl Intent {
    pub(super) fn of(write: &Write, before: Option<Arc<Record>>) -> Self {
        let already = before
            .as_ref()
            .is_some_and(|before| before.state == AssignedState::Assigned);
        let assigns = match write {
            Write::Create(record) | Write::Replace(record) => {
                record.state() == AssignedState::Assigned
            }
            Write::Patch(patch) => patch.state == Some(AssignedState::Assigned),
            Write::Remove(_) => false,
        };
        match (write, before) {
            (Write::Remove(_), Some(record)) => Self::Remove(record),
            _ if assigns && !already => Self::Assign,
            _ => Self::Other,
        }
    }
}

impl Patch {
    pub(super) fn of(record: &Record) -> Self {
        Self {
            record: record.object.clone(),
            uid: record.uid.clone(),
            version: record.version.clone(),
            state: None,
            releases: None,
            finalizers: (!record.finalized && !record.deleting).then(|| record.finalizers()),
        }
    }

    pub(super) fn is_empty(&self) -> bool {
        self.state.is_none() && self.releases.is_none() && self.finalizers.is_none()
    }

    /// The JSON merge patch (RFC 7396).
    pub fn body(&self) -> Value {
        let mut body = json!({"metadata": {"uid": self.uid, "resourceVersion": self.version}});
        if let Some(state) = &self.state {
            body["status"] = json!({"status": state.as_str()});
        }
        if let Some(releases) = &self.releases {
            let text = (!releases.is_empty()).then(|| record::text(releases));
            body["metadata"]["annotations"] = json!({RELEASES_ANNOTATION: text});
        }
        if let Some(finalizers) = &self.finalizers {
            body["metadata"]["finalizers"] = json!(finalizers);
        }
        body
    }
}

impl Removal {
    pub(super) fn of(record: &Record) -> Self {
        Self {
            record: record.object.clone(),
            uid: record.uid.clone(),
            version: record.version.clone(),
            unassigns: record.finalized || record.state != AssignedState::Unassigned,
            deleting: record.deleting,
            finalizers: record.others().finalizers.clone(),
        }
    }

    /// The JSON merge patch that lets it go.
    pub fn body(&self) -> Value {
        let finalizers = (!self.finalizers.is_empty()).then_some(&self.finalizers);
        json!({
            "metadata": {"uid": self.uid, "resourceVersion": self.version, "finalizers": finalizers},
            "status": {"status": AssignedState::Unassigned.as_str()},
        })
    }
}

impl Plan {
    /// What became of a write.
    pub fn wrote(
        &mut self,
        record: &ObjectRef,
        outcome: Result<Written, NotWritten>,
        now: Instant,
    ) {
        let intent = self.writing.remove(record);
        let ended = self.ended.remove(record);
        match (outcome, intent) {
            (Ok(Written::Record(written)), intent) => {
                self.failing.remove(record);
                if matches!(intent, Some(Intent::Assign)) {
                    self.tell_applied(record);
                }
                if ended.as_ref() != Some(&written.uid) {
                    self.take_in(Object::Record(written));
                }
            }
            (Ok(Written::Gone), intent) => {
                self.failing.remove(record);
                if let Some(Intent::Remove(gone)) = intent {
                    self.bury(&gone);
                }
            }
            (Err(failure), _) => self.not_written(record, &failure, now),
        }
        self.look(record);
    }

    fn tell_applied(&mut self, record: &ObjectRef) {
        if let Some(wanted) = self.desired.winner(record) {
            let uid = self.index.pod(&wanted.pod).map_or("", |pod| &pod.uid);
            let notices = Notice::applied(wanted, uid);
            self.tell(notices);
        }
    }

    fn bury(&mut self, gone: &Record) {
        let notice = Notice::removed(gone, self.uid_of_binding(gone));
        self.tell([notice]);
        // Where the watch has told of its end, nothing more is to be expected of it.
        let there = self.index.record(&gone.object);
        if there.is_some_and(|there| there.uid == gone.uid) {
            self.remove(&Key::Record(gone.object.clone()));
            self.buried.insert(gone.object.clone(), gone.uid.clone());
        }
    }

    fn not_written(&mut self, record: &ObjectRef, failure: &NotWritten, now: Instant) {
        if let NotWritten::Refused(why) = failure {
            let notice = match (self.index.record(record), self.desired.winner(record)) {
                (Some(there), _) => Some(Notice::not_updated(there, why)),
                (None, Some(wanted)) => Some(Notice::not_written(wanted, why)),
                (None, None) => None,
            };
            self.tell(notice);
        }
        let times = self
            .failing
            .get(record)
            .map_or(1, |(times, _)| times.saturating_add(1));
        let wait = SHORTEST
            .saturating_mul(1 << (times - 1).min(10))
            .min(LONGEST);
        self.failing.insert(record.clone(), (times, now + wait));
        self.timers.set(now + wait, Wake::Record(record.clone()));
    }
}

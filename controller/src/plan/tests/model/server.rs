//! The API server, as far as records go.

use podgate_api::AzureAssignedIdentity;
use serde_json::json;

use super::Model;
use crate::plan::{NotWritten, Write, Written};
use crate::record::Record;

impl Model {
    pub(super) fn write(&mut self, write: Write) -> Result<Written, NotWritten> {
        if self.api_away {
            return Err(NotWritten::Unavailable("away".to_owned()));
        }
        self.writes += 1;
        let name = write.record();
        let there = self.records.get(&name).cloned();
        let written = match (write, there) {
            (Write::Create(record), None) => {
                let mut record = *record;
                record.metadata.uid = Some(format!("uid-{}", self.next_version()));
                record
            }
            (Write::Create(_), Some(_)) => return Err(NotWritten::Outdated),
            (_, None) => return Err(NotWritten::Outdated),
            (Write::Replace(record), Some(there)) => {
                if record.metadata.resource_version != there.metadata.resource_version {
                    return Err(NotWritten::Outdated);
                }
                *record
            }
            (Write::Patch(patch), Some(there)) => merged(&there, &patch.body())?,
            (Write::Remove(removal), Some(there)) => {
                if removal.unassigns {
                    merged(&there, &removal.body())?;
                }
                self.records.remove(&name);
                return Ok(Written::Gone);
            }
        };
        let mut written = written;
        written.metadata.resource_version = Some(self.next_version());
        self.records.insert(name, written.clone());
        Ok(Written::Record(Record::read(&written)))
    }
}

pub(super) fn merged(
    there: &AzureAssignedIdentity,
    patch: &serde_json::Value,
) -> Result<AzureAssignedIdentity, NotWritten> {
    let expected = |field: &str| patch["metadata"][field].as_str().map(str::to_owned);
    if expected("resourceVersion") != there.metadata.resource_version
        || expected("uid") != there.metadata.uid
    {
        return Err(NotWritten::Outdated);
    }
    let mut whole = serde_json::to_value(there).unwrap();
    merge(&mut whole, patch);
    Ok(serde_json::from_value(whole).unwrap())
}

/// RFC 7396.
fn merge(target: &mut serde_json::Value, patch: &serde_json::Value) {
    let Some(patch) = patch.as_object() else {
        *target = patch.clone();
        return;
    };
    if !target.is_object() {
        *target = json!({});
    }
    let target = target.as_object_mut().unwrap();
    for (key, value) in patch {
        match value.is_null() {
            true => drop(target.remove(key)),
            false => merge(target.entry(key).or_insert(json!(null)), value),
        }
    }
}

//! Writes of AzureAssignedIdentity, each under the condition that the object is still as it was read.

use std::future::Future;
use std::sync::Arc;
use std::time::Duration;

use kube::api::{Api, DeleteParams, Patch, PatchParams, PostParams, Preconditions};
use kube::{Client, Error};
use podgate_api::{AzureAssignedIdentity, ObjectRef};
use podgate_watch::reasons;
use tokio::sync::Mutex;
use tokio::time::{Interval, MissedTickBehavior, interval, timeout};

use super::Permit;
use crate::plan::{NotWritten, Removal, Write, Written};
use crate::record::Record;
use crate::settings::PerSecond;

/// One call. The API server itself gives up after a minute.
const DEADLINE: Duration = Duration::from_secs(30);

/// Characters of the API server's own words that are told.
const MESSAGE: usize = 400;

#[derive(Clone)]
pub(super) struct Records {
    client: Client,
    permit: Permit,
    pace: Option<Pace>,
}

/// So many calls per second, for an operator who wants it. Clones share it.
#[derive(Clone)]
pub(super) struct Pace(Arc<Mutex<Interval>>);

type Called<T> = Result<T, NotWritten>;

impl Records {
    pub(super) fn new(client: Client, permit: Permit, pace: Option<Pace>) -> Self {
        Self {
            client,
            permit,
            pace,
        }
    }

    pub(super) async fn write(&self, write: Write) -> Called<Written> {
        let name = write.record();
        let api = self.of(&name);
        let parameters = PostParams::default();
        let written = match write {
            Write::Create(record) => self.call(api.create(&parameters, &record)).await?,
            Write::Replace(record) => {
                self.call(api.replace(&name.name, &parameters, &record))
                    .await?
            }
            Write::Patch(patch) => self.patch(&api, &name, &patch.body()).await?,
            Write::Remove(removal) => return self.remove(&api, &removal).await,
        };
        Ok(Written::Record(Record::read(&written)))
    }

    fn of(&self, record: &ObjectRef) -> Api<AzureAssignedIdentity> {
        Api::namespaced(self.client.clone(), &record.namespace)
    }

    async fn patch(
        &self,
        api: &Api<AzureAssignedIdentity>,
        record: &ObjectRef,
        body: &serde_json::Value,
    ) -> Called<AzureAssignedIdentity> {
        let parameters = PatchParams::default();
        let patch = Patch::Merge(body);
        self.call(api.patch(&record.name, &parameters, &patch))
            .await
    }

    /// Two steps, so that the record says what it is in the watch of whoever still looks at it. Broken off between them, it
    /// is found unwanted and Unassigned, and goes.
    async fn remove(&self, api: &Api<AzureAssignedIdentity>, removal: &Removal) -> Called<Written> {
        if removal.unassigns {
            self.patch(api, &removal.record, &removal.body()).await?;
        }
        // It went with its finalizer.
        if removal.deleting {
            return Ok(Written::Gone);
        }
        let parameters = DeleteParams::default().preconditions(Preconditions {
            uid: Some(removal.uid.clone()),
            resource_version: None,
        });
        match self
            .call(api.delete(&removal.record.name, &parameters))
            .await
        {
            Ok(_) => Ok(Written::Gone),
            // Somebody was faster, or it is another one by now.
            Err(failure) => Err(failure),
        }
    }

    async fn call<T>(&self, call: impl Future<Output = Result<T, Error>>) -> Called<T> {
        if let Some(pace) = &self.pace {
            pace.next().await;
        }
        if !self.permit.is_valid() {
            return Err(superseded());
        }
        tokio::select! {
            // Dialling takes seconds, after which it may be too late to send anything.
            biased;
            () = self.permit.ended() => Err(superseded()),
            outcome = timeout(DEADLINE, call) => match outcome {
                Ok(outcome) => outcome.map_err(|error| not_written(&error)),
                Err(_) => Err(NotWritten::Unavailable(format!(
                    "no answer from the API server within {} s",
                    DEADLINE.as_secs()
                ))),
            },
        }
    }
}

fn superseded() -> NotWritten {
    NotWritten::Unavailable("another controller is in charge by now".to_owned())
}

impl Pace {
    pub(super) fn of(calls: PerSecond) -> Self {
        let mut interval = interval(calls.period());
        interval.set_missed_tick_behavior(MissedTickBehavior::Delay);
        Self(Arc::new(Mutex::new(interval)))
    }

    async fn next(&self) {
        self.0.lock().await.tick().await;
    }
}

fn not_written(error: &Error) -> NotWritten {
    let Error::Api(status) = error else {
        return NotWritten::Unavailable(format!(
            "the API server cannot be reached: {}",
            reasons(error)
        ));
    };
    let message: String = status.message.chars().take(MESSAGE).collect();
    let told = format!("the API server answered {}: {message}", status.code);
    match status.code {
        409 => NotWritten::Outdated,
        // Of a namespace or a definition; of the record itself, the watch tells.
        404 if status
            .details
            .as_ref()
            .is_some_and(|details| details.kind == "azureassignedidentities") =>
        {
            NotWritten::Outdated
        }
        404 => NotWritten::Refused(format!(
            "{told}; create the namespace, or apply the CustomResourceDefinitions"
        )),
        403 => NotWritten::Refused(format!(
            "{told}; the controller lacks a right: apply docs/rbac.md"
        )),
        429 => NotWritten::Unavailable(told),
        400..=499 => NotWritten::Refused(told),
        _ => NotWritten::Unavailable(told),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn calls_keep_the_pace_that_was_asked_for() {
        let pace = Pace::of("5".parse().unwrap());
        let begun = tokio::time::Instant::now();
        for _ in 0..11 {
            pace.next().await;
        }
        assert_eq!(begun.elapsed(), Duration::from_secs(2));
    }

    #[test]
    fn what_the_api_server_refuses_says_what_to_do() {
        let answer = |code: u16, kind: &str| {
            let json =
                serde_json::json!({"code": code, "message": "because", "details": {"kind": kind}});
            let status: kube::core::Status = serde_json::from_value(json).unwrap();
            not_written(&Error::Api(Box::new(status)))
        };
        assert_eq!(answer(409, "x"), NotWritten::Outdated);
        assert_eq!(answer(404, "azureassignedidentities"), NotWritten::Outdated);
        assert!(
            matches!(answer(404, "namespaces"), NotWritten::Refused(why) if why.contains("namespace"))
        );
        assert!(matches!(answer(403, "x"), NotWritten::Refused(why) if why.contains("rbac.md")));
        assert!(matches!(answer(429, "x"), NotWritten::Unavailable(_)));
        assert!(matches!(answer(500, "x"), NotWritten::Unavailable(_)));
    }
}

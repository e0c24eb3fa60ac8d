//! A policy plugin that is a component.

use std::sync::Arc;

use async_trait::async_trait;
use wasmtime::Store;

use super::{IdentitySelector, Label, Policy, PolicyQuestion, Verdict};
use crate::bindings::policy::exports::podgate::policy::decide as wit;
use crate::bindings::policy::podgate::types::model;
use crate::bindings::policy::{Policy as Instance, PolicyPre};
use crate::guest::{Calls, Configured, Guest, Linked, State};
use crate::text::{self, MAX_SHOWN};
use crate::{Instances, PluginError};

pub(crate) struct Component {
    calls: Arc<Calls<PolicyPre<State>>>,
    is_pure: bool,
}

impl Linked for PolicyPre<State> {
    type Instance = Instance;

    async fn instantiate(
        &self,
        store: &mut Store<State>,
        settings: &str,
    ) -> wasmtime::Result<(Instance, Configured)> {
        let instance = self.instantiate_async(&mut *store).await?;
        let decide = instance.podgate_policy_decide();
        let configured = decide.call_configure(store, settings).await?;
        Ok((instance, configured))
    }
}

// === impl Component ===

impl Component {
    /// Tries the settings on a first instance. What imports nothing but the log is pure, unless an instance may remember
    /// what it was asked before.
    pub(crate) async fn load(
        guest: Arc<Guest>,
        pre: PolicyPre<State>,
        imports_only_log: bool,
    ) -> Result<Self, PluginError> {
        let is_pure = imports_only_log && guest.instances == Instances::Fresh;
        let calls = Calls::load(guest, pre).await?;
        Ok(Self { calls, is_pure })
    }

    fn guest(&self) -> &Guest {
        self.calls.guest()
    }

    /// What may leave the host of an answer.
    fn judge(&self, answer: wit::Verdict) -> Result<Verdict, PluginError> {
        match answer {
            wit::Verdict::Pass => Ok(Verdict::Pass),
            wit::Verdict::Bypass if self.guest().may_bypass => Ok(Verdict::Bypass),
            wit::Verdict::Bypass => Err(PluginError::BypassNotGranted {
                plugin: self.guest().name.to_string(),
            }),
            wit::Verdict::Deny(reason) => {
                self.guest()
                    .check_size("reason for a denial", reason.len())?;
                Ok(Verdict::Deny(text::clean(&reason, MAX_SHOWN)))
            }
            wit::Verdict::Restrict(ids) => {
                self.guest().check_size("list of client ids", size(&ids))?;
                Ok(Verdict::Restrict(
                    ids.iter().map(|id| text::clean(id, MAX_SHOWN)).collect(),
                ))
            }
        }
    }
}

#[async_trait]
impl Policy for Component {
    fn name(&self) -> &str {
        &self.guest().name
    }

    fn is_pure(&self) -> bool {
        self.is_pure
    }

    async fn decide(&self, question: &PolicyQuestion) -> Result<Verdict, PluginError> {
        let question: wit::Question = question.into();
        let asked = self.calls.ask(None, |store, instance| {
            Box::pin(async move {
                instance
                    .podgate_policy_decide()
                    .call_decide(store, &question)
                    .await
            })
        });
        self.judge(asked.await?)
    }
}

/// As it stood in the guest's memory: each text with its pointer and length.
fn size(texts: &[String]) -> usize {
    texts.iter().map(|text| text.len() + 8).sum()
}

impl From<&PolicyQuestion> for wit::Question {
    fn from(question: &PolicyQuestion) -> Self {
        let exception = |exception: &super::PodException| wit::PodException {
            name: exception.name.clone(),
            pod_labels: labels(&exception.pod_labels),
        };
        Self {
            pod: pod(&question.pod),
            request: request(&question.request),
            exceptions: question.exceptions.iter().map(exception).collect(),
        }
    }
}

fn pod(pod: &super::Pod) -> model::Pod {
    model::Pod {
        namespace: pod.namespace.clone(),
        name: pod.name.clone(),
        uid: pod.uid.clone(),
        service_account: pod.service_account.clone(),
        labels: labels(&pod.labels),
    }
}

fn request(request: &super::TokenRequest) -> model::TokenRequest {
    model::TokenRequest {
        path: request.path.clone(),
        resource: request.resource.clone(),
        identity: match &request.identity {
            IdentitySelector::Unspecified => model::IdentitySelector::Unspecified,
            IdentitySelector::ClientId(id) => model::IdentitySelector::ClientId(id.clone()),
            IdentitySelector::ObjectId(id) => model::IdentitySelector::ObjectId(id.clone()),
            IdentitySelector::ResourceId(id) => model::IdentitySelector::ResourceId(id.clone()),
        },
    }
}

fn labels(labels: &[Label]) -> Vec<model::Label> {
    let label = |label: &Label| model::Label {
        name: label.name.clone(),
        value: label.value.clone(),
    };
    labels.iter().map(label).collect()
}

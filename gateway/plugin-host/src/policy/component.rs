//! A policy plugin that is a component.

use std::sync::Arc;

use async_trait::async_trait;
use tokio::time::timeout_at;
use wasmtime::Store;

use super::{IdentitySelector, Label, Policy, PolicyQuestion, Verdict};
use crate::PluginError;
use crate::bindings::policy::exports::podgate::policy::decide as wit;
use crate::bindings::policy::podgate::types::model;
use crate::bindings::policy::{Policy as Instance, PolicyPre};
use crate::guest::{Guest, State, accepted};
use crate::text::{self, MAX_SHOWN};

pub(crate) struct Component {
    guest: Arc<Guest>,
    pre: PolicyPre<State>,
    is_pure: bool,
}

// === impl Component ===

impl Component {
    /// Tries the settings on a first instance.
    pub(crate) async fn load(
        guest: Arc<Guest>,
        pre: PolicyPre<State>,
        is_pure: bool,
    ) -> Result<Self, PluginError> {
        let plugin = Self {
            guest,
            pre,
            is_pure,
        };
        let mut call = plugin.guest.begin(None).await?;
        let ready = timeout_at(call.deadline, plugin.ready(&mut call.store)).await;
        call.end(ready)?;
        Ok(plugin)
    }

    async fn ready(&self, store: &mut Store<State>) -> wasmtime::Result<Instance> {
        let instance = self.pre.instantiate_async(&mut *store).await?;
        let settings = &self.guest.settings;
        accepted(
            instance
                .podgate_policy_decide()
                .call_configure(store, settings)
                .await?,
        )?;
        Ok(instance)
    }

    async fn ask(
        &self,
        store: &mut Store<State>,
        question: &wit::Question,
    ) -> wasmtime::Result<wit::Verdict> {
        let instance = self.ready(store).await?;
        instance
            .podgate_policy_decide()
            .call_decide(store, question)
            .await
    }

    /// What may leave the host of an answer.
    fn judge(&self, answer: wit::Verdict) -> Result<Verdict, PluginError> {
        match answer {
            wit::Verdict::Pass => Ok(Verdict::Pass),
            wit::Verdict::Bypass if self.guest.may_bypass => Ok(Verdict::Bypass),
            wit::Verdict::Bypass => Err(PluginError::BypassNotGranted {
                plugin: self.guest.name.to_string(),
            }),
            wit::Verdict::Deny(reason) => {
                self.guest.check_size("reason for a denial", reason.len())?;
                Ok(Verdict::Deny(text::clean(&reason, MAX_SHOWN)))
            }
            wit::Verdict::Restrict(ids) => {
                self.guest.check_size("list of client ids", size(&ids))?;
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
        &self.guest.name
    }

    fn is_pure(&self) -> bool {
        self.is_pure
    }

    async fn decide(&self, question: &PolicyQuestion) -> Result<Verdict, PluginError> {
        let question = question.into();
        let mut call = self.guest.begin(None).await?;
        let asked = timeout_at(call.deadline, self.ask(&mut call.store, &question)).await;
        self.judge(call.end(asked)?)
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

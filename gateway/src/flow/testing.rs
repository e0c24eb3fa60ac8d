//! A whole flow for tests, in front of an authority that takes its time and says whose token it gives.

use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use http::Request;
use http_body_util::BodyExt;
use parking_lot::Mutex;
use podgate_azure::failure::Failure;
use podgate_azure::imds::ImdsClient;
use podgate_azure::throttle::ImdsLimits;
use podgate_azure::token::Token;
use serde_json::{Value, json};

use super::{Decisions, Flow, LogBudget};
use crate::assignment::{DefaultIdentity, Mode, Rules, Whose};
use crate::cache::{Bounds, TokenCache};
use crate::clock::Clock;
use crate::credential::{TokenSource, Wanted};
use crate::imds;
use crate::policy::Chain;
use crate::reply::{ErrorFormat, Reply};
use crate::world::{Object, Pod, PodUid, World, testing};

/// The path of a pod's request.
pub(crate) const TOKEN: &str = "/metadata/identity/oauth2/token?resource=https://vault.azure.net";
const START: u64 = 1_800_000_000;

/// An authority whose token is the name of the identity.
#[derive(Default)]
pub(crate) struct Authority {
    latency: Mutex<Duration>,
}

impl Authority {
    pub(crate) fn takes(&self, latency: Duration) {
        *self.latency.lock() = latency;
    }
}

#[async_trait]
impl TokenSource for Authority {
    async fn fetch(&self, wanted: &Wanted) -> Result<Token, Failure> {
        let latency = *self.latency.lock();
        tokio::time::sleep(latency).await;
        let Whose::Bound { identity, .. } = wanted.assignment.whose() else {
            panic!("nobody is excepted");
        };
        Ok(Token {
            access_token: identity.object.name.clone().into(),
            token_type: "Bearer".to_owned(),
            expires_on: START + 86_400,
            not_before: None,
        })
    }
}

/// A flow in managed mode without plugins.
pub(crate) fn flow(world: &World, authority: &Arc<Authority>) -> Flow {
    let source: Arc<dyn TokenSource> = Arc::clone(authority) as _;
    let clock = Clock::tokio(START);
    let nowhere = "http://127.0.0.1:9/".parse().unwrap();
    Flow {
        rules: imds::Rules {
            metadata_header_required: true,
            block_instance_metadata: false,
            hosts: vec!["169.254.169.254".to_owned()],
        },
        world: world.clone(),
        pod_wait: Duration::from_secs(5),
        policies: Chain::new([], Arc::default()),
        decisions: Decisions::default(),
        assignment: Rules {
            mode: Mode::Managed,
            namespaced: true,
            default_identity: DefaultIdentity::Refuse,
            wait: Duration::from_secs(1),
        },
        tokens: TokenCache::new(
            source,
            None,
            clock.clone(),
            Bounds::default(),
            Arc::default(),
        ),
        imds: ImdsClient::new(nowhere, ImdsLimits::default(), Duration::from_secs(1)),
        log_budget: LogBudget::default(),
        error_format: ErrorFormat::Json,
        clock,
        metrics: Arc::default(),
    }
}

/// An identity of this name, and the binding that gives it to pods which carry the name as their label.
pub(crate) fn bind(world: &World, name: &str, client_id: &str) {
    let identity = json!({"apiVersion": "aadpodidentity.k8s.io/v1", "kind": "AzureIdentity",
        "metadata": {"name": name, "namespace": "default", "uid": format!("uid-{name}")},
        "spec": {"clientID": client_id, "resourceID": ""}});
    let binding = json!({"apiVersion": "aadpodidentity.k8s.io/v1", "kind": "AzureIdentityBinding",
        "metadata": {"name": name, "namespace": "default"},
        "spec": {"azureIdentity": name, "selector": name}});
    world.apply(Object::Identity(Box::new(
        serde_json::from_value(identity).unwrap(),
    )));
    let binding: podgate_api::AzureIdentityBinding = serde_json::from_value(binding).unwrap();
    world.apply(Object::Binding(binding.into()));
}

/// A pod of this name and uid that is bound to the identity whose name is the uid.
pub(crate) fn pod(name: &str, uid: &str, ip: &str) -> Pod {
    let mut pod = testing::pod("default", name, ip);
    pod.uid = PodUid(uid.into());
    let label = podgate_api::BINDING_LABEL.to_owned();
    pod.labels.insert(label, uid.to_owned());
    pod
}

/// A pod's request.
pub(crate) fn request(target: &str) -> Request<()> {
    Request::get(target)
        .header("Host", "169.254.169.254")
        .header("Metadata", "true")
        .body(())
        .unwrap()
}

/// An answer's status and JSON.
pub(crate) async fn read(reply: Reply) -> (u16, Value) {
    let (parts, body) = reply.into_parts();
    let body = body.collect().await.unwrap().to_bytes();
    let json = serde_json::from_slice(&body).unwrap_or_default();
    (parts.status.as_u16(), json)
}

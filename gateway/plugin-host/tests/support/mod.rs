//! What the tests of the host share.
#![allow(dead_code, reason = "each test binary uses its part")]

use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use bytes::Bytes;
use podgate_plugin_host::{
    Grants, Host, HostConfig, IdentitySelector, Instances, Label, Limits, Outbound, OutboundError,
    OutboundRequest, OutboundResponse, Plugin, Pod, PolicyQuestion, TokenRequest,
};

pub(crate) mod key;
pub(crate) mod lines;

/// A network on which nobody answers.
pub(crate) struct NoNetwork;

#[async_trait]
impl Outbound for NoNetwork {
    async fn send(
        &self,
        _: OutboundRequest,
        _: Duration,
        _: usize,
    ) -> Result<OutboundResponse, OutboundError> {
        Err(OutboundError::Unreachable(
            "there is no network here".into(),
        ))
    }
}

pub(crate) fn host() -> Host {
    host_with(Arc::new(NoNetwork))
}

pub(crate) fn host_with(http: Arc<dyn Outbound>) -> Host {
    // In the target folder, so that compiling the same components again costs the next run nothing.
    let code_cache = Some(concat!(env!("CARGO_TARGET_TMPDIR"), "/plugin-code").into());
    Host::new(HostConfig { code_cache, http }).unwrap()
}

/// A plugin named `p`, without grants and with default limits, but so much time for a call that a busy machine
/// fails no test.
pub(crate) fn plugin(component: impl Into<Bytes>) -> Plugin {
    Plugin {
        name: "p".into(),
        component: component.into(),
        settings: "{}".into(),
        grants: Grants::default(),
        limits: Limits {
            call: Duration::from_secs(30),
            ..Limits::default()
        },
        instances: Instances::Fresh,
    }
}

/// The same with the time that policies have by default.
pub(crate) fn hurried(component: impl Into<Bytes>) -> Plugin {
    Plugin {
        limits: Limits::default(),
        ..plugin(component)
    }
}

pub(crate) fn question() -> PolicyQuestion {
    PolicyQuestion {
        pod: Pod {
            namespace: "payments".into(),
            name: "web-7d4b9c6f5-abcde".into(),
            uid: "3f0c6d6e-0000-4000-8000-000000000001".into(),
            service_account: "default".into(),
            labels: vec![Label {
                name: "app".into(),
                value: "web".into(),
            }],
        },
        request: TokenRequest {
            path: "/metadata/identity/oauth2/token".into(),
            resource: "https://vault.azure.net".into(),
            identity: IdentitySelector::Unspecified,
        },
        exceptions: vec![],
    }
}

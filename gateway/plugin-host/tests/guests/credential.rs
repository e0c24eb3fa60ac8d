//! Credential plugins.

use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use podgate_plugin_host::{
    AcquiredToken, CredentialFailure, CredentialIdentity, CredentialQuestion, Outbound,
    OutboundError, OutboundRequest, OutboundResponse, Plugin, PluginError,
};

use crate::misbehaving;
use crate::support::NoNetwork;
use crate::support::host_with;
use crate::support::key::TestKey;

/// Takes a request and never answers it, or after its whole deadline.
struct Silent {
    forever: bool,
}

#[async_trait]
impl Outbound for Silent {
    async fn send(
        &self,
        _: OutboundRequest,
        deadline: Duration,
        _: usize,
    ) -> Result<OutboundResponse, OutboundError> {
        if self.forever {
            return std::future::pending().await;
        }
        tokio::time::sleep(deadline).await;
        Err(OutboundError::Timeout)
    }
}

type Acquired = Result<Result<AcquiredToken, CredentialFailure>, PluginError>;

async fn acquired(plugin: Plugin, http: Arc<dyn Outbound>, key: &Arc<TestKey>) -> Acquired {
    let question = CredentialQuestion {
        identity: CredentialIdentity {
            client_id: "11111111-1111-1111-1111-111111111111".into(),
            tenant_id: "22222222-2222-2222-2222-222222222222".into(),
            authority: "https://login.example.com/".into(),
        },
        resource: "https://vault.azure.net".into(),
        request_id: "33333333-3333-3333-3333-333333333333".into(),
    };
    let loaded = host_with(http).credential(plugin).await.unwrap();
    loaded.acquire(&question, Arc::clone(key) as _).await
}

async fn credential(settings: &str) -> Acquired {
    let plugin = misbehaving("credential", settings);
    acquired(plugin, Arc::new(NoNetwork), &Arc::new(TestKey::new())).await
}

fn refusal(acquired: Acquired) -> String {
    match acquired.unwrap().unwrap_err() {
        CredentialFailure::Refused { error, .. } => error,
        CredentialFailure::Unavailable { description, .. } => description,
    }
}

#[tokio::test]
async fn the_host_signs_with_the_key_of_the_call() {
    let key = Arc::new(TestKey::new());
    let plugin = misbehaving("credential", r#"{"mode":"sign"}"#);
    let token = acquired(plugin, Arc::new(NoNetwork), &key)
        .await
        .unwrap()
        .unwrap();
    let hex = token.access_token.secret();
    let signature: Vec<u8> = (0..hex.len())
        .step_by(2)
        .map(|at| u8::from_str_radix(&hex[at..at + 2], 16).unwrap())
        .collect();
    assert!(key.verifies(b"33333333-3333-3333-3333-333333333333", &signature));
    assert!(!format!("{token:?}").contains(hex), "a token was printed");
}

#[tokio::test]
async fn a_handle_that_was_not_given_signs_nothing() {
    let error = credential(r#"{"mode":"stolen-handle"}"#).await.unwrap_err();
    assert!(
        matches!(error.category(), "trap" | "invalid_answer"),
        "{error}"
    );
}

#[tokio::test]
async fn requests_beyond_the_grants_are_refused_and_never_sent() {
    assert_eq!(
        refusal(credential(r#"{"mode":"forbidden-host"}"#).await),
        "not_granted"
    );
    assert_eq!(
        refusal(credential(r#"{"mode":"forbidden-header"}"#).await),
        "invalid"
    );
}

#[tokio::test]
async fn a_granted_host_is_reached_beside_the_authority() {
    let mut plugin = misbehaving("credential", r#"{"mode":"forbidden-host"}"#);
    plugin.grants.http_hosts = vec!["forbidden.example".into()];
    let key = Arc::new(TestKey::new());
    let refused = refusal(acquired(plugin, Arc::new(NoNetwork), &key).await);
    assert!(refused.contains("there is no network here"), "{refused}");
}

#[tokio::test]
async fn a_server_that_never_answers_costs_no_more_than_the_calls_time() {
    let key = Arc::new(TestKey::new());
    let mut plugin = misbehaving("credential", r#"{"mode":"hang-in-http"}"#);
    plugin.limits.call = Duration::from_secs(2);
    let polite = Arc::new(Silent { forever: false });
    assert_eq!(
        refusal(acquired(plugin.clone(), polite, &key).await),
        "timeout"
    );
    let forever = Arc::new(Silent { forever: true });
    let error = acquired(plugin, forever, &key).await.unwrap_err();
    assert_eq!(error.category(), "timeout");
}

#[tokio::test]
async fn huge_tokens_and_descriptions_are_thrown_away() {
    for mode in ["huge", "babble"] {
        let settings = format!(r#"{{"mode":"{mode}","length":70000}}"#);
        let error = credential(&settings).await.unwrap_err();
        assert_eq!(error.category(), "oversized");
    }
}

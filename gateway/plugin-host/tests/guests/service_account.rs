//! Tokens of the gateway's own service account, in a credential plugin.

use std::sync::Arc;

use async_trait::async_trait;
use podgate_plugin_host::{
    CredentialFailure, CredentialIdentity, CredentialQuestion, Host, HostConfig, PluginError,
    ServiceAccount, Surroundings,
};
use zeroize::Zeroizing;

use crate::support::key::TestKey;
use crate::support::{NoNetwork, plugin};
use crate::{NATIVE, guest};

const AUDIENCE: &str = "api://AzureADTokenExchange";

/// Has a token for whoever asks.
struct Generous;

#[async_trait]
impl ServiceAccount for Generous {
    async fn token(&self, audience: &str) -> Result<Zeroizing<String>, String> {
        match audience {
            "api://broken" => Err("kubelet\nis away".to_owned()),
            audience => Ok(Zeroizing::new(format!("for.{}.ever", audience.len()))),
        }
    }
}

fn host() -> Host {
    let surroundings = Surroundings {
        service_account: Arc::new(Generous),
        ..Surroundings::default()
    };
    let code_cache = Some(concat!(env!("CARGO_TARGET_TMPDIR"), "/plugin-code").into());
    let http = Arc::new(NoNetwork);
    Host::within(surroundings, HostConfig { code_cache, http }).unwrap()
}

async fn asked(granted: &[&str], audience: &str, request: &str) -> Result<String, String> {
    let mut plugin = plugin(guest(NATIVE, "token_credential"));
    plugin.grants.service_account = granted.iter().map(|text| (*text).to_owned()).collect();
    let credential = host().credential(plugin).await.unwrap();
    assert!(!credential.needs_key());
    let question = CredentialQuestion {
        identity: CredentialIdentity {
            client_id: "11111111-1111-1111-1111-111111111111".into(),
            tenant_id: "22222222-2222-2222-2222-222222222222".into(),
            authority: "https://login.example.com/".into(),
        },
        resource: audience.into(),
        request_id: request.into(),
    };
    let answer = credential
        .acquire(&question, Arc::new(TestKey::new()))
        .await;
    match answer.unwrap() {
        Ok(token) => Ok(token.access_token.secret().to_owned()),
        Err(CredentialFailure::Refused { description, .. }) => Err(description),
        Err(CredentialFailure::Unavailable { description, .. }) => panic!("{description}"),
    }
}

#[tokio::test]
async fn a_plugin_has_tokens_of_the_audiences_it_was_granted_and_of_no_others() {
    assert_eq!(
        asked(&[AUDIENCE], AUDIENCE, "once").await.unwrap(),
        "for.26.ever"
    );
    for other in [
        "api://AzureADTokenExchange/",
        "https://kubernetes.default.svc",
        "",
    ] {
        let error = asked(&[AUDIENCE], other, "once").await.unwrap_err();
        assert!(error.contains("NotGranted"), "{error}");
    }
}

#[tokio::test]
async fn a_plugin_hears_why_there_is_no_token_in_one_line() {
    let error = asked(&["api://broken"], "api://broken", "once")
        .await
        .unwrap_err();
    assert!(
        error.contains("Unavailable") && error.contains("kubelet"),
        "{error}"
    );
    let error = asked(&[AUDIENCE], AUDIENCE, "many").await.unwrap_err();
    assert!(error.contains("no token is left for this call"), "{error}");
}

#[tokio::test]
async fn a_plugin_that_wants_tokens_is_not_loaded_without_the_grant() {
    let loaded = host()
        .credential(plugin(guest(NATIVE, "token_credential")))
        .await;
    let Err(error @ PluginError::NotGranted { .. }) = loaded.map(|_| ()) else {
        panic!("it was loaded");
    };
    let text = error.to_string();
    assert!(
        text.contains("podgate:types/service-account@0.1.1") && text.contains("`serviceAccount`"),
        "{text}"
    );
}

#[tokio::test]
async fn a_host_without_a_service_account_says_so() {
    let mut plugin = plugin(guest(NATIVE, "token_credential"));
    plugin.grants.service_account = vec![AUDIENCE.to_owned()];
    let credential = crate::support::host().credential(plugin).await.unwrap();
    let question = CredentialQuestion {
        identity: CredentialIdentity {
            client_id: String::new(),
            tenant_id: String::new(),
            authority: "https://login.example.com/".into(),
        },
        resource: AUDIENCE.into(),
        request_id: "once".into(),
    };
    let answer = credential
        .acquire(&question, Arc::new(TestKey::new()))
        .await;
    let Err(CredentialFailure::Refused { description, .. }) = answer.unwrap() else {
        panic!("it has a token");
    };
    assert!(
        description.contains("no token of a service account"),
        "{description}"
    );
}

#[tokio::test]
async fn a_plugin_that_tries_its_settings_has_no_token_that_it_could_tell_in_their_place() {
    let mut plugin = plugin(guest(NATIVE, "token_credential"));
    plugin.grants.service_account = vec![AUDIENCE.to_owned()];
    plugin.settings = format!("{{\"ask\": \"{AUDIENCE}\"}}");
    let loaded = host().credential(plugin).await;
    let Err(PluginError::Settings { problems, .. }) = loaded.map(|_| ()) else {
        panic!("it was loaded");
    };
    let told = &problems[0].message;
    assert!(told.contains("no token is left for this call"), "{told}");
}

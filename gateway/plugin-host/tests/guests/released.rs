//! Components that were built against released interfaces, kept as they were (tests/guests/released).

use std::path::Path;
use std::sync::Arc;

use podgate_plugin_host::{
    CredentialIdentity, CredentialQuestion, IdentityType, Plugin, Subject, Times, Verdict,
};

use crate::support::key::TestKey;
use crate::support::{host, plugin, question};

fn released(version: &str, kind: &str) -> Plugin {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../tests/guests/released");
    let path = folder.join(version).join(format!("{kind}.wasm"));
    let mut plugin = plugin(std::fs::read(&path).unwrap());
    plugin.grants.clock = true;
    plugin
}

#[tokio::test]
async fn a_policy_of_0_1_0_is_asked_as_ever() {
    let mut policy = released("0.1.0", "policy");
    policy.settings = r#"{"mode": "deny", "reason": "built long ago"}"#.into();
    let policy = host().policy(policy).await.unwrap();
    let verdict = policy.decide(&question()).await.unwrap();
    assert_eq!(verdict, Verdict::Deny("built long ago".into()));
}

#[tokio::test]
async fn a_credential_plugin_of_0_1_0_has_its_key_and_clock() {
    let mut credential = released("0.1.0", "credential");
    credential.settings = r#"{"mode": "sign"}"#.into();
    let credential = host().credential(credential).await.unwrap();
    assert!(credential.needs_key());
    let question = CredentialQuestion {
        identity: CredentialIdentity {
            client_id: "11111111-1111-1111-1111-111111111111".into(),
            tenant_id: "22222222-2222-2222-2222-222222222222".into(),
            authority: "https://login.example.com/".into(),
        },
        resource: "https://vault.azure.net".into(),
        request_id: "signed".into(),
    };
    let token = credential
        .acquire(&question, Arc::new(TestKey::new()))
        .await;
    let token = token.unwrap().unwrap();
    // A signature of 2048 bits in hexadecimal.
    assert_eq!(token.access_token.secret().len(), 512);
}

#[tokio::test]
async fn a_cache_plugin_of_0_1_0_plans_as_ever() {
    let cache = host().cache(released("0.1.0", "cache")).await.unwrap();
    let subject = Subject {
        client_id: "11111111-1111-1111-1111-111111111111".into(),
        identity_type: IdentityType::ManagedIdentity,
        resource: "https://vault.azure.net".into(),
    };
    let times = Times {
        obtained: 1_000,
        expires: 5_000,
        jitter: 0,
    };
    assert!(cache.key(&subject).await.unwrap().is_some());
    let plan = cache.plan(&subject, times).await.unwrap();
    assert!(plan.refresh_at >= 1_000 && plan.keep_until <= 5_000);
}

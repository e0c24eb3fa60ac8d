//! Cache plugins.

use std::sync::Arc;

use podgate_plugin_host::{CachePolicy, IdentityType, Plan, Subject, Times};

use crate::support::{host, hurried};
use crate::{NATIVE, guest, misbehaving};

fn subject() -> Subject {
    Subject {
        client_id: "11111111-1111-1111-1111-111111111111".into(),
        identity_type: IdentityType::ManagedIdentity,
        resource: "https://vault.azure.net".into(),
    }
}

const TIMES: Times = Times {
    obtained: 1000,
    expires: 4000,
    jitter: 0,
};

async fn cache(settings: &str) -> Arc<dyn CachePolicy> {
    let mut plugin = misbehaving("cache", settings);
    plugin.grants.clock = false;
    host().cache(plugin).await.unwrap()
}

#[tokio::test]
async fn a_cache_plugins_word_comes_through_and_a_long_key_does_not() {
    let plain = cache("{}").await;
    assert_eq!(
        plain.key(&subject()).await,
        Ok(Some("https://vault.azure.net".into()))
    );
    let plan = Plan {
        refresh_at: 2000,
        fresh_until: 3000,
        keep_until: 4000,
    };
    assert_eq!(plain.plan(&subject(), TIMES).await, Ok(plan));
    assert_eq!(
        cache(r#"{"mode":"no-key"}"#).await.key(&subject()).await,
        Ok(None)
    );
    let error = cache(r#"{"mode":"long-key"}"#)
        .await
        .key(&subject())
        .await
        .unwrap_err();
    assert_eq!(error.category(), "oversized");
}

#[tokio::test]
async fn a_cache_plugin_that_loops_or_panics_is_ended() {
    let panic = cache(r#"{"mode":"panic"}"#).await;
    assert_eq!(
        panic.plan(&subject(), TIMES).await.unwrap_err().category(),
        "trap"
    );
    let mut looping = hurried(guest(NATIVE, "misbehaving_cache"));
    looping.settings = r#"{"mode":"loop"}"#.into();
    let looping = host().cache(looping).await.unwrap();
    assert_eq!(looping.key(&subject()).await.unwrap_err().category(), "cpu");
}

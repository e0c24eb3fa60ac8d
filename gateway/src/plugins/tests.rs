use super::*;

use std::collections::BTreeSet;

use async_trait::async_trait;
use podgate_plugin_host::{HostConfig, Outbound, OutboundError, OutboundRequest, OutboundResponse};
use serde_json::{Value, json};

struct Nowhere;

#[async_trait]
impl Outbound for Nowhere {
    async fn send(
        &self,
        _: OutboundRequest,
        _: std::time::Duration,
        _: usize,
    ) -> Result<OutboundResponse, OutboundError> {
        Err(OutboundError::Timeout)
    }
}

/// A host that sends nothing anywhere.
pub(super) fn host() -> Host {
    Host::new(HostConfig {
        code_cache: None,
        http: Arc::new(Nowhere),
    })
    .unwrap()
}

/// Registries that need no account, and keep nothing.
pub(super) fn registries() -> Registries {
    let https = podgate_azure::http::HttpClient::https(&[]).unwrap();
    Registries::new(https, registry::Settings::default()).unwrap()
}

fn sources(folder: &Path) -> Sources<'_> {
    Sources {
        folder,
        registries: None,
    }
}

/// An entry of a plugins file.
pub(super) fn matcher(name: &str, more: Value) -> Value {
    let mut entry = json!({"name": name, "component": {"builtin": "exception-matcher"},
        "grants": {"bypass": true}});
    entry
        .as_object_mut()
        .unwrap()
        .extend(more.as_object().unwrap().clone());
    entry
}

fn file(policies: &[Value]) -> Plugins {
    let text = json!({"policy": policies, "cache": [
        {"name": "token-cache", "component": {"builtin": "token-cache"}}]});
    Plugins::parse(&text.to_string()).unwrap()
}

/// The addresses of policies, for telling them apart.
fn policies(loaded: &Loaded) -> Vec<*const ()> {
    let address = |(policy, _): &(Arc<dyn Policy>, Terms)| Arc::as_ptr(policy).cast();
    loaded.policies.iter().map(address).collect()
}

#[tokio::test]
async fn what_two_editions_of_a_file_have_in_common_is_loaded_once() {
    let (host, folder) = (host(), Path::new("."));
    let first = file(&[matcher("a", json!({})), matcher("b", json!({}))]);
    let first = load(&host, &first, folder).await.unwrap();
    let again = file(&[matcher("b", json!({})), matcher("a", json!({}))]);
    let again = first.next(&host, &again, sources(folder)).await.unwrap();
    let (before, after) = (policies(&first), policies(&again));
    assert_eq!(
        [before[0], before[1]],
        [after[1], after[0]],
        "in the file's order"
    );
    let caches = first.cache.as_ref().zip(again.cache.as_ref()).unwrap();
    assert!(Arc::ptr_eq(caches.0, caches.1));
    assert!(!first.is_same(&again), "another order is another chain");
    let same = file(&[matcher("b", json!({})), matcher("a", json!({}))]);
    assert!(again.is_same(&again.next(&host, &same, sources(folder)).await.unwrap()));
}

#[tokio::test]
async fn whatever_differs_in_an_entry_is_another_plugin_or_other_terms() {
    let (host, folder) = (host(), Path::new("."));
    let load_one = async |before: &Loaded, entry: Value| {
        before
            .next(&host, &file(&[entry]), sources(folder))
            .await
            .unwrap()
    };
    let first = load_one(&Loaded::default(), matcher("a", json!({}))).await;
    let mut seen: BTreeSet<_> = policies(&first).into_iter().collect();
    let mut kept = vec![first.clone()];
    for more in [
        json!({"settings": {"allowedPaths": ["/host/token"]}}),
        json!({"grants": {}}),
        json!({"limits": {"memoryMiB": 17}}),
        json!({"limits": {"call": "99ms"}}),
        json!({"limits": {"cpu": "99ms"}}),
        json!({"instances": "kept"}),
        json!({"name": "b"}),
    ] {
        let next = load_one(&first, matcher("a", more.clone())).await;
        assert!(!first.is_same(&next), "{more}");
        assert!(seen.insert(policies(&next)[0]), "{more} is no other plugin");
        kept.push(next);
    }
    for more in [
        json!({"onFailure": "skip"}),
        json!({"mode": "observe"}),
        json!({"scope": {"namespaces": ["shop"]}}),
    ] {
        let next = load_one(&first, matcher("a", more.clone())).await;
        assert!(!first.is_same(&next), "{more}");
        assert_eq!(
            policies(&first),
            policies(&next),
            "{more} needs no other plugin"
        );
    }
}

#[tokio::test]
async fn a_file_is_read_up_to_its_bound_and_only_if_it_is_one() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("file");
    std::fs::write(&path, [7; 10]).unwrap();
    assert_eq!(read::bounded(&path, 10).await.unwrap(), [7; 10]);
    let long = read::bounded(&path, 9).await.unwrap_err().to_string();
    assert!(long.contains("more than 9 bytes"), "{long}");
    for no_file in [folder.path(), Path::new("/dev/zero")] {
        let error = read::bounded(no_file, 10).await.unwrap_err().to_string();
        assert!(error.contains("it is no file"), "{error}");
    }
}

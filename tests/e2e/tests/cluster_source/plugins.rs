//! A plugins file that cannot be used, told at the API server.

use std::path::PathBuf;

use k8s_openapi::api::core::v1::{ConfigMap, Event};
use kube::api::{Api, ListParams, PostParams};
use podgate_e2e::demo;
use podgate_e2e::stage::VAULT;
use serde_json::json;
use tempfile::TempDir;

use crate::scene::{Cluster, Scene};

const NAMESPACE: &str = "podgate";
const NAME: &str = "podgate-plugins";
/// The built-in policy alone.
const GOOD: &str =
    "policy: [{name: matcher, component: {builtin: exception-matcher}, grants: {bypass: true}}]\n";

/// A gateway whose plugins file is a ConfigMap's, as kubelet would have mounted it.
struct Plugins {
    scene: Scene,
    folder: TempDir,
    uid: String,
}

impl Plugins {
    async fn start(cluster: Cluster) -> Self {
        let map = json!({"metadata": {"name": NAME}, "data": {"plugins.yaml": GOOD}});
        let maps: Api<ConfigMap> = Api::namespaced(cluster.kube.clone(), NAMESPACE);
        let map = serde_json::from_value(map).unwrap();
        let map = maps.create(&PostParams::default(), &map).await.unwrap();
        let folder = tempfile::tempdir().unwrap();
        std::fs::write(folder.path().join("plugins.yaml"), GOOD).unwrap();
        let file = format!("--plugins={}", folder.path().join("plugins.yaml").display());
        let of = format!("--plugins-config-map={NAMESPACE}/{NAME}");
        let scene = Scene::of(cluster, &[&file, &of]).await.unwrap();
        let uid = map.metadata.uid.unwrap();
        Self { scene, folder, uid }
    }

    fn write(&self, text: &str) {
        let path: PathBuf = self.folder.path().join("plugins.yaml");
        std::fs::write(path, text).unwrap();
    }

    async fn events(&self) -> anyhow::Result<Vec<Event>> {
        let events: Api<Event> = Api::namespaced(self.scene.cluster.kube.clone(), NAMESPACE);
        let of = ListParams::default().fields(&format!("involvedObject.uid={}", self.uid));
        Ok(events.list(&of).await?.items)
    }

    async fn until(&self, reason: &str) -> Event {
        let mut found = None;
        let there = async || {
            let events = self.events().await?;
            found = events
                .into_iter()
                .find(|event| event.reason.as_deref() == Some(reason));
            Ok(found.is_some())
        };
        self.scene.until(reason, there).await.unwrap();
        found.unwrap()
    }
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs the control plane: cargo xtask test --only cluster-source"]
async fn a_bad_plugins_file_is_an_event_of_its_config_map_and_the_last_good_set_serves_on() {
    let plugins = Plugins::start(Cluster::start().await.unwrap()).await;
    let scene = &plugins.scene;
    let pod = scene.pod("web", "web", 30).await.unwrap();
    pod.assign(&scene.cluster.kube, "web", "Assigned")
        .await
        .unwrap();
    plugins.write("policy: [{name: matcher, component: {builtin: exception-macher}}]\n");
    let event = plugins.until("PluginsNotReloaded").await;
    assert_eq!(event.type_.as_deref(), Some("Warning"));
    let message = event.message.unwrap();
    for words in [
        "node ",
        "plugin matcher: there is no built-in component exception-macher",
        "what was loaded before stays in force",
    ] {
        assert!(message.contains(words), "{message}");
    }
    let answer = scene.token(30, VAULT).await.unwrap();
    assert_eq!(scene.identity(&answer).unwrap(), demo::WEB);
    let ready = scene.admin("/readyz").await.unwrap();
    assert!(
        ready.status == 200 && ready.text().contains("exception-macher"),
        "{}",
        ready.text()
    );
    assert!(
        scene
            .metrics()
            .await
            .unwrap()
            .contains("podgate_plugins_last_reload_good 0")
    );
    plugins.write(GOOD);
    let event = plugins.until("PluginsReloaded").await;
    assert_eq!(event.type_.as_deref(), Some("Normal"));
    assert_eq!(
        event.source.unwrap().component.as_deref(),
        Some("podgate-gateway")
    );
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs the control plane: cargo xtask test --only cluster-source"]
async fn an_artifact_whose_registry_is_away_is_told_likewise() {
    let plugins = Plugins::start(Cluster::start().await.unwrap()).await;
    let digest = format!("sha256:{}", "0".repeat(64));
    plugins.write(&format!(
        "policy: [{{name: remote, component: {{oci: {{image: 'podgate.invalid/none@{digest}'}}}}}}]\n"
    ));
    let message = plugins.until("PluginsNotReloaded").await.message.unwrap();
    let words = format!(
        "plugin remote: pulling podgate.invalid/none@{digest}: https://podgate.invalid/v2/none/manifests/"
    );
    assert!(message.contains(&words), "{message}");
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs the control plane: cargo xtask test --only cluster-source"]
async fn a_file_that_changes_all_the_time_makes_few_events() {
    let plugins = Plugins::start(Cluster::start().await.unwrap()).await;
    for number in 0..20 {
        plugins.write(&format!(
            "policy: [{{name: a{number}, component: {{builtin: none}}}}]\n"
        ));
        tokio::time::sleep(std::time::Duration::from_millis(200)).await;
    }
    plugins.until("PluginsNotReloaded").await;
    let events = plugins.events().await.unwrap();
    assert!(events.len() <= 2, "one each ten seconds: {events:?}");
}

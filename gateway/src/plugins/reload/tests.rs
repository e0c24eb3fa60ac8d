use super::super::tests::{host, matcher, registries};
use super::super::{digest::Digest, start};
use super::*;

use serde_json::{Value, json};
use tempfile::TempDir;

use crate::flow::testing::{Authority, flow};
use crate::world::World;
use crate::world::testing::rules;

/// A plugins file in a folder of its own, and what follows it.
struct Scene {
    folder: TempDir,
    reload: Reload,
}

fn file(policies: &[Value]) -> String {
    json!({"policy": policies}).to_string()
}

impl Scene {
    async fn of(text: &str) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("plugins.yaml");
        std::fs::write(&path, text).unwrap();
        let reload = follow(&path).await;
        Self { folder, reload }
    }

    fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    fn write(&self, text: &str) {
        std::fs::write(self.path("plugins.yaml"), text).unwrap();
    }

    async fn reload(&mut self, text: &str) {
        self.write(text);
        self.reload.reload().await;
    }

    fn metric(&self, series: &str) -> u64 {
        metric(&self.reload.live.flow, series)
    }

    fn problems(&self) -> Vec<String> {
        self.reload.live.readiness.problems()
    }

    fn stamp(&self) -> u64 {
        self.reload.live.flow.world.stamp()
    }
}

async fn follow(path: &Path) -> Reload {
    let host = host();
    let first = start(&host, &registries(), Some(path)).await.unwrap();
    let authority = Arc::<Authority>::default();
    let flow = Arc::new(flow(&World::new(rules()), &authority));
    flow.metrics.plugins().started(1);
    let certificates = Certificates::new(None, Arc::clone(&flow.metrics));
    let live = Live {
        flow,
        certificates: Arc::new(ArcSwap::from_pointee(certificates)),
        readiness: Readiness::default(),
        events: None,
    };
    Reload::new(host, registries(), path.to_owned(), first, live)
}

fn metric(flow: &Flow, series: &str) -> u64 {
    let text = flow.metrics.render();
    let line = text.lines().find_map(|line| line.strip_prefix(series));
    line.unwrap_or_else(|| panic!("no {series} in {text}"))
        .trim()
        .parse()
        .unwrap()
}

const GENERATION: &str = "podgate_plugins_generation";
const GOOD: &str = "podgate_plugins_last_reload_good";
const LAST_GOOD: &str = "podgate_plugins_last_good_timestamp_seconds";
const FAILED: &str = "podgate_plugins_reload_total{result=\"failed\"}";
const OK: &str = "podgate_plugins_reload_total{result=\"ok\"}";

#[tokio::test]
async fn another_edition_takes_effect_and_voids_what_was_remembered_of_the_last_one() {
    let mut scene = Scene::of(&file(&[matcher("a", json!({}))])).await;
    assert_eq!(
        [GENERATION, OK, FAILED].map(|series| scene.metric(series)),
        [1, 0, 0]
    );
    let stamp = scene.stamp();
    scene
        .reload(&file(&[matcher("a", json!({})), matcher("b", json!({}))]))
        .await;
    assert_eq!(
        [GENERATION, OK, FAILED].map(|series| scene.metric(series)),
        [2, 1, 0]
    );
    assert_ne!(
        scene.stamp(),
        stamp,
        "decisions are remembered by the world's stamp"
    );
    assert!(scene.metric(LAST_GOOD) > 1);
    assert!(scene.reload.seen.is_current());
}

#[tokio::test]
async fn an_edition_that_says_the_same_changes_nothing() {
    let text = file(&[matcher("a", json!({}))]);
    let mut scene = Scene::of(&text).await;
    let stamp = scene.stamp();
    scene
        .reload(&format!("# the same in other words\n{text}"))
        .await;
    assert_eq!(
        [GENERATION, OK, FAILED].map(|series| scene.metric(series)),
        [1, 1, 0]
    );
    assert_eq!(scene.stamp(), stamp);
}

fn with_component(component: &Value) -> String {
    file(&[json!({"name": "guest", "component": component})])
}

/// Editions that cannot be used, with words of what is said of each.
fn bad(scene: &Scene) -> Vec<(String, &'static str)> {
    let put = |name: &str, bytes: &[u8]| {
        std::fs::write(scene.path(name), bytes).unwrap();
        Digest::of(bytes).to_string()
    };
    let (core, junk) = (
        put("core.wasm", b"\0asm\x01\0\0\0"),
        put("junk.wasm", b"junk"),
    );
    let broken = put("broken.wasm", b"\0asm\x0d\0\x01\0\xff\xff");
    let zeros = "0".repeat(64);
    let settings = |settings: Value| file(&[matcher("a", json!({"settings": settings}))]);
    let artifact = json!({"oci": {"layout": "none", "digest": format!("sha256:{zeros}")}});
    vec![
        (String::new(), "it is empty"),
        ("policy: [".to_owned(), "plugins file"),
        ("policies: []".to_owned(), "did you mean `policy`"),
        ("\u{feff}\0".to_owned(), "plugins file"),
        (
            file(&[matcher("a", json!({})), matcher("a", json!({}))]),
            "twice",
        ),
        (
            with_component(&json!({"builtin": "no-such"})),
            "plugin guest: there is no built-in",
        ),
        (
            with_component(&json!({"builtin": "token-cache"})),
            "plugin guest: it is a cache plugin",
        ),
        (
            with_component(&json!({"file": "none.wasm", "sha256": zeros})),
            "plugin guest: reading component",
        ),
        (
            with_component(&json!({"file": "junk.wasm", "sha256": zeros})),
            "plugin guest: component",
        ),
        (
            with_component(&json!({"file": "junk.wasm", "sha256": junk})),
            "no WebAssembly at all",
        ),
        (
            with_component(&json!({"file": "core.wasm", "sha256": core})),
            "a core WebAssembly module",
        ),
        (
            with_component(&json!({"file": "broken.wasm", "sha256": broken})),
            "damaged",
        ),
        (
            with_component(&artifact),
            "plugin guest: the artifact's manifest",
        ),
        (
            // Nobody listens on port 1.
            with_component(&json!({"oci": {"image": format!("127.0.0.1:1/a@sha256:{zeros}")}})),
            "plugin guest: pulling 127.0.0.1:1/a@sha256:",
        ),
        (
            settings(json!({"allowedClientIds": ["x"]})),
            "/allowedClientIds/0",
        ),
        (settings(json!({"allowedPath": []})), "the nearest is"),
    ]
}

#[tokio::test]
async fn whatever_is_wrong_with_an_edition_the_last_good_one_stays_and_the_reason_is_told() {
    let good = file(&[matcher("a", json!({}))]);
    let mut scene = Scene::of(&good).await;
    let stamp = scene.stamp();
    let cases = bad(&scene);
    for (number, (text, words)) in (1..).zip(&cases) {
        scene.reload(text).await;
        let problems = scene.problems();
        assert_eq!(problems.len(), 1);
        assert!(
            problems[0].starts_with("plugins file: ") && problems[0].contains(words),
            "{words:?} is not in {problems:?}"
        );
        assert!(
            problems[0].ends_with("what was loaded before stays in force"),
            "{problems:?}"
        );
        assert_eq!(
            [GENERATION, GOOD, LAST_GOOD, FAILED].map(|series| scene.metric(series)),
            [1, 0, 1, number]
        );
    }
    std::fs::remove_file(scene.path("plugins.yaml")).unwrap();
    scene.reload.reload().await;
    assert!(
        scene.problems()[0].contains("No such file"),
        "{:?}",
        scene.problems()
    );
    assert_eq!(scene.stamp(), stamp, "nothing was swapped");
    scene.reload(&good).await;
    assert!(scene.problems().is_empty(), "{:?}", scene.problems());
    assert_eq!(
        [GENERATION, GOOD].map(|series| scene.metric(series)),
        [1, 1]
    );
}

#[tokio::test]
async fn a_bad_file_is_tried_again_ever_more_seldom_and_at_once_when_it_changes() {
    let good = file(&[matcher("a", json!({}))]);
    let mut scene = Scene::of(&good).await;
    let mut waits = Vec::new();
    scene.write("");
    for _ in 0..7 {
        scene.reload.reload().await;
        assert!(!scene.reload.is_due(), "it waits");
        waits.push(scene.reload.retry.as_ref().unwrap().wait.as_secs());
    }
    assert_eq!(waits, [10, 20, 40, 80, 160, 300, 300]);
    scene.reload("# another mistake").await;
    assert_eq!(scene.reload.retry.as_ref().unwrap().wait, FIRST_RETRY);
    scene.write(&good);
    assert!(scene.reload.is_due());
    scene.reload.reload().await;
    assert!(scene.reload.retry.is_none() && !scene.reload.is_due());
}

#[tokio::test]
async fn a_component_that_comes_after_the_file_that_names_it_is_noticed() {
    let mut scene = Scene::of(&file(&[])).await;
    let bytes = b"\0asm\x01\0\0\0";
    let named = json!({"file": "late.wasm", "sha256": Digest::of(bytes).to_string()});
    scene.reload(&with_component(&named)).await;
    assert!(!scene.reload.is_due());
    std::fs::write(scene.path("late.wasm"), bytes).unwrap();
    assert!(scene.reload.is_due());
}

/// As kubelet writes a ConfigMap: links through `..data`, which is swapped for another one.
fn publish(folder: &Path, edition: &str, text: &str) {
    let target = folder.join(edition);
    std::fs::create_dir(&target).unwrap();
    std::fs::write(target.join("plugins.yaml"), text).unwrap();
    std::os::unix::fs::symlink(edition, folder.join("..data_tmp")).unwrap();
    std::fs::rename(folder.join("..data_tmp"), folder.join("..data")).unwrap();
}

#[tokio::test]
async fn a_swap_by_kubelet_is_noticed_before_the_next_look() {
    let folder = tempfile::tempdir().unwrap();
    publish(folder.path(), "..1", &file(&[]));
    let path = folder.path().join("plugins.yaml");
    std::os::unix::fs::symlink("..data/plugins.yaml", &path).unwrap();
    let reload = follow(&path).await;
    let flow = Arc::clone(&reload.live.flow);
    let following = tokio::spawn(reload.run());
    for (edition, generation) in [("..2", 2), ("..3", 3)] {
        let name = edition.trim_start_matches('.');
        publish(
            folder.path(),
            edition,
            &file(&[matcher(&format!("m{name}"), json!({}))]),
        );
        let start = Instant::now();
        while metric(&flow, GENERATION) != generation {
            assert!(start.elapsed() < LOOK / 2, "it is not noticed");
            sleep(Duration::from_millis(10)).await;
        }
    }
    following.abort();
}

//! Another plugins file takes effect without a restart, a bad one does not, and no request notices but by what it says.

use std::path::Path;
use std::time::{Duration, Instant};

use podgate_e2e::bench::proc;
use podgate_testkit::{Fault, FaultKind, Target};
use serde_json::{Value, json};

use crate::chain::{ADDON, Chain, LEDGER, WEB, WORKER, described, vault, with};
use crate::guests::{self, CACHE, CREDENTIAL, FUTURE, GREEDY, POLICY, guest};
use crate::load::{Load, Pace};
use crate::process::{Running, ask, token_path};

/// The pod that the load asks for: its threads have no address of their own.
const CROWD: &str = "apiVersion: v1\nkind: Pod\nmetadata: { name: crowd, namespace: shop, labels: { aadpodidbinding: web } }\n\
     status: { phase: Running, podIP: 127.0.0.1 }\n";
const GENERATION: &str = "podgate_plugins_generation";

pub(crate) fn policy(settings: Value) -> Value {
    with(guest(POLICY, settings), json!({"grants": {"clock": true}}))
}

fn denying() -> Chain {
    Chain::built_in().first(policy(json!({"mode": "deny", "reason": "because"})))
}

async fn status(running: &Running, pod: &str) -> u16 {
    running.token(pod, &vault()).await.status
}

#[tokio::test]
async fn a_new_policy_counts_for_requests_that_were_answered_before_and_for_those_under_way() {
    let running = Running::start(&Chain::built_in(), &[]).await;
    assert_eq!(status(&running, WEB).await, 200);
    let slow = Fault::new(Target::Entra, FaultKind::Latency { ms: 3000 });
    running.sim.fail(slow);
    let waiting = running.pod(WORKER);
    let waiting = tokio::spawn(async move { ask(&waiting, &token_path(&vault())).await });
    let asked = Instant::now();
    while running.sim.calls().len() < 2 {
        assert!(
            asked.elapsed() < Duration::from_secs(10),
            "no authority is asked"
        );
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    assert!(running.reload(&denying().text()).await, "{}", running.log());
    let denied = running.token(WEB, &vault()).await;
    assert_eq!(denied.status, 403);
    assert!(described(&denied).contains("because"), "{}", denied.text());
    let waited = waiting.await.unwrap();
    assert_eq!(
        waited.status,
        403,
        "it is judged again before it is answered: {}",
        waited.text()
    );
    assert!(running.reload(&Chain::built_in().text()).await);
    for pod in [WEB, WORKER] {
        assert_eq!(status(&running, pod).await, 200);
    }
    assert_eq!(running.metric(GENERATION).await, 3);
}

#[tokio::test]
async fn what_was_decided_by_plugins_that_are_remembered_ends_with_them() {
    let running = Running::start(&Chain::built_in(), &[]).await;
    for _ in 0..2 {
        assert_eq!(status(&running, ADDON).await, 200, "it is excepted");
        assert!(
            running
                .reload(&Chain::built_in().without_policies().text())
                .await
        );
        assert_eq!(status(&running, ADDON).await, 400, "no exception counts");
        assert!(running.reload(&Chain::built_in().text()).await);
    }
}

#[tokio::test]
async fn credential_and_cache_plugins_are_replaced_as_well() {
    let running = Running::start(&Chain::built_in(), &[]).await;
    let audience = |name: &str| format!("resource=https://{name}.example");
    let calls = || running.sim.calls().len();
    assert_eq!(running.token(LEDGER, &audience("a")).await.status, 200);
    let broken = with(
        guest(CREDENTIAL, json!({"mode": "panic"})),
        json!({"grants": {"clock": true}}),
    );
    assert!(
        running
            .reload(&Chain::built_in().credential(broken).text())
            .await
    );
    let failed = running.token(LEDGER, &audience("b")).await;
    assert!(
        described(&failed).contains("credential plugin guest failed"),
        "{}",
        failed.text()
    );
    assert_eq!(
        running.token(LEDGER, &audience("a")).await.status,
        200,
        "it is cached"
    );
    let unkept = guest(CACHE, json!({"mode": "no-key"}));
    assert!(
        running
            .reload(&Chain::built_in().cache(unkept).text())
            .await
    );
    let before = calls();
    for _ in 0..2 {
        assert_eq!(running.token(LEDGER, &audience("c")).await.status, 200);
    }
    assert_eq!(calls(), before + 2, "no token is kept any more");
}

/// What is wrong with one edition of the file, and words of the reason.
fn bad_editions() -> Vec<(String, &'static [&'static str])> {
    let first = |plugin: Value| Chain::built_in().first(plugin).text();
    let mode = |mode: &str| first(policy(json!({"mode": mode})));
    let mut swapped = policy(json!({}));
    swapped["component"]["sha256"] = json!("0".repeat(64));
    let mut missing = policy(json!({}));
    missing["component"]["file"] = json!("gone.wasm");
    vec![
        (String::new(), &["it is empty"]),
        ("policy: [".to_owned(), &["plugins file"]),
        ("policyy: []".to_owned(), &["did you mean `policy`"]),
        (mode("panic-in-configure"), &["plugin guest", "crashed"]),
        (mode("loop-in-configure"), &["plugin guest", "limits.cpu"]),
        (mode("refuse-settings"), &["plugin guest", "/mode: refused"]),
        (first(swapped), &["plugin guest", "put its digest"]),
        (first(missing), &["plugin guest", "gone.wasm"]),
        (
            first(guest(POLICY, json!({}))),
            &["plugin guest", "the grant `clock`"],
        ),
        (
            first(guest(CACHE, json!({}))),
            &["plugin guest", "list it under `cache`"],
        ),
        (
            first(guest(GREEDY, json!({}))),
            &["plugin guest", "podgate:types/http"],
        ),
        (
            first(guest(FUTURE, json!({}))),
            &["plugin guest", "upgrade podgate"],
        ),
    ]
}

#[tokio::test]
async fn a_bad_file_changes_nothing_and_tells_why_in_the_log_on_readyz_and_by_metrics() {
    let running = Running::start(&denying(), &[]).await;
    let good = "podgate_plugins_last_reload_good";
    for (text, words) in bad_editions() {
        assert!(!running.reload(&text).await, "it was taken: {text}");
        let ready = running.admin("/readyz").await;
        assert_eq!(ready.status, 200, "it is ready with what it has");
        for word in words {
            assert!(
                ready.text().contains(word),
                "{word:?} is not in {}",
                ready.text()
            );
            assert!(running.log().contains(word), "{word:?} is not in the log");
        }
        assert_eq!(status(&running, WEB).await, 403, "{text}");
        assert_eq!(
            (running.metric(GENERATION).await, running.metric(good).await),
            (1, 0)
        );
    }
    assert!(running.reload(&denying().text()).await, "back to what runs");
    assert_eq!(running.admin("/readyz").await.text(), "ready\n");
    assert_eq!(
        (running.metric(GENERATION).await, running.metric(good).await),
        (1, 1)
    );
}

/// A component beside the plugins file, as a ConfigMap's `binaryData` is mounted, and one in an OCI image layout.
#[tokio::test]
async fn components_come_from_the_files_folder_and_from_an_oci_layout() {
    let running = Running::start(&Chain::built_in(), &[]).await;
    let folder = running.plugins();
    std::fs::copy(guests::path(POLICY), folder.join("mine.wasm")).unwrap();
    let file = json!({"file": "mine.wasm", "sha256": guests::sha256(&folder.join("mine.wasm"))});
    let oci = json!({"oci": {"layout": "artifacts", "digest": artifact(folder)}});
    for (number, component) in [file, oci].into_iter().enumerate() {
        let mut plugin = policy(json!({"mode": "deny", "reason": format!("reason {number}")}));
        plugin["component"] = component;
        assert!(
            running
                .reload(&Chain::built_in().first(plugin).text())
                .await,
            "{}",
            running.log()
        );
        let denied = running.token(WEB, &vault()).await;
        assert!(
            described(&denied).contains(&format!("reason {number}")),
            "{}",
            denied.text()
        );
    }
}

/// Writes the layout `artifacts`; its manifest's digest.
fn artifact(folder: &Path) -> String {
    let blobs = folder.join("artifacts/blobs/sha256");
    std::fs::create_dir_all(&blobs).unwrap();
    let put = |bytes: &[u8]| {
        let staged = folder.join("staged");
        std::fs::write(&staged, bytes).unwrap();
        let digest = guests::sha256(&staged);
        std::fs::rename(staged, blobs.join(&digest)).unwrap();
        format!("sha256:{digest}")
    };
    let component = std::fs::read(guests::path(POLICY)).unwrap();
    let config = put(b"{}");
    let manifest = json!({"schemaVersion": 2, "mediaType": "application/vnd.oci.image.manifest.v1+json",
        "config": {"mediaType": "application/vnd.wasm.config.v0+json", "digest": config, "size": 2},
        "layers": [{"mediaType": "application/wasm", "digest": put(&component), "size": component.len()}]});
    put(manifest.to_string().as_bytes())
}

/// A chain that is another one for each number, and lets everything through.
fn edition(number: u64) -> Chain {
    let settings = json!({"mode": "pass"});
    let limits = json!({"limits": {"call": format!("{}ms", 5000 + number)}});
    Chain::built_in().first(with(policy(settings), limits))
}

/// As many as `cargo xtask soak --reloads` says.
fn reloads() -> u64 {
    std::env::var("SOAK_RELOADS").map_or(50, |number| number.parse().unwrap())
}

/// Before memory is compared, the engine's pool gets its places warm, and they are taken in no order: as many calls at
/// a time as one plugin may have do that at once.
async fn warm_up(running: &Running) {
    let looping = with(policy(json!({"mode": "loop"})), json!({"mode": "observe"}));
    let looping = Chain::built_in().first(looping);
    assert!(running.reload(&looping.text()).await, "{}", running.log());
    let asked = (0..40).map(|_| {
        let client = running.pod(WEB);
        tokio::spawn(async move { ask(&client, &token_path(&vault())).await })
    });
    for answer in asked.collect::<Vec<_>>() {
        assert_eq!(answer.await.unwrap().status, 200);
    }
}

/// The allocator has a heap for each of its threads, and they fill up in no order, for hundreds of reloads. With one
/// heap only what is really kept shows. The gateway has the variable of this program, which begins anew with it.
fn has_one_heap(test: &str) -> bool {
    const HEAPS: &str = "MALLOC_ARENA_MAX";
    if std::env::var_os(HEAPS).is_some() {
        return true;
    }
    let mut again = std::process::Command::new(std::env::current_exe().unwrap());
    again.args([test, "--exact", "--nocapture"]);
    assert!(again.env(HEAPS, "1").status().unwrap().success());
    false
}

#[tokio::test(flavor = "multi_thread")]
async fn reloads_under_load_lose_no_request_and_keep_no_memory() {
    if !has_one_heap("reload::reloads_under_load_lose_no_request_and_keep_no_memory") {
        return;
    }
    let (warm, reloads) = (20, reloads());
    let running = Running::start(&edition(0), &["--log=warn"]).await;
    std::fs::write(running.manifest("crowd.yaml"), CROWD).unwrap();
    while status(&running, "127.0.0.1").await != 200 {
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    let load = load(&running);
    warm_up(&running).await;
    for number in 1..=warm {
        reload_twice(&running, number).await;
    }
    let settled = proc::rss(running.gateway.pid).unwrap();
    for number in warm + 1..=warm + reloads {
        reload_twice(&running, number).await;
    }
    let after = proc::rss(running.gateway.pid).unwrap();
    let outcome = load.stop();
    println!("{reloads} reloads: {outcome}; {settled} KiB became {after} KiB");
    assert!(outcome.failures.is_empty(), "{outcome}\n{}", running.log());
    assert!(
        outcome.anew > 100 && outcome.kept > 100,
        "too little load: {outcome}"
    );
    assert_eq!(running.metric(GENERATION).await, 2 + warm + reloads);
    assert!(
        after <= settled + settled / 20,
        "{settled} KiB became {after} KiB"
    );
}

fn load(running: &Running) -> Load {
    let pause = Duration::from_millis(2);
    let paces = [Pace::anew(pause), Pace::kept(pause), Pace::kept(pause)];
    Load::start(running.gateway.address, &paces)
}

/// A good one, and now and then a bad one before it.
async fn reload_twice(running: &Running, number: u64) {
    if number % 10 == 5 {
        assert!(!running.reload("policy: [").await, "a bad one in between");
    }
    let good = running.reload(&edition(number).text()).await;
    assert!(good, "{}", running.log());
}

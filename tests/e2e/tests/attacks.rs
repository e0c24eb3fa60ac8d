//! The known attacks on gateways of this kind, one test each, named after it. Those that need a network are
//! cases of the `netns` program; docs/attacks.md has the whole list.
#![allow(clippy::unwrap_used, reason = "a test's panic is its report")]

use std::time::Duration;

use podgate_e2e::demo;
use podgate_e2e::stage::{Stage, VAULT};
use podgate_testkit::{Answer, SimConfig};

const POD: &str = "127.0.0.2";
const TOKEN: &str =
    "/metadata/identity/oauth2/token?api-version=2018-02-01&resource=https://vault.azure.net";
const HOST: (&str, &str) = ("Host", "169.254.169.254");
const METADATA: (&str, &str) = ("Metadata", "true");

async fn get(stage: &Stage, path: &str, headers: &[(&str, &str)]) -> Answer {
    stage.pod(POD).unwrap().get(path, headers).await.unwrap()
}

async fn ask(stage: &Stage, ip: &str, query: &str) -> Answer {
    stage
        .token(ip, &format!("resource={VAULT}&{query}"))
        .await
        .unwrap()
}

fn nothing_was_asked_for(stage: &Stage) {
    assert!(stage.sim.calls().is_empty(), "{:?}", stage.sim.calls());
}

/// A stage with one pod that waits little, so that refusals come soon.
async fn staged(flags: &[&str], manifests: &'static str) -> Stage {
    let flags = [&["--operation-mode=managed", "--pod-wait=200ms"], flags].concat();
    let lay_out = move |folder: &std::path::Path| {
        demo::lay_out(folder)?;
        Ok(std::fs::write(folder.join("more.yaml"), manifests)?)
    };
    Stage::start(demo::directory().unwrap(), &flags, lay_out)
        .await
        .unwrap()
}

#[tokio::test]
async fn server_side_request_forgery() {
    let stage = Stage::demo().await.unwrap();
    let forwarded = ("X-Forwarded-For", "10.0.0.1");
    assert_eq!(get(&stage, TOKEN, &[HOST]).await.status, 400);
    assert_eq!(
        get(&stage, TOKEN, &[HOST, METADATA, forwarded])
            .await
            .status,
        400
    );
    let post = stage
        .pod(POD)
        .unwrap()
        .request("POST", TOKEN, &[HOST, METADATA], b"")
        .await
        .unwrap();
    assert_eq!(post.status, 405);
    let twice = format!("{TOKEN}&resource=https://storage.azure.com");
    assert_eq!(get(&stage, &twice, &[HOST, METADATA]).await.status, 400);
    nothing_was_asked_for(&stage);
}

#[tokio::test]
async fn path_and_encoding_confusion() {
    let stage = Stage::demo().await.unwrap();
    for path in [
        "/metadata/identity\\oauth2\\token",
        "/metadata/identity%2foauth2%2ftoken",
        "/metadata/identity/oauth2/%2574oken",
        "/metadata/instance/../identity/oauth2/token",
        "/metadata/identity/oauth2/token;x=y",
        "/metadata//identity/oauth2/token",
        "/metadata/IDENTITY/oauth2/token",
        "/metadata/identity/oauth2/token%3F",
        "/metadata/identity/oauth2/token.",
        "/metadata/identity/oauth2/tok\u{0435}n",
    ] {
        let answer = stage
            .pod(POD)
            .unwrap()
            .get(&format!("{path}?resource={VAULT}"), &[HOST, METADATA])
            .await;
        let status = answer.map(|answer| answer.status);
        assert!(
            matches!(status, Err(_) | Ok(400 | 404)),
            "{path}: {status:?}"
        );
    }
    nothing_was_asked_for(&stage);
}

#[tokio::test]
async fn absolute_form_and_open_proxy() {
    let stage = Stage::demo().await.unwrap();
    for target in [
        "http://evil.example/",
        "http://169.254.169.254/metadata/instance",
        "evil.example:80",
        "http://2852039166/",
    ] {
        let request = format!(
            "GET {target} HTTP/1.1\r\nHost: 169.254.169.254\r\nMetadata: true\r\nConnection: close\r\n\r\n"
        );
        let status = stage
            .pod(POD)
            .unwrap()
            .send(request.as_bytes())
            .await
            .map(|answer| answer.status);
        assert!(
            matches!(status, Err(_) | Ok(400 | 404)),
            "{target}: {status:?}"
        );
    }
    nothing_was_asked_for(&stage);
}

#[tokio::test]
async fn stale_pod_address_reuse() {
    const TWICE: &str = "apiVersion: v1\nkind: Pod\nmetadata: {name: successor, namespace: shop, labels: {aadpodidbinding: worker}}\n\
                         status: {phase: Running, podIP: 127.0.0.2}\n";
    let stage = staged(&[], TWICE).await;
    let answer = ask(&stage, POD, "").await;
    assert_eq!(answer.status, 503, "{}", answer.text());
    assert!(answer.header("retry-after").is_some());
    nothing_was_asked_for(&stage);
}

#[tokio::test]
async fn confused_deputy() {
    let stage = Stage::demo().await.unwrap();
    for other in [
        demo::ARCHIVE,
        demo::NODE,
        demo::WORKER,
        "00000000-0000-4000-8000-000000000000",
    ] {
        let answer = ask(&stage, POD, &format!("client_id={other}")).await;
        assert_eq!(answer.status, 400, "{other}: {}", answer.text());
    }
    let several = ask(&stage, "127.0.0.7", "").await;
    assert_eq!(several.status, 400, "no random pick: {}", several.text());
    nothing_was_asked_for(&stage);
}

#[tokio::test]
async fn a_binding_across_namespaces() {
    const STRANGER: &str = "apiVersion: v1\nkind: Pod\nmetadata: {name: web, namespace: elsewhere, labels: {aadpodidbinding: web}}\n\
                            status: {phase: Running, podIP: 127.0.0.30}\n";
    let stage = staged(&[], STRANGER).await;
    assert_eq!(ask(&stage, "127.0.0.30", "").await.status, 400);
    nothing_was_asked_for(&stage);
}

/// The old gateway let whole namespaces through by a name, and an exception counted wherever it was.
#[tokio::test]
async fn excepted_pods_get_the_nodes_identities() {
    const PODS: &str = "apiVersion: v1\nkind: Pod\nmetadata: {name: same-label, namespace: shop, labels: {kubernetes.azure.com/managedby: aks}}\n\
                        status: {phase: Running, podIP: 127.0.0.31}\n---\n\
                        apiVersion: v1\nkind: Pod\nmetadata: {name: mic-0, namespace: default}\n\
                        status: {phase: Running, podIP: 127.0.0.32}\n";
    let stage = staged(&[], PODS).await;
    for stranger in ["127.0.0.31", "127.0.0.32"] {
        assert_eq!(ask(&stage, stranger, "").await.status, 400, "{stranger}");
    }
    nothing_was_asked_for(&stage);
    assert_eq!(
        ask(&stage, "127.0.0.5", &format!("client_id={}", demo::NODE))
            .await
            .status,
        200
    );
}

#[tokio::test]
async fn host_network_pods_share_the_nodes_address() {
    const HOST_POD: &str = "apiVersion: v1\nkind: Pod\nmetadata: {name: agent, namespace: shop, labels: {aadpodidbinding: web}}\n\
                            spec: {hostNetwork: true, containers: []}\nstatus: {phase: Running, podIP: 127.0.0.33}\n";
    let stage = staged(&[], HOST_POD).await;
    assert_eq!(ask(&stage, "127.0.0.33", "").await.status, 503);
    nothing_was_asked_for(&stage);
}

#[tokio::test]
async fn dns_rebinding_by_the_host_header() {
    let stage = Stage::demo().await.unwrap();
    for host in [
        "evil.example",
        "169.254.169.254.evil.example",
        "localhost",
        "169.254.169.254:8080",
    ] {
        let answer = get(&stage, TOKEN, &[("Host", host), METADATA]).await;
        assert_eq!(answer.status, 400, "{host}");
    }
    nothing_was_asked_for(&stage);
}

#[tokio::test]
async fn token_theft_by_metrics_and_explanations() {
    let stage = Stage::demo().await.unwrap();
    let answer = ask(&stage, POD, "").await;
    let token = answer.json()["access_token"].as_str().unwrap().to_owned();
    assert_eq!(ask(&stage, "127.0.0.3", "").await.status, 200);
    let metrics = stage.admin("/metrics").await.unwrap().text();
    assert!(!metrics.contains("127.0.0."), "a label for each client");
    let signature = token.rsplit('.').next().unwrap();
    for page in [
        "/metrics",
        "/explain?pod=shop/web",
        "/explain?pod=shop/worker",
        "/readyz",
        "/healthz",
    ] {
        let text = stage.admin(page).await.unwrap().text();
        assert!(
            !text.contains(signature) && !text.contains(demo::SECRET),
            "{page}"
        );
    }
}

/// One pod asks for a thousand audiences; IMDS never sees more than it allows, and the neighbour is served.
#[tokio::test(flavor = "multi_thread")]
async fn a_storm_of_one_pod() {
    let stage = std::sync::Arc::new(Stage::demo().await.unwrap());
    let storm: Vec<_> = (0..8)
        .map(|lane| {
            let stage = stage.clone();
            tokio::spawn(async move {
                for round in 0..30 {
                    let _ = stage
                        .token(POD, &format!("resource=https://{lane}-{round}.example"))
                        .await;
                }
            })
        })
        .collect();
    tokio::time::sleep(Duration::from_millis(100)).await;
    let neighbour = ask(&stage, "127.0.0.7", &format!("client_id={}", demo::ARCHIVE)).await;
    assert_eq!(neighbour.status, 200, "{}", neighbour.text());
    for lane in storm {
        lane.abort();
    }
    let counts = stage.sim.limit_counts();
    assert_eq!(
        (
            counts.identity_refused_concurrent,
            counts.identity_refused_rate
        ),
        (0, 0),
        "{counts:?}"
    );
}

#[tokio::test]
async fn a_malicious_plugin_update() {
    let plugins = "policy:\n- name: exception-matcher\n  component: {file: matcher.wasm, sha256: \"0000000000000000000000000000000000000000000000000000000000000000\"}\n";
    let folder = tempfile::tempdir().unwrap();
    std::fs::write(folder.path().join("matcher.wasm"), b"\0asm changed").unwrap();
    let file = folder.path().join("plugins.yaml");
    std::fs::write(&file, plugins).unwrap();
    let flag = format!("--plugins={}", file.display());
    let started = Stage::start(SimConfig::default(), &[&flag], |_| Ok(())).await;
    let error = format!("{:#}", started.err().expect("it must not start"));
    assert!(error.contains("sha256"), "{error}");
}

#[tokio::test]
async fn a_malformed_configuration() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("plugins.yaml");
    std::fs::write(&file, "policy: []\npolicies: []\n").unwrap();
    let flag = format!("--plugins={}", file.display());
    let started = Stage::start(SimConfig::default(), &[&flag], |_| Ok(())).await;
    assert!(
        started.is_err(),
        "an unknown key may be a mistyped protection"
    );
    let stage = Stage::demo().await.unwrap();
    stage.apply("identities.yaml", "apiVersion: [").unwrap();
    tokio::time::sleep(Duration::from_millis(300)).await;
    assert_eq!(
        ask(&stage, POD, "").await.status,
        200,
        "the last good state stays in force"
    );
}

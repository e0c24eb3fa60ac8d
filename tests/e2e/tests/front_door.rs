//! What must not get in, tried on the real listener with raw bytes.
#![allow(clippy::unwrap_used, reason = "a test's panic is its report")]

use podgate_e2e::demo;
use podgate_e2e::process::GatewayProcess;
use podgate_e2e::stage::{Stage, arguments};
use podgate_testkit::Client;

const POD: &str = "127.0.0.2";

/// One raw request; the status, or nothing where the connection was closed without one.
async fn raw(stage: &Stage, text: &str) -> Option<u16> {
    let request = text.replace('\n', "\r\n");
    stage
        .pod(POD)
        .unwrap()
        .send(request.as_bytes())
        .await
        .ok()
        .map(|answer| answer.status)
}

fn get(target: &str) -> String {
    format!("GET {target} HTTP/1.1\nHost: 169.254.169.254\nMetadata: true\nConnection: close\n\n")
}

#[tokio::test]
async fn no_spelling_of_a_path_reaches_imds_but_by_its_route() {
    let stage = Stage::demo().await.unwrap();
    for target in [
        "/metadata/identity\\oauth2\\token?resource=https://vault.azure.net",
        "/metadata/identity%2foauth2%2ftoken?resource=a",
        "/metadata/identity/oauth2/%74oken?resource=a",
        "/metadata/identity/../identity/oauth2/token?resource=a",
        "/metadata/identity/./oauth2/token?resource=a",
        "/metadata/identity/oauth2//token?resource=a",
        "/metadata/identity/oauth2/token;a=b?resource=a",
        "/metadata/identity/issuecredential?cred-api-version=2.0",
        "/metadata/identity/getplatformmetadata?cred-api-version=2.0",
        "/metadata/attested/document?api-version=2021-02-01",
        "/metadata/scheduledevents?api-version=2020-07-01",
        "/metadata/instance/..%2fidentity/oauth2/token?resource=a",
        "http://169.254.169.254/metadata/identity/oauth2/token?resource=a",
        "http://evil.example/",
        "*",
    ] {
        let status = raw(&stage, &get(target)).await;
        assert!(
            matches!(status, None | Some(400 | 404)),
            "{target}: {status:?}"
        );
    }
    assert!(stage.sim.calls().is_empty(), "{:?}", stage.sim.calls());
}

#[tokio::test]
async fn smuggling_proxying_and_malformed_requests_are_refused() {
    let stage = Stage::demo().await.unwrap();
    let path = "/metadata/identity/oauth2/token?resource=https://vault.azure.net";
    let head =
        format!("GET {path} HTTP/1.1\nHost: 169.254.169.254\nMetadata: true\nConnection: close\n");
    for request in [
        "CONNECT 169.254.169.254:80 HTTP/1.1\nHost: 169.254.169.254\nMetadata: true\n\n".to_owned(),
        format!("{head}X-Forwarded-For: 10.0.0.1\n\n"),
        format!("{head}Metadata: true\n\n"),
        format!("{head}Host: 169.254.169.254\n\n"),
        format!("{head}Content-Length: 5\n\nhello"),
        format!("{head}Transfer-Encoding: chunked\n\n0\n\n"),
        format!("{head}Transfer-Encoding: chunked\nContent-Length: 5\n\n0\n\n"),
        format!(
            "POST {path} HTTP/1.1\nHost: 169.254.169.254\nMetadata: true\nContent-Length: 0\nConnection: close\n\n"
        ),
        format!("GET {path} HTTP/1.1\nHost: evil.example\nMetadata: true\nConnection: close\n\n"),
        format!(
            "GET {path}&resource=b HTTP/1.1\nHost: 169.254.169.254\nMetadata: true\nConnection: close\n\n"
        ),
        format!("{head}X: {}\n\n", "a".repeat(64 * 1024)),
        format!(
            "{head}{}\n",
            (0..100).map(|n| format!("X-{n}: a\n")).collect::<String>()
        ),
        "\0\0\0\0\n\n".to_owned(),
        "GET\n\n".to_owned(),
    ] {
        let status = raw(&stage, &request).await;
        let line = request.lines().next().unwrap();
        assert!(
            matches!(status, None | Some(400 | 405 | 414 | 431)),
            "{line}: {status:?}"
        );
    }
    assert!(stage.sim.calls().is_empty());
    let good = stage
        .token(POD, "resource=https://vault.azure.net")
        .await
        .unwrap();
    assert_eq!(good.status, 200, "the gateway goes on: {}", good.text());
}

#[tokio::test]
async fn the_probe_of_every_sdk_gets_its_400_without_any_look_up() {
    let stage = Stage::demo().await.unwrap();
    // An address that no pod has: a look-up would wait for it.
    let stranger = stage.pod("127.0.0.200").unwrap();
    for target in [
        "/metadata/identity/oauth2/token",
        "/metadata/identity/oauth2/token?api-version=2018-02-01",
        "//metadata/identity/oauth2/token?api-version=2018-02-01&resource=https://management.azure.com/",
    ] {
        let start = std::time::Instant::now();
        let answer = stranger
            .get(target, &[("Host", "169.254.169.254")])
            .await
            .unwrap();
        assert_eq!(
            (answer.status, answer.text().as_str()),
            (
                400,
                r#"{"error":"invalid_request","error_description":"Required metadata header not specified"}"#
            ),
            "{target}"
        );
        assert!(
            start.elapsed() < std::time::Duration::from_secs(1),
            "{target}"
        );
    }
}

#[tokio::test]
async fn other_metadata_is_an_allow_list_and_its_url_is_built() {
    let stage = Stage::demo().await.unwrap();
    let headers = [("Metadata", "true"), ("Host", "169.254.169.254")];
    let pod = stage.pod(POD).unwrap();
    let answer = pod
        .get(
            "/Metadata/instance?api-version=2021-02-01&format=json&evil=1",
            &headers,
        )
        .await
        .unwrap();
    assert_eq!(answer.status, 200, "{}", answer.text());
    let calls = stage.sim.calls();
    let query = calls[0].query.clone().unwrap_or_default();
    assert_eq!(
        (calls[0].path.as_str(), query.contains("evil")),
        ("/metadata/instance", false)
    );
    let versions = pod.get("/metadata/versions", &headers).await.unwrap();
    assert_eq!(versions.status, 200);
    assert!(stage.sim.forbidden_calls().is_empty());
}

#[tokio::test]
async fn the_old_bodies_are_there_for_who_asks() {
    let stage = Stage::start(
        demo::directory().unwrap(),
        &["--operation-mode=managed", "--error-format=text"],
        demo::lay_out,
    )
    .await
    .unwrap();
    let answer = stage.token("127.0.0.6", "resource=a").await.unwrap();
    assert_eq!(
        answer.header("content-type"),
        Some("text/plain; charset=utf-8")
    );
    assert!(answer.text().starts_with("Identity not found"));
}

#[tokio::test]
async fn the_admin_port_shows_what_is_going_on_and_pods_cannot_see_it() {
    let stage = Stage::demo().await.unwrap();
    stage
        .token(POD, "resource=https://vault.azure.net")
        .await
        .unwrap();
    assert_eq!(stage.admin("/healthz").await.unwrap().text(), "Active");
    assert_eq!(stage.admin("/readyz").await.unwrap().status, 200);
    let metrics = stage.admin("/metrics").await.unwrap().text();
    for series in [
        "aadpodidentity_nmi_operations_duration_seconds",
        "aadpodidentity_imds_operations_duration_seconds",
        "podgate_cache_requests_total",
        "podgate_plugin_calls_total",
    ] {
        assert!(metrics.contains(series), "{series}\n{metrics}");
    }
    let explained = stage.admin("/explain?pod=shop/web").await.unwrap().json();
    assert_eq!(
        explained["outcome"], "a token would be asked for",
        "{explained}"
    );
    let why = stage
        .admin("/explain?pod=shop/stranger")
        .await
        .unwrap()
        .json();
    assert!(
        why["outcome"]
            .as_str()
            .unwrap()
            .contains("has no label aadpodidbinding"),
        "{why}"
    );
    for path in ["/healthz", "/metrics", "/explain?pod=shop/web"] {
        let answer = stage
            .pod(POD)
            .unwrap()
            .get(path, &[("Host", "169.254.169.254"), ("Metadata", "true")])
            .await
            .unwrap();
        assert_eq!(answer.status, 404, "{path}");
    }
}

#[tokio::test]
async fn one_pods_connections_are_bounded_and_leave_room_for_the_others() {
    let stage = Stage::demo().await.unwrap();
    let greedy = stage.pod(POD).unwrap();
    let mut open = Vec::new();
    for _ in 0..200 {
        open.push(greedy.connect().await.unwrap());
    }
    let over = greedy
        .get(
            "/metadata/versions",
            &[("Metadata", "true"), ("Host", "169.254.169.254")],
        )
        .await;
    assert!(over.is_err(), "connection 201 of one pod was served");
    let other = stage
        .token("127.0.0.3", "resource=https://vault.azure.net")
        .await
        .unwrap();
    assert_eq!(other.status, 200, "{}", other.text());
    drop(open);
    let deadline = tokio::time::Instant::now() + std::time::Duration::from_secs(10);
    while stage
        .token(POD, "resource=https://vault.azure.net")
        .await
        .map_or(0, |answer| answer.status)
        != 200
    {
        assert!(
            tokio::time::Instant::now() < deadline,
            "places are not given back"
        );
        tokio::time::sleep(std::time::Duration::from_millis(20)).await;
    }
}

#[tokio::test]
async fn a_line_of_json_is_written_for_each_decision() {
    let stage = Stage::demo().await.unwrap();
    let log = tempfile::NamedTempFile::new().unwrap();
    let folder = tempfile::tempdir().unwrap();
    let pods = folder.path().join("pods");
    demo::lay_out(&pods).unwrap();
    let ca = folder.path().join("ca.pem");
    std::fs::write(&ca, stage.sim.ca_pem()).unwrap();
    let mut flags = arguments(&stage.sim, &pods, &ca);
    flags.extend(
        [
            "--operation-mode=managed",
            "--nmi-port=0",
            "--http-probe-port=0",
            "--log-format=json",
        ]
        .map(str::to_owned),
    );
    let gateway = GatewayProcess::start(&flags, log.reopen().unwrap().into())
        .await
        .unwrap();
    for (ip, status) in [("127.0.0.2", 200), ("127.0.0.6", 400)] {
        let client = Client::new(gateway.address).from_source(ip.parse().unwrap());
        let path = "/metadata/identity/oauth2/token?resource=https://vault.azure.net";
        let answer = client
            .get(path, &[("Metadata", "true"), ("Host", "169.254.169.254")])
            .await
            .unwrap();
        assert_eq!(answer.status, status, "{}", answer.text());
    }
    gateway.stop().await.unwrap();
    let text = std::fs::read_to_string(log.path()).unwrap();
    let lines: Vec<serde_json::Value> = text
        .lines()
        .map(|line| serde_json::from_str(line).unwrap())
        .collect();
    let of = |message: &str| {
        lines
            .iter()
            .find(|line| line["message"] == message)
            .unwrap()
    };
    assert_eq!(
        (&of("served")["pod"], &of("served")["identity"]),
        (&"shop/web".into(), &"shop/web".into())
    );
    assert_eq!(
        (&of("refused")["pod"], &of("refused")["category"]),
        (&"shop/stranger".into(), &"no_identity".into())
    );
}

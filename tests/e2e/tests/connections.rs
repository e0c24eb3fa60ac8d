//! Connections belong to pods, and `/host/token` to the node, tried from outside.
#![allow(clippy::unwrap_used, reason = "a test's panic is its report")]

use std::time::Duration;

use podgate_e2e::demo;
use podgate_e2e::stage::{Stage, VAULT, arguments};
use podgate_gateway::app::Gateway;
use podgate_gateway::config::Config;
use podgate_testkit::{Answer, Client, Fault, FaultKind, Target};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::time::{Instant, sleep, timeout};

const LATE: &str = "127.0.0.40";
/// A test that gets here has failed.
const LONG: Duration = Duration::from_secs(15);

/// A pod of the shop at an address of its own, bound to this selector.
fn pod(name: &str, selector: &str) -> String {
    format!(
        "apiVersion: v1\nkind: Pod\nmetadata: {{ name: {name}, namespace: shop, uid: uid-{name}, \
         labels: {{ aadpodidbinding: {selector} }} }}\n\
         status: {{ phase: Running, podIP: {LATE} }}\n"
    )
}

async fn stage(flags: &[&str]) -> Stage {
    let flags: Vec<&str> = [&["--operation-mode=managed"], flags].concat();
    let stage = Stage::start(demo::directory().unwrap(), &flags, |folder| {
        demo::lay_out(folder)?;
        std::fs::write(folder.join("late.yaml"), pod("late", "web"))?;
        Ok(())
    });
    stage.await.unwrap()
}

async fn ask(connection: &mut TcpStream) -> String {
    let request = format!(
        "GET /metadata/identity/oauth2/token?resource={VAULT} HTTP/1.1\r\nHost: 169.254.169.254\r\n\
         Metadata: true\r\n\r\n"
    );
    connection.write_all(request.as_bytes()).await.unwrap();
    read(connection).await
}

async fn read(connection: &mut TcpStream) -> String {
    let mut buffer = vec![0; 16 * 1024];
    let read = timeout(LONG, connection.read(&mut buffer)).await.unwrap();
    String::from_utf8_lossy(&buffer[..read.unwrap_or_default()]).into_owned()
}

#[tokio::test]
async fn a_kept_connection_ends_with_its_pod_and_the_successor_starts_its_own() {
    let stage = stage(&[]).await;
    let mut kept = stage.pod(LATE).unwrap().connect().await.unwrap();
    assert!(ask(&mut kept).await.starts_with("HTTP/1.1 200"));
    assert!(
        ask(&mut kept).await.starts_with("HTTP/1.1 200"),
        "it is kept"
    );
    stage.apply("late.yaml", &pod("next", "worker")).unwrap();
    assert_eq!(read(&mut kept).await, "", "it was closed without a word");
    let deadline = Instant::now() + LONG;
    loop {
        let answer = stage
            .token(LATE, &format!("resource={VAULT}"))
            .await
            .unwrap();
        if answer.status == 200 {
            let claims = stage.claims(&answer).unwrap();
            assert!(format!("{claims:?}").contains(demo::WORKER), "{claims:?}");
            return;
        }
        assert!(Instant::now() < deadline, "{}", answer.text());
        sleep(Duration::from_millis(20)).await;
    }
}

#[tokio::test]
async fn a_request_that_is_under_way_when_its_pod_goes_is_refused_and_its_connection_closed() {
    let stage = stage(&[]).await;
    stage
        .sim
        .fail(Fault::new(Target::Imds, FaultKind::Latency { ms: 1500 }));
    let mut kept = stage.pod(LATE).unwrap().connect().await.unwrap();
    let change = async {
        let start = Instant::now();
        while stage.sim.calls().is_empty() {
            assert!(start.elapsed() < LONG, "the authority is not asked");
            sleep(Duration::from_millis(5)).await;
        }
        stage.apply("late.yaml", &pod("next", "worker")).unwrap();
    };
    let (answer, ()) = tokio::join!(ask(&mut kept), change);
    let answer = answer.to_lowercase();
    assert!(answer.starts_with("http/1.1 503"), "{answer}");
    assert!(
        answer.contains("connection: close") && answer.contains("retry-after: 1"),
        "{answer}"
    );
    assert_eq!(read(&mut kept).await, "");
}

async fn host_token(stage: &Stage, pod: &str, query: &str) -> Answer {
    let headers = [("podns", "shop"), ("podname", pod)];
    Client::new(stage.gateway.host_token.unwrap())
        .deadline(LONG)
        .get(&format!("/host/token/?{query}"), &headers)
        .await
        .unwrap()
}

#[tokio::test]
async fn a_driver_on_loopback_gets_each_pods_own_token_in_the_old_form() {
    let stage = stage(&["--host-token-loopback=0"]).await;
    for (pod, client_id) in [
        ("web", demo::WEB),
        ("worker", demo::WORKER),
        ("ledger", demo::LEDGER),
    ] {
        let answer = host_token(&stage, pod, &format!("resource={VAULT}")).await;
        assert_eq!(answer.status, 200, "{pod}: {}", answer.text());
        let json = answer.json();
        assert_eq!(json["clientid"], client_id, "{pod}");
        let token = json["token"]["access_token"].as_str().unwrap();
        let claims = stage.sim.verify(token).unwrap();
        assert!(format!("{claims:?}").contains(client_id), "{claims:?}");
    }
    let named = format!("client_id={}&resource={VAULT}", demo::ARCHIVE);
    let answer = host_token(&stage, "reports", &named).await;
    assert_eq!(answer.json()["clientid"], demo::ARCHIVE);
    let stranger = host_token(&stage, "stranger", &format!("resource={VAULT}")).await;
    assert_eq!(
        (stranger.status, stranger.header("retry-after")),
        (404, None)
    );
}

#[tokio::test]
async fn the_pods_listener_has_no_host_token_and_nothing_else_has_it_unasked() {
    let stage = stage(&[]).await;
    assert_eq!(stage.gateway.host_token, None);
    let headers = [
        ("podns", "shop"),
        ("podname", "web"),
        ("Metadata", "true"),
        ("Host", "169.254.169.254"),
    ];
    for ip in ["127.0.0.1", LATE] {
        let path = format!("/host/token/?resource={VAULT}");
        let answer = stage.pod(ip).unwrap().get(&path, &headers).await.unwrap();
        assert_eq!(answer.status, 404, "{}", answer.text());
    }
    assert!(stage.sim.calls().is_empty());
}

#[tokio::test]
async fn a_second_gateway_on_the_port_is_told_so_unless_both_share_it() {
    let stage = stage(&[]).await;
    let folder = tempfile::tempdir().unwrap();
    let ca = folder.path().join("ca.pem");
    std::fs::write(&ca, stage.sim.ca_pem()).unwrap();
    for share in ["false", "true"] {
        let mut flags = arguments(&stage.sim, folder.path(), &ca);
        flags.extend([
            format!("--nmi-port={}", stage.gateway.address.port()),
            format!("--share-port={share}"),
            "--http-probe-port=0".to_owned(),
        ]);
        let config = <Config as clap::Parser>::try_parse_from(flags).unwrap();
        let why = format!("{:#}", Gateway::start(&config).await.err().unwrap());
        assert!(why.contains(&stage.gateway.address.to_string()), "{why}");
        assert!(why.contains("in use"), "{why}");
    }
}

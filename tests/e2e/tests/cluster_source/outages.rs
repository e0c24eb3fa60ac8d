//! An API server that is away, silent, or new.

use std::net::SocketAddr;
use std::time::Duration;

use podgate_e2e::demo;
use podgate_e2e::stage::VAULT;
use tokio::io::copy_bidirectional;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;
use tokio::time::{Instant, sleep};

use crate::scene::{Cluster, Scene, admin, until};

const STORAGE: &str = "https://storage.azure.com";
const GRAPH: &str = "https://graph.microsoft.com";

#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs the control plane: cargo xtask test --only cluster-source"]
async fn a_gateway_serves_on_while_the_api_server_is_away_and_says_how_old_its_state_is() {
    let scene = Scene::start(&["--operation-mode=managed"]).await.unwrap();
    scene.pod("web", "web", 30).await.unwrap();
    let answer = scene.token(30, VAULT).await.unwrap();
    assert_eq!(scene.identity(&answer).unwrap(), demo::WEB);
    scene.cluster.plane.stop_apiserver().await.unwrap();
    scene
        .until("the outage on /readyz", async || {
            let ready = scene.admin("/readyz").await?;
            assert_eq!(
                ready.status, 200,
                "an outage must not take the gateway out of service"
            );
            Ok(ready.text().matches("cannot be reached").count() == 4)
        })
        .await
        .unwrap();
    for resource in [VAULT, STORAGE] {
        let answer = scene.token(30, resource).await.unwrap();
        assert_eq!(scene.identity(&answer).unwrap(), demo::WEB, "{resource}");
    }
    let told = scene.admin("/readyz").await.unwrap().text().to_string();
    assert!(told.contains("pods of node node1: last heard of"), "{told}");
    scene.cluster.plane.start_apiserver().await.unwrap();
    scene.pod("late", "web", 31).await.unwrap();
    scene
        .until("the new pod", async || {
            Ok(scene.token(31, VAULT).await?.status == 200)
        })
        .await
        .unwrap();
    let metrics = scene.metrics().await.unwrap();
    assert!(
        metrics.contains("podgate_watch_restarts_total{kind=\"Pod\",reason=\"connection\"}"),
        "{metrics}"
    );
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs the control plane: cargo xtask test --only cluster-source"]
async fn a_gateway_that_starts_while_the_api_server_is_away_says_what_it_awaits_and_begins_when_it_is_back()
 {
    let cluster = Cluster::start().await.unwrap();
    cluster.plane.stop_apiserver().await.unwrap();
    let gateway = cluster.gateway(&[]).await.unwrap();
    let awaits = async || {
        let ready = admin(&gateway, "/readyz").await?;
        let text = ready.text().to_string();
        let named = [
            "pods of this node",
            "AzureIdentity list",
            "AzureAssignedIdentity list",
        ];
        Ok(ready.status == 503
            && named.iter().all(|name| text.contains(name))
            && text.contains("cannot be reached"))
    };
    until(&gateway, crate::scene::SOON, "what is awaited", awaits)
        .await
        .unwrap();
    cluster.plane.start_apiserver().await.unwrap();
    let ready = async || Ok(admin(&gateway, "/readyz").await?.status == 200);
    until(&gateway, crate::scene::SOON, "readiness", ready)
        .await
        .unwrap();
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs the control plane: cargo xtask test --only cluster-source"]
async fn a_frozen_api_server_is_noticed_and_what_it_then_says_is_heard() {
    let scene = Scene::start(&["--operation-mode=managed"]).await.unwrap();
    scene.pod("web", "web", 32).await.unwrap();
    scene.token(32, VAULT).await.unwrap();
    scene.cluster.plane.freeze().unwrap();
    let patience = Duration::from_secs(90);
    let noticed = until(&scene.gateway, patience, "the notice", async || {
        Ok(scene
            .metrics()
            .await?
            .contains("podgate_watch_restarts_total{kind=\"Pod\""))
    })
    .await;
    let served = scene.token(32, GRAPH).await;
    scene.cluster.plane.thaw().unwrap();
    println!(
        "a frozen API server was noticed after {:.1?}",
        noticed.unwrap()
    );
    assert_eq!(
        scene.identity(&served.unwrap()).unwrap(),
        demo::WEB,
        "served on meanwhile"
    );
    scene.pod("late", "web", 33).await.unwrap();
    scene
        .until("the new pod", async || {
            Ok(scene.token(33, VAULT).await?.status == 200)
        })
        .await
        .unwrap();
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs the control plane: cargo xtask test --only cluster-source"]
async fn what_goes_while_the_line_is_cut_and_the_history_is_lost_is_gone_after() {
    let cluster = Cluster::start().await.unwrap();
    let line = Line::to(&cluster).await;
    let scene = Scene::of(cluster, &["--operation-mode=managed", "--pod-wait=1s"])
        .await
        .unwrap();
    let gone = scene.pod("gone", "web", 34).await.unwrap();
    scene.pod("stays", "web", 35).await.unwrap();
    let replaced = scene.pod("replaced", "web", 36).await.unwrap();
    for last in [34, 35, 36] {
        assert_eq!(scene.token(last, VAULT).await.unwrap().status, 200);
    }
    line.cut();
    gone.delete(&scene.cluster.kube).await.unwrap();
    replaced.delete(&scene.cluster.kube).await.unwrap();
    scene.pod("replaced", "web", 37).await.unwrap();
    // A new API server has no events of before: 410.
    scene.cluster.plane.stop_apiserver().await.unwrap();
    scene.cluster.plane.start_apiserver().await.unwrap();
    line.mend();
    scene
        .until("the end of the pod", async || {
            Ok(scene.token(34, VAULT).await?.status == 503)
        })
        .await
        .unwrap();
    assert_eq!(
        scene.token(36, VAULT).await.unwrap().status,
        503,
        "the address of the pod of before"
    );
    for last in [35, 37] {
        assert_eq!(scene.token(last, VAULT).await.unwrap().status, 200);
    }
}

/// A line between the gateway and the API server that can be cut.
struct Line(watch::Sender<bool>);

impl Line {
    /// Puts itself into the gateway's kubeconfig.
    async fn to(cluster: &Cluster) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let port = listener.local_addr().unwrap().port();
        let text = std::fs::read_to_string(cluster.kubeconfig()).unwrap();
        let server = text.split("https://").nth(1).unwrap();
        let end = server.find(['"', '\n', ' ', ',']).unwrap_or(server.len());
        let server: SocketAddr = server[..end].trim_end_matches('/').parse().unwrap();
        let text = text.replace(&server.to_string(), &format!("127.0.0.1:{port}"));
        std::fs::write(cluster.kubeconfig(), text).unwrap();
        let (whole, state) = watch::channel(true);
        tokio::spawn(accept(listener, server, state));
        Self(whole)
    }

    fn cut(&self) {
        self.0.send_replace(false);
    }

    fn mend(&self) {
        self.0.send_replace(true);
    }
}

async fn accept(listener: TcpListener, server: SocketAddr, state: watch::Receiver<bool>) {
    while let Ok((mut near, _)) = listener.accept().await {
        let mut state = state.clone();
        if !*state.borrow_and_update() {
            continue;
        }
        tokio::spawn(async move {
            let Ok(mut far) = TcpStream::connect(server).await else {
                return;
            };
            tokio::select! {
                _ = copy_bidirectional(&mut near, &mut far) => {}
                // Cut, or the test is over.
                _ = state.changed() => {}
            }
        });
    }
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs the control plane: cargo xtask test --only cluster-source"]
async fn a_line_that_was_cut_for_a_moment_goes_on_without_a_list() {
    let cluster = Cluster::start().await.unwrap();
    let line = Line::to(&cluster).await;
    let scene = Scene::of(cluster, &["--operation-mode=managed"])
        .await
        .unwrap();
    line.cut();
    scene.pod("web", "web", 38).await.unwrap();
    line.mend();
    let begun = Instant::now();
    while scene.token(38, VAULT).await.unwrap().status != 200 {
        assert!(begun.elapsed() < crate::scene::SOON);
        sleep(Duration::from_millis(10)).await;
    }
    let metrics = scene.metrics().await.unwrap();
    assert!(!metrics.contains("reason=\"gone\""), "{metrics}");
}

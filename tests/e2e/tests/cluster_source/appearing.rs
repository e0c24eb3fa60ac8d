//! Pods and assignments that come and go.

use std::time::Duration;

use podgate_e2e::demo;
use podgate_e2e::node::percentiles;
use podgate_e2e::stage::VAULT;
use tokio::time::{Instant, sleep};

use crate::scene::{Scene, token};

#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs the control plane: cargo xtask test --only cluster-source"]
async fn a_pod_that_appears_gets_its_token_and_one_that_is_gone_gets_none() {
    let scene = Scene::start(&["--pod-wait=20s"]).await.unwrap();
    let early = tokio::spawn(token(scene.gateway.address, 20, VAULT));
    sleep(Duration::from_millis(200)).await;
    let pod = scene.pod("web", "web", 20).await.unwrap();
    pod.assign(&scene.cluster.kube, "web", "Assigned")
        .await
        .unwrap();
    let answer = early.await.unwrap().unwrap();
    assert_eq!(
        scene.identity(&answer).unwrap(),
        demo::WEB,
        "it waited for its pod"
    );
    pod.delete(&scene.cluster.kube).await.unwrap();
    scene
        .until("the pod's end", async || {
            let explained = scene.admin("/explain?pod=shop/web").await?;
            Ok(explained.text().contains("is not on this node"))
        })
        .await
        .unwrap();
    let short = scene.cluster.gateway(&["--pod-wait=1s"]).await.unwrap();
    let refused = token(short.address, 20, VAULT).await.unwrap();
    assert_eq!(refused.status, 503, "{}", refused.text());
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs the control plane: cargo xtask test --only cluster-source"]
async fn a_request_that_waits_for_its_assignment_is_woken_by_it() {
    const ROUNDS: u8 = 40;
    let scene = Scene::start(&["--assignment-wait=20s"]).await.unwrap();
    let mut latencies = Vec::new();
    for round in 0..ROUNDS {
        let (name, last) = (format!("web-{round}"), 100 + round);
        let pod = scene.pod(&name, "web", last).await.unwrap();
        scene.cluster.record(&pod, "web", "Created").await.unwrap();
        let waiting = tokio::spawn(token(scene.gateway.address, last, VAULT));
        sleep(Duration::from_millis(60)).await;
        assert!(!waiting.is_finished(), "Created is not Assigned");
        pod.assign(&scene.cluster.kube, "web", "Assigned")
            .await
            .unwrap();
        let assigned = Instant::now();
        let answer = waiting.await.unwrap().unwrap();
        latencies.push(assigned.elapsed());
        assert_eq!(scene.identity(&answer).unwrap(), demo::WEB);
    }
    println!(
        "Assigned (written) to answer, {ROUNDS} rounds: {:.1?}",
        percentiles(latencies)
    );
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs the control plane: cargo xtask test --only cluster-source"]
async fn what_no_binding_gives_is_refused_at_once_and_what_is_on_its_way_is_waited_for() {
    let scene = Scene::start(&["--assignment-wait=1s"]).await.unwrap();
    scene.pod("stranger", "nobody", 21).await.unwrap();
    scene.pod("web", "web", 22).await.unwrap();
    let begun = Instant::now();
    let refused = scene.token(21, VAULT).await.unwrap();
    assert_eq!(refused.status, 400, "{}", refused.text());
    assert!(
        begun.elapsed() < Duration::from_secs(1),
        "it waited for nothing"
    );
    let pending = scene.token(22, VAULT).await.unwrap();
    assert_eq!(
        (pending.status, pending.header("retry-after").is_some()),
        (503, true),
        "no record yet"
    );
}

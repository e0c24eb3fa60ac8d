//! The end of a gateway, as Kubernetes brings it about.

use std::time::{Duration, Instant};

use podgate_testkit::{Fault, FaultKind, Target};

use crate::chain::{Chain, LEDGER, WEB, WORKER, vault};
use crate::process::{Running, ask, token_path};

/// Longer than anything but the wait itself.
const SLOW_MS: u64 = 2000;

#[tokio::test(flavor = "multi_thread")]
async fn requests_that_are_open_at_the_end_still_get_their_tokens() {
    let running = Running::start(&Chain::built_in(), &[]).await;
    for target in [Target::Imds, Target::Entra] {
        running
            .sim
            .fail(Fault::new(target, FaultKind::Latency { ms: SLOW_MS }));
    }
    let open = [WEB, WORKER, LEDGER].map(|ip| {
        let client = running.pod(ip);
        tokio::spawn(async move { ask(&client, &token_path(&vault())).await })
    });
    let asked = Instant::now();
    while running.sim.calls().len() < open.len() {
        assert!(
            asked.elapsed() < Duration::from_secs(10),
            "no authority is asked"
        );
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    let late = running.pod(WEB);
    let Running { gateway, .. } = running;
    let ended = Instant::now();
    let stopped = tokio::spawn(gateway.stop());
    tokio::time::sleep(Duration::from_millis(SLOW_MS / 4)).await;
    assert!(!stopped.is_finished(), "it ended with requests open");
    assert!(
        late.connect().await.is_err(),
        "it still takes new connections"
    );
    for answer in open {
        let answer = answer.await.unwrap();
        assert_eq!(answer.status, 200, "{}", answer.text());
    }
    stopped.await.unwrap().unwrap();
    assert!(
        ended.elapsed() < Duration::from_secs(15),
        "{:?}",
        ended.elapsed()
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_connection_without_a_request_does_not_hold_up_the_end() {
    let running = Running::start(&Chain::built_in(), &[]).await;
    let _idle = running.pod(WEB).connect().await.unwrap();
    assert_eq!(running.token(WEB, &vault()).await.status, 200);
    let Running { gateway, .. } = running;
    let ended = Instant::now();
    gateway.stop().await.unwrap();
    assert!(
        ended.elapsed() < Duration::from_secs(5),
        "{:?}",
        ended.elapsed()
    );
}

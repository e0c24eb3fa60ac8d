//! What one VM may ask for.

use std::time::Duration;

use podgate_testkit::{AzureSim, Fault, FaultKind, Limits, SimConfig, Target};

use crate::setup::*;

#[tokio::test]
async fn five_identity_requests_may_be_in_flight_and_the_sixth_is_429() {
    let sim = sim().await;
    sim.fail(Fault::new(Target::Imds, FaultKind::Latency { ms: 500 }));
    let client = imds(&sim);
    let headers = [METADATA];
    let (a, b, c, d, e, f) = tokio::join!(
        client.get(ASK, &headers),
        client.get(ASK, &headers),
        client.get(ASK, &headers),
        client.get(ASK, &headers),
        client.get(ASK, &headers),
        client.get(ASK, &headers),
    );
    let mut statuses = [a, b, c, d, e, f].map(|answer| answer.unwrap().status);
    statuses.sort_unstable();
    assert_eq!(statuses, [200, 200, 200, 200, 200, 429]);
    let counts = sim.limit_counts();
    assert_eq!(
        (
            counts.identity_refused_concurrent,
            counts.identity_peak_concurrent
        ),
        (1, 6)
    );
}

#[tokio::test]
async fn a_client_that_gives_up_makes_room() {
    let sim = sim().await;
    sim.fail(Fault::new(Target::Imds, FaultKind::Hang).times(5));
    let hasty = imds(&sim).deadline(Duration::from_millis(200));
    let headers = [METADATA];
    let get = || hasty.get(ASK, &headers);
    let gave_up = tokio::join!(get(), get(), get(), get(), get());
    assert!(gave_up.0.is_err() && gave_up.4.is_err());
    // The server notices the closed connections a moment later.
    let deadline = tokio::time::Instant::now() + Duration::from_secs(5);
    while ask_imds(&sim, ASK).await.status != 200 {
        assert!(
            tokio::time::Instant::now() < deadline,
            "{:?}",
            sim.limit_counts()
        );
        tokio::time::sleep(Duration::from_millis(300)).await;
    }
}

#[tokio::test]
async fn the_twenty_first_identity_request_in_a_second_is_429_and_the_sixth_of_the_others() {
    let limits = Limits {
        identity_per_second: 3,
        metadata_per_second: 2,
        ..Limits::default()
    };
    let sim = AzureSim::start(SimConfig {
        limits,
        managed_identities: vec![reader()],
        ..SimConfig::default()
    });
    let sim = sim.await.unwrap();
    assert_eq!(
        Limits::default(),
        Limits {
            identity_concurrent: 5,
            identity_per_second: 20,
            metadata_per_second: 5
        }
    );
    let statuses = [(); 5].map(|()| ask_imds(&sim, ASK));
    let mut seen = Vec::new();
    for answer in statuses {
        seen.push(answer.await.status);
    }
    assert_eq!(seen, [200, 200, 200, 429, 429]);
    let others = [
        ask_imds(&sim, "/metadata/versions").await,
        ask_imds(&sim, "/metadata/versions").await,
    ];
    assert!(
        others.iter().all(|answer| answer.status == 200),
        "the two kinds have limits of their own"
    );
    let refused = ask_imds(&sim, "/metadata/versions").await;
    assert_oauth(&refused, 429, "too_many_requests", "Too many requests");
    assert_eq!(
        refused.header("retry-after"),
        None,
        "IMDS does not document one"
    );
    assert_eq!(
        (
            sim.limit_counts().identity_refused_rate,
            sim.limit_counts().metadata_refused_rate
        ),
        (2, 1)
    );
}

//! Standard mode: an identity that the controller has not assigned to the node yet.

use std::time::Duration;

use podgate_e2e::demo;
use podgate_testkit::Target;

use crate::sdk::Sdk;
use crate::shop::{answers, assert_token_of, assigned, calls, standard, until_counted};

/// How long the controller takes once the request is there.
const ASSIGNING: Duration = Duration::from_millis(500);

pub(crate) async fn a_request_is_held_until_the_identity_is_assigned(sdk: Sdk) {
    let stage = standard("20s").await;
    stage.apply("assigned.yaml", &assigned("Created")).unwrap();
    let controller = async {
        until_counted(&stage, "podgate_connections ").await;
        tokio::time::sleep(ASSIGNING).await;
        stage.apply("assigned.yaml", &assigned("Assigned")).unwrap();
    };
    let (outcome, ()) = tokio::join!(sdk.ask(&stage, &[]), controller);
    assert_token_of(&stage, demo::WEB, &outcome);
    assert!(
        outcome.elapsed_ms >= ASSIGNING.as_millis() as u64,
        "{} ms",
        outcome.elapsed_ms
    );
    assert_eq!(
        answers(&stage).await,
        [(200, 1)].into(),
        "one request, held"
    );
    assert_eq!(calls(&stage, Target::Imds), [200]);
}

pub(crate) async fn a_request_is_repeated_until_the_identity_is_assigned(sdk: Sdk) {
    let stage = standard("100ms").await;
    stage.apply("assigned.yaml", &assigned("Created")).unwrap();
    let controller = async {
        until_counted(&stage, "podgate_refusals_total{reason=\"not_assigned_yet\"}").await;
        stage.apply("assigned.yaml", &assigned("Assigned")).unwrap();
    };
    let (outcome, ()) = tokio::join!(sdk.ask(&stage, &[]), controller);
    assert_token_of(&stage, demo::WEB, &outcome);
    eprintln!("{sdk:?} repeated: {} ms {:?}", outcome.elapsed_ms, answers(&stage).await);
    assert_eq!(answers(&stage).await, [(200, 1), (503, 1)].into());
    assert_eq!(calls(&stage, Target::Imds), [200]);
}

pub(crate) async fn an_identity_that_is_never_assigned_ends_with_the_reason(sdk: Sdk) {
    let stage = standard("100ms").await;
    stage.apply("assigned.yaml", &assigned("Created")).unwrap();
    let outcome = sdk.ask(&stage, &[]).await;
    eprintln!("{sdk:?} never: {} ms {:?} {:?}", outcome.elapsed_ms, answers(&stage).await, outcome);
}

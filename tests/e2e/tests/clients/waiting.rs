//! Standard mode: an identity that the controller has not assigned to the node yet.

use std::time::Duration;

use podgate_e2e::demo;
use podgate_testkit::Target;

use crate::sdk::Sdk;
use crate::shop::{Requests, assert_token_of, assigned, calls, requests, standard, until_counted};

/// How long the controller takes once the request is there.
const ASSIGNING: Duration = Duration::from_millis(500);
/// `Retry-After` of the gateway's answer that an identity is on its way.
const RETRY_AFTER: Duration = Duration::from_secs(2);

pub(crate) async fn a_request_is_held_until_the_identity_is_assigned(sdk: Sdk) {
    let stage = standard("20s").await;
    stage.apply("assigned.yaml", &assigned("Created")).unwrap();
    let controller = async {
        until_counted(&stage, "podgate_connections", "").await;
        tokio::time::sleep(ASSIGNING).await;
        stage.apply("assigned.yaml", &assigned("Assigned")).unwrap();
    };
    let (outcome, ()) = tokio::join!(sdk.ask(&stage, &[]), controller);
    assert_token_of(&stage, demo::WEB, &outcome);
    assert!(outcome.elapsed() >= ASSIGNING, "{outcome:?}");
    let held = Requests::for_tokens([(200, 1)]);
    assert_eq!(requests(&stage).await, held);
    assert_eq!(calls(&stage, Target::Imds), [200]);
}

pub(crate) async fn a_request_is_repeated_until_the_identity_is_assigned(sdk: Sdk) {
    let stage = standard("100ms").await;
    stage.apply("assigned.yaml", &assigned("Created")).unwrap();
    let controller = async {
        until_counted(&stage, "podgate_refusals_total", "not_assigned_yet").await;
        stage.apply("assigned.yaml", &assigned("Assigned")).unwrap();
    };
    let (outcome, ()) = tokio::join!(sdk.ask(&stage, &[]), controller);
    assert_token_of(&stage, demo::WEB, &outcome);
    // The folder's change has the 2 s of Retry-After to be seen in; a loaded machine may take one try more.
    let requests = requests(&stage).await.tokens;
    assert_eq!(requests[&200], 1, "{requests:?}");
    assert!(
        (1..=2).contains(&requests[&503]) && requests.len() == 2,
        "{requests:?}"
    );
    assert!(
        outcome.elapsed() >= RETRY_AFTER * requests[&503],
        "{outcome:?}"
    );
    assert_eq!(calls(&stage, Target::Imds), [200]);
}

pub(crate) async fn an_identity_that_is_never_assigned_ends_with_the_reason(sdk: Sdk) {
    let stage = standard("100ms").await;
    stage.apply("assigned.yaml", &assigned("Created")).unwrap();
    let outcome = sdk.ask(&stage, &[]).await;
    let why = "AzureIdentity shop/web is bound to pod shop/app but not assigned to its node yet";
    outcome.assert_error_says(why);
    let expected = Requests::for_tokens([(503, sdk.tries())]);
    assert_eq!(requests(&stage).await, expected);
    assert!(
        outcome.elapsed() >= RETRY_AFTER * (sdk.tries() - 1),
        "{outcome:?}"
    );
    assert!(calls(&stage, Target::Imds).is_empty());
}

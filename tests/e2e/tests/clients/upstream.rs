//! What happens behind the gateway: throttling, outages, and what the cache makes of them.

use podgate_e2e::demo;
use podgate_testkit::{Fault, FaultKind, Target};

use crate::sdk::Sdk;
use crate::shop::{Requests, assert_token_of, calls, managed, requests};

pub(crate) async fn a_throttled_imds_is_asked_again_when_it_said(sdk: Sdk) {
    recovers(sdk, Target::Imds, FaultKind::throttled(1), 429).await;
}

pub(crate) async fn a_throttled_entra_is_asked_again_when_it_said(sdk: Sdk) {
    recovers(sdk, Target::Entra, FaultKind::throttled(1), 429).await;
}

pub(crate) async fn an_outage_of_imds_is_waited_out(sdk: Sdk) {
    recovers(sdk, Target::Imds, FaultKind::status(503), 503).await;
}

pub(crate) async fn an_outage_of_entra_is_waited_out(sdk: Sdk) {
    recovers(sdk, Target::Entra, FaultKind::status(503), 503).await;
}

/// One answer fails, the SDK comes back when the gateway told it to, and not before the gateway asks again.
async fn recovers(sdk: Sdk, target: Target, fault: FaultKind, status: u16) {
    let (selector, client_id) = match target {
        Target::Imds => ("web", demo::WEB),
        _ => ("worker", demo::WORKER),
    };
    let stage = managed(selector).await;
    stage.sim.fail(Fault::new(target, fault).once());
    let outcome = sdk.ask(&stage, &[]).await;
    assert_token_of(&stage, client_id, &outcome);
    let expected = Requests::for_tokens([(200, 1), (status, 1)]);
    assert_eq!(requests(&stage).await, expected);
    assert_eq!(calls(&stage, target), [status, 200]);
}

pub(crate) async fn a_cached_token_is_given_whatever_is_down(sdk: Sdk) {
    for (selector, client_id) in [("web", demo::WEB), ("ledger", demo::LEDGER)] {
        let stage = managed(selector).await;
        let before = sdk.ask(&stage, &[]).await;
        assert_token_of(&stage, client_id, &before);
        for target in [Target::Imds, Target::Entra] {
            stage.sim.fail(Fault::new(target, FaultKind::status(503)));
        }
        stage.sim.clear_calls();
        let during = sdk.ask(&stage, &[]).await;
        assert_token_of(&stage, client_id, &during);
        assert_eq!(during.token, before.token);
        assert!(stage.sim.calls().is_empty());
    }
}

pub(crate) async fn an_outage_that_lasts_ends_with_the_reason(sdk: Sdk) {
    let stage = managed("web").await;
    stage
        .sim
        .fail(Fault::new(Target::Imds, FaultKind::status(503)));
    let outcome = sdk.ask(&stage, &[]).await;
    outcome.assert_error_says("IMDS answered 503");
    let expected = Requests::for_tokens([(503, sdk.tries())]);
    assert_eq!(requests(&stage).await, expected);
    // The gateway's own pause between failures grows, and is not of the SDK's making.
    let calls = calls(&stage, Target::Imds);
    assert!(
        calls.iter().all(|status| *status == 503) && calls.len() <= sdk.tries() as usize,
        "{calls:?}"
    );
}

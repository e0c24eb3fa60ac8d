//! Refusals: final ones end after one request, and their reason reaches the application's log.

use podgate_e2e::demo;
use podgate_e2e::stage::Stage;

use crate::sdk::{Outcome, Sdk};
use crate::shop::{Requests, managed, requests, unbound, with_secrets};

const NO_LABEL: &str = "Identity not found: pod shop/app has no label aadpodidbinding";

pub(crate) async fn a_pod_without_a_binding_is_told_so_at_once(sdk: Sdk) {
    let stage = unbound().await;
    let outcome = sdk.ask(&stage, &[]).await;
    assert_refused(&stage, &outcome, 400, NO_LABEL).await;
    assert!(stage.sim.calls().is_empty());
}

pub(crate) async fn a_pod_without_a_binding_is_told_so_by_the_default_credential(sdk: Sdk) {
    let stage = unbound().await;
    let outcome = sdk.ask(&stage, &["--credential", "default"]).await;
    outcome.assert_error_says(sdk.default_credential_says(NO_LABEL));
    let expected = Requests::for_tokens([(400, 1)]).and_probes(sdk.probes());
    assert_eq!(requests(&stage).await, expected);
    assert!(stage.sim.calls().is_empty());
}

pub(crate) async fn an_identity_of_other_pods_is_refused_at_once(sdk: Sdk) {
    let stage = managed("web").await;
    let outcome = sdk.ask(&stage, &["--client-id", demo::ARCHIVE]).await;
    assert_refused(&stage, &outcome, 400, "Identity not found: ").await;
    assert!(stage.sim.calls().is_empty());
}

pub(crate) async fn several_identities_want_to_be_told_apart(sdk: Sdk) {
    let stage = managed("reports").await;
    let outcome = sdk.ask(&stage, &[]).await;
    let why = "Multiple user assigned identities exist, please specify the clientId / resourceId";
    assert_refused(&stage, &outcome, 400, why).await;
    assert!(stage.sim.calls().is_empty());
}

pub(crate) async fn a_wrong_secret_shows_entras_code_and_never_itself(sdk: Sdk) {
    const WRONG: &str = "correct-horse-battery-staple";
    let secret = demo::secret("worker-secret", &[("clientSecret", WRONG.as_bytes())]);
    let stage = with_secrets("worker", &[secret]).await;
    let outcome = sdk.ask(&stage, &[]).await;
    assert_refused(&stage, &outcome, 403, "AADSTS7000215").await;
    assert!(!outcome.printed.contains(WRONG), "{}", outcome.printed);
}

pub(crate) async fn a_secret_that_is_missing_is_named(sdk: Sdk) {
    let stage = with_secrets("ledger", &[]).await;
    let outcome = sdk.ask(&stage, &[]).await;
    let why = "AzureIdentity shop/ledger names Secret shop/ledger-certificate";
    assert_refused(&stage, &outcome, 403, why).await;
    assert!(stage.sim.calls().is_empty());
}

/// One request, answered with this status, and an error that says why.
async fn assert_refused(stage: &Stage, outcome: &Outcome, status: u16, why: &str) {
    outcome.assert_error_says(why);
    let expected = Requests::for_tokens([(status, 1)]);
    assert_eq!(requests(stage).await, expected);
}

//! Refusals: final ones end after one request, and their reason reaches the application's log.

use podgate_e2e::demo;
use podgate_e2e::stage::Stage;

use crate::sdk::{Outcome, Sdk};
use crate::shop::{answers, managed, unbound, with_secrets};

pub(crate) async fn a_pod_without_a_binding_is_told_so_at_once(sdk: Sdk) {
    let stage = unbound().await;
    let outcome = sdk.ask(&stage, &[]).await;
    assert_refused(&stage, &outcome, 400, "Identity not found: pod shop/app").await;
    assert!(stage.sim.calls().is_empty());
}

pub(crate) async fn a_pod_without_a_binding_is_told_so_by_the_default_credential(sdk: Sdk) {
    let stage = unbound().await;
    let outcome = sdk.ask(&stage, &["--credential", "default"]).await;
    assert_refused(&stage, &outcome, 400, "Identity not found: pod shop/app").await;
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
    let words = "Multiple user assigned identities exist";
    assert_refused(&stage, &outcome, 400, words).await;
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
    assert_refused(&stage, &outcome, 403, "ledger-certificate").await;
    assert!(stage.sim.calls().is_empty());
}

/// One request that was answered with this status, and an error that says why.
async fn assert_refused(stage: &Stage, outcome: &Outcome, status: u16, why: &str) {
    eprintln!("{outcome:?}");
    assert!(!outcome.ok, "{}", outcome.printed);
    assert!(outcome.message.contains(why), "{}", outcome.printed);
    assert_eq!(answers(stage).await, [(status, 1)].into());
}

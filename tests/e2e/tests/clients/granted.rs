//! Tokens: each kind of identity, each way to name one.

use podgate_e2e::demo;
use podgate_testkit::Target;

use crate::sdk::Sdk;
use crate::shop::{Requests, assert_token_of, calls, excepted, managed, requests};

pub(crate) async fn the_only_identity_of_a_pod_need_not_be_named(sdk: Sdk) {
    let stage = managed("web").await;
    let outcome = sdk.ask(&stage, &[]).await;
    assert_token_of(&stage, demo::WEB, &outcome);
    assert_eq!(requests(&stage).await, Requests::for_tokens([(200, 1)]));
    assert_eq!(calls(&stage, Target::Imds), [200]);
    let call = &stage.sim.calls()[0];
    assert_eq!(
        call.parameter("client_id").as_deref(),
        Some(demo::WEB),
        "the gateway names the identity although the pod does not"
    );
}

pub(crate) async fn an_identity_is_named_by_its_client_id(sdk: Sdk) {
    names_the_archive(sdk, &["--client-id", demo::ARCHIVE], 0).await;
}

pub(crate) async fn an_identity_is_named_by_its_object_id(sdk: Sdk) {
    let stage = managed("reports").await;
    let object_id = demo::object_id(demo::WEB);
    let outcome = sdk.ask(&stage, &["--object-id", &object_id]).await;
    assert_token_of(&stage, demo::WEB, &outcome);
    assert_eq!(requests(&stage).await, Requests::for_tokens([(200, 1)]));
    // Only a token tells the object id of its identity, and `archive` is looked at first.
    assert_eq!(calls(&stage, Target::Imds), [200, 200]);
}

pub(crate) async fn an_identity_is_named_by_its_resource_id(sdk: Sdk) {
    let resource_id = demo::resource_id("archive");
    names_the_archive(sdk, &["--resource-id", &resource_id], 0).await;
}

/// Of a pod with two identities, so that the name decides.
async fn names_the_archive(sdk: Sdk, arguments: &[&str], probes: u32) {
    let stage = managed("reports").await;
    let outcome = sdk.ask(&stage, arguments).await;
    assert_token_of(&stage, demo::ARCHIVE, &outcome);
    let expected = Requests::for_tokens([(200, 1)]).and_probes(probes);
    assert_eq!(requests(&stage).await, expected);
    assert_eq!(calls(&stage, Target::Imds), [200]);
}

pub(crate) async fn a_client_secret_becomes_a_token(sdk: Sdk) {
    comes_from_entra(sdk, "worker", demo::WORKER).await;
}

pub(crate) async fn a_certificate_becomes_a_token(sdk: Sdk) {
    comes_from_entra(sdk, "ledger", demo::LEDGER).await;
}

async fn comes_from_entra(sdk: Sdk, selector: &str, client_id: &str) {
    let stage = managed(selector).await;
    let outcome = sdk.ask(&stage, &[]).await;
    assert_token_of(&stage, client_id, &outcome);
    assert_eq!(requests(&stage).await, Requests::for_tokens([(200, 1)]));
    assert_eq!(calls(&stage, Target::Entra), [200]);
    assert!(calls(&stage, Target::Imds).is_empty());
}

pub(crate) async fn an_excepted_pod_gets_the_nodes_identity(sdk: Sdk) {
    let stage = excepted().await;
    let outcome = sdk.ask(&stage, &[]).await;
    assert_token_of(&stage, demo::NODE, &outcome);
    assert_eq!(requests(&stage).await, Requests::for_tokens([(200, 1)]));
    assert_eq!(calls(&stage, Target::Imds), [200]);
    let call = &stage.sim.calls()[0];
    assert_eq!(
        call.parameter("client_id"),
        None,
        "the request goes through as it is"
    );
}

pub(crate) async fn the_default_credential_finds_the_gateway(sdk: Sdk) {
    let stage = managed("web").await;
    let outcome = sdk.ask(&stage, &["--credential", "default"]).await;
    assert_token_of(&stage, demo::WEB, &outcome);
    let expected = Requests::for_tokens([(200, 1)]).and_probes(sdk.probes());
    assert_eq!(requests(&stage).await, expected);
    assert_eq!(calls(&stage, Target::Imds), [200]);
}

pub(crate) async fn the_default_credential_names_an_identity(sdk: Sdk) {
    let arguments = ["--credential", "default", "--client-id", demo::ARCHIVE];
    names_the_archive(sdk, &arguments, sdk.probes()).await;
}

pub(crate) async fn another_process_of_the_pod_costs_no_call(sdk: Sdk) {
    let stage = managed("web").await;
    let first = sdk.ask(&stage, &[]).await;
    assert_token_of(&stage, demo::WEB, &first);
    let second = sdk.ask(&stage, &["--client-id", demo::WEB]).await;
    assert_token_of(&stage, demo::WEB, &second);
    assert_eq!(first.token, second.token);
    assert_eq!(requests(&stage).await, Requests::for_tokens([(200, 2)]));
    assert_eq!(calls(&stage, Target::Imds), [200]);
}

//! Paths: those that exist, and those nobody may ask for.

use podgate_testkit::{AzureSim, Client, SimConfig, Target};

use crate::setup::*;

#[tokio::test]
async fn paths_are_exact() {
    let sim = AzureSim::start(SimConfig {
        limits: generous(),
        ..SimConfig::default()
    })
    .await
    .unwrap();
    for path in [
        "/Metadata/identity/oauth2/token",
        "//metadata/identity/oauth2/token",
        "/metadata/identity/./oauth2/token",
        "/metadata/identity/oauth2/token/",
        "/metadata/identity/oauth2/%74oken",
        "/metadata/identity/oauth2",
        "/",
        "/metadata",
        "/metadata/loadbalancer",
        "/host/token",
    ] {
        assert_eq!(ask_imds(&sim, path).await.status, 404, "{path}");
    }
}

#[tokio::test]
async fn imdsv2_and_other_dangers_are_404_and_recorded_as_forbidden() {
    let sim = AzureSim::start(SimConfig {
        limits: generous(),
        ..SimConfig::default()
    })
    .await
    .unwrap();
    let dangers = [
        (
            "GET",
            "/metadata/identity/getplatformmetadata?cred-api-version=2.0",
        ),
        (
            "POST",
            "/metadata/identity/issuecredential?cred-api-version=2.0",
        ),
        ("POST", "/metadata/identity/credential?cred-api-version=1.0"),
        ("GET", "/metadata/identity/IssueCredential"),
        ("GET", "/metadata/attested/document?api-version=2020-09-01"),
        ("POST", "/metadata/scheduledevents?api-version=2020-07-01"),
    ];
    for (method, path) in dangers {
        let with_header = imds(&sim)
            .request(method, path, &[METADATA], b"")
            .await
            .unwrap();
        let without = imds(&sim).request(method, path, &[], b"").await.unwrap();
        assert_eq!(
            (with_header.status, without.status),
            (404, 404),
            "never 400: MSAL.NET takes that for IMDSv2"
        );
    }
    assert_eq!(sim.forbidden_calls().len(), 2 * dangers.len());
    ask_imds(&sim, "/metadata/versions").await;
    assert_eq!(sim.forbidden_calls().len(), 2 * dangers.len());
}

#[tokio::test]
async fn the_tenant_and_the_versions_can_be_asked_for() {
    let config = SimConfig {
        tenant: TENANT.into(),
        ..SimConfig::default()
    };
    let sim = AzureSim::start(config).await.unwrap();
    let info = ask_imds(&sim, "/metadata/identity/info?api-version=2018-02-01")
        .await
        .json();
    assert_eq!(info, serde_json::json!({"tenantId": TENANT}));
    let versions = ask_imds(&sim, "/metadata/versions").await.json();
    assert!(
        versions["apiVersions"]
            .as_array()
            .unwrap()
            .contains(&"2018-02-01".into())
    );
    assert_eq!(
        ask_imds(&sim, "/metadata/versions?api-version=2018-02-01")
            .await
            .status,
        400
    );
}

#[tokio::test]
async fn instance_metadata_is_json_for_nodes_and_text_for_leaves() {
    let sim = sim().await;
    let compute = ask_imds(&sim, "/metadata/instance/compute?api-version=2021-02-01")
        .await
        .json();
    assert_eq!(compute["location"], "westeurope");
    // MSAL's region discovery.
    let path = "/metadata/instance/compute/location?api-version=2020-06-01&format=text";
    assert_eq!(ask_imds(&sim, path).await.text(), "westeurope");
    assert_eq!(
        ask_imds(
            &sim,
            "/metadata/instance/compute/location?api-version=2020-06-01"
        )
        .await
        .status,
        400
    );
    assert_eq!(
        ask_imds(
            &sim,
            "/metadata/instance/compute/nothing?api-version=2020-06-01"
        )
        .await
        .status,
        404
    );
}

#[tokio::test]
async fn instance_metadata_without_a_version_names_the_newest_ones() {
    let sim = sim().await;
    let answer = ask_imds(&sim, "/metadata/instance").await;
    let newest = serde_json::json!(["2025-04-07", "2024-07-17", "2024-03-15"]);
    assert_eq!(
        (answer.status, &answer.json()["newest-versions"]),
        (400, &newest)
    );
    let error = answer.json()["error"].as_str().unwrap().to_owned();
    assert!(
        error.starts_with("Bad request. api-version was not specified in the request."),
        "{error}"
    );
    let unknown = ask_imds(&sim, "/metadata/instance?api-version=1999-01-01").await;
    assert!(
        unknown.json()["error"]
            .as_str()
            .unwrap()
            .starts_with("Bad request. api-version is invalid")
    );
}

#[tokio::test]
async fn instance_metadata_in_a_format_nobody_knows_is_refused() {
    let sim = sim().await;
    let answer = ask_imds(&sim, "/metadata/instance?api-version=2021-02-01&format=xml").await;
    assert_oauth(&answer, 400, "invalid_request", "format is json or text");
    let listing = ask_imds(
        &sim,
        "/metadata/instance?api-version=2021-02-01&format=text",
    )
    .await;
    assert_eq!(listing.text(), "compute/\nnetwork/");
}

#[tokio::test]
async fn the_record_knows_who_asked_for_what_and_what_came_of_it() {
    let sim = sim().await;
    let pod = Client::new(sim.imds_addr()).from_source([127, 0, 0, 2].into());
    pod.get(ASK, &[METADATA]).await.unwrap();
    pod.get(TOKEN, &[]).await.unwrap();
    let calls = sim.calls_to(Target::Imds);
    assert_eq!(calls[0].path, TOKEN);
    assert_eq!(
        calls[0].parameter("resource").as_deref(),
        Some("https://vault.azure.net")
    );
    assert_eq!((calls[0].status, &calls[0].refusal), (Some(200), &None));
    assert_eq!(calls[0].peer.ip().to_string(), "127.0.0.2");
    assert_eq!(
        calls[1].refusal.as_deref(),
        Some("Required metadata header not specified")
    );
    sim.clear_calls();
    assert!(sim.calls().is_empty());
}

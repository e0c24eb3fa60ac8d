use ::http::StatusCode;
use proptest::prelude::*;

use super::*;

#[tokio::test]
async fn other_metadata_is_passed_on_whatever_it_is() {
    let server = Loopback::http(|call| match call.target.as_str() {
        "/metadata/versions" => Answer::new(200, r#"{"apiVersions":[]}"#),
        _ => Answer::new(400, "bad").header("content-type", "text/plain"),
    })
    .await;
    let client = client(&server.url);
    let versions = client.metadata("/metadata/versions", &[]).await.unwrap();
    assert_eq!(versions.body(), r#"{"apiVersions":[]}"#);
    let query = [("api-version", "2021-02-01"), ("format", "text")];
    let other = client
        .metadata("/metadata/instance/compute/location", &query)
        .await
        .unwrap();
    assert_eq!(other.status(), StatusCode::BAD_REQUEST);
    assert_eq!(other.headers()["content-type"], "text/plain");
    let calls = server.calls();
    assert_eq!(
        calls[1].target,
        "/metadata/instance/compute/location?api-version=2021-02-01&format=text"
    );
    assert_eq!(calls[1].headers["metadata"], "true");
}

#[tokio::test]
async fn the_nodes_credentials_are_not_other_metadata() {
    let server = Loopback::http(|_| Answer::new(200, "secret")).await;
    let client = client(&server.url);
    let paths = [
        "/metadata/identity/oauth2/token",
        "/metadata/identity/issuecredential",
        "/metadata/identity/getplatformmetadata",
        "/Metadata/Identity/credential",
        "/metadata/identity",
        "/metadata/identity/info/",
        "/metadata/instance/../identity/oauth2/token",
        "/metadata/instance/./compute",
        "/metadata/instance/%2e%2e/identity/oauth2/token",
        "/metadata//identity/oauth2/token",
        "/metadata/instance\\..\\identity",
        "/metadata/instance?x=1",
        "/metadata/instance#x",
        "/metadata",
        "/machine/?comp=goalstate",
        "metadata/instance",
        "",
    ];
    for path in paths {
        let failure = client.metadata(path, &[]).await.unwrap_err();
        assert_eq!(
            failure,
            refused("not_found", "this path of IMDS is not served"),
            "{path}"
        );
    }
    assert!(server.calls().is_empty());
    client
        .metadata("/metadata/identity/info", &[("api-version", API_VERSION)])
        .await
        .unwrap();
}

#[tokio::test]
async fn the_tenants_name_counts_against_the_limits_of_identities() {
    let server = Loopback::http(|_| Answer::new(200, r#"{"tenantId":"t"}"#)).await;
    let limits = ImdsLimits::default();
    let _seats = all_seats(&limits).await;
    let info = impatient(&server, &limits)
        .metadata("/metadata/identity/info", &[])
        .await;
    assert_eq!(info.unwrap_err().category(), "throttled");
    assert!(
        patient(&server, &limits)
            .metadata("/metadata/instance", &[])
            .await
            .is_ok()
    );
}

#[tokio::test]
async fn a_pod_that_asks_for_the_tenants_name_again_and_again_holds_up_no_token() {
    let server = Loopback::http(|call| match call.target.contains("/token") {
        true => super::token_answer(),
        false => Answer::new(200, "{}").after(Duration::from_millis(200)),
    })
    .await;
    let client = patient(&server, &ImdsLimits::default());
    let flood: Vec<_> = (0..60)
        .map(|_| {
            let client = client.clone();
            tokio::spawn(async move { client.metadata("/metadata/identity/info", &[]).await })
        })
        .collect();
    tokio::time::sleep(Duration::from_millis(50)).await;
    let start = Instant::now();
    client
        .token(&Selector::Unspecified, &vault(), "ns")
        .await
        .unwrap();
    assert!(
        start.elapsed() < Duration::from_secs(1),
        "{:?}",
        start.elapsed()
    );
    for call in flood {
        call.abort();
    }
}

proptest! {
    #[test]
    fn no_path_leads_below_identity_but_the_tenants_name(path in "(/metadata)?[/.a-z%iI]{0,12}(identity)?[/.a-z%]{0,12}") {
        if route::check(&path).is_ok() {
            let url = Url::parse("http://imds/").unwrap().join(&path).unwrap();
            prop_assert_eq!(url.path(), path.as_str(), "a URL parser reads it as it is");
            let below = path.to_ascii_lowercase().starts_with("/metadata/identity");
            prop_assert!(!below || path == "/metadata/identity/info");
        }
    }
}

//! What every request must look like.

use std::time::Duration;

use podgate_testkit::{AzureSim, SimConfig};

use crate::setup::*;

#[tokio::test]
async fn a_request_without_the_metadata_header_gets_the_documented_400_first_of_all() {
    let sim = sim().await;
    for path in [TOKEN, ASK, "/metadata/instance", "/metadata/identity/info"] {
        let answer = imds(&sim).get(path, &[]).await.unwrap();
        assert_oauth(
            &answer,
            400,
            "invalid_request",
            "Required metadata header not specified",
        );
        assert!(
            !answer.text().contains("Identity not found"),
            "the .NET probe takes that for an absent identity"
        );
    }
}

#[tokio::test]
async fn the_metadata_header_is_true_in_lower_case_and_comes_once() {
    let sim = sim().await;
    for headers in [
        vec![("Metadata", "True")],
        vec![("Metadata", "")],
        vec![METADATA, METADATA],
    ] {
        let answer = imds(&sim).get(ASK, &headers).await.unwrap();
        assert_oauth(&answer, 400, "invalid_request", "azure-sim: the");
    }
}

#[tokio::test]
async fn a_forwarded_request_is_refused() {
    let sim = sim().await;
    let answer = imds(&sim)
        .get(ASK, &[METADATA, ("X-Forwarded-For", "10.0.0.1")])
        .await
        .unwrap();
    assert_oauth(&answer, 400, "invalid_request", "X-Forwarded-For");
}

#[tokio::test]
async fn only_get_is_allowed() {
    let sim = sim().await;
    for method in ["POST", "PUT", "HEAD", "DELETE", "OPTIONS"] {
        let raw = format!(
            "{method} {ASK} HTTP/1.1\r\nHost: 169.254.169.254\r\nMetadata: true\r\nConnection: close\r\n\r\n"
        );
        let client = imds(&sim).deadline(Duration::from_secs(2));
        // The answer to HEAD has a length and no body, which this client waits for in vain.
        let Ok(answer) = client.send(raw.as_bytes()).await else {
            continue;
        };
        assert_eq!(
            (answer.status, answer.header("allow")),
            (405, Some("GET")),
            "{method}"
        );
    }
    assert!(sim.calls().iter().all(|call| call.status == Some(405)));
}

#[tokio::test]
async fn the_host_is_the_address_of_imds() {
    let sim = sim().await;
    for host in [
        "169.254.169.254",
        "169.254.169.254:80",
        &sim.imds_addr().to_string(),
    ] {
        assert_eq!(
            imds(&sim)
                .get(ASK, &[METADATA, ("Host", host)])
                .await
                .unwrap()
                .status,
            200,
            "{host}"
        );
    }
    for host in ["metadata.internal", "localhost", "169.254.169.254:8080", ""] {
        let answer = imds(&sim)
            .get(ASK, &[METADATA, ("Host", host)])
            .await
            .unwrap();
        assert_oauth(&answer, 400, "invalid_request", "azure-sim: Host is");
    }
}

#[tokio::test]
async fn an_absolute_address_in_the_request_line_is_refused() {
    let sim = sim().await;
    let raw = format!(
        "GET http://169.254.169.254{ASK} HTTP/1.1\r\nHost: 169.254.169.254\r\nMetadata: true\r\n\r\n"
    );
    let answer = imds(&sim).send(raw.as_bytes()).await.unwrap();
    assert_oauth(&answer, 400, "invalid_request", "not an absolute address");
}

#[tokio::test]
async fn a_get_with_a_body_is_refused() {
    let sim = sim().await;
    let answer = imds(&sim)
        .request("GET", ASK, &[METADATA], b"x")
        .await
        .unwrap();
    assert_oauth(&answer, 400, "invalid_request", "a GET has no body");
}

/// Queries of a token request, and what is wrong with each.
const WRONG_QUERIES: &[(&str, &str)] = &[
    (
        "resource=https://vault.azure.net",
        "Required query variable 'api-version' is missing",
    ),
    (
        "api-version=2018-02-01",
        "Required query variable 'resource' is missing",
    ),
    (
        "api-version=2018-02-01&resource=",
        "Required query variable 'resource' is missing",
    ),
    (
        "api-version=2017-12-01&resource=https://a.example",
        "api-version is none",
    ),
    (
        "api-version=2018-02-02&resource=https://a.example",
        "api-version is none",
    ),
    (
        "api-version=2018-02-01&resource=https://a.example&resource=https://b.example",
        "'resource' is repeated",
    ),
    (
        "api-version=2018-02-01&resource=https://a.example&%72esource=https://b.example",
        "'resource' is repeated",
    ),
    (
        "api-version=2018-02-01&resource=https://a.example&authority=x",
        "unknown query variable 'authority'",
    ),
    (
        "api-version=2018-02-01&resource=https://a.example&bypass_cache=1",
        "bypass_cache is `true`",
    ),
    (
        "api-version=2018-02-01&resource=https://a.example&client_id=",
        "'client_id' is empty",
    ),
    (
        "api-version=2018-02-01&resource=https://a.example&client_id=a&object_id=b",
        "exclude one another",
    ),
    (
        "api-version=2018-02-01&resource=https://a.example&mi_res_id=a&msi_res_id=b",
        "exclude one another",
    ),
    (
        "api-version=2018-02-01&resource=https://a.example&flag",
        "name=value",
    ),
    (
        "api-version=2018-02-01&resource=https://a.example&",
        "name=value",
    ),
    ("api-version=2018-02-01&resource=a+b", "name=value"),
    ("api-version=2018-02-01&resource=%2", "%XX"),
    ("api-version=2018-02-01&resource=%zz", "%XX"),
    (
        "api-version=2018-02-01&resource=a%00b",
        "control characters",
    ),
    (
        "api-version=2018-02-01&resource=a%0d%0ab",
        "control characters",
    ),
    ("api-version=2018-02-01&resource=%ff", "UTF-8"),
    ("", "name=value"),
];

#[tokio::test]
async fn a_query_says_everything_once_and_nothing_unknown() {
    let sim = AzureSim::start(SimConfig {
        limits: generous(),
        ..SimConfig::default()
    })
    .await
    .unwrap();
    sim.add_managed_identity(reader());
    for (query, why) in WRONG_QUERIES {
        let answer = ask_imds(&sim, &format!("{TOKEN}?{query}")).await;
        assert_oauth(&answer, 400, "invalid_request", why);
    }
}

#[tokio::test]
async fn bypass_cache_true_is_the_one_legal_value() {
    let sim = sim().await;
    assert_eq!(
        ask_imds(&sim, &format!("{ASK}&bypass_cache=true"))
            .await
            .status,
        200
    );
}

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use serde_json::json;

use super::*;
use crate::loopback::{Answer, Loopback};
use crate::throttle::IDENTITY_CONCURRENT;

mod metadata;

const GUID: &str = "01234567-89ab-cdef-0123-456789abcdef";
const ARM: &str = "/subscriptions/s/resourceGroups/g/providers/Microsoft.ManagedIdentity/userAssignedIdentities/n";

fn client(url: &str) -> ImdsClient {
    let limits = ImdsLimits::default();
    ImdsClient::new(url.parse().unwrap(), limits, Duration::from_secs(10))
}

fn vault() -> Resource {
    "https://vault.azure.net".parse().unwrap()
}

fn token_answer() -> Answer {
    let body = json!({
        "access_token": "eyJ", "client_id": GUID, "expires_in": "86399", "expires_on": "4102444800",
        "ext_expires_in": "86399", "not_before": "1506480273", "resource": "https://vault.azure.net",
        "token_type": "Bearer",
    });
    Answer::new(200, body.to_string()).header("server", "IMDS/150.870.65.1854")
}

async fn token(server: &Loopback) -> Result<Token, Failure> {
    client(&server.url)
        .token(&Selector::Unspecified, &vault(), "ns")
        .await
}

/// What becomes of an answer without a token.
async fn failure(answer: Answer) -> Failure {
    let server = Loopback::http(move |_| answer.clone()).await;
    token(&server).await.unwrap_err()
}

fn refused(error: &str, description: &str) -> Failure {
    Failure::Refused {
        error: error.to_owned(),
        description: description.to_owned(),
        stale_credential: false,
    }
}

fn wait(failure: &Failure) -> Option<Duration> {
    match failure {
        Failure::Unavailable { retry_after, .. } => *retry_after,
        Failure::Refused { .. } => panic!("{failure}"),
    }
}

#[tokio::test]
async fn a_token_is_asked_for_as_the_sdks_do_and_with_nothing_else() {
    let server = Loopback::http(|_| token_answer()).await;
    let token = token(&server).await.unwrap();
    assert_eq!(token.access_token.secret(), "eyJ");
    assert_eq!(token.expires_on, 4_102_444_800);
    assert_eq!(token.not_before, Some(1_506_480_273));
    let call = server.only_call();
    assert_eq!(call.method, "GET");
    assert_eq!(
        call.target,
        "/metadata/identity/oauth2/token?api-version=2018-02-01&resource=https%3A%2F%2Fvault.azure.net"
    );
    assert_eq!(call.headers["metadata"], "true");
    assert_eq!(call.headers.len(), 2, "{:?}", call.headers);
    assert_eq!(call.body, "");
}

#[tokio::test]
async fn each_way_to_name_an_identity_is_one_parameter() {
    let server = Loopback::http(|_| token_answer()).await;
    let client = client(&server.url);
    let selectors = [
        Selector::ClientId(GUID.parse().unwrap()),
        Selector::ObjectId(GUID.parse().unwrap()),
        Selector::ResourceId(ARM.parse().unwrap()),
    ];
    for selector in &selectors {
        client.token(selector, &vault(), "ns").await.unwrap();
    }
    let calls = server.calls();
    let last = |at: usize| calls[at].target.rsplit('&').next().unwrap().to_owned();
    assert_eq!(last(0), format!("client_id={GUID}"));
    assert_eq!(last(1), format!("object_id={GUID}"));
    assert_eq!(last(2), format!("msi_res_id={}", ARM.replace('/', "%2F")));
}

#[tokio::test]
async fn a_resource_cannot_add_parameters_or_headers() {
    let server = Loopback::http(|_| token_answer()).await;
    let resource: Resource = "x&client_id=other#y z+%26".parse().unwrap();
    client(&server.url)
        .token(&Selector::Unspecified, &resource, "ns")
        .await
        .unwrap();
    let url: Url = format!("http://imds{}", server.only_call().target)
        .parse()
        .unwrap();
    let pairs: Vec<(String, String)> = url.query_pairs().into_owned().collect();
    let expected = [
        ("api-version", API_VERSION),
        ("resource", resource.as_str()),
    ];
    assert_eq!(
        pairs,
        expected.map(|(name, value)| (name.to_owned(), value.to_owned()))
    );
}

#[tokio::test]
async fn an_identity_that_is_not_on_the_node_is_refused_in_imds_own_words() {
    let body = r#"{"error":"invalid_request","error_description":"Identity not found"}"#;
    assert_eq!(
        failure(Answer::new(400, body)).await,
        refused("invalid_request", "Identity not found")
    );
}

#[tokio::test]
async fn a_resource_that_does_not_exist_is_refused() {
    let body = json!({"error": "invalid_resource", "error_description": "AADSTS500011: The resource\r\nTrace ID: x"});
    let failure = failure(Answer::new(400, body.to_string())).await;
    assert_eq!(
        failure,
        refused("invalid_resource", "AADSTS500011: The resource Trace ID: x")
    );
}

#[tokio::test]
async fn a_refusal_without_a_reason_is_named_by_its_status() {
    let cases = [
        (400, "invalid_request", "Bad Request, without a reason"),
        (401, "access_denied", "Unauthorized, without a reason"),
        (403, "access_denied", "Forbidden, without a reason"),
        (
            405,
            "method_not_allowed",
            "Method Not Allowed, without a reason",
        ),
        (418, "invalid_request", "I'm a teapot, without a reason"),
    ];
    for (status, error, description) in cases {
        assert_eq!(
            failure(Answer::new(status, "<html>no</html>")).await,
            refused(error, description)
        );
    }
}

#[tokio::test]
async fn a_sentence_where_a_code_belongs_is_the_description() {
    let body =
        r#"{"error":"Bad request. api-version is invalid","newest-versions":["2025-04-07"]}"#;
    let expected = refused("invalid_request", "Bad request. api-version is invalid");
    assert_eq!(failure(Answer::new(400, body)).await, expected);
}

#[tokio::test]
async fn an_upgrade_is_over_within_seventy_seconds() {
    let gone = || Answer::new(410, "");
    assert_eq!(wait(&failure(gone()).await), Some(UPGRADE_WAIT));
    assert_eq!(
        wait(&failure(gone().header("retry-after", "30")).await),
        Some(Duration::from_secs(30))
    );
    assert_eq!(
        wait(&failure(gone().header("retry-after", "900")).await),
        Some(Duration::from_secs(70))
    );
}

const UPGRADE_WAIT: Duration = Duration::from_secs(10);

#[tokio::test]
async fn throttling_is_told_from_an_outage() {
    let throttled = failure(Answer::new(429, "").header("retry-after", "7")).await;
    assert_eq!(throttled.category(), "throttled");
    assert_eq!(wait(&throttled), Some(Duration::from_secs(7)));
    for status in [404, 408, 500, 502, 503, 504] {
        let failure = failure(Answer::new(status, r#"{"error":"server_error"}"#)).await;
        assert_eq!(failure.category(), "unavailable", "{status}");
        assert_eq!(
            failure.to_string(),
            format!("unavailable: IMDS answered {status}: server_error")
        );
    }
}

#[tokio::test]
async fn what_is_not_an_answer_of_imds_is_an_outage() {
    for status in [204, 302] {
        let failure =
            failure(Answer::new(status, "").header("location", "http://evil.example/")).await;
        assert_eq!(failure.category(), "unavailable", "{status}");
    }
    for body in [
        "",
        "<html>",
        "[]",
        r#"{"access_token":""}"#,
        r#"{"access_token":"hunter2"}"#,
    ] {
        let failure = failure(Answer::new(200, body)).await;
        assert!(
            failure
                .to_string()
                .starts_with("unavailable: IMDS answered 200, but "),
            "{failure}"
        );
        assert!(!failure.to_string().contains("hunter2"), "{failure}");
    }
    let huge = failure(Answer::new(200, vec![b'x'; MAX_BODY + 1])).await;
    assert!(
        huge.to_string().contains("more than 131072 bytes"),
        "{huge}"
    );
}

#[tokio::test]
async fn an_imds_that_is_not_there_is_an_outage() {
    let failure = client("http://127.0.0.1:1/")
        .token(&Selector::Unspecified, &vault(), "ns")
        .await
        .unwrap_err();
    assert_eq!(failure.category(), "unavailable");
    assert!(
        failure
            .to_string()
            .contains("/metadata/identity/oauth2/token cannot be reached"),
        "{failure}"
    );
}

#[tokio::test]
async fn imds_never_sees_more_than_five_at_a_time() {
    let (now, most) = (Arc::new(AtomicUsize::new(0)), Arc::new(AtomicUsize::new(0)));
    let (counter, peak) = (Arc::clone(&now), Arc::clone(&most));
    let server = Loopback::raw(move |mut stream| {
        let (counter, peak) = (Arc::clone(&counter), Arc::clone(&peak));
        async move { hold(&mut stream, &counter, &peak).await }
    })
    .await;
    let client = client(&server.url);
    let calls: Vec<_> = (0..15)
        .map(|number| {
            let (client, party) = (client.clone(), format!("ns-{}", number % 2));
            tokio::spawn(
                async move { client.token(&Selector::Unspecified, &vault(), &party).await },
            )
        })
        .collect();
    for call in calls {
        call.await.unwrap().unwrap_err();
    }
    assert_eq!(most.load(Ordering::SeqCst), IDENTITY_CONCURRENT);
}

/// One request for each connection, held until five are there or for a moment.
async fn hold(stream: &mut tokio::net::TcpStream, counter: &AtomicUsize, peak: &AtomicUsize) {
    use tokio::io::{AsyncReadExt, AsyncWriteExt};
    let mut head = [0; 4096];
    let _ = stream.read(&mut head).await;
    peak.fetch_max(counter.fetch_add(1, Ordering::SeqCst) + 1, Ordering::SeqCst);
    for _ in 0..200 {
        if peak.load(Ordering::SeqCst) >= IDENTITY_CONCURRENT {
            break;
        }
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    tokio::time::sleep(Duration::from_millis(20)).await;
    counter.fetch_sub(1, Ordering::SeqCst);
    let answer = b"HTTP/1.1 500 No\r\ncontent-length: 0\r\nconnection: close\r\n\r\n";
    let _ = stream.write_all(answer).await;
}

#[tokio::test]
async fn who_gets_no_turn_in_time_is_told_so_and_imds_is_not_asked() {
    let server = Loopback::http(|_| token_answer()).await;
    let limits = ImdsLimits::default();
    let seats = all_seats(&limits).await;
    let ask = async |client: ImdsClient| client.token(&Selector::Unspecified, &vault(), "ns").await;
    let failure = ask(impatient(&server, &limits)).await.unwrap_err();
    assert_eq!(failure.category(), "throttled");
    assert_eq!(wait(&failure), Some(NEXT_WINDOW));
    assert!(server.calls().is_empty());
    drop(seats);
    ask(patient(&server, &limits)).await.unwrap();
}

async fn all_seats(limits: &ImdsLimits) -> Vec<Turn> {
    let mut seats = Vec::new();
    for number in 0..IDENTITY_CONCURRENT {
        seats.push(limits.identity(&format!("other-{number}")).await);
    }
    seats
}

/// For calls that must not get a turn.
fn impatient(server: &Loopback, limits: &ImdsLimits) -> ImdsClient {
    let deadline = Duration::from_millis(50);
    ImdsClient::new(server.url.parse().unwrap(), limits.clone(), deadline)
}

/// For calls that must, however slow the machine is.
fn patient(server: &Loopback, limits: &ImdsLimits) -> ImdsClient {
    let deadline = Duration::from_secs(10);
    ImdsClient::new(server.url.parse().unwrap(), limits.clone(), deadline)
}

#[tokio::test]
async fn the_deadline_covers_an_imds_that_hangs() {
    let server = Loopback::http(|_| token_answer().after(Duration::from_secs(60))).await;
    let deadline = Duration::from_millis(100);
    let client = ImdsClient::new(server.url.parse().unwrap(), ImdsLimits::default(), deadline);
    let failure = client
        .token(&Selector::Unspecified, &vault(), "ns")
        .await
        .unwrap_err();
    assert!(
        failure.to_string().contains("did not answer within"),
        "{failure}"
    );
}

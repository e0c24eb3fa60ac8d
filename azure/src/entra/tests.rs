use ::http::header::RETRY_AFTER;
use serde_json::{Value, json};

use super::*;
use crate::loopback::{Answer, Call, Loopback};

const GUID: &str = "01234567-89ab-cdef-0123-456789abcdef";
/// With characters that a form must encode.
const SECRET: &str = "a~B+c/d=&e%f g";

/// A login host, and what it is asked.
struct Login {
    server: Loopback,
    client: EntraClient,
    authority: Authority,
    tenant: TenantId,
    client_id: ClientId,
    resource: Resource,
}

impl Login {
    async fn new(answers: impl Fn(&Call) -> Answer + Send + Sync + 'static) -> Self {
        let server = Loopback::https(answers).await;
        let http = HttpClient::https(std::slice::from_ref(&server.ca_pem)).unwrap();
        Self {
            client: EntraClient::new(http),
            authority: server.url.parse().unwrap(),
            server,
            tenant: "contoso.com".parse().unwrap(),
            client_id: GUID.parse().unwrap(),
            resource: "https://vault.azure.net".parse().unwrap(),
        }
    }

    async fn token(&self, version: EndpointVersion) -> Result<Token, Failure> {
        self.client
            .client_secret(self.request(SECRET, version))
            .await
    }

    fn request<'a>(&'a self, secret: &'a str, version: EndpointVersion) -> ClientSecretRequest<'a> {
        ClientSecretRequest {
            authority: &self.authority,
            tenant: &self.tenant,
            client_id: &self.client_id,
            secret,
            resource: &self.resource,
            version,
        }
    }
}

fn form(call: &Call) -> Vec<(String, String)> {
    let pairs = url::form_urlencoded::parse(call.body.as_bytes());
    pairs.into_owned().collect()
}

fn pairs(expected: &[(&str, &str)]) -> Vec<(String, String)> {
    let own = |(name, value): &(&str, &str)| ((*name).to_owned(), (*value).to_owned());
    expected.iter().map(own).collect()
}

fn v1_token(_: &Call) -> Answer {
    let body = json!({
        "token_type": "Bearer", "expires_in": "3599", "ext_expires_in": "3599", "expires_on": "4102444800",
        "not_before": "1506480273", "resource": "https://vault.azure.net", "access_token": "eyJ.v1",
    });
    Answer::new(200, body.to_string())
}

/// What Entra ID says when it refuses.
fn refusal(error: &str, code: u64, said: &str) -> Value {
    json!({
        "error": error,
        "error_description": format!(
            "AADSTS{code}: {said}\r\nTrace ID: 11111111-0000-0000-0000-000000000000\r\n\
             Correlation ID: {GUID}\r\nTimestamp: 2026-01-01 00:00:00Z"
        ),
        "error_codes": [code],
        "timestamp": "2026-01-01 00:00:00Z",
        "trace_id": "11111111-0000-0000-0000-000000000000",
        "correlation_id": GUID,
        "error_uri": format!("https://login.microsoftonline.com/error?code={code}"),
    })
}

async fn failure(answer: Answer) -> Failure {
    let login = Login::new(move |_| answer.clone()).await;
    login.token(EndpointVersion::V1).await.unwrap_err()
}

async fn failure_of(status: u16, body: &Value) -> Failure {
    failure(Answer::new(status, body.to_string())).await
}

#[tokio::test]
async fn v1_asks_with_a_resource_as_the_old_gateway_did() {
    let login = Login::new(v1_token).await;
    let token = login.token(EndpointVersion::V1).await.unwrap();
    assert_eq!(token.access_token.secret(), "eyJ.v1");
    assert_eq!(token.expires_on, 4_102_444_800);
    let call = login.server.only_call();
    assert_eq!(call.method, "POST");
    assert_eq!(call.target, "/contoso.com/oauth2/token?api-version=1.0");
    assert_eq!(
        call.headers["content-type"],
        "application/x-www-form-urlencoded"
    );
    let expected = pairs(&[
        ("grant_type", "client_credentials"),
        ("client_id", GUID),
        ("client_secret", SECRET),
        ("resource", "https://vault.azure.net"),
    ]);
    assert_eq!(form(&call), expected);
}

#[tokio::test]
async fn v2_asks_with_a_scope_and_keeps_a_trailing_slash() {
    let body = r#"{"token_type":"Bearer","expires_in":3599,"ext_expires_in":3599,"access_token":"eyJ.v2"}"#;
    let mut login = Login::new(move |_| Answer::new(200, body)).await;
    let before = answer::now();
    let token = login.token(EndpointVersion::V2).await.unwrap();
    assert!((before + 3599..=answer::now() + 3599).contains(&token.expires_on));
    login.resource = "https://management.azure.com/".parse().unwrap();
    login.token(EndpointVersion::V2).await.unwrap();
    let calls = login.server.calls();
    assert_eq!(calls[0].target, "/contoso.com/oauth2/v2.0/token");
    assert!(form(&calls[0]).contains(&pairs(&[("scope", "https://vault.azure.net/.default")])[0]));
    assert!(
        form(&calls[1]).contains(&pairs(&[("scope", "https://management.azure.com//.default")])[0])
    );
}

#[tokio::test]
async fn an_authority_with_a_path_keeps_it() {
    let mut login = Login::new(v1_token).await;
    login.authority = format!("{}adfs", login.server.url).parse().unwrap();
    login.token(EndpointVersion::V1).await.unwrap();
    assert_eq!(
        login.server.only_call().target,
        "/adfs/contoso.com/oauth2/token?api-version=1.0"
    );
}

#[tokio::test]
async fn a_wrong_secret_is_refused_with_code_and_correlation_id() {
    let body = refusal(
        "invalid_client",
        7_000_215,
        "Invalid client secret provided.",
    );
    let expected = Failure::Refused {
        error: "invalid_client".to_owned(),
        description: format!(
            "AADSTS7000215: Invalid client secret provided. (correlation id {GUID})"
        ),
        stale_credential: true,
    };
    assert_eq!(failure_of(401, &body).await, expected);
}

#[tokio::test]
async fn only_codes_of_credentials_make_a_credential_stale() {
    for code in [
        7_000_215, 7_000_222, 700_027, 700_024, 7_000_214, 1_000_502, 7_000_274, 7_000_277,
    ] {
        let failure = failure_of(401, &refusal("invalid_client", code, "x")).await;
        assert_eq!(failure.category(), "stale_credential", "{code}");
        assert!(is_stale_credential(code));
    }
    for code in [700_016, 90_002, 500_011, 70_011, 700_212] {
        let failure = failure_of(400, &refusal("invalid_request", code, "x")).await;
        assert_eq!(failure.category(), "refused", "{code}");
    }
}

#[tokio::test]
async fn a_code_is_found_in_the_sentence_where_the_list_is_missing() {
    let body = json!({"error": "invalid_client", "error_description": "AADSTS7000222: expired"});
    assert_eq!(failure_of(401, &body).await.category(), "stale_credential");
    let body = json!({"error": "invalid_client", "error_codes": ["7000215"]});
    assert_eq!(failure_of(401, &body).await.category(), "stale_credential");
    let body = json!({"error": "invalid_client", "error_description": "see AADSTS7000222"});
    assert_eq!(failure_of(401, &body).await.category(), "refused");
}

#[tokio::test]
async fn throttling_waits_as_long_as_entra_says_or_a_minute() {
    let wait = |failure: Failure| match failure {
        Failure::Unavailable {
            retry_after,
            throttled,
            ..
        } => (retry_after.unwrap().as_secs(), throttled),
        Failure::Refused { .. } => panic!("{failure}"),
    };
    let body = refusal("invalid_request", 90_055, "too many requests").to_string();
    let said = Answer::new(429, body).header(RETRY_AFTER.as_str(), "17");
    assert_eq!(wait(failure(said).await), (17, true));
    assert_eq!(
        wait(failure(Answer::new(429, "slow down")).await),
        (60, true)
    );
}

#[tokio::test]
async fn an_outage_is_no_refusal_whatever_its_words() {
    for status in [408, 500, 502, 503, 504] {
        let failure = failure_of(status, &refusal("invalid_client", 7_000_215, "x")).await;
        assert_eq!(failure.category(), "unavailable", "{status}");
    }
    let passing = refusal(
        "temporarily_unavailable",
        90_033,
        "a transient error has occurred",
    );
    let failure = failure_of(400, &passing).await;
    assert_eq!(failure.category(), "unavailable");
    assert!(
        failure
            .to_string()
            .starts_with("unavailable: localhost answered 400: AADSTS90033: a tr"),
        "{failure}"
    );
}

#[tokio::test]
async fn an_answer_that_is_no_oauth_error_comes_from_something_in_between() {
    for status in [400, 401, 403, 407] {
        let failure = failure(Answer::new(status, "<html>Forbidden by proxy</html>")).await;
        assert_eq!(failure.category(), "unavailable", "{status}");
        assert!(
            failure.to_string().ends_with("is a proxy in between?"),
            "{failure}"
        );
    }
    let moved = failure(Answer::new(302, "").header("location", "https://evil.example/")).await;
    assert_eq!(
        moved.to_string(),
        "unavailable: localhost answered 302: without a reason"
    );
    let empty = failure(Answer::new(200, "<html>Sign in</html>")).await;
    assert!(
        empty
            .to_string()
            .contains("localhost answered 200, but the answer is no JSON object"),
        "{empty}"
    );
    let huge = failure(Answer::new(400, vec![b'x'; MAX_BODY + 1])).await;
    assert_eq!(huge.category(), "unavailable");
}

#[tokio::test]
async fn no_failure_repeats_the_secret() {
    let encoded: String = url::form_urlencoded::byte_serialize(SECRET.as_bytes()).collect();
    let said = format!("you sent {SECRET} as {encoded}");
    let bodies = [
        refusal("invalid_client", 7_000_215, &said),
        json!({"error": said}),
        json!({"error": "invalid_client", "error_description": said, "correlation_id": SECRET}),
    ];
    for body in bodies {
        for status in [400, 500] {
            let failure = failure_of(status, &body).await;
            let text = format!("{failure} {failure:?}");
            assert!(!text.contains(SECRET) && !text.contains(&encoded), "{text}");
            assert!(text.contains("[redacted]"), "{text}");
        }
    }
}

#[tokio::test]
async fn a_secret_that_looks_like_a_code_or_an_id_is_not_repeated_either() {
    let body = json!({"error": GUID, "error_description": "x", "correlation_id": GUID});
    let login = Login::new(move |_| Answer::new(400, body.to_string())).await;
    let request = login.request(GUID, EndpointVersion::V1);
    let failure = login.client.client_secret(request).await.unwrap_err();
    assert!(!format!("{failure:?}").contains(GUID), "{failure:?}");
}

#[tokio::test]
async fn a_request_is_printed_without_its_secret() {
    let login = Login::new(v1_token).await;
    let printed = format!("{:?}", login.request("hunter2", EndpointVersion::V2));
    assert!(
        printed.contains("contoso.com") && !printed.contains("hunter2"),
        "{printed}"
    );
}

#[tokio::test]
async fn the_deadline_covers_a_login_host_that_hangs() {
    let login = Login::new(|call| v1_token(call).after(Duration::from_secs(60))).await;
    let client = login
        .client
        .clone()
        .with_deadline(Duration::from_millis(200));
    let request = login.request(SECRET, EndpointVersion::V1);
    let failure = client.client_secret(request).await.unwrap_err();
    assert!(
        failure.to_string().contains("did not answer within 200ms"),
        "{failure}"
    );
}

#[tokio::test]
async fn a_login_host_with_an_unknown_certificate_gets_no_secret() {
    let mut login = Login::new(v1_token).await;
    login.client = EntraClient::new(HttpClient::https(&[]).unwrap());
    let failure = login.token(EndpointVersion::V1).await.unwrap_err();
    assert_eq!(failure.category(), "unavailable");
    assert!(login.server.calls().is_empty());
}

use http_body_util::BodyExt;

use super::*;

fn unavailable(retry_after: Option<Duration>, throttled: bool) -> Refusal {
    Refusal::Upstream(Failure::Unavailable {
        description: "connection unreachable".to_owned(),
        retry_after,
        throttled,
    })
}

fn refused(error: &str) -> Refusal {
    Refusal::Upstream(Failure::Refused {
        error: error.to_owned(),
        description: "AADSTS7000215".to_owned(),
        stale_credential: false,
    })
}

async fn body(reply: Reply) -> String {
    String::from_utf8(
        reply
            .into_body()
            .collect()
            .await
            .unwrap()
            .to_bytes()
            .to_vec(),
    )
    .unwrap()
}

#[tokio::test]
async fn the_probe_gets_the_words_that_every_sdk_looks_for() {
    for format in [ErrorFormat::Json, ErrorFormat::Text] {
        let reply = refusal(&Refusal::NoMetadataHeader, format);
        assert_eq!(reply.status(), 400);
        assert_eq!(
            body(reply).await,
            r#"{"error":"invalid_request","error_description":"Required metadata header not specified"}"#
        );
    }
}

#[test]
fn final_refusals_are_400_and_403_and_what_may_pass_says_when_to_come_back() {
    let seconds = |refused: &Refusal| {
        let reply = refusal(refused, ErrorFormat::Json);
        let wait = reply
            .headers()
            .get(RETRY_AFTER)
            .map(|value| value.to_str().unwrap().to_owned());
        (reply.status().as_u16(), wait)
    };
    let wait = |seconds: &str| Some(seconds.to_owned());
    assert_eq!(seconds(&Refusal::NoIdentity(String::new())), (400, None));
    assert_eq!(seconds(&refused("invalid_client")), (403, None));
    assert_eq!(seconds(&refused("invalid_resource")), (400, None));
    assert_eq!(
        seconds(&Refusal::NotAssignedYet(String::new())),
        (503, wait("2"))
    );
    assert_eq!(seconds(&unavailable(None, false)), (503, wait("2")));
    assert_eq!(
        seconds(&unavailable(Some(Duration::from_secs(17)), true)),
        (429, wait("17"))
    );
    assert_eq!(
        seconds(&unavailable(Some(Duration::from_millis(16_200)), false)),
        (503, wait("17"))
    );
    assert_eq!(
        seconds(&unavailable(Some(Duration::from_millis(200)), false)),
        (503, wait("1"))
    );
}

#[tokio::test]
async fn no_body_has_the_word_that_sdks_read_as_no_imds_at_all() {
    let text = body(refusal(&unavailable(None, false), ErrorFormat::Json)).await;
    assert!(!text.contains("unreachable"), "{text}");
}

#[tokio::test]
async fn the_old_form_is_plain_text() {
    let reply = refusal(&refused("invalid_client"), ErrorFormat::Text);
    assert_eq!(reply.headers()[CONTENT_TYPE], "text/plain; charset=utf-8");
    assert!(body(reply).await.contains("AADSTS7000215"));
}

#[tokio::test]
async fn several_tenants_tokens_are_an_array() {
    let text = body(tokens(&[
        Bytes::from_static(b"{\"a\":1}"),
        Bytes::from_static(b"{\"b\":2}"),
    ]))
    .await;
    assert_eq!(text, r#"[{"a":1},{"b":2}]"#);
}

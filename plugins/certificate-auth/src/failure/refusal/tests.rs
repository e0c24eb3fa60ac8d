use proptest::prelude::*;
use serde_json::json;

use super::*;

const CORRELATION: &str = "b3f1c2d4-0000-4000-8000-0123456789ab";

fn body(error: &str, code: u64, sentence: &str) -> Vec<u8> {
    let description =
        format!("AADSTS{code}: {sentence}\r\nTrace ID: t\r\nCorrelation ID: c\r\nTimestamp: now");
    let body = json!({"error": error, "error_description": description, "error_codes": [code],
        "timestamp": "2026-01-01 00:00:00Z", "trace_id": "t", "correlation_id": CORRELATION,
        "error_uri": "https://login.microsoftonline.com/error?code=1"});
    body.to_string().into_bytes()
}

fn refused(status: u16, body: &[u8]) -> Refusal {
    match of_error_body(status, body, None) {
        Failure::Refused(refusal) => refusal,
        Failure::Unavailable(outage) => panic!("expected a refusal, got {outage:?}"),
    }
}

fn unavailable(status: u16, body: &[u8], wait: Option<u32>) -> Outage {
    match of_error_body(status, body, wait) {
        Failure::Unavailable(outage) => outage,
        Failure::Refused(refusal) => panic!("expected an outage, got {refusal:?}"),
    }
}

#[test]
fn a_refusal_carries_code_sentence_cure_and_correlation_id() {
    let refusal = refused(
        400,
        &body(
            "unauthorized_client",
            700_016,
            "Application 'x' was not found.",
        ),
    );
    assert_eq!(refusal.error, "unauthorized_client");
    assert_eq!(
        refusal.description,
        "AADSTS700016: Application 'x' was not found. To do: check clientID and tenantID of the AzureIdentity: \
         this tenant has no such application. Correlation ID: b3f1c2d4-0000-4000-8000-0123456789ab"
    );
    assert!(!refusal.stale_credential);
}

#[test]
fn a_credential_that_may_have_been_replaced_is_called_stale() {
    for code in STALE {
        assert!(
            refused(401, &body("invalid_client", code, "No.")).stale_credential,
            "{code}"
        );
    }
    for code in [700_016, 90_002, 500_011, 70_011, 1_002_012, 700_024] {
        assert!(
            !refused(400, &body("invalid_client", code, "No.")).stale_credential,
            "{code}"
        );
    }
}

#[test]
fn an_invalid_client_of_ad_fs_which_has_no_codes_is_called_stale() {
    let answer =
        json!({"error": "invalid_client", "error_description": "MSIS9623: no such certificate"});
    let refusal = refused(400, answer.to_string().as_bytes());
    assert!(refusal.stale_credential);
    assert_eq!(refusal.description, "MSIS9623: no such certificate");
    let answer = json!({"error": "invalid_resource"}).to_string();
    assert!(!refused(400, answer.as_bytes()).stale_credential);
}

#[test]
fn throttling_is_told_apart_and_keeps_its_wait() {
    let answer = body("temporarily_unavailable", 90_055, "Too many requests.");
    let outage = unavailable(429, &answer, Some(60));
    assert_eq!((outage.retry_after, outage.throttled), (Some(60), true));
    assert!(
        outage
            .description
            .starts_with("the authority answered 429: AADSTS90055: Too many requests")
    );
}

#[test]
fn timeouts_and_server_errors_may_pass_whatever_their_error_says() {
    for status in [408, 429, 500, 502, 503, 504] {
        let outage = unavailable(status, &body("invalid_client", 7_000_215, "No."), None);
        assert_eq!(outage.throttled, status == 429);
    }
}

#[test]
fn temporarily_unavailable_may_pass_whatever_its_status() {
    let outage = unavailable(
        400,
        &body("temporarily_unavailable", 50_001, "Later."),
        Some(5),
    );
    assert_eq!(outage.retry_after, Some(5));
}

#[test]
fn an_answer_that_is_not_the_authoritys_may_pass() {
    for answer in [
        "<html>Proxy</html>",
        "",
        "[]",
        "null",
        r#"{"error": {"code": 403}}"#,
        r#"{"error": "see <b>"}"#,
    ] {
        let outage = unavailable(403, answer.as_bytes(), None);
        let expected = "the authority answered 403 without an OAuth error: something in between may have answered";
        assert_eq!(outage.description, expected, "{answer}");
    }
    assert!(
        unavailable(302, b"", None)
            .description
            .contains("redirects are not followed")
    );
}

#[test]
fn a_code_without_a_description_is_still_named() {
    let answer = json!({"error": "invalid_client", "error_codes": [700_027]}).to_string();
    let description = refused(401, answer.as_bytes()).description;
    assert!(
        description.starts_with("AADSTS700027: invalid_client. To do: add the certificate"),
        "{description}"
    );
}

#[test]
fn fields_of_the_wrong_type_are_left_out() {
    let answer = json!({"error": "invalid_grant", "error_description": 7, "error_codes": "x", "correlation_id": []});
    assert_eq!(
        refused(400, answer.to_string().as_bytes()).description,
        "invalid_grant"
    );
}

#[test]
fn an_authority_that_echoes_the_assertion_does_not_get_it_into_the_description() {
    let assertion = format!(
        "eyJ{}.eyJ{}.{}",
        "a".repeat(2000),
        "b".repeat(300),
        "c".repeat(342)
    );
    let refusal = refused(
        400,
        &body(
            "invalid_client",
            700_027,
            &format!("Bad assertion {assertion}."),
        ),
    );
    assert!(
        !refusal.description.contains("aaaa"),
        "{}",
        refusal.description
    );
}

proptest! {
    #[test]
    fn no_body_panics(status in 100u16..600, body in any::<Vec<u8>>()) {
        let _ = of_error_body(status, &body, None);
    }

    #[test]
    fn no_json_panics_and_every_description_is_bounded(status in 400u16..600, error in "[a-z_]{1,20}", description in any::<String>(), codes in any::<Vec<u64>>()) {
        let body = json!({"error": error, "error_description": description.repeat(50), "error_codes": codes});
        let shown = match of_error_body(status, body.to_string().as_bytes(), None) {
            Failure::Refused(refusal) => refusal.description,
            Failure::Unavailable(outage) => outage.description,
        };
        prop_assert!(shown.chars().count() < 700);
        prop_assert!(!shown.chars().any(char::is_control));
    }
}

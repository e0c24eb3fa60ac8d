use proptest::prelude::*;
use serde_json::json;

use super::*;

const NOW: u64 = 1_506_480_273;

fn read(body: &Value) -> Result<Token, &'static str> {
    token(body.to_string().as_bytes(), NOW)
}

fn with(field: &str, value: Value) -> Value {
    let mut body =
        json!({"access_token": "eyJ", "expires_on": "1506484173", "token_type": "Bearer"});
    body[field] = value;
    body
}

#[test]
fn the_answer_of_imds_is_read_with_its_numbers_as_text() {
    let body = json!({
        "access_token": "eyJ0eXAi", "client_id": "c", "expires_in": "86399", "expires_on": "1506484173",
        "ext_expires_in": "86399", "not_before": "1506480273", "refresh_token": "",
        "resource": "https://management.azure.com/", "token_type": "Bearer",
    });
    let token = read(&body).unwrap();
    assert_eq!(token.access_token.secret(), "eyJ0eXAi");
    assert_eq!(token.token_type, "Bearer");
    assert_eq!(token.expires_on, 1_506_484_173);
    assert_eq!(token.not_before, Some(1_506_480_273));
}

#[test]
fn the_answer_of_entra_v2_is_read_with_a_lifetime_instead_of_an_end() {
    let body = json!({"token_type": "Bearer", "expires_in": 3599, "ext_expires_in": 3599, "access_token": "eyJ"});
    let token = read(&body).unwrap();
    assert_eq!(token.expires_on, NOW + 3599);
    assert_eq!(token.not_before, None);
}

#[test]
fn numbers_may_be_numbers_or_text() {
    assert_eq!(
        read(&with("expires_on", json!(1_506_484_173)))
            .unwrap()
            .expires_on,
        1_506_484_173
    );
    assert_eq!(
        read(&with("not_before", json!(5))).unwrap().not_before,
        Some(5)
    );
    for none in [json!(""), json!(null), json!("soon"), json!(-1), json!([])] {
        assert_eq!(read(&with("not_before", none)).unwrap().not_before, None);
    }
}

#[test]
fn a_token_without_a_usable_end_is_no_token() {
    for wrong in [
        json!(""),
        json!(null),
        json!("2017-09-27"),
        json!(-1),
        json!(u64::MAX),
        json!(1.5),
    ] {
        assert!(read(&with("expires_on", wrong.clone())).is_err(), "{wrong}");
    }
    let endless = json!({"access_token": "eyJ", "expires_in": u64::MAX});
    assert!(read(&endless).is_err());
}

#[test]
fn a_token_that_could_not_go_into_a_header_is_no_token() {
    let long = "a".repeat(MAX_ACCESS_TOKEN + 1);
    for wrong in [
        json!(""),
        json!("a b"),
        json!("a\r\nb"),
        json!("ä"),
        json!(5),
        json!(null),
        json!(long),
    ] {
        assert!(read(&with("access_token", wrong)).is_err());
    }
    assert!(read(&with("token_type", json!("Be arer"))).is_err());
    assert_eq!(
        read(&with("token_type", json!(null))).unwrap().token_type,
        "Bearer"
    );
    assert_eq!(
        read(&with("token_type", json!("pop"))).unwrap().token_type,
        "pop"
    );
}

#[test]
fn no_error_repeats_a_token() {
    let bodies = [
        r#"{"access_token":"hunter2""#,
        r#"{"access_token":"hunter2"}"#,
        r#"{"access_token":"hunter2","access_token":"hunter2","expires_on":1}"#,
        r#""hunter2""#,
        "[\"hunter2\"]",
    ];
    for body in bodies {
        let error = token(body.as_bytes(), NOW).unwrap_err();
        assert!(!error.contains("hunter2"), "{error}");
    }
}

#[test]
fn a_sentence_is_one_line_of_bounded_length() {
    assert_eq!(sentence(" a\r\n\tb\u{1b}[31m  c\u{0} "), "a b [31m c");
    let long = sentence(&"é ".repeat(5000));
    assert!(long.chars().count() <= SENTENCE + 1);
    assert!(sentence("").is_empty());
}

#[test]
fn an_error_that_is_a_sentence_is_a_description() {
    let body = ErrorBody::read(
        br#"{"error":"Bad request. api-version is invalid","newest-versions":["2025-04-07"]}"#,
    );
    assert_eq!(body.code(), None);
    assert_eq!(
        body.description(),
        Some("Bad request. api-version is invalid")
    );
    let body =
        ErrorBody::read(br#"{"error":"invalid_client","error_description":"AADSTS7000215: no"}"#);
    assert_eq!(body.code(), Some("invalid_client"));
    assert_eq!(body.description(), Some("AADSTS7000215: no"));
    assert_eq!(ErrorBody::read(b"<html>").description(), None);
}

proptest! {
    #[test]
    fn no_body_makes_a_reader_panic(body in prop::collection::vec(any::<u8>(), 0..200)) {
        let _ = token(&body, NOW);
        let error = ErrorBody::read(&body);
        let _ = (error.code(), error.description(), error.numbers("error_codes"));
    }

    #[test]
    fn a_token_survives_the_round_trip(secret in "[!-~]{1,200}", ends in 0..=LATEST, as_text in any::<bool>()) {
        let expires_on = if as_text { json!(ends.to_string()) } else { json!(ends) };
        let token = read(&json!({"access_token": secret, "expires_on": expires_on})).unwrap();
        prop_assert_eq!(token.access_token.secret(), secret);
        prop_assert_eq!(token.expires_on, ends);
    }

    #[test]
    fn a_sentence_has_no_control_characters(text in any::<String>()) {
        let line = sentence(&text);
        prop_assert!(!line.chars().any(char::is_control));
        prop_assert!(line.chars().count() <= SENTENCE + 1);
    }
}

use proptest::prelude::*;
use serde_json::json;

use super::*;

const NOW: u64 = 1_700_000_000;

fn read(body: &Value) -> Result<(String, u64, Option<u64>), Failure> {
    let token = token(200, body.to_string().as_bytes(), NOW, None)?;
    Ok((token.access_token, token.expires_on, token.not_before))
}

fn broken(body: &Value) -> String {
    match read(body) {
        Err(Failure::Unavailable(outage)) => outage.description,
        other => panic!("expected an outage, got {other:?}"),
    }
}

#[test]
fn an_answer_of_v2_counts_the_life_from_before_the_request() {
    let body = json!({"token_type": "Bearer", "expires_in": 3599, "ext_expires_in": 3599, "access_token": "e.y.J"});
    assert_eq!(read(&body).unwrap(), ("e.y.J".into(), NOW + 3599, None));
}

#[test]
fn an_answer_of_v1_is_all_strings_and_its_own_times_hold() {
    let body = json!({"token_type": "Bearer", "expires_in": "3599", "ext_expires_in": "3599",
        "expires_on": (NOW + 3600).to_string(), "not_before": (NOW - 300).to_string(),
        "resource": "https://vault.azure.net", "access_token": "e.y.J"});
    assert_eq!(
        read(&body).unwrap(),
        ("e.y.J".into(), NOW + 3600, Some(NOW - 300))
    );
}

#[test]
fn an_answer_of_ad_fs_without_expires_on_is_understood() {
    let body = json!({"token_type": "bearer", "expires_in": 600, "access_token": "t"});
    assert_eq!(read(&body).unwrap(), ("t".into(), NOW + 600, None));
}

#[test]
fn a_token_without_a_usable_end_is_no_token() {
    for body in [
        json!({"access_token": "t"}),
        json!({"access_token": "t", "expires_in": ""}),
        json!({"access_token": "t", "expires_in": -1}),
        json!({"access_token": "t", "expires_in": u64::MAX}),
        json!({"access_token": "t", "expires_on": "soon"}),
    ] {
        assert!(
            broken(&body).contains("without a usable expires_on or expires_in"),
            "{body}"
        );
    }
}

#[test]
fn a_token_that_has_already_ended_is_no_token() {
    assert!(
        broken(&json!({"access_token": "t", "expires_on": NOW}))
            .contains("has ended by this node's clock")
    );
    assert!(
        broken(&json!({"access_token": "t", "expires_in": 0}))
            .contains("has ended by this node's clock")
    );
}

#[test]
fn what_cannot_stand_in_a_header_is_no_token() {
    for hostile in [
        "",
        "a b",
        "a\r\nx: y",
        "\u{e9}",
        &"x".repeat(MAX_TOKEN_BYTES + 1),
    ] {
        let body = json!({"access_token": hostile, "expires_in": 60});
        assert!(broken(&body).contains("without a usable access_token"));
    }
    let longest = "x".repeat(MAX_TOKEN_BYTES);
    assert!(read(&json!({"access_token": longest, "expires_in": 60})).is_ok());
}

#[test]
fn another_kind_of_token_is_not_passed_off_as_a_bearer_token() {
    assert!(
        broken(&json!({"access_token": "t", "expires_in": 60, "token_type": "pop"}))
            .contains("not a bearer token")
    );
}

#[test]
fn a_page_instead_of_json_may_pass() {
    let failure = token(
        200,
        b"<html>sign in to the hotel's network</html>",
        NOW,
        None,
    )
    .err()
    .unwrap();
    let Failure::Unavailable(outage) = failure else {
        panic!("{failure:?}")
    };
    assert!(
        outage
            .description
            .starts_with("the authority answered 200, but not with JSON")
    );
}

#[test]
fn an_error_keeps_the_wait_it_came_with() {
    let failure = token(503, b"", NOW, Some(7)).err().unwrap();
    let Failure::Unavailable(outage) = failure else {
        panic!("{failure:?}")
    };
    assert_eq!((outage.retry_after, outage.throttled), (Some(7), false));
}

proptest! {
    #[test]
    fn no_body_panics(status in 100u16..600, body in any::<Vec<u8>>(), now in any::<u64>()) {
        let _ = token(status, &body, now, None);
    }

    #[test]
    fn a_token_always_ends_in_the_future(expires_in in any::<u64>(), expires_on in any::<Option<u64>>(), now in any::<u64>()) {
        let body = json!({"access_token": "t", "expires_in": expires_in, "expires_on": expires_on});
        if let Ok(token) = token(200, body.to_string().as_bytes(), now, None) {
            prop_assert!(token.expires_on > now);
        }
    }
}

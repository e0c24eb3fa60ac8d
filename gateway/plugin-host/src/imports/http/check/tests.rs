use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use parking_lot::Mutex;
use tokio::time::Instant;

use super::super::Response;
use super::*;
use crate::{Outbound, OutboundError, OutboundResponse};

/// Answers everything with so many bytes, and remembers what it was asked and how long it had.
struct Recorder {
    sent: Mutex<Vec<(OutboundRequest, Duration)>>,
    answer: usize,
}

#[async_trait]
impl Outbound for Recorder {
    async fn send(
        &self,
        request: OutboundRequest,
        deadline: Duration,
        _max_body: usize,
    ) -> Result<OutboundResponse, OutboundError> {
        self.sent.lock().push((request, deadline));
        Ok(OutboundResponse {
            status: 200,
            headers: vec![("Content-Type".into(), "application/json".into())],
            body: vec![b'a'; self.answer],
        })
    }
}

fn recorder(answer: usize) -> Arc<Recorder> {
    Arc::new(Recorder {
        sent: Mutex::default(),
        answer,
    })
}

fn allowance(outbound: Arc<Recorder>) -> Allowance {
    Allowance {
        outbound,
        granted: [Origin::granted("api.example:8443").unwrap()].into(),
        authority: Origin::of_text("https://login.example.com/"),
        deadline: Instant::now() + Duration::from_secs(10),
        requests_left: 2,
        max_body: 100,
    }
}

fn get(url: &str) -> Request {
    Request {
        method: Method::Get,
        url: url.into(),
        headers: vec![],
        body: vec![],
    }
}

fn with_header(name: &str, value: &str) -> Request {
    Request {
        headers: vec![Header {
            name: name.into(),
            value: value.into(),
        }],
        ..get("https://login.example.com/")
    }
}

fn checked(asked: Request) -> Result<OutboundRequest, Error> {
    request(&allowance(recorder(0)), asked)
}

#[test]
fn only_the_authority_and_granted_hosts_are_reached() {
    for url in [
        "https://login.example.com/t/oauth2",
        "https://LOGIN.example.com:443/",
        "https://api.example:8443/",
    ] {
        assert!(checked(get(url)).is_ok(), "{url}");
    }
    let others = [
        "https://login.example.com:8443/",
        "https://api.example/",
        "https://login.example.com.evil.example/",
        "https://evil.example/?login.example.com",
        "https://evil.example#login.example.com",
        "https://evil.example\\@login.example.com/",
        "https://login.example.com./",
        "https://169.254.169.254/metadata/identity/oauth2/token",
        "https://[::ffff:a9fe:a9fe]/",
    ];
    for url in others {
        assert!(
            matches!(checked(get(url)), Err(Error::NotGranted(_))),
            "{url}"
        );
    }
}

#[test]
fn only_https_without_a_user_is_sent() {
    let wrong = [
        "http://login.example.com/",
        "file:///etc/passwd",
        "https://user@login.example.com/",
        "https://:secret@login.example.com/",
        "//login.example.com/",
        "/relative",
        "",
    ];
    for url in wrong {
        assert!(matches!(checked(get(url)), Err(Error::Invalid(_))), "{url}");
    }
    let long = format!("https://login.example.com/{}", "a".repeat(MAX_URL));
    assert!(matches!(checked(get(&long)), Err(Error::Invalid(_))));
}

#[test]
fn the_url_that_is_sent_is_the_one_that_was_checked() {
    let sent = checked(get(" https://LOGIN.example.com:443/a/../b?q=1#fragment\n")).unwrap();
    assert_eq!(sent.url, "https://login.example.com/b?q=1");
}

#[test]
fn headers_of_the_host_and_of_the_hop_are_refused() {
    for name in FORBIDDEN
        .iter()
        .chain(&["proxy-authorization", "proxy-authenticate"])
    {
        assert!(
            matches!(checked(with_header(name, "x")), Err(Error::Invalid(_))),
            "{name}"
        );
    }
}

#[test]
fn headers_that_would_break_the_message_are_refused() {
    for (name, value) in [
        ("X-Upper", "a"),
        ("a b", "c"),
        (":path", "/"),
        ("", "a"),
        ("x", "a\r\nhost: b"),
        ("x", "\0"),
    ] {
        assert!(
            matches!(checked(with_header(name, value)), Err(Error::Invalid(_))),
            "{name:?}: {value:?}"
        );
    }
    assert!(
        checked(with_header(
            "content-type",
            "application/x-www-form-urlencoded"
        ))
        .is_ok()
    );
}

#[test]
fn a_body_goes_with_post_and_within_its_bound() {
    let mut asked = get("https://login.example.com/");
    asked.body = vec![0; 100];
    assert!(matches!(checked(asked.clone()), Err(Error::Invalid(_))));
    asked.method = Method::Post;
    assert!(checked(asked.clone()).is_ok());
    asked.body.push(0);
    assert!(matches!(checked(asked), Err(Error::Invalid(_))));
}

#[tokio::test(start_paused = true)]
async fn a_request_has_what_is_left_of_the_call_but_a_tenth() {
    let outbound = recorder(0);
    let mut allowance = allowance(Arc::clone(&outbound));
    tokio::time::advance(Duration::from_secs(5)).await;
    allowance
        .send(get("https://login.example.com/"))
        .await
        .unwrap();
    assert_eq!(outbound.sent.lock()[0].1, Duration::from_millis(4500));
    tokio::time::advance(Duration::from_secs(5)).await;
    let late = allowance.send(get("https://login.example.com/")).await;
    assert!(matches!(late, Err(Error::Timeout)));
    assert_eq!(outbound.sent.lock().len(), 1);
}

#[tokio::test]
async fn a_call_has_so_many_requests_and_refused_ones_count() {
    let mut allowance = allowance(recorder(0));
    assert!(allowance.send(get("https://evil.example/")).await.is_err());
    assert!(
        allowance
            .send(get("https://login.example.com/"))
            .await
            .is_ok()
    );
    let third = allowance.send(get("https://login.example.com/")).await;
    assert!(matches!(third, Err(Error::Invalid(_))));
}

#[tokio::test]
async fn an_answer_beyond_its_bound_is_refused_whoever_sent_it() {
    let Response {
        status,
        headers,
        body,
    } = allowance(recorder(100))
        .send(get("https://login.example.com/"))
        .await
        .unwrap();
    assert_eq!((status, body.len()), (200, 100));
    assert_eq!(headers[0].name, "content-type");
    let longer = allowance(recorder(101))
        .send(get("https://login.example.com/"))
        .await;
    assert!(matches!(longer, Err(Error::TooLarge(100))));
}

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use ::http::StatusCode;
use rcgen::generate_simple_self_signed;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

use super::*;
use crate::loopback::{Answer, Loopback};

const BOUNDS: Bounds = Bounds {
    deadline: Duration::from_secs(10),
    max_body: 1000,
};

fn get(url: &str) -> Request<Bytes> {
    Request::get(url).body(Bytes::new()).unwrap()
}

async fn plain(url: &str) -> Result<Response<Bytes>, HttpError> {
    HttpClient::plain().send(get(url), BOUNDS).await
}

/// Reads the head of a request, then answers with these bytes and hangs up.
async fn says(mut stream: TcpStream, answer: &'static [u8]) {
    let mut head = [0; 4096];
    let _ = stream.read(&mut head).await;
    let _ = stream.write_all(answer).await;
}

#[tokio::test]
async fn an_answer_comes_whole_whatever_its_status() {
    let server =
        Loopback::http(|_| Answer::new(418, "short and stout").header("x-kind", "pot")).await;
    let answer = plain(&format!("{}a?b=c", server.url)).await.unwrap();
    assert_eq!(answer.status(), StatusCode::IM_A_TEAPOT);
    assert_eq!(answer.headers()["x-kind"], "pot");
    assert_eq!(answer.body(), "short and stout");
    let call = server.only_call();
    assert_eq!(call.target, "/a?b=c");
    let host = server
        .url
        .trim_start_matches("http://")
        .trim_end_matches('/');
    assert_eq!(call.headers["host"], host);
    assert_eq!(call.headers.len(), 1, "{:?}", call.headers);
}

#[tokio::test]
async fn a_redirect_is_an_answer_like_any_other() {
    let server = Loopback::http(|_| Answer::new(302, "").header("location", "/elsewhere")).await;
    let answer = plain(&server.url).await.unwrap();
    assert_eq!(answer.status(), StatusCode::FOUND);
    assert_eq!(server.calls().len(), 1);
}

#[tokio::test]
async fn a_body_of_just_the_limit_is_taken() {
    let server = Loopback::http(|_| Answer::new(200, vec![b'x'; 1000])).await;
    assert_eq!(plain(&server.url).await.unwrap().body().len(), 1000);
}

#[tokio::test]
async fn a_body_that_announces_too_much_is_not_read() {
    let head = b"HTTP/1.1 200 OK\r\ncontent-length: 1001\r\n\r\n";
    let server = Loopback::raw(|stream| says(stream, head)).await;
    let error = plain(&server.url).await.unwrap_err();
    assert!(
        matches!(error, HttpError::TooLarge { limit: 1000, .. }),
        "{error}"
    );
}

#[tokio::test]
async fn a_body_without_an_end_is_cut_off() {
    let server = Loopback::raw(|mut stream| async move {
        says_head(
            &mut stream,
            b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n",
        )
        .await;
        while stream.write_all(b"64\r\n".as_slice()).await.is_ok() {
            let mut chunk = vec![b'x'; 100];
            chunk.extend_from_slice(b"\r\n");
            if stream.write_all(&chunk).await.is_err() {
                break;
            }
        }
    })
    .await;
    let error = plain(&server.url).await.unwrap_err();
    assert!(matches!(error, HttpError::TooLarge { .. }), "{error}");
}

async fn says_head(stream: &mut TcpStream, head: &[u8]) {
    let mut request = [0; 4096];
    let _ = stream.read(&mut request).await;
    let _ = stream.write_all(head).await;
}

#[tokio::test]
async fn the_deadline_covers_an_answer_that_never_begins_and_one_that_never_ends() {
    let heads: [&[u8]; 2] = [b"", b"HTTP/1.1 200 OK\r\ncontent-length: 10\r\n\r\nxxx"];
    for head in heads {
        let server = Loopback::raw(move |mut stream| async move {
            says_head(&mut stream, head).await;
            std::future::pending::<()>().await;
        })
        .await;
        let bounds = Bounds {
            deadline: Duration::from_millis(100),
            ..BOUNDS
        };
        let error = HttpClient::plain()
            .send(get(&server.url), bounds)
            .await
            .unwrap_err();
        assert!(matches!(error, HttpError::Timeout { .. }), "{error}");
        assert!(
            error.to_string().ends_with("did not answer within 100ms"),
            "{error}"
        );
    }
}

#[tokio::test]
async fn a_broken_answer_is_unreachable_and_says_why() {
    let answers: [&[u8]; 4] = [
        b"",
        b"SSH-2.0-OpenSSH_9.2\r\n",
        b"HTTP/1.1 200 OK\r\ncontent-length: 10\r\n\r\nshort",
        b"HTTP/1.1 200 OK\r\ncontent-length: 1\r\ncontent-length: 2\r\n\r\nab",
    ];
    for answer in answers {
        let server = Loopback::raw(move |stream| says(stream, answer)).await;
        let error = plain(&server.url).await.unwrap_err();
        assert!(matches!(error, HttpError::Unreachable { .. }), "{error}");
        assert!(error.to_string().contains(": "), "{error}");
    }
}

#[tokio::test]
async fn an_endless_head_is_refused() {
    let server = Loopback::raw(|mut stream| async move {
        says_head(&mut stream, b"HTTP/1.1 200 OK\r\nx: ").await;
        while stream.write_all(&[b'x'; 4096]).await.is_ok() {}
    })
    .await;
    let error = plain(&server.url).await.unwrap_err();
    assert!(matches!(error, HttpError::Unreachable { .. }), "{error}");
}

#[tokio::test]
async fn a_closed_port_is_unreachable_and_named_without_its_query() {
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}/metadata", listener.local_addr().unwrap());
    drop(listener);
    let error = plain(&format!("{url}?client_id=hidden")).await.unwrap_err();
    let text = error.to_string();
    assert!(matches!(error, HttpError::Unreachable { .. }), "{text}");
    assert!(
        text.starts_with(&format!("{url} cannot be reached: ")),
        "{text}"
    );
    assert!(
        text.contains("refused") && !text.contains("hidden"),
        "{text}"
    );
}

#[tokio::test]
async fn each_client_speaks_its_own_scheme_only() {
    let https = HttpClient::https(&[]).unwrap();
    for (client, url) in [
        (https, "http://localhost/"),
        (HttpClient::plain(), "https://localhost/"),
    ] {
        let error = client.send(get(url), BOUNDS).await.unwrap_err();
        assert!(matches!(error, HttpError::Invalid { .. }), "{error}");
    }
    for url in ["/no/host", "http://user:hunter2@localhost/"] {
        let error = plain(url).await.unwrap_err();
        assert!(matches!(error, HttpError::Invalid { .. }), "{error}");
        assert!(!error.to_string().contains("hunter2"), "{error}");
    }
}

#[tokio::test]
async fn a_server_is_trusted_by_the_operators_authority_and_by_no_other() {
    let server = Loopback::https(|_| Answer::new(200, "hello")).await;
    let trusting = HttpClient::https(std::slice::from_ref(&server.ca_pem)).unwrap();
    assert_eq!(
        trusting
            .send(get(&server.url), BOUNDS)
            .await
            .unwrap()
            .body(),
        "hello"
    );
    let error = HttpClient::https(&[])
        .unwrap()
        .send(get(&server.url), BOUNDS)
        .await
        .unwrap_err();
    assert!(error.to_string().contains("certificate"), "{error}");
}

#[tokio::test]
async fn a_certificate_of_another_host_is_refused() {
    let server = Loopback::https(|_| Answer::new(200, "hello")).await;
    let trusting = HttpClient::https(std::slice::from_ref(&server.ca_pem)).unwrap();
    let elsewhere = server.url.replace("localhost", "127.0.0.1");
    let error = trusting.send(get(&elsewhere), BOUNDS).await.unwrap_err();
    assert!(matches!(error, HttpError::Unreachable { .. }), "{error}");
    assert!(server.calls().is_empty());
}

#[test]
fn several_authorities_may_stand_in_one_file_and_each_bad_file_is_named() {
    let pem = || {
        generate_simple_self_signed(["a".to_owned()])
            .unwrap()
            .cert
            .pem()
            .into_bytes()
    };
    let both = [pem(), pem()].concat();
    assert!(HttpClient::https(&[both, pem()]).is_ok());

    let error = |files: &[Vec<u8>]| HttpClient::https(files).unwrap_err().to_string();
    let key = generate_simple_self_signed(["a".to_owned()])
        .unwrap()
        .signing_key
        .serialize_pem();
    assert!(
        error(&[pem(), key.into_bytes()])
            .starts_with("file 2 of further certificate authorities holds no")
    );
    assert!(error(&[b"nonsense".to_vec()]).contains("holds no certificate"));
    let cut = b"-----BEGIN CERTIFICATE-----\n$$$\n-----END CERTIFICATE-----\n".to_vec();
    assert!(error(&[cut]).starts_with("file 1 of further certificate authorities is no PEM file"));
    let empty = b"-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n".to_vec();
    assert!(error(&[empty]).contains("unusable certificate"));
}

#[tokio::test]
async fn connections_are_used_again() {
    let accepted = Arc::new(AtomicUsize::new(0));
    let counter = Arc::clone(&accepted);
    let server = Loopback::raw(move |mut stream| {
        counter.fetch_add(1, Ordering::SeqCst);
        async move {
            let mut head = [0; 4096];
            while stream.read(&mut head).await.is_ok_and(|read| read > 0) {
                let _ = stream
                    .write_all(b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nhi")
                    .await;
            }
        }
    })
    .await;
    let client = HttpClient::plain();
    for _ in 0..5 {
        let answer = client.clone().send(get(&server.url), BOUNDS).await.unwrap();
        assert_eq!(answer.body(), "hi");
    }
    assert_eq!(accepted.load(Ordering::SeqCst), 1);
}

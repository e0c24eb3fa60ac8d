use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpListener;

use super::*;

fn mk_node(taints: Value) -> Node {
    serde_json::from_value(json!({
        "metadata": { "name": "n", "resourceVersion": "7" },
        "spec": { "taints": taints },
    }))
    .unwrap()
}

const KEY: &str = "podgate.io/not-ready";

#[test]
fn only_the_own_taint_goes_and_only_from_the_version_that_was_read() {
    let node = mk_node(json!([
        { "key": "a", "effect": "NoSchedule", "value": "x" },
        { "key": KEY, "effect": "NoSchedule" },
        { "key": KEY, "effect": "NoExecute" },
    ]));
    let expected = json!({
        "metadata": { "resourceVersion": "7" },
        "spec": { "taints": [{ "key": "a", "effect": "NoSchedule", "value": "x" }] },
    });
    assert_eq!(patch(&node, KEY).unwrap(), expected);
}

#[test]
fn a_node_without_the_taint_is_left_alone() {
    assert_eq!(
        patch(
            &mk_node(json!([{ "key": "a", "effect": "NoSchedule" }])),
            KEY
        ),
        None
    );
    assert_eq!(patch(&mk_node(json!(null)), KEY), None);
    assert_eq!(patch(&Node::default(), KEY), None);
}

#[test]
fn the_gateway_is_asked_by_address_over_plain_http_only() {
    check(&Uri::from_static("http://127.0.0.1:8085/readyz")).unwrap();
    check(&Uri::from_static("http://[::1]:8085/readyz")).unwrap();
    for url in [
        "https://127.0.0.1/readyz",
        "http://localhost/readyz",
        "/readyz",
    ] {
        check(&Uri::from_static(url)).unwrap_err();
    }
}

/// Answers one connection with these bytes; its address as a URL.
async fn answering(bytes: &'static [u8]) -> Uri {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}/readyz?x", listener.local_addr().unwrap());
    tokio::spawn(async move {
        let (mut stream, _) = listener.accept().await.unwrap();
        let mut head = vec![0; 1024];
        let length = stream.read(&mut head).await.unwrap();
        assert!(head[..length].starts_with(b"GET /readyz?x HTTP/1.1\r\n"));
        stream.write_all(bytes).await.unwrap();
    });
    url.parse().unwrap()
}

#[tokio::test]
async fn the_gateways_answer_is_its_status() {
    let ready = answering(b"HTTP/1.1 200 OK\r\ncontent-length: 6\r\n\r\nready\n").await;
    assert_eq!(ask(&ready).await.unwrap(), StatusCode::OK);
    let waiting = answering(b"HTTP/1.1 503 Service Unavailable\r\ncontent-length: 0\r\n\r\n").await;
    assert_eq!(
        ask(&waiting).await.unwrap(),
        StatusCode::SERVICE_UNAVAILABLE
    );
}

#[tokio::test]
async fn a_server_that_hangs_up_or_talks_nonsense_is_not_ready() {
    ask(&answering(b"").await).await.unwrap_err();
    ask(&answering(b"hello\r\n\r\n").await).await.unwrap_err();
}

//! The test client against servers that answer by the byte.

use std::net::SocketAddr;
use std::time::Duration;

use podgate_testkit::{Client, ClientError, free_port};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpListener;

/// A server that sends `answer` to the first connection and closes it.
async fn server(answer: &'static [u8]) -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    tokio::spawn(async move {
        let (mut stream, _) = listener.accept().await.unwrap();
        let _ = stream.read(&mut [0; 4096]).await.unwrap();
        stream.write_all(answer).await.unwrap();
    });
    address
}

#[tokio::test]
async fn chunks_are_joined_and_a_body_may_end_with_the_connection() {
    let address = server(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n2;x=y\r\nde\r\n0\r\n\r\n").await;
    assert_eq!(
        Client::new(address).get("/", &[]).await.unwrap().text(),
        "abcde"
    );
    let address = server(b"HTTP/1.1 200 OK\r\nX-A: 1\r\nX-A: 2\r\n\r\nto the end").await;
    let answer = Client::new(address).get("/", &[]).await.unwrap();
    assert_eq!(
        (
            answer.text().as_str(),
            answer.headers.get_all("x-a").iter().count()
        ),
        ("to the end", 2)
    );
}

#[tokio::test]
async fn an_answer_that_breaks_off_is_incomplete_and_another_protocol_is_invalid() {
    let address = server(b"HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nabc").await;
    let answer = Client::new(address).get("/", &[]).await;
    assert!(
        matches!(answer, Err(ClientError::Incomplete { .. })),
        "{answer:?}"
    );
    let address = server(b"SSH-2.0-OpenSSH\r\n").await;
    let answer = Client::new(address).get("/", &[]).await;
    assert!(
        matches!(answer, Err(ClientError::Invalid { .. })),
        "{answer:?}"
    );
}

#[tokio::test]
async fn the_deadline_holds_and_a_closed_port_is_an_io_error() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let silent = Client::new(listener.local_addr().unwrap()).deadline(Duration::from_millis(100));
    assert!(matches!(
        silent.get("/", &[]).await,
        Err(ClientError::Timeout { .. })
    ));
    let closed = Client::new(([127, 0, 0, 1], free_port()).into());
    assert!(matches!(
        closed.get("/", &[]).await,
        Err(ClientError::Io { .. })
    ));
}

//! An API server that says what a test wants: for what a real one cannot be made to do.
#![allow(clippy::unwrap_used, reason = "a test's panic is its report")]

use std::collections::{BTreeMap, VecDeque};
use std::net::SocketAddr;
use std::sync::Arc;

use kube::Client;
use parking_lot::Mutex;
use serde_json::{Value, json};
use tokio::io::{AsyncBufReadExt, AsyncWriteExt, BufReader};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinHandle;

use crate::client;

/// One answer.
#[derive(Clone)]
pub enum Answer {
    /// Status and body.
    Whole(u16, String),
    /// A body that ends before it is whole.
    Cut(String),
    /// Lines of a watch, which then ends.
    Lines(Vec<String>),
    /// Lines of a watch, after which nothing comes.
    Silence(Vec<String>),
    /// Nothing at all.
    Nothing,
}

/// Answers by the last part of the path (`pods`, `azureidentities`, …) and `list` or `watch`, in turn; the last one
/// is repeated. Without any, lists are empty and watches silent.
#[derive(Default)]
struct Script {
    answers: BTreeMap<(String, &'static str), VecDeque<Answer>>,
    requests: Vec<String>,
}

/// The server. It ends with this object.
pub struct Fake {
    address: SocketAddr,
    script: Arc<Mutex<Script>>,
    task: JoinHandle<()>,
}

impl Fake {
    /// Listens on loopback.
    pub async fn start() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let script = Arc::new(Mutex::new(Script::default()));
        let shared = Arc::clone(&script);
        let task = tokio::spawn(async move {
            let mut connections = tokio::task::JoinSet::new();
            while let Ok((stream, _)) = listener.accept().await {
                connections.spawn(serve(stream, Arc::clone(&shared)));
            }
        });
        Self {
            address,
            script,
            task,
        }
    }

    /// A client of it, as a program has one.
    pub fn client(&self) -> Client {
        let url = format!("http://{}", self.address).parse().unwrap();
        client::connect(&kube::Config::new(url)).unwrap()
    }

    /// What the next requests are answered with, by the last part of their path and `list` or `watch`.
    pub fn on(
        &self,
        collection: &str,
        call: &'static str,
        answers: impl IntoIterator<Item = Answer>,
    ) {
        let key = (collection.to_owned(), call);
        self.script
            .lock()
            .answers
            .insert(key, answers.into_iter().collect());
    }

    /// Paths and queries so far.
    pub fn requests(&self) -> Vec<String> {
        self.script.lock().requests.clone()
    }
}

impl Drop for Fake {
    fn drop(&mut self) {
        self.task.abort();
    }
}

/// A whole list.
pub fn list(version: u64, items: &[Value]) -> Answer {
    Answer::Whole(200, page(version, "", items))
}

/// A page of a list. There are more if `next` is not empty.
pub fn page(version: u64, next: &str, items: &[Value]) -> String {
    json!({"metadata": {"resourceVersion": version.to_string(), "continue": next}, "items": items})
        .to_string()
}

/// An error.
pub fn status(code: u16, message: &str) -> Answer {
    Answer::Whole(
        code,
        json!({"kind": "Status", "code": code, "message": message}).to_string(),
    )
}

/// A line of a watch.
pub fn event(r#type: &str, object: &Value) -> String {
    json!({"type": r#type, "object": object}).to_string()
}

async fn serve(stream: TcpStream, script: Arc<Mutex<Script>>) {
    let mut stream = BufReader::new(stream);
    let mut head = String::new();
    while stream.read_line(&mut head).await.is_ok_and(|read| read > 2) {}
    let target = head.split(' ').nth(1).unwrap_or_default().to_owned();
    let answer = answer(&target, &script);
    let mut stream = stream.into_inner();
    // The client may be gone.
    let _ = respond(&mut stream, answer).await;
}

fn answer(target: &str, script: &Mutex<Script>) -> Answer {
    let (path, query) = target.split_once('?').unwrap_or((target, ""));
    let collection = path.rsplit('/').next().unwrap_or_default().to_owned();
    let call = if query.contains("watch=true") {
        "watch"
    } else {
        "list"
    };
    let mut script = script.lock();
    script.requests.push(target.to_owned());
    let answers = script.answers.entry((collection, call)).or_default();
    let answer = match answers.len() {
        0 | 1 => answers.front().cloned(),
        _ => answers.pop_front(),
    };
    answer.unwrap_or_else(|| match call {
        "watch" => Answer::Silence(Vec::new()),
        _ => list(1, &[]),
    })
}

async fn respond(stream: &mut TcpStream, answer: Answer) -> std::io::Result<()> {
    const STREAM: &str = "HTTP/1.1 200 OK\r\nconnection: close\r\n\r\n";
    match answer {
        Answer::Whole(code, body) => {
            let length = body.len();
            let head = format!(
                "HTTP/1.1 {code} X\r\ncontent-length: {length}\r\nconnection: close\r\n\r\n"
            );
            stream.write_all(head.as_bytes()).await?;
            stream.write_all(body.as_bytes()).await
        }
        Answer::Cut(body) => {
            let head = format!(
                "HTTP/1.1 200 OK\r\ncontent-length: {}\r\n\r\n",
                body.len() + 9
            );
            stream.write_all(head.as_bytes()).await?;
            stream.write_all(body.as_bytes()).await
        }
        Answer::Lines(lines) => {
            stream.write_all(STREAM.as_bytes()).await?;
            stream.write_all((lines.join("\n") + "\n").as_bytes()).await
        }
        Answer::Silence(lines) => {
            stream.write_all(STREAM.as_bytes()).await?;
            let text: String = lines.iter().map(|line| format!("{line}\n")).collect();
            stream.write_all(text.as_bytes()).await?;
            std::future::pending().await
        }
        Answer::Nothing => std::future::pending().await,
    }
}

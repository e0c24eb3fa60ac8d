//! A policy from a registry, by digest.

use std::io::{BufRead, BufReader, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::path::Path;

use serde_json::{Value, json};

use crate::chain::{Chain, WEB, described, vault};
use crate::guests::{self, POLICY};
use crate::process::Running;

/// A registry of one artifact, on a thread that ends with the test.
struct Registry {
    address: SocketAddr,
    manifest: String,
    digest: String,
}

impl Registry {
    fn start() -> Self {
        let path = guests::path(POLICY);
        let (component, digest) = (std::fs::read(&path).unwrap(), guests::sha256(&path));
        let manifest = json!({"schemaVersion": 2, "layers": [{"mediaType": "application/wasm",
            "digest": format!("sha256:{digest}"), "size": component.len()}]})
        .to_string();
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        let registry = Self {
            address,
            digest: sha256(&manifest),
            manifest,
        };
        let known = [
            (
                registry.target("manifests"),
                registry.manifest.clone().into_bytes(),
            ),
            (format!("/v2/acme/policy/blobs/sha256:{digest}"), component),
        ];
        std::thread::spawn(move || {
            for stream in listener.incoming() {
                serve(stream.unwrap(), &known);
            }
        });
        registry
    }

    fn target(&self, kind: &str) -> String {
        format!("/v2/acme/policy/{kind}/sha256:{}", self.digest)
    }

    /// An entry of a plugins file.
    fn policy(&self, digest: &str) -> Value {
        let image = format!("{}/acme/policy@sha256:{digest}", self.address);
        json!({"name": "remote", "component": {"oci": {"image": image}}, "grants": {"clock": true},
            "settings": {"mode": "deny", "reason": "from afar"}})
    }
}

fn sha256(text: &str) -> String {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("file");
    std::fs::write(&file, text).unwrap();
    guests::sha256(&file)
}

fn serve(stream: TcpStream, known: &[(String, Vec<u8>)]) {
    let mut lines = BufReader::new(&stream).lines();
    let first = lines.next().unwrap().unwrap();
    let target = first.split(' ').nth(1).unwrap();
    let body = known.iter().find(|(path, _)| path == target);
    let (status, body) = body.map_or((404, &[][..]), |(_, body)| (200, body));
    // The rest of the head, so that closing resets nothing.
    while lines.next().is_some_and(|line| !line.unwrap().is_empty()) {}
    let head = format!(
        "HTTP/1.1 {status} x\r\nconnection: close\r\ncontent-length: {}\r\n\r\n",
        body.len()
    );
    let mut stream = &stream;
    let _ = stream
        .write_all(head.as_bytes())
        .and_then(|()| stream.write_all(body));
}

fn cache(folder: &Path) -> String {
    format!("--component-cache={}", folder.display())
}

#[tokio::test]
async fn a_policy_from_a_registry_takes_effect_and_one_that_is_not_there_changes_nothing() {
    let registry = Registry::start();
    let folder = tempfile::tempdir().unwrap();
    let kept = cache(&folder.path().join("components"));
    let running = Running::start(&Chain::built_in(), &[&kept]).await;
    assert_eq!(running.token(WEB, &vault()).await.status, 200);
    let remote = Chain::built_in().first(registry.policy(&registry.digest));
    assert!(running.reload(&remote.text()).await, "{}", running.log());
    let denied = running.token(WEB, &vault()).await;
    assert!(
        described(&denied).contains("from afar"),
        "{}",
        denied.text()
    );
    let missing = Chain::built_in().first(registry.policy(&"0".repeat(64)));
    assert!(!running.reload(&missing.text()).await);
    running
        .logged("answered for the manifest with status 404")
        .await;
    let still = running.token(WEB, &vault()).await;
    assert!(
        described(&still).contains("from afar"),
        "the last good set stays: {}",
        still.text()
    );
    drop(running);
    // As after a restart of the container: what was pulled is read, and no registry is asked.
    let elsewhere = remote
        .text()
        .replace(&registry.address.to_string(), "podgate.invalid");
    let running = Running::start(&Chain::built_in(), &[&kept]).await;
    assert!(running.reload(&elsewhere).await, "{}", running.log());
    let denied = running.token(WEB, &vault()).await;
    assert!(
        described(&denied).contains("from afar"),
        "{}",
        denied.text()
    );
}

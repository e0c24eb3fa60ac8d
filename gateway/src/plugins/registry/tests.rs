//! Against a registry that is strict, and against ones that are not to be trusted.

use std::path::Path;
use std::time::Instant as Moment;

use serde_json::json;

use super::super::digest::Digest;
use super::super::testing::{Call, Reply, Server};
use super::*;

mod hostile;
mod tls;

const COMPONENT: &[u8] = b"\0asm\x0d\0\x01\0 and so on";
const NAME: &str = "acme/office-hours";
/// `puller:hunter2`
const ACCOUNT: &str = "cHVsbGVyOmh1bnRlcjI=";

fn sha256(bytes: &[u8]) -> String {
    format!("sha256:{}", Digest::of(bytes))
}

fn manifest() -> String {
    json!({"schemaVersion": 2, "mediaType": "application/vnd.oci.image.manifest.v1+json",
        "config": {"mediaType": "application/vnd.wasm.config.v0+json", "digest": sha256(b"{}"), "size": 2},
        "layers": [{"mediaType": "application/wasm", "digest": sha256(COMPONENT), "size": COMPONENT.len()}]})
    .to_string()
}

/// A registry of one artifact that answers as the specification says, and to nothing else.
fn strict(call: &Call) -> Reply {
    let manifest = manifest();
    let missing = || {
        Reply::of(
            404,
            r#"{"errors":[{"code":"MANIFEST_UNKNOWN","message":"?"}]}"#,
        )
    };
    match call.target.strip_prefix(&format!("/v2/{NAME}/")) {
        _ if call.method != "GET" => Reply::of(405, ""),
        Some(path) if path == format!("manifests/{}", sha256(manifest.as_bytes())) => {
            let accept = call.header("accept").unwrap_or_default();
            match accept.contains("application/vnd.oci.image.manifest.v1+json") {
                true => Reply::of(200, manifest),
                false => missing(),
            }
        }
        Some(path) if path == format!("blobs/{}", sha256(COMPONENT)) => Reply::of(200, COMPONENT),
        _ => missing(),
    }
}

fn image(server: &Server) -> Image {
    let digest = sha256(manifest().as_bytes());
    format!("{}/{NAME}@{digest}", server.address)
        .parse()
        .unwrap()
}

fn registries(settings: Settings) -> Registries {
    Registries::new(HttpClient::https(&[]).unwrap(), settings).unwrap()
}

fn anonymous() -> Registries {
    registries(Settings::default())
}

/// With an account at this server, by a mounted Secret.
fn with_account(server: &Server, folder: &Path) -> Registries {
    let path = folder.join(".dockerconfigjson");
    let auths = json!({"auths": {server.address.to_string(): {"auth": ACCOUNT}}});
    std::fs::write(&path, auths.to_string()).unwrap();
    registries(Settings {
        credentials: Some(path),
        ..Settings::default()
    })
}

async fn refused(registries: &Registries, server: &Server) -> String {
    let error = registries.component(&image(server)).await.unwrap_err();
    let error = format!("{error:#}");
    assert!(
        error.starts_with(&format!("pulling {}", server.address)),
        "{error}"
    );
    assert!(
        !error.contains("hunter2") && !error.contains(ACCOUNT),
        "{error}"
    );
    error
}

#[tokio::test]
async fn an_artifact_is_pulled_by_its_digest_in_two_requests() {
    let server = Server::start(strict).await;
    let component = anonymous().component(&image(&server)).await.unwrap();
    assert_eq!(component, COMPONENT);
    let calls = server.calls();
    assert_eq!(calls.len(), 2);
    for call in calls {
        assert_eq!(call.header("authorization"), None);
        assert_eq!(
            call.header("user-agent"),
            Some(concat!("podgate/", env!("CARGO_PKG_VERSION")))
        );
    }
}

#[tokio::test]
async fn what_was_pulled_is_kept_and_read_again_only_as_it_was() {
    let server = Server::start(strict).await;
    let folder = tempfile::tempdir().unwrap();
    let kept = Settings {
        store: Some(folder.path().join("components")),
        ..Settings::default()
    };
    let image = image(&server);
    registries(kept.clone()).component(&image).await.unwrap();
    // Another process, as after a restart.
    let again = registries(kept.clone());
    assert_eq!(again.component(&image).await.unwrap(), COMPONENT);
    assert_eq!(server.calls().len(), 2, "no request is needed");
    let blob = Digest::of(COMPONENT).to_string();
    let blob = folder.path().join("components/blobs/sha256").join(blob);
    std::fs::write(&blob, b"swapped").unwrap();
    assert_eq!(again.component(&image).await.unwrap(), COMPONENT);
    assert_eq!(server.calls().len(), 4, "what is damaged is pulled anew");
    assert_eq!(std::fs::read(&blob).unwrap(), COMPONENT);
    drop(server);
    assert_eq!(
        again.component(&image).await.unwrap(),
        COMPONENT,
        "without a registry too"
    );
}

/// Wants a token of a service on the same address, which wants an account.
fn by_token(call: &Call) -> Reply {
    let host = call.header("host").unwrap_or_default();
    if call.target.starts_with("/token?") {
        let right = call.target
            == "/token?service=files.test&scope=repository%3Aacme%2Foffice-hours%3Apull";
        return match (call.header("authorization"), right) {
            (Some(basic), true) if basic == format!("Basic {ACCOUNT}") => {
                Reply::of(200, r#"{"token":"t0ken","expires_in":60}"#)
            }
            _ => Reply::of(
                401,
                r#"{"errors":[{"code":"UNAUTHORIZED","message":"hunter2"}]}"#,
            ),
        };
    }
    match call.header("authorization") {
        Some("Bearer t0ken") => strict(call),
        _ => Reply::with(
            401,
            "www-authenticate",
            format!(
                r#"Bearer realm="http://{host}/token",service="files.test",scope="repository:other:push""#
            ),
        ),
    }
}

#[tokio::test]
async fn a_registry_that_wants_a_token_is_shown_one_for_pulling_this_and_nothing_else() {
    let server = Server::start(by_token).await;
    let folder = tempfile::tempdir().unwrap();
    let registries = with_account(&server, folder.path());
    assert_eq!(
        registries.component(&image(&server)).await.unwrap(),
        COMPONENT
    );
    let with_password: Vec<String> = server
        .calls()
        .into_iter()
        .filter(|call| {
            call.header("authorization")
                .is_some_and(|value| value.starts_with("Basic"))
        })
        .map(|call| call.target)
        .collect();
    assert_eq!(with_password.len(), 1, "{with_password:?}");
    assert!(
        with_password[0].starts_with("/token?"),
        "the password goes to the token service only"
    );
    let error = refused(&anonymous(), &server).await;
    assert!(
        error.contains("status 401 (UNAUTHORIZED); give --registry-credentials"),
        "{error}"
    );
}

#[tokio::test]
async fn a_registry_that_wants_name_and_password_is_given_them() {
    let server = Server::start(|call| match call.header("authorization") {
        Some(value) if value == format!("Basic {ACCOUNT}") => strict(call),
        _ => Reply::with(401, "www-authenticate", "Basic realm=\"files\""),
    })
    .await;
    let folder = tempfile::tempdir().unwrap();
    let registries = with_account(&server, folder.path());
    assert_eq!(
        registries.component(&image(&server)).await.unwrap(),
        COMPONENT
    );
    let error = refused(&anonymous(), &server).await;
    assert!(
        error.contains("--registry-credentials has none for"),
        "{error}"
    );
}

#[tokio::test]
async fn a_blob_that_is_kept_elsewhere_is_got_there_without_the_token() {
    let storage = Server::start(|call| match call.target.as_str() {
        "/store/a?sig=secret" => Reply::of(200, COMPONENT),
        _ => Reply::of(403, ""),
    })
    .await;
    let elsewhere = storage.url("/store/a?sig=secret");
    let server = Server::start(move |call| {
        match call.target.contains("/blobs/") && call.header("authorization").is_some() {
            true => Reply::with(307, "location", elsewhere.clone()),
            false => by_token(call),
        }
    })
    .await;
    let folder = tempfile::tempdir().unwrap();
    let registries = with_account(&server, folder.path());
    assert_eq!(
        registries.component(&image(&server)).await.unwrap(),
        COMPONENT
    );
    let calls = storage.calls();
    assert_eq!(calls.len(), 1);
    assert_eq!(calls[0].header("authorization"), None);
}

#[tokio::test]
async fn what_may_pass_is_tried_again_and_what_will_not_is_not() {
    let busy = Server::start({
        let left = parking_lot::Mutex::new(1);
        move |call| {
            let mut left = left.lock();
            match *left {
                0 => strict(call),
                _ => {
                    *left -= 1;
                    Reply::of(503, "")
                }
            }
        }
    })
    .await;
    assert_eq!(
        anonymous().component(&image(&busy)).await.unwrap(),
        COMPONENT
    );
    let empty = Server::start(|_| Reply::of(404, r#"{"errors":[{"code":"NAME_UNKNOWN"}]}"#)).await;
    let error = refused(&anonymous(), &empty).await;
    assert!(
        error.contains("answered for the manifest with status 404 (NAME_UNKNOWN); push it there"),
        "{error}"
    );
    assert_eq!(empty.calls().len(), 1);
}

#[tokio::test]
async fn registries_are_asked_by_https_but_on_loopback_or_where_the_operator_says() {
    let registries = registries(Settings {
        plain: vec!["files.test".to_owned(), "files.test:5000".to_owned()],
        ..Settings::default()
    });
    let base = |registry: &str| registries.0.base(registry).unwrap().to_string();
    for (registry, url) in [
        ("ghcr.io", "https://ghcr.io/"),
        ("docker.io", "https://registry-1.docker.io/"),
        ("127.0.0.1:5000", "http://127.0.0.1:5000/"),
        ("[::1]:5000", "http://[::1]:5000/"),
        ("localhost:5000", "https://localhost:5000/"),
        ("files.test", "http://files.test/"),
        ("files.test:5000", "http://files.test:5000/"),
        ("files.test:5001", "https://files.test:5001/"),
    ] {
        assert_eq!(base(registry), url);
    }
    let may_lead = |from: &str, to: &str| {
        let (from, to) = (Url::parse(from).unwrap(), Url::parse(to).unwrap());
        registries.0.may_lead(&from, &to)
    };
    for (from, to, may) in [
        ("https://ghcr.io/", "https://blobs.test/a", true),
        ("https://ghcr.io/", "http://ghcr.io/a", false),
        ("https://ghcr.io/", "http://files.test/a", false),
        ("https://ghcr.io/", "http://169.254.169.254/metadata", false),
        ("https://ghcr.io/", "http://127.0.0.1:10250/", false),
        ("https://ghcr.io/", "https://127.0.0.1:10250/", false),
        ("https://ghcr.io/", "https://user:pass@blobs.test/", false),
        ("https://ghcr.io/", "file:///etc/shadow", false),
        ("http://files.test/", "http://files.test/a", true),
        ("http://files.test/", "http://168.63.129.16/", false),
        ("http://files.test/", "http://127.0.0.1/", false),
        ("http://files.test/", "https://blobs.test/", true),
        ("http://127.0.0.1:5000/", "http://127.0.0.1:5001/", true),
    ] {
        assert_eq!(may_lead(from, to), may, "{from} to {to}");
    }
}

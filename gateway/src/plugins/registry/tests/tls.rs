//! A registry with a certificate.

use podgate_testkit::TlsFront;

use super::*;

/// A registry that wants an account, and TLS before it.
struct Secured {
    registry: Server,
    front: TlsFront,
    folder: tempfile::TempDir,
}

impl Secured {
    async fn start() -> Self {
        let registry = Server::start(|call| match call.header("authorization") {
            Some(value) if value == format!("Basic {ACCOUNT}") => strict(call),
            _ => Reply::with(401, "www-authenticate", "Basic realm=\"files\""),
        })
        .await;
        let front = TlsFront::start(registry.address).await.unwrap();
        let folder = tempfile::tempdir().unwrap();
        let auths = json!({"auths": {front.authority(): {"auth": ACCOUNT}}});
        std::fs::write(folder.path().join("config.json"), auths.to_string()).unwrap();
        Self {
            registry,
            front,
            folder,
        }
    }

    async fn pull(&self, trusted: &[Vec<u8>]) -> anyhow::Result<Bytes> {
        let settings = Settings {
            credentials: Some(self.folder.path().join("config.json")),
            ..Settings::default()
        };
        let registries = Registries::new(HttpClient::https(trusted).unwrap(), settings).unwrap();
        let digest = sha256(manifest().as_bytes());
        let image = format!("{}/{NAME}@{digest}", self.front.authority());
        registries.component(&image.parse().unwrap()).await
    }
}

#[tokio::test]
async fn a_registry_of_an_authority_that_the_operator_trusts_is_asked_with_name_and_password() {
    let secured = Secured::start().await;
    let trusted = secured.front.ca_pem().as_bytes().to_vec();
    assert_eq!(secured.pull(&[trusted]).await.unwrap(), COMPONENT);
    let calls = secured.registry.calls();
    let accounts = calls.iter().filter_map(|call| call.header("authorization"));
    assert_eq!(accounts.count(), 2, "the manifest and the blob");
}

#[tokio::test]
async fn a_registry_of_an_unknown_authority_is_told_nothing() {
    let secured = Secured::start().await;
    let error = secured.pull(&[]).await.unwrap_err();
    let error = format!("{error:#}");
    assert!(error.contains("certificate"), "{error}");
    assert!(secured.registry.calls().is_empty());
}

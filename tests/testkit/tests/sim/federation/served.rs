//! Keys that the issuer serves: OpenID discovery, then the key set.

use std::sync::Arc;

use parking_lot::Mutex;
use podgate_testkit::{Certificate, ManagedIdentity, ServedKeys};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpListener;

use super::*;

/// Answers `GET`s with what the list says at the moment. Gone with the test's runtime.
async fn server(pages: Arc<Mutex<Vec<(String, Value)>>>) -> String {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let base = format!("http://{}", listener.local_addr().unwrap());
    tokio::spawn(async move {
        while let Ok((mut stream, _)) = listener.accept().await {
            let mut head = vec![0; 4096];
            let read = stream.read(&mut head).await.unwrap();
            let head = String::from_utf8_lossy(&head[..read]).into_owned();
            let path = head.split(' ').nth(1).unwrap_or_default().to_owned();
            let found = pages.lock().iter().find(|(at, _)| *at == path).cloned();
            let (status, body) = match found {
                Some((_, page)) => ("200 OK", page.to_string()),
                None => ("404 Not Found", String::new()),
            };
            let length = body.len();
            let answer = format!(
                "HTTP/1.1 {status}\r\nContent-Length: {length}\r\nConnection: close\r\n\r\n{body}"
            );
            stream.write_all(answer.as_bytes()).await.unwrap();
        }
    });
    base
}

fn served(at: &str) -> FederatedCredential {
    let keys = ServedKeys {
        at: Some(at.to_owned()),
        ca: None,
    };
    FederatedCredential::new(ISSUER, SUBJECT, IssuerKeys::Served(keys))
}

#[tokio::test]
async fn keys_are_read_anew_for_each_token_so_that_a_rotation_counts_at_once() {
    let pages = Arc::new(Mutex::new(Vec::new()));
    let base = server(pages.clone()).await;
    let sim = trusting(&[served(&base)]).await;
    let jwt = service_account().sign();
    let said = assert_code(&send(&sim, &jwt).await, 501_661);
    assert!(said.contains("answered 404"), "{said}");
    let discovery = json!({"issuer": ISSUER, "jwks_uri": format!("{base}/openid/v1/jwks")});
    *pages.lock() = vec![
        ("/.well-known/openid-configuration".into(), discovery),
        (
            "/openid/v1/jwks".into(),
            serde_json::to_value(keys()).unwrap(),
        ),
    ];
    assert_eq!(send(&sim, &jwt).await.status, 200);
    pages.lock()[1].1 = json!({"keys": []});
    assert_code(&send(&sim, &jwt).await, 7_000_272);
    pages.lock()[1].1 = json!("no keys");
    assert_code(&send(&sim, &jwt).await, 501_661);
    pages.lock()[0].1["issuer"] = json!("https://oidc.cluster.example/c2/");
    let said = assert_code(&send(&sim, &jwt).await, 501_661);
    assert!(said.contains("calls itself"), "{said}");
}

#[tokio::test]
async fn an_issuer_is_https_and_of_the_authority_that_is_trusted() {
    let nobody = format!("http://127.0.0.1:{}", podgate_testkit::free_port());
    let other = trusting(&[]).await;
    let https = format!("{}{TENANT}/", other.entra_url());
    let keys = |at: Option<String>, ca: Option<&str>| {
        let ca = ca.map(|pem| Certificate::from_pem(pem).unwrap());
        IssuerKeys::Served(ServedKeys { at, ca })
    };
    let own = trusting(&[]).await;
    for (keys, why) in [
        (keys(None, None), "needs the `ca`"),
        (keys(Some(nobody), None), "failed"),
        (keys(Some("ftp://127.0.0.1".into()), None), "not ftp"),
        (keys(Some("nonsense".into()), None), "cannot be read"),
        (
            keys(Some(https.clone()), Some(own.ca_pem())),
            "cannot be read",
        ),
        (keys(Some(https), Some(other.ca_pem())), "calls itself"),
    ] {
        let one = FederatedCredential::new(ISSUER, SUBJECT, keys);
        own.add_application(federated(&[one]));
        let said = assert_code(&send(&own, &service_account().sign()).await, 501_661);
        assert!(said.contains(why), "expected '{why}' in '{said}'");
    }
}

/// A managed identity of one cloud proves itself in another: https discovery from the issuer's own name.
#[tokio::test]
async fn another_simulation_can_be_the_issuer() {
    let identity = ManagedIdentity {
        object_id: "0b0b0000-0000-4000-8000-000000000001".into(),
        ..reader()
    };
    let config = SimConfig {
        managed_identities: vec![identity.clone()],
        ..SimConfig::default()
    };
    let issuing = AzureSim::start(config).await.unwrap();
    let ask = format!("{TOKEN}?api-version=2018-02-01&resource={AUDIENCE}");
    let answer = ask_imds(&issuing, &ask).await;
    let jwt = answer.json()["access_token"].as_str().unwrap().to_owned();
    let keys = ServedKeys {
        at: None,
        ca: Some(Certificate::from_pem(issuing.ca_pem()).unwrap()),
    };
    let issuer = issuing.verify(&jwt).unwrap().iss;
    let keys = IssuerKeys::Served(keys);
    let sim = trusting(&[FederatedCredential::new(issuer, identity.object_id, keys)]).await;
    let answer = send(&sim, &jwt).await;
    assert_eq!(answer.status, 200, "{}", answer.text());
}

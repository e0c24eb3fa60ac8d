//! The client assertion of the built-in credential plugin, judged by somebody else's code: PyJWT and cryptography,
//! which the Python client brings along. azure-sim keeps no assertions, so the component runs in its host, with
//! the gateway's own key, and this file is the network.

use std::path::Path;
use std::process::Stdio;
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use parking_lot::Mutex;
use podgate_e2e::demo;
use podgate_e2e::stage::VAULT;
use podgate_gateway::config::plugins::Plugins;
use podgate_gateway::credential::key::CertificateKey;
use podgate_gateway::plugins;
use podgate_plugin_host::{
    CredentialIdentity, CredentialQuestion, Host, HostConfig, Outbound, OutboundError,
    OutboundRequest, OutboundResponse,
};
use podgate_testkit::fixtures;
use serde_json::{Value, json};
use tokio::io::AsyncWriteExt;
use tokio::process::Command;

use crate::sdk::{CURE, Sdk};

const PUBLIC: &str = "https://login.microsoftonline.com/";
const ADFS: &str = "https://adfs.contoso.com/adfs/";

/// What a request for a token is made of, and what it has to look like.
struct Case {
    authority: &'static str,
    settings: Value,
    pfx: &'static [u8],
    chain: &'static [u8],
    url: String,
    field: &'static str,
    algorithm: &'static str,
    sends_chain: bool,
}

pub(crate) async fn pyjwt_accepts_each() {
    let mut checked = Vec::new();
    for case in cases() {
        checked.push(case.sent().await);
    }
    let accepted = vec![Value::Null; checked.len()];
    assert_eq!(judged(&checked).await, accepted);
}

/// So that a checker that accepts everything does not go unnoticed.
pub(crate) async fn pyjwt_refuses_what_was_touched() {
    let sent = cases().remove(0).sent().await;
    let text = sent["request"]["body"].as_str().unwrap();
    let body = |change: fn(&str) -> String| {
        let mut touched = sent.clone();
        touched["request"]["body"] = change(text).into();
        touched
    };
    let mut stranger = sent.clone();
    stranger["chain"] = String::from_utf8_lossy(fixtures::chain_pem()).into();
    let mut elsewhere = sent.clone();
    elsewhere["request"]["url"] =
        "https://login.microsoftonline.com/other/oauth2/v2.0/token".into();
    let touched = [body(later), body(unsigned), stranger, elsewhere];
    let expected = [
        "InvalidSignatureError",
        "ValueError: header",
        "ValueError: header",
        "InvalidAudienceError",
    ];
    let refusals = judged(&touched).await;
    assert_eq!(refusals.len(), expected.len());
    for (refusal, expected) in refusals.iter().zip(expected) {
        let refusal = refusal.as_str().unwrap_or("accepted");
        assert!(refusal.starts_with(expected), "{refusal} is not {expected}");
    }
}

fn cases() -> Vec<Case> {
    let v2 = || Case {
        authority: PUBLIC,
        settings: json!({}),
        pfx: fixtures::pfx_legacy(),
        chain: fixtures::rsa_certificate_pem(),
        url: format!("{PUBLIC}{}/oauth2/v2.0/token", demo::TENANT),
        field: "scope",
        algorithm: "PS256",
        sends_chain: true,
    };
    let v1 = || Case {
        settings: json!({"endpoint": "v1"}),
        url: format!("{PUBLIC}{}/oauth2/token?api-version=1.0", demo::TENANT),
        field: "resource",
        algorithm: "RS256",
        ..v2()
    };
    vec![
        v2(),
        v1(),
        Case {
            pfx: fixtures::pfx_chain(),
            chain: fixtures::chain_pem(),
            ..v2()
        },
        Case {
            settings: json!({"algorithm": "RS256", "sendX5c": false}),
            algorithm: "RS256",
            sends_chain: false,
            ..v2()
        },
        Case {
            authority: ADFS,
            settings: json!({}),
            url: format!("{ADFS}oauth2/token"),
            ..v1()
        },
    ]
}

impl Case {
    /// The request that the component sends, with what is expected of it.
    async fn sent(&self) -> Value {
        let wire = Arc::new(Wire::default());
        let host = Host::new(HostConfig {
            code_cache: None,
            http: wire.clone(),
        })
        .unwrap();
        let file = Plugins::parse(&self.plugins_file()).unwrap();
        let loaded = plugins::load(&host, &file, Path::new(".")).await.unwrap();
        let key = CertificateKey::read(self.pfx, fixtures::PASSWORD).unwrap();
        let acquired = loaded
            .credential
            .unwrap()
            .acquire(&self.question(), Arc::new(key))
            .await;
        assert!(matches!(acquired, Ok(Ok(_))), "{acquired:?}");
        let request = wire.0.lock().take().unwrap();
        assert_eq!(request.url, self.url);
        self.expectation(&request)
    }

    /// JSON is YAML as well.
    fn plugins_file(&self) -> String {
        json!({"credential": [{
            "name": "certificate-auth",
            "component": {"builtin": "certificate-auth"},
            "grants": {"clock": true},
            "settings": self.settings,
        }]})
        .to_string()
    }

    fn question(&self) -> CredentialQuestion {
        CredentialQuestion {
            identity: CredentialIdentity {
                client_id: demo::LEDGER.to_owned(),
                tenant_id: demo::TENANT.to_owned(),
                authority: self.authority.to_owned(),
            },
            resource: VAULT.to_owned(),
            request_id: "0f8fad5b-d9cb-469f-a165-70867728950e".to_owned(),
        }
    }

    fn expectation(&self, request: &OutboundRequest) -> Value {
        let audience = match self.field {
            "scope" => format!("{VAULT}/.default"),
            _ => VAULT.to_owned(),
        };
        json!({
            "request": {
                "url": request.url,
                "headers": request.headers,
                "body": String::from_utf8_lossy(&request.body),
            },
            "chain": String::from_utf8_lossy(self.chain),
            "client_id": demo::LEDGER,
            "field": self.field,
            "audience": audience,
            "algorithm": self.algorithm,
            "sends_chain": self.sends_chain,
        })
    }
}

/// Keeps the last request, and answers as Entra does.
#[derive(Default)]
struct Wire(Mutex<Option<OutboundRequest>>);

#[async_trait]
impl Outbound for Wire {
    async fn send(
        &self,
        request: OutboundRequest,
        _: Duration,
        _: usize,
    ) -> Result<OutboundResponse, OutboundError> {
        *self.0.lock() = Some(request);
        let token = json!({"token_type": "Bearer", "expires_in": 3599, "access_token": "token"});
        Ok(OutboundResponse {
            status: 200,
            headers: vec![("content-type".into(), "application/json".into())],
            body: token.to_string().into_bytes(),
        })
    }
}

/// The same request with an assertion that ends later than what was signed.
fn later(body: &str) -> String {
    with_part(body, 1, |claims| {
        claims["exp"] = (claims["exp"].as_u64().unwrap() + 1).into();
    })
}

/// The same request with an assertion that claims to need no signature.
fn unsigned(body: &str) -> String {
    with_part(body, 0, |header| header["alg"] = "none".into())
}

/// Changes the header (0) or the claims (1) of the assertion in a form.
fn with_part(body: &str, part: usize, change: impl FnOnce(&mut Value)) -> String {
    let (before, rest) = body.split_once("client_assertion=").unwrap();
    let (assertion, after) = rest.split_at(rest.find('&').unwrap_or(rest.len()));
    let mut parts: Vec<String> = assertion.split('.').map(str::to_owned).collect();
    let decoded = URL_SAFE_NO_PAD.decode(&parts[part]).unwrap();
    let mut json: Value = serde_json::from_slice(&decoded).unwrap();
    change(&mut json);
    parts[part] = URL_SAFE_NO_PAD.encode(json.to_string());
    format!("{before}client_assertion={}{after}", parts.join("."))
}

/// What PyJWT and cryptography say of each request.
async fn judged(requests: &[Value]) -> Vec<Value> {
    let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/clients/assertion.py");
    let mut python = Command::new(Sdk::Python.installed("venv/bin/python"))
        .arg(script)
        .env_clear()
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .kill_on_drop(true)
        .spawn()
        .unwrap();
    let input = serde_json::to_vec(requests).unwrap();
    let mut stdin = python.stdin.take().unwrap();
    stdin.write_all(&input).await.unwrap();
    drop(stdin);
    let output = python.wait_with_output().await.unwrap();
    assert!(output.status.success(), "{}: {CURE}", output.status);
    serde_json::from_slice(&output.stdout).unwrap()
}

//! Nothing that is secret shows, whatever happens: in no line of the most talkative log, in no metric, in no
//! error, in no explanation.

use std::collections::BTreeSet;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use podgate_e2e::demo;
use podgate_testkit::{Fault, FaultKind, Target, fixtures};
use serde_json::json;

use crate::chain::{ADDON, Chain, LEDGER, REPORTS, WEB, WORKER, vault, with};
use crate::guests::{CREDENTIAL, POLICY, guest};
use crate::process::Running;

/// A client secret that Entra ID does not take.
const WRONG: &str = "wrong-client-secret-7f3a";
/// What an operator's typing error must not show.
const MISTYPED: &str = "hunter2-mistyped-secret";

/// What was seen, and what must not be in it.
struct Watch {
    running: Running,
    secrets: BTreeSet<String>,
    seen: Vec<(String, String)>,
}

impl Watch {
    async fn start(chain: &Chain) -> Self {
        let running = Running::start(chain, &["--log=trace"]).await;
        let mut secrets = BTreeSet::new();
        for secret in [demo::SECRET, fixtures::PASSWORD, WRONG, MISTYPED] {
            secrets.insert(secret.to_owned());
            secrets.insert(STANDARD.encode(secret));
        }
        secrets.insert(STANDARD.encode(fixtures::pfx_legacy())[..64].to_owned());
        secrets.insert("PRIVATE KEY".to_owned());
        Self {
            running,
            secrets,
            seen: Vec::new(),
        }
    }

    /// One request: its token is a secret, its refusal is searched.
    async fn ask(&mut self, ip: &str, query: &str) -> u16 {
        let answer = self.running.token(ip, query).await;
        match answer.status {
            200 => {
                let token = answer.json()["access_token"].as_str().unwrap().to_owned();
                self.secrets.insert(token);
            }
            _ => self
                .seen
                .push((format!("the answer to {ip} {query}"), answer.text())),
        }
        answer.status
    }

    async fn everybody_asks(&mut self, query: &str) {
        for ip in [WEB, WORKER, LEDGER, ADDON, REPORTS, "127.0.0.6"] {
            self.ask(ip, query).await;
        }
    }

    fn apply(&self, manifest: &str) {
        std::fs::write(self.running.manifest("secrets.json"), manifest).unwrap();
    }

    async fn look(mut self) {
        for page in [
            "/metrics",
            "/readyz",
            "/explain?pod=shop/web",
            "/explain?pod=shop/worker",
            "/explain?pod=shop/ledger",
            "/explain?pod=kube-system/addon",
        ] {
            let answer = self.running.admin(page).await;
            self.seen.push((page.to_owned(), answer.text()));
        }
        let log = self.running.log();
        assert!(
            log.contains("TRACE") || log.contains("DEBUG"),
            "the log is not as talkative as it can be"
        );
        self.seen.push(("the log".to_owned(), log));
        for (place, text) in &self.seen {
            self.search(place, text);
        }
    }

    fn search(&self, place: &str, text: &str) {
        for line in text.lines() {
            for secret in &self.secrets {
                // The signature alone would be enough to know a token by.
                let tail = secret.rsplit('.').next().unwrap_or(secret);
                assert!(!line.contains(tail), "{place} shows {secret}: {line}");
            }
            assert!(!has_jwt(line), "{place} shows a JWT: {line}");
        }
    }
}

/// `{"` in base64url begins every JWT's header and claims.
fn has_jwt(line: &str) -> bool {
    line.match_indices("eyJ").any(|(at, _)| {
        let rest = line[at..].bytes();
        rest.take_while(|byte| byte.is_ascii_alphanumeric() || b"-_".contains(byte))
            .count()
            > 16
    })
}

fn secrets(items: &[serde_json::Value]) -> String {
    json!({"apiVersion": "v1", "kind": "List", "items": items}).to_string()
}

#[tokio::test(flavor = "multi_thread")]
async fn no_secret_shows_while_everything_works_and_while_everything_fails() {
    let mut watch = Watch::start(&Chain::built_in()).await;
    watch.everybody_asks(&vault()).await;
    assert!(
        watch
            .secrets
            .iter()
            .filter(|secret| secret.starts_with("eyJ"))
            .count()
            >= 4,
        "the search is blind"
    );
    watch
        .everybody_asks(&format!("{}&client_id={}", vault(), demo::ARCHIVE))
        .await;
    watch.everybody_asks("resource=a%0ab").await;
    watch.everybody_asks("").await;
    for (number, kind) in [
        FaultKind::status(400),
        FaultKind::status(401),
        FaultKind::status(503),
        FaultKind::throttled(1),
        FaultKind::Aadsts { code: 7_000_214 },
        FaultKind::Garbage,
        FaultKind::Truncated,
        FaultKind::Cut,
        FaultKind::Reset,
        FaultKind::Huge { bytes: 1 << 22 },
    ]
    .into_iter()
    .enumerate()
    {
        for target in [Target::Imds, Target::Entra] {
            watch.running.sim.fail(Fault::new(target, kind.clone()));
        }
        watch
            .everybody_asks(&format!("resource=https://{number}.example"))
            .await;
        watch.running.sim.recover();
    }
    watch.look().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn no_secret_shows_while_its_manifest_is_wrong() {
    let mut watch = Watch::start(&Chain::built_in()).await;
    let certificate = |password: &str| {
        demo::secret(
            "ledger-certificate",
            &[
                ("certificate", fixtures::pfx_legacy()),
                ("password", password.as_bytes()),
            ],
        )
    };
    let client_secret =
        |value: &str| demo::secret("worker-secret", &[("clientSecret", value.as_bytes())]);
    watch.apply(&secrets(&[client_secret(WRONG), certificate(WRONG)]));
    until(&mut watch, WORKER, 403).await;
    until(&mut watch, LEDGER, 403).await;
    for (number, broken) in mistyped().into_iter().enumerate() {
        watch.apply(&broken);
        let errors = format!("podgate_source_errors_total {}", number + 1);
        while !watch
            .running
            .admin("/metrics")
            .await
            .text()
            .contains(&errors)
        {
            tokio::time::sleep(std::time::Duration::from_millis(20)).await;
        }
    }
    watch.apply(&secrets(&[
        client_secret(demo::SECRET),
        certificate(fixtures::PASSWORD),
    ]));
    until(&mut watch, WORKER, 200).await;
    watch.look().await;
}

/// Secrets that cannot be read, each with the secret near the error.
fn mistyped() -> Vec<String> {
    let secret = |data: &str| {
        format!(
            "apiVersion: v1\nkind: Secret\nmetadata: {{ name: worker-secret, namespace: shop }}\n{data}\n"
        )
    };
    vec![
        secret(&format!("data: {{ clientSecret: {MISTYPED}! }}")),
        secret(&format!("data: [{MISTYPED}]")),
        secret(&format!("data: {{ clientSecret: \"{MISTYPED} }}")),
        secret(&format!(
            "data:\n  clientSecret: {MISTYPED}\n clientSecret: {MISTYPED}: {MISTYPED}"
        )),
        secret(&format!(
            "data: {{ clientSecret: {MISTYPED}, clientSecret: {MISTYPED} }}"
        )),
        secret(&format!("stringData: {{ clientSecret: &a [{MISTYPED}] }}")),
        format!("apiVersion: v1\nkind: {{ a: {MISTYPED} }}\n"),
        // A password in the place of the reference to its Secret.
        format!(
            "apiVersion: aadpodidentity.k8s.io/v1\nkind: AzureIdentity\nmetadata: {{ name: inline, namespace: shop }}\n\
             spec: {{ type: 1, clientPassword: {MISTYPED} }}\n"
        ),
    ]
}

async fn until(watch: &mut Watch, ip: &str, status: u16) {
    let deadline = std::time::Instant::now() + std::time::Duration::from_secs(20);
    while watch.ask(ip, "resource=https://storage.azure.com").await != status {
        assert!(
            std::time::Instant::now() < deadline,
            "{ip} never gets {status}"
        );
        tokio::time::sleep(std::time::Duration::from_millis(50)).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn no_secret_shows_while_plugins_fail() {
    for mode in [
        "huge",
        "babble",
        "panic",
        "stolen-handle",
        "past-expiry",
        "sign",
    ] {
        let credential = with(
            guest(CREDENTIAL, json!({"mode": mode})),
            json!({"grants": {"clock": true}}),
        );
        let policy = with(
            guest(POLICY, json!({"mode": "flood", "lines": 500})),
            json!({"name": "noisy", "grants": {"clock": true}}),
        );
        let mut watch = Watch::start(&Chain::built_in().first(policy).credential(credential)).await;
        watch.everybody_asks(&vault()).await;
        if mode == "huge" {
            watch.secrets.insert("x".repeat(2000));
        }
        watch.look().await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn what_a_plugin_logs_is_bounded_and_under_its_name() {
    let policy = with(
        guest(POLICY, json!({"mode": "flood", "lines": 500})),
        json!({"grants": {"clock": true}}),
    );
    let running = Running::start(&Chain::built_in().first(policy), &[]).await;
    assert_eq!(running.token(WEB, &vault()).await.status, 200);
    running.logged("further lines were dropped").await;
    let log = running.log();
    let flooded: Vec<&str> = log
        .lines()
        .filter(|line| line.contains("xxxxxxxx"))
        .collect();
    assert!((1..=64).contains(&flooded.len()), "{} lines", flooded.len());
    assert!(
        flooded
            .iter()
            .all(|line| line.contains("guest") && line.len() < 1500)
    );
    assert!(log.len() < 64 * 1024, "{} bytes", log.len());
}

//! Plugins files: the built-in plugins, with a guest before them or in the place of one.

use std::collections::BTreeMap;
use std::path::Path;

use podgate_e2e::demo;
use podgate_e2e::stage::{Stage, VAULT};
use podgate_testkit::{Answer, SimConfig};
use serde_json::{Value, json};

/// The pods of `examples/standalone`, by what they are bound to.
pub(crate) const WEB: &str = "127.0.0.2";
/// A client secret.
pub(crate) const WORKER: &str = "127.0.0.3";
/// A certificate.
pub(crate) const LEDGER: &str = "127.0.0.4";
/// An excepted pod: the node's own identity.
pub(crate) const ADDON: &str = "127.0.0.5";
/// Two managed identities.
pub(crate) const REPORTS: &str = "127.0.0.7";

/// A plugins file.
#[derive(Clone)]
pub(crate) struct Chain {
    policy: Vec<Value>,
    credential: Value,
    cache: Value,
}

impl Chain {
    /// What runs without a file.
    pub(crate) fn built_in() -> Self {
        let built_in = |name: &str, grants: Value| json!({"name": name, "component": {"builtin": name}, "grants": grants});
        Self {
            policy: vec![built_in("exception-matcher", json!({"bypass": true}))],
            credential: built_in("certificate-auth", json!({"clock": true})),
            cache: built_in("token-cache", json!({})),
        }
    }

    /// This policy is asked first.
    pub(crate) fn first(mut self, policy: Value) -> Self {
        self.policy.insert(0, policy);
        self
    }

    /// This policy is asked last.
    pub(crate) fn last(mut self, policy: Value) -> Self {
        self.policy.push(policy);
        self
    }

    /// Instead of certificate-auth.
    pub(crate) fn credential(self, credential: Value) -> Self {
        Self { credential, ..self }
    }

    /// Instead of token-cache.
    pub(crate) fn cache(self, cache: Value) -> Self {
        Self { cache, ..self }
    }

    /// Without exception-matcher, and whatever else was added.
    pub(crate) fn without_policies(self) -> Self {
        let policy = Vec::new();
        Self { policy, ..self }
    }

    /// Writes the file (JSON is YAML) and gives the flags that lead to it.
    pub(crate) fn write(&self, folder: &Path) -> Vec<String> {
        flags(folder, &self.text())
    }

    /// The file itself.
    pub(crate) fn text(&self) -> String {
        json!({"policy": self.policy, "credential": [self.credential], "cache": [self.cache]})
            .to_string()
    }

    /// A gateway with it.
    pub(crate) async fn stage(&self) -> anyhow::Result<Stage> {
        self.stage_with(demo::directory()?).await
    }

    /// A gateway with it, in front of this Azure.
    pub(crate) async fn stage_with(&self, directory: SimConfig) -> anyhow::Result<Stage> {
        let folder = tempfile::tempdir()?;
        let flags = self.write(folder.path());
        let flags: Vec<&str> = flags.iter().map(String::as_str).collect();
        Stage::start(directory, &flags, demo::lay_out).await
    }
}

/// The flags of a gateway with a plugins file of this text.
pub(crate) fn flags(folder: &Path, text: &str) -> Vec<String> {
    let file = folder.join("plugins.yaml");
    std::fs::write(&file, text).unwrap();
    vec![
        "--operation-mode=managed".to_owned(),
        format!("--plugins={}", file.display()),
        // Compiling the built-in plugins once is enough for all tests.
        format!("--code-cache={}/code-cache", env!("CARGO_TARGET_TMPDIR")),
    ]
}

/// An entry of a plugins file with further keys.
pub(crate) fn with(mut plugin: Value, more: Value) -> Value {
    let (Value::Object(plugin_keys), Value::Object(more)) = (&mut plugin, more) else {
        panic!("both are objects");
    };
    plugin_keys.extend(more);
    plugin
}

/// The query of a request for the vault's token.
pub(crate) fn vault() -> String {
    format!("resource={VAULT}")
}

/// Asks, and expects the token of this identity.
pub(crate) async fn expect_token(stage: &Stage, pod: &str, client_id: &str) {
    let answer = stage.token(pod, &vault()).await.unwrap();
    let claims = stage.claims(&answer).unwrap();
    assert_eq!(
        (claims.appid.as_str(), claims.aud.as_str()),
        (client_id, VAULT),
        "{pod}"
    );
}

/// The description of a refusal, which is JSON whatever happened.
pub(crate) fn described(answer: &Answer) -> String {
    let text = answer.text();
    let json: Value = serde_json::from_str(&text).unwrap_or_else(|_| panic!("no JSON: {text}"));
    json["error_description"]
        .as_str()
        .unwrap_or_else(|| panic!("no description: {text}"))
        .to_owned()
}

/// How the guest's calls ended so far, by the metric. Every outcome is a word of the closed set.
pub(crate) async fn outcomes(stage: &Stage) -> BTreeMap<String, u64> {
    let metrics = stage.admin("/metrics").await.unwrap().text();
    let calls = metrics.lines().filter(|line| {
        line.starts_with("podgate_plugin_calls_total{") && line.contains("plugin=\"guest\"")
    });
    calls.map(outcome).collect()
}

fn outcome(line: &str) -> (String, u64) {
    let word = line
        .split_once("outcome=\"")
        .and_then(|(_, rest)| rest.split_once('"'))
        .unwrap()
        .0;
    let known = include_str!("../../../../gateway/plugin-host/src/error.rs");
    assert!(
        word == "ok" || known.contains(&format!("=> \"{word}\",")),
        "{word} is no known outcome"
    );
    let count = line.rsplit_once(' ').unwrap().1;
    (word.to_owned(), count.parse().unwrap())
}

/// One outcome, so many times.
pub(crate) fn only(outcome: &str, count: u64) -> BTreeMap<String, u64> {
    BTreeMap::from([(outcome.to_owned(), count)])
}

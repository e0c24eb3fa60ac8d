//! What the host does about real components that misbehave, one way each: `tests/guests` of the repository.
#![allow(clippy::unwrap_used, reason = "tests")]

use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use async_trait::async_trait;
use podgate_plugin_host::{
    AcquiredToken, CachePolicy, CredentialFailure, CredentialIdentity, CredentialQuestion,
    IdentityType, Label, Outbound, OutboundError, OutboundRequest, OutboundResponse, Plan, Plugin,
    PluginError, Policy, Subject, Times, Verdict,
};

mod support;

use support::key::TestKey;
use support::lines::Lines;
use support::{host, host_with, hurried, plugin, question};

const NATIVE: &str = "wasm32-unknown-unknown";
const WASI: &str = "wasm32-wasip2";

/// A component of `tests/guests`, built by cargo where it is missing or older than its source.
fn guest(target: &str, name: &str) -> Vec<u8> {
    static BUILT: OnceLock<PathBuf> = OnceLock::new();
    let folder = BUILT.get_or_init(build);
    let path = folder
        .join(target)
        .join("release")
        .join(format!("{name}.wasm"));
    std::fs::read(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}

fn build() -> PathBuf {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("../..");
    let folder = root.join("target/guests");
    let status = Command::new(env!("CARGO"))
        .args(["build", "--release", "--locked"])
        .current_dir(root.join("tests/guests"))
        .env("CARGO_TARGET_DIR", &folder)
        // Flags for this machine's code are none for wasm.
        .env_remove("RUSTFLAGS")
        .env_remove("CARGO_ENCODED_RUSTFLAGS")
        .env_remove("CARGO_BUILD_TARGET")
        .status()
        .unwrap();
    assert!(status.success(), "building tests/guests: {status}");
    folder
}

fn misbehaving(kind: &str, settings: &str) -> Plugin {
    let mut plugin = plugin(guest(NATIVE, &format!("misbehaving_{kind}")));
    plugin.settings = settings.into();
    plugin.grants.clock = true;
    plugin
}

async fn policy(settings: &str) -> Result<Arc<dyn Policy>, PluginError> {
    host().policy(misbehaving("policy", settings)).await
}

async fn decided(settings: &str) -> Result<Verdict, PluginError> {
    policy(settings).await.unwrap().decide(&question()).await
}

async fn failed(settings: &str) -> PluginError {
    decided(settings).await.expect_err(settings)
}

#[tokio::test]
async fn well_behaved_answers_come_through() {
    assert_eq!(decided("{}").await, Ok(Verdict::Pass));
    let denied = decided(r#"{"mode":"deny","reason":"closed on sundays"}"#).await;
    assert_eq!(denied, Ok(Verdict::Deny("closed on sundays".into())));
    let restricted = decided(r#"{"mode":"restrict","clientIds":["a","b"]}"#).await;
    assert_eq!(
        restricted,
        Ok(Verdict::Restrict(vec!["a".into(), "b".into()]))
    );
}

#[tokio::test]
async fn a_loop_is_stopped_in_a_question_and_in_configure() {
    let mut looping = misbehaving("policy", r#"{"mode":"loop"}"#);
    looping.limits.call = Duration::from_millis(100);
    let loaded = host().policy(looping.clone()).await.unwrap();
    assert_eq!(
        loaded.decide(&question()).await.unwrap_err().category(),
        "timeout"
    );
    looping.settings = r#"{"mode":"loop-in-configure"}"#.into();
    assert_eq!(
        host().policy(looping).await.err().unwrap().category(),
        "timeout"
    );
}

#[tokio::test]
async fn crashes_are_told_apart() {
    let panic = failed(r#"{"mode":"panic"}"#).await.to_string();
    assert!(panic.contains("panicked"), "{panic}");
    let recursion = failed(r#"{"mode":"recurse"}"#).await;
    assert_eq!(recursion.category(), "trap");
    let memory = failed(r#"{"mode":"allocate"}"#).await;
    assert_eq!(memory.category(), "memory");
    let configure = policy(r#"{"mode":"panic-in-configure"}"#)
        .await
        .err()
        .unwrap();
    assert_eq!(configure.category(), "trap");
}

#[tokio::test]
async fn huge_answers_and_ungranted_ones_are_thrown_away() {
    assert_eq!(failed(r#"{"mode":"huge"}"#).await.category(), "oversized");
    assert_eq!(
        failed(r#"{"mode":"huge","length":70000}"#).await.category(),
        "oversized"
    );
    assert_eq!(
        failed(r#"{"mode":"bypass"}"#).await.category(),
        "bypass_not_granted"
    );
}

#[tokio::test]
async fn a_flood_of_lines_is_cut_and_the_answer_still_counts() {
    let loaded = policy(r#"{"mode":"flood","lines":10000,"length":200}"#)
        .await
        .unwrap();
    let lines = Lines::default();
    let guard = lines.catch();
    assert_eq!(loaded.decide(&question()).await, Ok(Verdict::Pass));
    drop(guard);
    let lines = lines.all();
    assert!(lines.len() <= 33, "{} lines", lines.len());
    let kept = lines.len() as u64 - 1;
    assert_eq!(lines.last().unwrap().dropped, Some(10_000 - kept));
}

#[tokio::test]
async fn settings_problems_keep_their_places() {
    let error = policy(r#"{"mode":"refuse-settings"}"#).await.err().unwrap();
    let PluginError::Settings { problems, .. } = &error else {
        panic!("{error}");
    };
    let places: Vec<_> = problems
        .iter()
        .map(|problem| problem.setting.as_str())
        .collect();
    assert_eq!(places, ["/mode", "/a~1b"]);
}

#[tokio::test]
async fn components_that_do_not_belong_are_refused_by_name() {
    let cases = [
        ("misbehaving_cache", "wrong_world", "cache"),
        (
            "misbehaving_policy",
            "not_granted",
            "podgate:types/clock@0.1.0",
        ),
        (
            "greedy_policy",
            "unknown_import",
            "podgate:types/http@0.1.0",
        ),
        ("future_policy", "too_new", "0.2.0"),
    ];
    for (name, category, named) in cases {
        let error = host()
            .policy(plugin(guest(NATIVE, name)))
            .await
            .err()
            .unwrap();
        assert_eq!(error.category(), category, "{error}");
        assert!(error.to_string().contains(named), "{error}");
    }
}

#[tokio::test]
async fn a_wasi_component_runs_and_can_reach_nothing() {
    let mut wasi = plugin(guest(WASI, "wasi_policy"));
    let loaded = host().policy(wasi.clone()).await.unwrap();
    assert!(!loaded.is_pure());
    let mut blocked = question();
    blocked.pod.labels.push(Label {
        name: "team".into(),
        value: "blocked".into(),
    });
    let lines = Lines::default();
    let guard = lines.catch();
    let answer = loaded.decide(&blocked).await;
    drop(guard);
    assert_eq!(answer, Ok(Verdict::Deny("the team is blocked".into())));
    assert_eq!(
        lines.all()[0].message,
        "asked about payments/web-7d4b9c6f5-abcde"
    );
    wasi.settings = r#"{"mode":"look-around"}"#.into();
    let looked = host().policy(wasi).await.unwrap().decide(&question()).await;
    assert_eq!(looked, Ok(Verdict::Deny("nothing".into())));
}

#[tokio::test]
async fn a_wasi_components_panic_is_in_the_log_with_its_words() {
    let mut wasi = plugin(guest(WASI, "wasi_policy"));
    wasi.settings = r#"{"mode":"panic"}"#.into();
    let loaded = host().policy(wasi).await.unwrap();
    let lines = Lines::default();
    let guard = lines.catch();
    let error = loaded.decide(&question()).await.unwrap_err();
    drop(guard);
    assert_eq!(error.category(), "trap");
    let said = lines.all();
    assert!(
        said.iter()
            .any(|line| line.message.contains("as the settings say")),
        "{said:?}"
    );
}

/// Takes a request and never answers it, or after its whole deadline.
struct Silent {
    forever: bool,
}

#[async_trait]
impl Outbound for Silent {
    async fn send(
        &self,
        _: OutboundRequest,
        deadline: Duration,
        _: usize,
    ) -> Result<OutboundResponse, OutboundError> {
        if self.forever {
            return std::future::pending().await;
        }
        tokio::time::sleep(deadline).await;
        Err(OutboundError::Timeout)
    }
}

type Acquired = Result<Result<AcquiredToken, CredentialFailure>, PluginError>;

async fn acquired(plugin: Plugin, http: Arc<dyn Outbound>, key: &Arc<TestKey>) -> Acquired {
    let question = CredentialQuestion {
        identity: CredentialIdentity {
            client_id: "11111111-1111-1111-1111-111111111111".into(),
            tenant_id: "22222222-2222-2222-2222-222222222222".into(),
            authority: "https://login.example.com/".into(),
        },
        resource: "https://vault.azure.net".into(),
        request_id: "33333333-3333-3333-3333-333333333333".into(),
    };
    let loaded = host_with(http).credential(plugin).await.unwrap();
    loaded.acquire(&question, Arc::clone(key) as _).await
}

async fn credential(settings: &str) -> Acquired {
    let plugin = misbehaving("credential", settings);
    acquired(
        plugin,
        Arc::new(support::NoNetwork),
        &Arc::new(TestKey::new()),
    )
    .await
}

fn refusal(acquired: Acquired) -> String {
    match acquired.unwrap().unwrap_err() {
        CredentialFailure::Refused { error, .. } => error,
        CredentialFailure::Unavailable { description, .. } => description,
    }
}

#[tokio::test]
async fn the_host_signs_with_the_key_of_the_call() {
    let key = Arc::new(TestKey::new());
    let plugin = misbehaving("credential", r#"{"mode":"sign"}"#);
    let token = acquired(plugin, Arc::new(support::NoNetwork), &key)
        .await
        .unwrap()
        .unwrap();
    let hex = token.access_token.secret();
    let signature: Vec<u8> = (0..hex.len())
        .step_by(2)
        .map(|at| u8::from_str_radix(&hex[at..at + 2], 16).unwrap())
        .collect();
    assert!(key.verifies(b"33333333-3333-3333-3333-333333333333", &signature));
    assert!(!format!("{token:?}").contains(hex), "a token was printed");
}

#[tokio::test]
async fn a_handle_that_was_not_given_signs_nothing() {
    let error = credential(r#"{"mode":"stolen-handle"}"#).await.unwrap_err();
    assert!(
        matches!(error.category(), "trap" | "invalid_answer"),
        "{error}"
    );
}

#[tokio::test]
async fn requests_beyond_the_grants_are_refused_and_never_sent() {
    assert_eq!(
        refusal(credential(r#"{"mode":"forbidden-host"}"#).await),
        "not_granted"
    );
    assert_eq!(
        refusal(credential(r#"{"mode":"forbidden-header"}"#).await),
        "invalid"
    );
}

#[tokio::test]
async fn a_granted_host_is_reached_beside_the_authority() {
    let mut plugin = misbehaving("credential", r#"{"mode":"forbidden-host"}"#);
    plugin.grants.http_hosts = vec!["forbidden.example".into()];
    let key = Arc::new(TestKey::new());
    let refused = refusal(acquired(plugin, Arc::new(support::NoNetwork), &key).await);
    assert!(refused.contains("there is no network here"), "{refused}");
}

/// The clock is stopped and moves to the next timer whenever all is quiet, so both waits are exact.
#[tokio::test(start_paused = true)]
async fn a_server_that_never_answers_costs_no_more_than_the_calls_time() {
    let key = Arc::new(TestKey::new());
    let plugin = misbehaving("credential", r#"{"mode":"hang-in-http"}"#);
    let polite = Arc::new(Silent { forever: false });
    assert_eq!(
        refusal(acquired(plugin.clone(), polite, &key).await),
        "timeout"
    );
    let forever = Arc::new(Silent { forever: true });
    let error = acquired(plugin, forever, &key).await.unwrap_err();
    assert_eq!(error.category(), "timeout");
}

#[tokio::test]
async fn huge_tokens_and_descriptions_are_thrown_away() {
    for mode in ["huge", "babble"] {
        let settings = format!(r#"{{"mode":"{mode}","length":70000}}"#);
        let error = credential(&settings).await.unwrap_err();
        assert_eq!(error.category(), "oversized");
    }
}

fn subject() -> Subject {
    Subject {
        client_id: "11111111-1111-1111-1111-111111111111".into(),
        identity_type: IdentityType::ManagedIdentity,
        resource: "https://vault.azure.net".into(),
    }
}

const TIMES: Times = Times {
    obtained: 1000,
    expires: 4000,
    jitter: 0,
};

async fn cache(settings: &str) -> Arc<dyn CachePolicy> {
    let mut plugin = misbehaving("cache", settings);
    plugin.grants.clock = false;
    host().cache(plugin).await.unwrap()
}

#[tokio::test]
async fn a_cache_plugins_word_comes_through_and_a_long_key_does_not() {
    let plain = cache("{}").await;
    assert_eq!(
        plain.key(&subject()).await,
        Ok(Some("https://vault.azure.net".into()))
    );
    let plan = Plan {
        refresh_at: 2000,
        fresh_until: 3000,
        keep_until: 4000,
    };
    assert_eq!(plain.plan(&subject(), TIMES).await, Ok(plan));
    assert_eq!(
        cache(r#"{"mode":"no-key"}"#).await.key(&subject()).await,
        Ok(None)
    );
    let error = cache(r#"{"mode":"long-key"}"#)
        .await
        .key(&subject())
        .await
        .unwrap_err();
    assert_eq!(error.category(), "oversized");
}

#[tokio::test]
async fn a_cache_plugin_that_loops_or_panics_is_ended() {
    let panic = cache(r#"{"mode":"panic"}"#).await;
    assert_eq!(
        panic.plan(&subject(), TIMES).await.unwrap_err().category(),
        "trap"
    );
    let mut looping = hurried(guest(NATIVE, "misbehaving_cache"));
    looping.settings = r#"{"mode":"loop"}"#.into();
    let looping = host().cache(looping).await.unwrap();
    assert_eq!(
        looping.key(&subject()).await.unwrap_err().category(),
        "timeout"
    );
}

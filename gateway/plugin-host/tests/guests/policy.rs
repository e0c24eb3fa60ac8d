//! Policies.

use std::sync::Arc;
use std::time::Duration;

use podgate_plugin_host::{Label, PluginError, Policy, Verdict};

use crate::support::lines::Lines;
use crate::support::{host, plugin, question};
use crate::{NATIVE, WASI, guest, misbehaving};

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
    looping.limits.cpu = Duration::from_millis(50);
    let loaded = host().policy(looping.clone()).await.unwrap();
    assert_eq!(
        loaded.decide(&question()).await.unwrap_err().category(),
        "cpu"
    );
    looping.settings = r#"{"mode":"loop-in-configure"}"#.into();
    assert_eq!(
        host().policy(looping).await.err().unwrap().category(),
        "cpu"
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
            "podgate:types/clock@0.1.1",
        ),
        (
            "greedy_policy",
            "unknown_import",
            "podgate:types/http@0.1.1",
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

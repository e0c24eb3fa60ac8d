//! What is refused before a component runs, and in which words.

use std::time::Duration;

use podgate_plugin_host::{PluginError, Policy};

use crate::policy::{answering, policy, with_clock};
use crate::support::{host, hurried, plugin};

const CONFIGURE_REFUSES: &str = r#"
    (data (i32.const 16) "\01\00\00\00" "\40\00\00\00" "\02\00\00\00")
    (data (i32.const 64) "\80\00\00\00" "\05\00\00\00" "\90\00\00\00" "\10\00\00\00"
                         "\00\00\00\00" "\00\00\00\00" "\90\00\00\00" "\04\00\00\00")
    (data (i32.const 128) "/mode")
    (data (i32.const 144) "not\0aa known mode")"#;

fn wat(text: &str) -> Vec<u8> {
    wat::parse_str(text).unwrap()
}

async fn refusal(component: Vec<u8>) -> PluginError {
    loaded(component).await.err().expect("it must not load")
}

async fn loaded(component: Vec<u8>) -> Result<std::sync::Arc<dyn Policy>, PluginError> {
    host().policy(plugin(component)).await
}

#[tokio::test]
async fn what_is_no_component_is_named_as_what_it_is() {
    let cases = [
        (wat("(module)"), "core WebAssembly module"),
        (b"\x7fELF\x02\x01\x01".to_vec(), "no WebAssembly at all"),
        (b"(component)".to_vec(), "no WebAssembly at all"),
        (vec![], "empty"),
        (b"\0asm\x0a\0\x01\0".to_vec(), "old draft"),
    ];
    for (bytes, expected) in cases {
        let error = refusal(bytes).await;
        assert_eq!(error.category(), "not_component");
        assert!(error.to_string().contains(expected), "{error}");
    }
}

#[tokio::test]
async fn a_damaged_component_is_refused_wherever_it_is_cut() {
    let whole = answering(0, "");
    for length in (8..whole.len()).step_by(97) {
        let error = refusal(whole[..length].to_vec()).await;
        assert!(
            matches!(error.category(), "not_component" | "wrong_world"),
            "at {length}: {error}"
        );
    }
}

#[tokio::test]
async fn another_world_is_refused_with_the_place_where_it_belongs() {
    let cache = wat(
        r#"(component (instance $empty) (export "podgate:cache/lifetime@0.1.0" (instance $empty)))"#,
    );
    let error = refusal(cache.clone()).await;
    assert_eq!(
        error.to_string(),
        "plugin p: it is a cache plugin and is configured as a policy plugin; list it under `cache`"
    );
    let error = host().credential(plugin(cache)).await.err().unwrap();
    assert_eq!(error.category(), "wrong_world");
    let error = host().cache(plugin(answering(0, ""))).await.err().unwrap();
    assert_eq!(error.category(), "wrong_world");
}

#[tokio::test]
async fn a_version_from_the_future_or_the_past_is_refused_with_both_versions() {
    let of = |version| {
        wat(&format!(
            r#"(component (instance $empty) (export "podgate:policy/decide@{version}" (instance $empty)))"#
        ))
    };
    let error = refusal(of("0.2.0")).await;
    assert_eq!(error.category(), "too_new");
    let text = error.to_string();
    assert!(
        text.contains("podgate:policy/decide@0.2.0") && text.contains("0.1.1"),
        "{text}"
    );
    assert_eq!(refusal(of("0.0.3")).await.category(), "too_old");
}

#[tokio::test]
async fn an_unknown_import_is_named() {
    let component = wat(r#"(component
            (import "acme:database/query@1.0.0" (instance))
            (instance $empty) (export "podgate:policy/decide@0.1.0" (instance $empty)))"#);
    let error = refusal(component).await;
    assert_eq!(error.category(), "unknown_import");
    assert!(
        error.to_string().contains("acme:database/query@1.0.0"),
        "{error}"
    );
}

#[tokio::test]
async fn the_right_name_with_other_contents_does_not_fit() {
    let empty = wat(
        r#"(component (instance $empty) (export "podgate:policy/decide@0.1.0" (instance $empty)))"#,
    );
    let error = refusal(empty).await;
    assert_eq!(error.category(), "mismatch");
    let later = wat(
        r#"(component (instance $empty) (export "podgate:policy/decide@0.1.4" (instance $empty)))"#,
    );
    assert_eq!(refusal(later).await.category(), "too_new");
}

#[tokio::test]
async fn a_clock_needs_its_grant_and_ends_purity() {
    let component = with_clock(&format!(
        "{} {}",
        crate::policy::CONFIGURE,
        crate::policy::DECIDE
    ));
    let error = refusal(component.clone()).await;
    assert_eq!(error.category(), "not_granted");
    let mut granted = plugin(component);
    granted.grants.clock = true;
    assert!(!host().policy(granted).await.unwrap().is_pure());
    assert!(loaded(answering(0, "")).await.unwrap().is_pure());
}

#[tokio::test]
async fn refused_settings_are_shown_with_every_problem() {
    let configure = r#"(func (export "configure") (param i32 i32) (result i32) (i32.const 16))"#;
    let component = policy(&format!(
        "{CONFIGURE_REFUSES} {configure} {}",
        crate::policy::DECIDE
    ));
    let error = refusal(component).await;
    assert_eq!(
        error.to_string(),
        "plugin p: it refuses its settings: /mode: not a known mode; the settings: not"
    );
    assert!(matches!(error, PluginError::Settings { problems, .. } if problems.len() == 2));
}

#[tokio::test]
async fn a_crash_or_a_loop_over_the_settings_is_a_failed_load() {
    let crash = r#"(func (export "configure") (param i32 i32) (result i32) unreachable)"#;
    let error = refusal(policy(&format!("{crash} {}", crate::policy::DECIDE))).await;
    assert_eq!(error.category(), "trap");
    let endless =
        r#"(func (export "configure") (param i32 i32) (result i32) (loop $l (br $l)) unreachable)"#;
    let endless = policy(&format!("{endless} {}", crate::policy::DECIDE));
    let error = host().policy(hurried(endless)).await.err().unwrap();
    assert_eq!(error.category(), "cpu");
}

#[tokio::test]
async fn grants_and_limits_without_sense_are_refused_by_their_key() {
    let mut wrong = plugin(answering(0, ""));
    wrong.grants.http_hosts = vec!["*.example.com".into()];
    let error = host().policy(wrong).await.err().unwrap();
    assert_eq!(error.category(), "configuration");
    assert!(
        error.to_string().contains("grants.http: `*.example.com`"),
        "{error}"
    );
    let mut wrong = plugin(answering(0, ""));
    wrong.limits.memory = usize::MAX;
    let error = host().policy(wrong).await.err().unwrap();
    assert!(error.to_string().contains("limits.memoryMiB"), "{error}");
    let mut wrong = plugin(answering(0, ""));
    wrong.limits.call = Duration::ZERO;
    let error = host().policy(wrong).await.err().unwrap();
    assert!(error.to_string().contains("limits.call"), "{error}");
    let mut wrong = plugin(answering(0, ""));
    wrong.limits.cpu = Duration::ZERO;
    let error = host().policy(wrong).await.err().unwrap();
    assert!(error.to_string().contains("limits.cpu"), "{error}");
}

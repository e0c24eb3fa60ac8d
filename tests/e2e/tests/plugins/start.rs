//! A plugins file that cannot be used is refused as a whole, in words that name the plugin, the cause and
//! the cure.

use podgate_e2e::demo;
use podgate_e2e::stage::Stage;
use serde_json::{Value, json};

use crate::chain::{Chain, flags, with};
use crate::guests::{self, CACHE, CREDENTIAL, FUTURE, GREEDY, POLICY, guest};

/// The error that a start ends with.
async fn refused(chain: Chain) -> String {
    let error = chain.stage().await.err().expect("it must not start");
    format!("{error:#}")
}

async fn expect(chain: Chain, words: &[&str]) {
    let error = refused(chain).await;
    for word in words {
        assert!(error.contains(word), "{word:?} is not in: {error}");
    }
    assert!(!error.contains('\n'), "one line: {error}");
}

fn policy(mode: &str) -> Value {
    with(
        guest(POLICY, json!({"mode": mode})),
        json!({"grants": {"clock": true}}),
    )
}

fn built_in(name: &str, settings: Value) -> Value {
    json!({"name": "mine", "component": {"builtin": name}, "settings": settings})
}

#[tokio::test]
async fn a_policy_that_fails_over_its_settings_is_refused() {
    let first = |mode| Chain::built_in().first(policy(mode));
    expect(
        first("loop-in-configure"),
        &["plugin guest", "computed for more than 100ms", "limits.cpu"],
    )
    .await;
    expect(
        first("panic-in-configure"),
        &["plugin guest", "crashed", "report it to its author"],
    )
    .await;
    let problems = [
        "plugin guest",
        "refuses its settings",
        "/mode: refused",
        "/a~1b: refused too",
    ];
    expect(first("refuse-settings"), &problems).await;
}

#[tokio::test]
async fn settings_of_built_in_plugins_are_refused_with_place_and_nearest_word() {
    let cache = built_in(
        "token-cache",
        json!({"resources": [{"resource": "a"}, {"resource": "b", "skpi": true}]}),
    );
    let words = ["plugin mine", "/resources/1/skpi", "the nearest is `skip`"];
    expect(Chain::built_in().cache(cache), &words).await;
    let matcher = built_in("exception-matcher", json!({"allowedClientIds": ["my-app"]}));
    expect(
        Chain::built_in().first(matcher),
        &["plugin mine", "/allowedClientIds/0", "expected a GUID"],
    )
    .await;
    let auth = with(
        built_in(
            "certificate-auth",
            json!({"endpoint": "v3", "clockSkewSeconds": 4000}),
        ),
        json!({"grants": {"clock": true}}),
    );
    let words = [
        "plugin mine",
        "/endpoint",
        "`v1`, `v2`",
        "/clockSkewSeconds",
        "from 0 to 300",
    ];
    expect(Chain::built_in().credential(auth), &words).await;
}

#[tokio::test]
async fn a_component_of_another_kind_or_version_is_refused() {
    let words = [
        "plugin guest",
        "it is a cache plugin",
        "list it under `cache`",
    ];
    expect(Chain::built_in().first(guest(CACHE, json!({}))), &words).await;
    let words = [
        "plugin guest",
        "it is a policy plugin",
        "list it under `policy`",
    ];
    expect(Chain::built_in().credential(policy("pass")), &words).await;
    expect(Chain::built_in().cache(policy("pass")), &words).await;
    let words = ["plugin guest", "@0.2.0", "0.1.1", "upgrade podgate"];
    expect(Chain::built_in().first(guest(FUTURE, json!({}))), &words).await;
}

#[tokio::test]
async fn a_component_that_wants_more_than_it_may_have_is_refused() {
    let words = [
        "plugin guest",
        "podgate:types/http",
        "a policy plugin can never have",
    ];
    expect(Chain::built_in().first(guest(GREEDY, json!({}))), &words).await;
    let words = [
        "plugin guest",
        "podgate:types/clock",
        "needs the grant `clock`",
    ];
    expect(Chain::built_in().first(guest(POLICY, json!({}))), &words).await;
    expect(
        Chain::built_in().credential(guest(CREDENTIAL, json!({}))),
        &words,
    )
    .await;
    let everywhere = with(
        guest(CREDENTIAL, json!({})),
        json!({"grants": {"clock": true, "http": ["*"]}}),
    );
    expect(
        Chain::built_in().credential(everywhere),
        &["plugin guest", "grants.http", "`*` is not a host"],
    )
    .await;
}

#[tokio::test]
async fn limits_without_sense_are_refused_by_their_key() {
    let limited =
        |limits: Value| Chain::built_in().first(with(policy("pass"), json!({"limits": limits})));
    expect(
        limited(json!({"memoryMiB": 100_000})),
        &["plugin guest", "limits.memoryMiB", "at most 512"],
    )
    .await;
    expect(limited(json!({"call": "0s"})), &["limits.call"]).await;
    expect(limited(json!({"cpu": "0s"})), &["limits.cpu"]).await;
    expect(
        limited(json!({"memoryMiB": 0})),
        &["plugin guest", "more than its 0 bytes", "limits.memoryMiB"],
    )
    .await;
}

#[tokio::test]
async fn instances_of_a_credential_plugin_are_not_kept() {
    let mut kept = guest(CREDENTIAL, json!({}));
    kept["grants"] = json!({"clock": true});
    kept["instances"] = json!("kept");
    let words = ["plugin guest", "instances", "another identity's key"];
    expect(Chain::built_in().credential(kept), &words).await;
}

#[tokio::test]
async fn a_component_that_is_not_the_one_that_was_meant_is_refused() {
    let other = "0".repeat(64);
    let mut swapped = policy("pass");
    swapped["component"]["sha256"] = json!(other);
    let found = guests::sha256(&guests::path(POLICY));
    expect(
        Chain::built_in().first(swapped),
        &["plugin guest", &other, &found, "put its digest"],
    )
    .await;

    let mut missing = policy("pass");
    missing["component"]["file"] = json!("/nowhere/guest.wasm");
    expect(
        Chain::built_in().first(missing),
        &["plugin guest", "/nowhere/guest.wasm", "No such file"],
    )
    .await;

    let mut undigested = policy("pass");
    undigested["component"] = json!({"file": guests::path(POLICY)});
    expect(
        Chain::built_in().first(undigested),
        &["guest", "component.sha256 is missing", "sha256sum"],
    )
    .await;

    let words = [
        "plugin mine",
        "no built-in component certificate-oath",
        "certificate-auth",
    ];
    expect(
        Chain::built_in().credential(built_in("certificate-oath", json!({}))),
        &words,
    )
    .await;
}

#[tokio::test]
async fn what_is_no_component_is_refused_as_what_it_is() {
    let folder = tempfile::tempdir().unwrap();
    for (bytes, words) in [
        (&b"\0asm\x01\0\0\0"[..], "core WebAssembly module"),
        (b"\x7fELF", "no WebAssembly at all"),
        (b"", "empty"),
    ] {
        let file = folder.path().join("other.wasm");
        std::fs::write(&file, bytes).unwrap();
        let other =
            json!({"name": "guest", "component": {"file": file, "sha256": guests::sha256(&file)}});
        expect(
            Chain::built_in().first(other),
            &["plugin guest", words, "cargo"],
        )
        .await;
    }
}

#[tokio::test]
async fn a_plugins_file_that_cannot_be_read_is_refused_with_the_place() {
    for (text, words) in [
        (
            "policy:\n  - name: a\n    component: { builtin: exception-matcher }\n    grant: {}\n",
            "did you mean `grants`",
        ),
        ("policy: [", "plugins file"),
        (
            "credential:\n  - { name: a, component: { builtin: certificate-auth }, onFailure: skip }\n",
            "policies only",
        ),
    ] {
        let folder = tempfile::tempdir().unwrap();
        let flags = flags(folder.path(), text);
        let flags: Vec<&str> = flags.iter().map(String::as_str).collect();
        let started = Stage::start(demo::directory().unwrap(), &flags, demo::lay_out).await;
        let error = format!("{:#}", started.err().expect("it must not start"));
        assert!(error.contains(words), "{words:?} is not in: {error}");
    }
    let missing = ["--plugins=/nowhere/plugins.yaml"];
    let started = Stage::start(demo::directory().unwrap(), &missing, demo::lay_out).await;
    let error = format!("{:#}", started.err().expect("it must not start"));
    assert!(
        error.contains("/nowhere/plugins.yaml") && error.contains("No such file"),
        "{error}"
    );
}

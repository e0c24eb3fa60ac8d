//! `podgate plugin check`, by its exit codes and its sentences.

use std::path::{Path, PathBuf};

use serde_json::Value;

use crate::shell::{cargo, podgate, root};

/// The guests of `tests/guests`, built as their own folder says.
fn guests() -> PathBuf {
    let target = root().join("target/guests");
    let arguments = ["build", "--quiet", "--release", "--locked"];
    cargo(&root().join("tests/guests"), &target, &arguments);
    target
}

fn native(guests: &Path, name: &str) -> String {
    let file = guests.join(format!("wasm32-unknown-unknown/release/{name}.wasm"));
    file.to_str().unwrap().to_owned()
}

/// What is said of a file that is refused.
fn refused(arguments: &[&str]) -> String {
    let said = podgate(&root(), &[&["check"], arguments].concat());
    assert_eq!(said.code, 1, "{arguments:?}: {}{}", said.out, said.err);
    let sentence = said.out.split_once("refused: ");
    sentence
        .unwrap_or_else(|| panic!("{}", said.out))
        .1
        .to_owned()
}

#[test]
fn a_component_of_another_time_or_kind_is_refused_with_what_to_do() {
    let guests = guests();
    let future = refused(&[&native(&guests, "future_policy")]);
    assert!(
        future.contains("0.2.0, which is newer than this gateway's 0.1.1"),
        "{future}"
    );
    assert!(
        future.contains("upgrade podgate, or build the plugin against 0.1.1"),
        "{future}"
    );
    let greedy = refused(&[&native(&guests, "greedy_policy")]);
    assert!(
        greedy.contains("podgate:types/http@0.1.1, which a policy plugin can never have"),
        "{greedy}"
    );
    let cache = native(&guests, "misbehaving_cache");
    let wrong = refused(&[&cache, "--kind", "policy"]);
    assert!(wrong.contains("it is a cache plugin"), "{wrong}");
    let text = refused(&[concat!(env!("CARGO_MANIFEST_DIR"), "/Cargo.toml")]);
    assert!(text.contains("no WebAssembly at all"), "{text}");
}

#[test]
fn a_component_that_is_taken_is_told_with_all_that_it_wants_and_costs() {
    let policy = native(&guests(), "misbehaving_policy");
    let said = podgate(&root(), &["check", &policy, "-o", "json"]);
    assert_eq!(said.code, 0, "{}", said.err);
    let report: Value = serde_json::from_str(&said.out).unwrap();
    assert_eq!(
        (&report["world"], &report["version"]),
        (&"policy".into(), &"0.1.1".into())
    );
    let clock = report["imports"]
        .as_array()
        .unwrap()
        .iter()
        .find(|import| import["name"] == "podgate:types/clock@0.1.1")
        .unwrap();
    assert_eq!(clock["grant"], "clock");
    for figure in ["/size", "/memory", "/cost/code"] {
        assert!(
            report.pointer(figure).unwrap().as_u64().unwrap() > 0,
            "{figure}"
        );
    }
    assert_eq!(report["refused"], Value::Null);
}

#[test]
fn settings_that_are_given_are_tried() {
    let folder = tempfile::tempdir().unwrap();
    let policy = native(&guests(), "misbehaving_policy");
    let settings = folder.path().join("settings.yaml");
    std::fs::write(&settings, "mode: refuse-settings\n").unwrap();
    let settings = settings.to_str().unwrap();
    let sentence = refused(&[&policy, "--settings", settings]);
    assert!(
        sentence.contains("it refuses its settings: /mode"),
        "{sentence}"
    );
    std::fs::write(settings, "mode: pass\n").unwrap();
    let said = podgate(&root(), &["check", &policy, "--settings", settings]);
    assert_eq!(said.code, 0, "{}", said.out);
}

#[test]
fn a_file_that_cannot_be_read_is_neither_good_nor_bad() {
    let said = podgate(&root(), &["check", "no-such-file.wasm"]);
    assert_eq!(said.code, 2);
    assert!(
        said.err.contains("reading no-such-file.wasm"),
        "{}",
        said.err
    );
    let said = podgate(
        &root(),
        &["call", "Cargo.toml", "--input", "no-such-file.yaml"],
    );
    assert_eq!(said.code, 2);
    assert!(said.err.contains("podgate plugin check"), "{}", said.err);
}

#[test]
fn a_case_that_goes_wrong_shows_what_was_said_and_ends_with_1() {
    let folder = tempfile::tempdir().unwrap();
    let cases = folder.path().join("cases.yaml");
    let text = "\
grants: { clock: true }
cases:
  - name: it denies
    settings: { mode: deny, reason: closed on sundays }
    expect: { verdict: pass }
  - name: it panics
    settings: { mode: panic }
    expect: { verdict: pass }
  - name: it does as expected
    settings: { mode: panic }
    expect: { failure: trap }
";
    std::fs::write(&cases, text).unwrap();
    let policy = native(&guests(), "misbehaving_policy");
    let said = podgate(
        &root(),
        &["call", &policy, "--input", cases.to_str().unwrap()],
    );
    assert_eq!(said.code, 1, "{}", said.err);
    let denied = "\
WRONG   it denies
        verdict
          - \"pass\"
          + {\"deny\":\"closed on sundays\"}
";
    assert!(said.out.contains(denied), "{}", said.out);
    assert!(
        said.out.contains("plugin misbehaving-policy: it crashed"),
        "{}",
        said.out
    );
    assert!(
        said.out.ends_with("1 of 3 cases as expected\n"),
        "{}",
        said.out
    );
}

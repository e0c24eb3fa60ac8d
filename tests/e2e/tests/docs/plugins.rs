//! `docs/plugins.md`: the plugins file and the built-in plugins' settings.

use std::collections::BTreeSet;

use podgate_gateway::config::plugins::{DEFAULT, Plugins};
use podgate_plugin_host::{Limits, MAX_MEMORY};

use crate::{rows, section, words};

const PLUGINS: &str = include_str!("../../../../docs/plugins.md");
const BUILT_IN: &str = include_str!("../../../../plugins/README.md");

/// The keys that the reader of plugins files names when it meets one it does not know.
fn keys(text: &str) -> Vec<String> {
    let problem = Plugins::parse(text).unwrap_err().to_string();
    let expected = problem
        .split_once("expected ")
        .unwrap_or_else(|| panic!("{problem}"))
        .1;
    let names = expected
        .lines()
        .next()
        .unwrap()
        .trim_start_matches("one of ");
    names.split(", ").map(str::to_owned).collect()
}

#[test]
fn every_key_of_the_plugins_file_has_a_row() {
    let plugin =
        |rest: &str| format!("policy:\n  - {{ name: a, component: {{ builtin: b }}, {rest} }}\n");
    let mut known: BTreeSet<String> = keys("zzz: []").into_iter().collect();
    // Objects are documented by their keys.
    let objects = ["grants", "limits"];
    known.extend(
        keys(&plugin("zzz: 1"))
            .into_iter()
            .filter(|key| !objects.contains(&key.as_str())),
    );
    for object in objects {
        let inner = keys(&plugin(&format!("{object}: {{ zzz: 1 }}")));
        known.extend(inner.into_iter().map(|key| format!("{object}.{key}")));
    }
    let inner = keys("policy:\n  - { name: a, component: { zzz: b } }\n");
    known.extend(inner.into_iter().map(|key| format!("component.{key}")));
    assert!(known.len() > 14, "{known:?}");
    let documented = rows(section(PLUGINS, "## Keys"));
    assert_eq!(
        words(&documented),
        known.iter().map(String::as_str).collect()
    );
}

#[test]
fn every_example_of_a_plugins_file_is_one_and_the_first_is_the_default() {
    let examples: Vec<&str> = PLUGINS
        .split("```yaml\n")
        .skip(1)
        .map(|rest| rest.split_once("```").unwrap().0)
        .collect();
    let without_comments = |text: &str| -> Vec<String> {
        text.lines()
            .filter(|line| !line.starts_with('#'))
            .map(str::to_owned)
            .collect()
    };
    assert_eq!(without_comments(examples[0]), without_comments(DEFAULT));
    for example in examples {
        Plugins::parse(example).unwrap_or_else(|error| panic!("{error}\n{example}"));
    }
}

#[test]
fn the_limits_are_those_of_the_host() {
    let (policy, credential) = (Limits::default(), Limits::credential());
    let told = |text: String| assert!(PLUGINS.contains(&text), "{text:?} is not in plugins.md");
    told(format!(
        "| `limits.memoryMiB` | {} | memory of one call, at most {};",
        policy.memory >> 20,
        MAX_MEMORY >> 20
    ));
    told(format!(
        "| {:?}, credential plugins {:?} |",
        policy.call, credential.call
    ));
    told(format!(
        "| `limits.cpu` | {:?}, credential plugins {:?} |",
        policy.cpu, credential.cpu
    ));
    told(format!("| an answer | {} KiB |", policy.answer >> 10));
    told(format!(
        "| log lines | {}, together {} KiB |",
        policy.log_lines,
        policy.log_bytes >> 10
    ));
    told(format!(
        "| HTTP requests | {}, their bodies {} KiB each |",
        policy.http_requests,
        policy.http_body >> 10
    ));
}

#[test]
fn every_setting_of_a_built_in_plugin_has_a_row_with_its_default() {
    for name in ["exception-matcher", "certificate-auth", "token-cache"] {
        let own = BUILT_IN.split_once(&format!("\n### {name}\n")).unwrap().1;
        let own = rows(own.split("\n### ").next().unwrap());
        let documented = rows(section(PLUGINS, &format!("## {name}")));
        let settings = |rows: &[Vec<&str>]| -> Vec<String> {
            rows.iter().map(|row| row[..2].join(" ")).collect()
        };
        assert!(!own.is_empty());
        assert_eq!(settings(&documented), settings(&own), "{name}");
    }
}

//! The programs whose messages are held to the runbook, file by file.

use std::path::PathBuf;

use super::{files, read};
use crate::root;

/// What podgate's programs are made of, the built-in plugins among it.
const CRATES: [&str; 13] = [
    "api",
    "azure",
    "daemon",
    "watch",
    "gateway",
    "gateway/intercept",
    "gateway/plugin-host",
    "controller",
    "cli",
    "plugins/settings",
    "plugins/exception-matcher",
    "plugins/certificate-auth",
    "plugins/token-cache",
];

/// Crates that no operator hears of, and why.
const OTHERS: [(&str, &str); 5] = [
    ("demo-app", "it says what the old tutorials expect"),
    ("tests/testkit", "of tests"),
    ("tests/e2e", "of tests"),
    ("xtask", "for those who build podgate"),
    ("plugins/inspection", "of tests"),
];

/// A file of a program.
pub(crate) struct Source {
    /// From the repository's root.
    pub(crate) name: String,
    pub(crate) text: String,
}

/// All of them.
pub(crate) fn sources() -> Vec<Source> {
    let root = root();
    let of = |folder: &&str| files(&root.join(folder).join("src"));
    let name = |path: PathBuf| {
        path.strip_prefix(&root)
            .unwrap()
            .to_str()
            .unwrap()
            .to_owned()
    };
    let names = CRATES.iter().flat_map(of).map(name);
    let source = |name: String| Source {
        text: read(root.join(&name)),
        name,
    };
    names.filter(|name| is_code(name)).map(source).collect()
}

/// Tests and their surroundings have files and folders of their own.
fn is_code(name: &str) -> bool {
    let of_tests = ["tests", "testing", "loopback"];
    name.strip_suffix(".rs")
        .is_some_and(|name| !name.split('/').any(|part| of_tests.contains(&part)))
}

/// The members of a workspace.
fn members(manifest: &str) -> Vec<String> {
    let text = read(root().join(manifest));
    let list = text.split_once("members = [").unwrap().1;
    let list = list.split_once(']').unwrap().0;
    list.split('"')
        .skip(1)
        .step_by(2)
        .map(str::to_owned)
        .collect()
}

#[test]
fn every_crate_is_held_to_the_runbook_or_is_no_operators() {
    let mut all = members("Cargo.toml");
    let plugins = members("plugins/Cargo.toml").into_iter();
    all.extend(plugins.map(|name| format!("plugins/{name}")));
    let mut known: Vec<&str> = CRATES.to_vec();
    known.extend(OTHERS.iter().map(|(name, _)| *name));
    all.sort();
    known.sort_unstable();
    assert_eq!(all, known);
}

#[test]
fn sources_are_code_and_no_tests() {
    let names: Vec<String> = sources().into_iter().map(|source| source.name).collect();
    assert!(names.len() > 200, "{}", names.len());
    for there in ["gateway/src/main.rs", "cli/src/plugin/new.rs"] {
        assert!(names.iter().any(|name| name == there), "{there}");
    }
    assert!(
        names.iter().all(|name| !name.contains("tests")),
        "{names:?}"
    );
}

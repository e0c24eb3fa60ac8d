//! The invariants name tests that exist.

use super::*;

#[test]
fn every_test_that_an_invariant_names_exists() {
    let page = std::fs::read_to_string(root().join("docs/invariants.md")).unwrap();
    let named: Vec<&str> = page.split('`').skip(1).step_by(2).collect();
    assert!(named.len() > 20, "{named:?}");
    let sources = sources(&root());
    let missing: Vec<&&str> = named
        .iter()
        .filter(|name| !is_proved(&sources, name))
        .collect();
    assert!(missing.is_empty(), "{missing:?}");
}

/// A test's function, or a case of the network suite.
pub(crate) fn is_proved(sources: &str, name: &str) -> bool {
    sources.contains(&format!("fn {name}(")) || sources.contains(&format!("\"{name}\""))
}

/// All Rust sources of the parts that have tests, in one text.
pub(crate) fn sources(root: &Path) -> String {
    let mut folders: Vec<PathBuf> = ["gateway", "controller", "azure", "watch", "tests"]
        .map(|part| root.join(part))
        .into();
    let mut text = String::new();
    while let Some(folder) = folders.pop() {
        for entry in std::fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                folders.push(path);
            } else if path.extension().is_some_and(|extension| extension == "rs") {
                text.push_str(&std::fs::read_to_string(path).unwrap());
            }
        }
    }
    text
}

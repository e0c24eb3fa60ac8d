//! Each known attack names tests that exist.

use super::invariants::{is_proved, sources};
use super::*;

#[test]
fn every_test_that_an_attack_names_exists() {
    let page = std::fs::read_to_string(root().join("docs/attacks.md")).unwrap();
    let sources = sources(&root());
    let rows = page.lines().filter(|line| line.starts_with("| ")).skip(1);
    let mut missing = Vec::new();
    for row in rows {
        let tests = row.rsplit('|').nth(1).unwrap();
        let named: Vec<&str> = tests.split('`').skip(1).step_by(2).collect();
        assert!(!named.is_empty(), "no test: {row}");
        missing.extend(
            named
                .iter()
                .filter(|name| !is_proved(&sources, name))
                .map(|name| (*name).to_owned()),
        );
    }
    assert!(missing.is_empty(), "{missing:?}");
}

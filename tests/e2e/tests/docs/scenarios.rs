//! Each scenario names a case of the cluster suite, and each case of it is named.

use std::collections::BTreeSet;

use super::invariants::sources;
use super::*;

/// The texts in code of a page's tables. One that has ticks itself has two of them at its ends.
fn named(page: &str) -> BTreeSet<String> {
    let rows = page.lines().filter(|line| line.starts_with("| "));
    let cells = rows.flat_map(|row| row.split('|').skip(2));
    cells.flat_map(in_code).collect()
}

fn in_code(cell: &str) -> Vec<String> {
    let quoted = cell.trim().strip_prefix("`` ");
    match quoted.and_then(|quoted| quoted.strip_suffix(" ``")) {
        Some(quoted) => vec![quoted.to_owned()],
        None => cell
            .split('`')
            .skip(1)
            .step_by(2)
            .map(str::to_owned)
            .collect(),
    }
}

/// The cases of the suite, by its own list.
fn cases() -> BTreeSet<String> {
    let suite = std::process::Command::new(env!("CARGO_BIN_EXE_cluster-suite"))
        .args(["--images", ".", "--list"])
        .output()
        .unwrap();
    assert!(suite.status.success(), "{suite:?}");
    let list = String::from_utf8(suite.stdout).unwrap();
    list.lines().map(str::to_owned).collect()
}

#[test]
fn every_case_that_a_scenario_names_exists_and_every_case_is_named() {
    let page = std::fs::read_to_string(root().join("docs/scenarios.md")).unwrap();
    let (named, cases, sources) = (named(&page), cases(), sources(&root()));
    let missing: Vec<_> = named
        .iter()
        .filter(|name| !cases.contains(*name) && !sources.contains(&format!("fn {name}(")))
        .collect();
    assert!(missing.is_empty(), "{missing:#?}");
    let unnamed: Vec<_> = cases.difference(&named).collect();
    assert!(unnamed.is_empty(), "{unnamed:#?}");
}

#[test]
fn every_scenario_of_the_old_agent_s_tests_has_a_case_on_real_nodes() {
    let page = std::fs::read_to_string(root().join("docs/scenarios.md")).unwrap();
    let section = section(&page, "## What aad-pod-identity's end-to-end tests showed");
    let rows: Vec<&str> = section
        .lines()
        .filter(|line| line.starts_with("| "))
        .skip(1)
        .collect();
    // The check around its suite, and the 27 in it.
    assert_eq!(rows.len(), 28);
    let cases = cases();
    for row in rows {
        let second = row.split('|').nth(2).unwrap();
        let named = in_code(second);
        assert!(
            !named.is_empty() && named.iter().all(|name| cases.contains(name)),
            "{row}"
        );
    }
}

//! The documentation, held to the program: what it lists is what there is.
//!
//! `UPDATE_DOCS=1 cargo test -p podgate-e2e --test docs` writes `docs/flags.md` anew.
#![allow(clippy::unwrap_used, reason = "a test's panic is its report")]

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

mod attacks;
mod book;
mod flags;
mod invariants;
mod links;
mod plugins;
mod refusals;
mod scenarios;

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("../..")
        .canonicalize()
        .unwrap()
}

/// The part of a page from this heading to the next one of its kind.
fn section<'a>(page: &'a str, heading: &str) -> &'a str {
    let from = page
        .split_once(&format!("\n{heading}\n"))
        .unwrap_or_else(|| panic!("no {heading}"))
        .1;
    from.split("\n## ").next().unwrap()
}

/// The rows whose first cell is a word in code: all their cells.
fn rows(section: &str) -> Vec<Vec<&str>> {
    section
        .lines()
        .filter(|line| line.starts_with("| `"))
        .map(|line| line.trim_matches('|').split('|').map(str::trim).collect())
        .collect()
}

fn word<'a>(row: &[&'a str]) -> &'a str {
    row[0].trim_matches('`')
}

fn words<'a>(rows: &[Vec<&'a str>]) -> BTreeSet<&'a str> {
    rows.iter().map(|row| word(row)).collect()
}

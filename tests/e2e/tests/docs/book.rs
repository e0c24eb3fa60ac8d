//! `docs/book`: the operators' book, held to the programs that it speaks of.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use crate::refusals::categories;
use crate::root;

mod messages;
mod programs;
mod words;

fn chapters() -> PathBuf {
    root().join("docs/book/src")
}

fn read(path: impl AsRef<Path>) -> String {
    let path = path.as_ref();
    std::fs::read_to_string(path).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}

/// All files below a folder.
fn files(folder: &Path) -> Vec<PathBuf> {
    let entries = std::fs::read_dir(folder).unwrap();
    let below = |path: PathBuf| match path.is_dir() {
        true => files(&path),
        false => vec![path],
    };
    entries
        .flat_map(|entry| below(entry.unwrap().path()))
        .collect()
}

fn in_one_line(text: &str) -> String {
    text.split_whitespace().collect::<Vec<_>>().join(" ")
}

/// The headings of a page of the runbook.
fn entries(page: &str) -> BTreeSet<String> {
    let text = read(chapters().join("runbook").join(page));
    let headings = text.lines().filter(|line| line.starts_with("##"));
    headings
        .map(|line| line.trim_start_matches('#').trim().to_owned())
        .collect()
}

fn missing<'a>(
    wanted: impl IntoIterator<Item = &'a str>,
    there: &BTreeSet<String>,
) -> Vec<&'a str> {
    let wanted = wanted.into_iter();
    wanted.filter(|word| !there.contains(*word)).collect()
}

#[test]
fn every_refusal_has_an_entry_in_the_runbook_and_every_entry_is_one() {
    let mut known = categories(include_str!("../../../../gateway/src/refusal.rs"));
    known.extend(categories(include_str!("../../../../azure/src/failure.rs")));
    assert!(known.len() > 15, "{known:?}");
    let entries = entries("refusals.md");
    let lost = missing(known.iter().copied(), &entries);
    assert!(lost.is_empty(), "no entry in runbook/refusals.md: {lost:?}");
    let known: BTreeSet<String> = known.into_iter().map(str::to_owned).collect();
    let idle = missing(entries.iter().map(String::as_str), &known);
    assert!(idle.is_empty(), "entries of nothing: {idle:?}");
}

#[test]
fn every_way_in_which_azure_fails_the_controller_has_an_entry() {
    let known = categories(include_str!("../../../../azure/src/arm/error.rs"));
    assert!(known.len() > 10, "{known:?}");
    let lost = missing(known, &entries("controller.md"));
    assert!(
        lost.is_empty(),
        "no entry in runbook/controller.md: {lost:?}"
    );
}

#[test]
fn every_reason_of_an_event_has_an_entry() {
    let source = include_str!("../../../../controller/src/plan/notice.rs");
    let names = [
        "APPLIED",
        "APPLY_ERROR",
        "REMOVED",
        "REMOVE_ERROR",
        "STATUS_ERROR",
    ];
    let reason = |name: &&str| {
        source
            .split_once(&format!("const {name}: &str = \""))?
            .1
            .split('"')
            .next()
    };
    let mut reasons: Vec<&str> = names.iter().filter_map(reason).collect();
    assert_eq!(reasons.len(), names.len(), "{reasons:?}");
    reasons.extend(["IdentityAssigned", "identity missing"]);
    assert_eq!(
        source.matches("const ").count(),
        names.len() + 1,
        "a new constant: a reason?"
    );
    let entries: String = entries("controller.md").into_iter().collect();
    for reason in reasons {
        assert!(
            source.contains(reason) && entries.contains(reason),
            "{reason}"
        );
    }
}

#[test]
fn every_series_that_the_book_names_is_registered() {
    let code: String = ["gateway/src", "controller/src", "watch/src"]
        .iter()
        .flat_map(|folder| files(&root().join(folder)))
        .map(read)
        .collect();
    let page = read(chapters().join("metrics.md"));
    let words = page.split(|letter: char| !letter.is_ascii_alphanumeric() && letter != '_');
    let bare = |word: &str| {
        let name = word
            .strip_prefix("podgate_")
            .or_else(|| word.strip_prefix("aadpodidentity_"))?;
        (!name.is_empty()).then(|| name.to_owned())
    };
    let series: BTreeSet<String> = words.filter_map(bare).collect();
    assert!(series.len() > 20, "{series:?}");
    let is_known = |name: &String| {
        let short = name.strip_suffix("_total").unwrap_or(name);
        let made = name.starts_with("assigned_identity_")
            && code.contains("assigned_identity_{what}_duration_seconds");
        made || [name.as_str(), short]
            .iter()
            .any(|name| code.contains(&format!("\"{name}\"")))
    };
    let unknown: Vec<_> = series.iter().filter(|name| !is_known(name)).collect();
    assert!(unknown.is_empty(), "no program has {unknown:?}");
}

#[test]
fn every_chapter_is_in_the_summary_and_every_line_of_it_is_a_chapter() {
    let summary = read(chapters().join("SUMMARY.md"));
    let listed: BTreeSet<PathBuf> = summary
        .split("](")
        .skip(1)
        .map(|rest| PathBuf::from(rest.split_once(')').unwrap().0))
        .collect();
    let name = |path: PathBuf| path.strip_prefix(chapters()).unwrap().to_owned();
    let mut there: BTreeSet<PathBuf> = files(&chapters()).into_iter().map(name).collect();
    there.remove(Path::new("SUMMARY.md"));
    assert_eq!(there, listed);
}

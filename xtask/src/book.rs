//! `cargo xtask book`: the operators' book of docs/book, built with mdBook and checked.
//!
//! Chapters of docs/book/src may be pages of docs that already exist, each by a file with one `{{#include …}}`. Links
//! of such a page are relative to where it stands in the repository; those that lead to no chapter become links to the
//! repository, so that no page has to know of the book.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result, ensure};

use crate::process::run;
use crate::test::Skip;
use crate::tools;
use crate::workspace::{installed, root};

mod commands;
mod links;

/// The newest that the compiler of rust-toolchain.toml builds.
const VERSION: &str = "0.5.4";
/// Neither its web server nor its watching of files is used here.
const FEATURES: [&str; 3] = ["--no-default-features", "--features", "search"];
/// From the root of the repository.
const BOOK: &str = "docs/book";
const SOURCES: &str = "docs/book/src";

/// Builds the book, and says where it is.
///
/// # Errors
/// mdBook cannot be had or refuses, or a link leads nowhere.
pub(crate) fn build() -> Result<()> {
    let pages = render()?;
    println!("{}", pages.join("index.html").display());
    Ok(())
}

/// The book builds, its links lead somewhere, and helm takes its commands and values.
///
/// # Errors
/// As [`build`]; or what the book tells to type would be refused.
pub(crate) fn prove() -> Result<Option<Skip>> {
    render()?;
    commands::check(&root().join(SOURCES))
}

fn render() -> Result<PathBuf> {
    includes()?;
    let program = tools::program_with("mdbook", VERSION, &FEATURES)?;
    let pages = installed("book");
    let mut mdbook = Command::new(program);
    mdbook.arg("build").arg(root().join(BOOK));
    run(mdbook.arg("--dest-dir").arg(&pages))?;
    let checked = links::check(&pages, root(), SOURCES)?;
    println!("{checked} links lead somewhere");
    Ok(pages)
}

/// mdBook itself goes on without a page that it cannot include.
fn includes() -> Result<()> {
    for chapter in chapters()? {
        let text = fs::read_to_string(root().join(&chapter)).with_context(|| chapter.clone())?;
        let folder = Path::new(&chapter).parent().unwrap_or(Path::new(""));
        for included in text.split("{{#include ").skip(1) {
            let file = included.split("}}").next().unwrap_or_default();
            ensure!(
                root().join(folder).join(file).is_file(),
                "{chapter} includes {file}, which is not there"
            );
        }
    }
    Ok(())
}

/// The chapters' files, from the root of the repository.
///
/// # Errors
/// They cannot be listed.
pub(crate) fn chapters() -> Result<Vec<String>> {
    let from_root = |path: PathBuf| {
        let path = path.strip_prefix(root()).unwrap_or(&path);
        path.to_string_lossy().into_owned()
    };
    Ok(files(&root().join(SOURCES), "md")?
        .into_iter()
        .map(from_root)
        .collect())
}

/// All files below `folder` whose names end in `.extension`.
fn files(folder: &Path, extension: &str) -> Result<Vec<PathBuf>> {
    let mut found = Vec::new();
    for entry in fs::read_dir(folder).with_context(|| format!("listing {}", folder.display()))? {
        let path = entry?.path();
        if path.is_dir() {
            found.extend(files(&path, extension)?);
        } else if path.extension().is_some_and(|own| own == extension) {
            found.push(path);
        }
    }
    found.sort();
    Ok(found)
}

//! Links of the rendered book: within it, to its anchors, and to files of the repository.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Component, Path, PathBuf};

use anyhow::{Context, Result, ensure};

use super::files;

/// Where readers of the book find a file of the repository.
const REPOSITORY: &str = concat!(env!("CARGO_PKG_REPOSITORY"), "/blob/main");

/// The book as it was rendered, and what it was made of.
struct Book<'a> {
    pages: &'a Path,
    root: &'a Path,
    /// From the root.
    sources: &'a str,
    /// What a `#…` can mean, by page.
    anchors: BTreeMap<PathBuf, BTreeSet<String>>,
}

/// How a link ends up.
enum Leads {
    /// To a page of the book, or elsewhere in the world.
    Well,
    /// To a file of the repository: the URL that it needs.
    Out(String),
    Nowhere,
}

/// Looks at every link, and rewrites those to files of the repository; says how many there are.
///
/// # Errors
/// Some lead nowhere: all of them, by page.
pub(super) fn check(pages: &Path, root: &Path, sources: &str) -> Result<usize> {
    let mut texts = BTreeMap::new();
    for page in files(pages, "html")? {
        let text = fs::read_to_string(&page).with_context(|| page.display().to_string())?;
        texts.insert(page, text);
    }
    ensure!(!texts.is_empty(), "the book has no page");
    let ids = |(page, text): (&PathBuf, &String)| (page.clone(), attributes(text, "id"));
    let book = Book {
        pages,
        root,
        sources,
        anchors: texts.iter().map(ids).collect(),
    };
    let (mut count, mut lost) = (0, Vec::new());
    for (page, text) in &texts {
        count += book.mend(page, text, &mut lost)?;
    }
    ensure!(
        lost.is_empty(),
        "links that lead nowhere:\n  {}",
        lost.join("\n  ")
    );
    Ok(count)
}

impl Book<'_> {
    /// Of one page.
    fn mend(&self, page: &Path, text: &str, lost: &mut Vec<String>) -> Result<usize> {
        let base = self.base(page)?;
        let mut mended = text.to_owned();
        let mut links = attributes(text, "href");
        links.extend(attributes(text, "src"));
        for link in &links {
            match self.follow(page, &base, link) {
                Leads::Well => {}
                Leads::Out(url) => {
                    mended =
                        mended.replace(&format!("href=\"{link}\""), &format!("href=\"{url}\""));
                }
                Leads::Nowhere => {
                    let page = page.strip_prefix(self.pages).unwrap_or(page);
                    lost.push(format!("{}: {link}", page.display()));
                }
            }
        }
        if mended != text {
            fs::write(page, mended).with_context(|| page.display().to_string())?;
        }
        Ok(links.len())
    }

    fn follow(&self, page: &Path, base: &Path, link: &str) -> Leads {
        if link.contains("://") || link.starts_with("mailto:") || link.starts_with("data:") {
            return Leads::Well;
        }
        let (path, anchor) = link.split_once('#').unwrap_or((link, ""));
        let target = match path {
            "" => page.to_owned(),
            path => resolved(&page.parent().unwrap_or(page).join(path)),
        };
        match self.anchors.get(&target) {
            Some(_) if anchor.is_empty() => Leads::Well,
            Some(anchors) if anchors.contains(anchor) => Leads::Well,
            Some(_) => Leads::Nowhere,
            None if target.is_file() => Leads::Well,
            None => self.leave(base, path, anchor),
        }
    }

    /// mdBook has made `.html` of `.md`, whether or not that is a chapter.
    fn leave(&self, base: &Path, path: &str, anchor: &str) -> Leads {
        let written = match path.strip_suffix(".html") {
            Some(stem) => format!("{stem}.md"),
            None => path.to_owned(),
        };
        let file = resolved(&base.join(written));
        match self.root.join(&file).exists() && !file.starts_with(self.sources) {
            true if anchor.is_empty() => Leads::Out(format!("{REPOSITORY}/{}", file.display())),
            true => Leads::Out(format!("{REPOSITORY}/{}#{anchor}", file.display())),
            false => Leads::Nowhere,
        }
    }

    /// The folder, from the root, that the links of a page were written in.
    fn base(&self, page: &Path) -> Result<PathBuf> {
        let page = page.strip_prefix(self.pages).context("a page elsewhere")?;
        let source = Path::new(self.sources).join(page.with_extension("md"));
        // The table of contents is made of no one page.
        let text = fs::read_to_string(self.root.join(&source)).unwrap_or_default();
        let folder = source.parent().unwrap_or(&source).to_owned();
        Ok(match included(&text) {
            Some(page) => {
                let page = resolved(&folder.join(page));
                page.parent().unwrap_or(&page).to_owned()
            }
            None => folder,
        })
    }
}

/// The page that a chapter consists of, where it is one line.
fn included(text: &str) -> Option<&str> {
    let inner = text
        .trim()
        .strip_prefix("{{#include ")?
        .strip_suffix("}}")?;
    (!inner.contains(['\n', ' '])).then_some(inner)
}

/// The values of an attribute. mdBook writes each as `name="…"`, and escapes what stands in text.
fn attributes(html: &str, name: &str) -> BTreeSet<String> {
    html.split(&format!(" {name}=\""))
        .skip(1)
        .filter_map(|rest| rest.split_once('"'))
        .map(|(value, _)| value.to_owned())
        .collect()
}

/// Without `.` and `..`, looking at no file.
fn resolved(path: &Path) -> PathBuf {
    let mut plain = PathBuf::new();
    for part in path.components() {
        match part {
            Component::CurDir => {}
            Component::ParentDir => {
                plain.pop();
            }
            part => plain.push(part),
        }
    }
    plain
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A repository with a book of two chapters, one of which is a page of docs.
    fn mk_book(name: &str, page: &str) -> PathBuf {
        let root = std::env::temp_dir().join(format!("podgate-book-{name}-{}", std::process::id()));
        for folder in ["docs/book/src/docs", "docs/adr", "out/docs"] {
            fs::create_dir_all(root.join(folder)).unwrap();
        }
        let write = |path: &str, text: &str| fs::write(root.join(path), text).unwrap();
        write("docs/adr/1.md", "# Why");
        write("docs/book/src/index.md", "# Book");
        write(
            "docs/book/src/docs/rbac.md",
            "{{#include ../../../rbac.md}}\n",
        );
        write("out/index.html", page);
        write(
            "out/docs/rbac.html",
            "<h2 id=\"rights\"> <a href=\"adr/1.html\">why</a>",
        );
        root
    }

    fn looked_at(name: &str, page: &str) -> Result<String> {
        let root = mk_book(name, page);
        let checked = check(&root.join("out"), &root, "docs/book/src");
        let rbac = fs::read_to_string(root.join("out/docs/rbac.html")).unwrap();
        fs::remove_dir_all(&root).unwrap();
        checked.map(|_| rbac)
    }

    #[test]
    fn links_to_pages_anchors_and_the_world_lead_somewhere() {
        let page = "<a href=\"docs/rbac.html#rights\"> <a href=\"https://example.com/x\"> <a href=\"docs/rbac.html\">";
        looked_at("good", page).unwrap();
    }

    #[test]
    fn a_link_of_an_included_page_to_no_chapter_becomes_one_to_the_repository() {
        let rbac = looked_at("out", "").unwrap();
        let url = format!("href=\"{REPOSITORY}/docs/adr/1.md\"");
        assert!(rbac.contains(&url), "{rbac}");
    }

    #[test]
    fn a_lost_page_and_a_lost_anchor_are_named_with_their_page() {
        for (name, link) in [
            ("page", "gone.html"),
            ("anchor", "docs/rbac.html#gone"),
            ("chapter", "docs/gone.html"),
        ] {
            let page = format!("<a href=\"{link}\">");
            let error = looked_at(name, &page).unwrap_err().to_string();
            assert!(error.contains(&format!("index.html: {link}")), "{error}");
        }
    }
}

//! The pages, and the commands on them.

use std::fmt::{self, Display, Formatter};
use std::path::{Path, PathBuf};

/// A page by its path from the root of the repository.
pub(crate) struct Page {
    pub(crate) name: String,
    pub(crate) text: String,
}

/// What one would type.
#[derive(Debug, PartialEq)]
pub(crate) struct Command {
    pub(crate) page: String,
    pub(crate) line: usize,
    pub(crate) text: String,
}

impl Display for Command {
    fn fmt(&self, formatter: &mut Formatter<'_>) -> fmt::Result {
        let Self { page, line, text } = self;
        write!(formatter, "{page}:{line}: `{text}`")
    }
}

/// Folders of pages; each with those below it or not.
const FOLDERS: [(&str, bool); 2] = [("docs", false), ("docs/book/src", true)];
/// Pages beside them.
const ALONE: [&str; 2] = ["README.md", "charts/podgate/README.md"];
/// In a fence of another language than `sh`, a line that begins so is a command too.
const PROGRAMS: [&str; 5] = [
    "kubectl ",
    "helm ",
    "az ",
    "podgate explain ",
    "podgate plugin ",
];

pub(crate) fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("../..")
        .canonicalize()
        .unwrap()
}

/// In the order of their names.
pub(crate) fn pages() -> Vec<Page> {
    let listed = FOLDERS
        .iter()
        .flat_map(|(folder, deep)| files(&root().join(folder), *deep));
    let mut paths: Vec<PathBuf> = listed.collect();
    paths.extend(ALONE.iter().map(|name| root().join(name)));
    let page = |path: PathBuf| Page {
        name: path.strip_prefix(root()).unwrap().display().to_string(),
        text: std::fs::read_to_string(&path).unwrap(),
    };
    let mut pages: Vec<Page> = paths.into_iter().map(page).collect();
    pages.sort_by(|one, other| one.name.cmp(&other.name));
    pages
}

fn files(folder: &Path, deep: bool) -> Vec<PathBuf> {
    let entries = std::fs::read_dir(folder).unwrap();
    let below = |path: PathBuf| match path.is_dir() {
        true if deep => files(&path, deep),
        false if path.extension().is_some_and(|extension| extension == "md") => vec![path],
        _ => Vec::new(),
    };
    entries
        .flat_map(|entry| below(entry.unwrap().path()))
        .collect()
}

/// The pages that chapters of the book include, by their paths from the root.
pub(crate) fn included() -> Vec<String> {
    let mut found = Vec::new();
    for page in pages() {
        let folder = root().join(&page.name).parent().unwrap().to_owned();
        let names = page.text.split("{{#include ").skip(1);
        let names = names.map(|rest| rest.split("}}").next().unwrap());
        for name in names.filter(|name| name.ends_with(".md")) {
            let path = folder.join(name).canonicalize().unwrap();
            found.push(path.strip_prefix(root()).unwrap().display().to_string());
        }
    }
    found
}

/// Of all pages.
pub(crate) fn commands() -> Vec<Command> {
    pages().iter().flat_map(Page::commands).collect()
}

impl Page {
    /// From top to bottom.
    pub(crate) fn commands(&self) -> Vec<Command> {
        let blocks = self.blocks().into_iter();
        let found = blocks.flat_map(|block| match block.language {
            Some(language) => fenced(language, block.first, &block.lines),
            None => inline(block.first, &block.lines.join("\n")),
        });
        let command = |(line, text)| Command {
            page: self.name.clone(),
            line,
            text,
        };
        found.map(command).collect()
    }

    /// The files that it shows whole, by the name in their first line.
    pub(crate) fn shown_files(&self) -> Vec<(String, String)> {
        let named = |block: Block<'_>| {
            let name = block.lines.first()?.strip_prefix("# ")?;
            let is_shown = block.language == Some("yaml") && name.ends_with(".yaml");
            is_shown.then(|| (name.to_owned(), block.lines.join("\n")))
        };
        self.blocks().into_iter().filter_map(named).collect()
    }

    /// Fences, and the paragraphs between them.
    fn blocks(&self) -> Vec<Block<'_>> {
        let mut blocks = vec![Block::new(None, 1)];
        for (number, line) in (1..).zip(self.text.lines()) {
            let last = blocks.last_mut().unwrap();
            let fence = line.trim_start().strip_prefix("```");
            match (fence, last.language) {
                (Some(_), Some(_)) => blocks.push(Block::new(None, number + 1)),
                (Some(language), None) => blocks.push(Block::new(Some(language), number + 1)),
                (None, None) if line.trim().is_empty() => {
                    blocks.push(Block::new(None, number + 1));
                }
                (None, _) => last.lines.push(line),
            }
        }
        blocks
    }
}

struct Block<'a> {
    /// Of a fence.
    language: Option<&'a str>,
    /// The number of its first line.
    first: usize,
    lines: Vec<&'a str>,
}

impl<'a> Block<'a> {
    fn new(language: Option<&'a str>, first: usize) -> Self {
        Self {
            language,
            first,
            lines: Vec::new(),
        }
    }
}

/// With their lines' numbers; one that goes on in the next line, or has a document in it, is one.
fn fenced(language: &str, first: usize, lines: &[&str]) -> Vec<(usize, String)> {
    let mut found: Vec<(usize, String)> = Vec::new();
    let mut open = false;
    let mut document = None;
    for (number, line) in (first..).zip(lines) {
        match found.last_mut() {
            Some((_, text)) if open => *text = format!("{text}\n{line}"),
            _ => found.push((number, (*line).to_owned())),
        }
        document = match document {
            Some(end) if end == *line => None,
            Some(end) => Some(end),
            None => line.split_once("<<").map(|(_, end)| end.trim()),
        };
        open = document.is_some() || line.ends_with('\\');
    }
    let is_command = |text: &str| match language {
        "sh" => !text.trim().is_empty(),
        _ => PROGRAMS.iter().any(|program| text.starts_with(program)),
    };
    found.retain(|(_, text)| is_command(text));
    found
}

/// Whole commands in inline code: with less behind the program it is a command's name.
fn inline(first: usize, paragraph: &str) -> Vec<(usize, String)> {
    let is_whole = |text: &str| match text.split_once(' ') {
        Some(("kubectl", rest)) => rest.contains(' ') && !rest.contains('…'),
        Some(("az", rest)) => rest.contains(" --"),
        _ => false,
    };
    let mut line = first;
    let mut found = Vec::new();
    for (place, piece) in paragraph.split('`').enumerate() {
        let text = piece.split_whitespace().collect::<Vec<_>>().join(" ");
        if place % 2 == 1 && is_whole(&text) {
            found.push((line, text));
        }
        line += piece.matches('\n').count();
    }
    found
}

#[test]
fn commands_are_found_in_fences_and_in_prose_each_with_its_line() {
    let text = "\
Type `kubectl get pods`, not `kubectl describe`, or `kubectl describe
pod NAME`.

```sh
helm install podgate \\
  charts/podgate
cat > it <<END
kubectl is no command here
END
```

```text
kubectl get nodes
a line
```
";
    let page = Page {
        name: "page.md".to_owned(),
        text: text.to_owned(),
    };
    let found: Vec<_> = page.commands();
    let found: Vec<(usize, &str)> = found
        .iter()
        .map(|command| (command.line, command.text.as_str()))
        .collect();
    let expected = [
        (1, "kubectl get pods"),
        (1, "kubectl describe pod NAME"),
        (5, "helm install podgate \\\n  charts/podgate"),
        (7, "cat > it <<END\nkubectl is no command here\nEND"),
        (13, "kubectl get nodes"),
    ];
    assert_eq!(found, expected);
}

//! The documents promise commands; each is parsed by the very parser that would run it.

use std::fs;

use anyhow::{Context, Result, ensure};
use clap::Parser;
use clap::error::ErrorKind;

use crate::book;
use crate::cli::Cli;
use crate::workspace::root;

/// The first one must be there: it is what a newcomer reads.
const DOCUMENTS: [&str; 6] = [
    "README.md",
    "CONTRIBUTING.md",
    "ARCHITECTURE.md",
    "docs/benchmarks.md",
    "tests/clients/README.md",
    "tests/cluster/README.md",
];

const DOOR: &str = "cargo xtask ";

/// Every `cargo xtask` command in the documents exists, options included.
pub(super) fn check_documents() -> Result<()> {
    let documents = DOCUMENTS.map(str::to_owned).into_iter();
    for document in documents.chain(book::chapters()?) {
        let text = fs::read_to_string(root().join(&document))
            .with_context(|| format!("reading {document}"))?;
        let commands = commands(&text);
        ensure!(
            !commands.is_empty() || document != DOCUMENTS[0],
            "{document} names no `cargo xtask` command: a newcomer would not know how to begin"
        );
        for command in &commands {
            accept(command).with_context(|| format!("{document}: `{DOOR}{command}`"))?;
        }
        if !commands.is_empty() {
            println!("{document}: {} commands", commands.len());
        }
    }
    Ok(())
}

/// What follows `cargo xtask` in code fences and in inline code.
fn commands(text: &str) -> Vec<String> {
    let mut fenced = false;
    let mut found = Vec::new();
    for line in text.lines() {
        match line.trim_start().starts_with("```") {
            true => fenced = !fenced,
            false if fenced => found.extend(command(line)),
            false => found.extend(line.split('`').skip(1).step_by(2).filter_map(command)),
        }
    }
    found
}

/// The command in a line of code, up to a comment or to whatever the shell would do with its output.
/// Optional words in brackets are taken as given.
fn command(code: &str) -> Option<String> {
    let (_, rest) = code.split_once(DOOR)?;
    let end = rest
        .find(['#', '|', '&', ';', '>', '`', ')'])
        .unwrap_or(rest.len());
    let words = rest[..end].replace(['[', ']'], " ");
    let words: Vec<&str> = words.split_whitespace().collect();
    (words != ["…"] && words != ["..."]).then(|| words.join(" "))
}

fn accept(command: &str) -> Result<()> {
    let words = ["cargo xtask"].into_iter().chain(command.split(' '));
    match Cli::try_parse_from(words) {
        Err(error)
            if !matches!(
                error.kind(),
                ErrorKind::DisplayHelp | ErrorKind::DisplayVersion
            ) =>
        {
            Err(error.into())
        }
        _ => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const DOCUMENT: &str = "\
Run `cargo xtask demo`, or any `cargo xtask …`.

```sh
$ cargo xtask test [--strict]   # everything
(cargo xtask bench --json out.json) | tee log
cargo build
```
cargo xtask in prose is no command.
";

    #[test]
    fn commands_are_found_in_fences_and_inline_code() {
        assert_eq!(
            commands(DOCUMENT),
            ["demo", "test --strict", "bench --json out.json"]
        );
    }

    #[test]
    fn a_command_that_exists_is_accepted_with_its_options() {
        for command in [
            "demo --once",
            "test --strict --only fmt",
            "bench --json out.json",
            "--help",
        ] {
            accept(command).unwrap();
        }
    }

    #[test]
    fn a_command_or_option_that_does_not_exist_is_refused() {
        for command in ["dance", "demo --twice", ""] {
            assert!(accept(command).is_err(), "{command}");
        }
    }
}

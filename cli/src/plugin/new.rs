//! `podgate plugin new NAME --kind KIND`: a project that builds, passes its tests and its cases, and can be changed.

use std::fs;
use std::io::Write;
use std::path::{Path, PathBuf};

use anyhow::{Context, ensure};
use clap::Args;

use super::{Kind, print};

mod template;

/// Longer names make no good names of files and metrics; cargo's own limit is higher.
const MAX_NAME: usize = 63;
/// Rust's words that cargo refuses as names (the reference's strict and reserved keywords that a name could be), and its
/// own folders.
const RESERVED: [&str; 27] = [
    "as", "async", "await", "box", "break", "build", "const", "continue", "crate", "deps", "do",
    "dyn", "else", "enum", "examples", "fn", "for", "if", "impl", "in", "let", "loop", "match",
    "mod", "test", "type", "use",
];

/// Makes a plugin's project in a new folder.
#[derive(Debug, Args)]
pub(crate) struct New {
    /// The plugin's name, and its folder's
    #[arg(value_name = "NAME", value_parser = name)]
    name: String,
    /// What it is to decide
    #[arg(long, value_enum, value_name = "KIND")]
    kind: Kind,
    /// Where the folder is made, instead of here
    #[arg(
        long,
        value_name = "FOLDER",
        default_value = ".",
        hide_default_value = true
    )]
    path: PathBuf,
}

// === impl New ===

impl New {
    /// Writes the project and says how to go on.
    pub(super) fn run(self) -> anyhow::Result<()> {
        let folder = self.path.join(&self.name);
        ensure!(
            !folder.exists(),
            "{} exists already; name another plugin, or another folder with --path",
            folder.display()
        );
        for (path, text) in template::files(self.kind) {
            write(&folder.join(path), &template::filled_in(text, &self.name))?;
        }
        print(&self.next_steps(&folder))?;
        Ok(())
    }

    fn next_steps(&self, folder: &Path) -> String {
        let artifact = template::crate_name(&self.name);
        let component = format!("target/wasm32-wasip2/release/{artifact}.wasm");
        format!(
            "\
made {folder}; src/lib.rs is the place to begin. Then:
  cd {folder}
  cargo build --release --target wasm32-wasip2
  podgate plugin check {component}
  podgate plugin call {component} --input cases.yaml
",
            folder = folder.display()
        )
    }
}

/// Never over a file that is there.
fn write(path: &Path, text: &str) -> anyhow::Result<()> {
    let folder = path.parent().unwrap_or(Path::new("."));
    fs::create_dir_all(folder).with_context(|| format!("making {}", folder.display()))?;
    let file = fs::File::create_new(path);
    file.and_then(|mut file| file.write_all(text.as_bytes()))
        .with_context(|| format!("writing {}", path.display()))
}

/// A crate's name, that is a plugin's as well.
fn name(text: &str) -> Result<String, String> {
    let allowed = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || "-_".contains(c);
    match () {
        () if !text.starts_with(|c: char| c.is_ascii_lowercase()) => {
            Err("a plugin's name begins with a lower-case letter".to_owned())
        }
        () if !text.chars().all(allowed) => {
            Err("a plugin's name has lower-case letters, digits, - and _ only".to_owned())
        }
        () if text.len() > MAX_NAME => Err(format!("it is longer than {MAX_NAME} characters")),
        () if RESERVED.contains(&text) => Err(format!("`{text}` is a word of Rust or cargo")),
        () => Ok(text.to_owned()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_is_one_that_cargo_takes() {
        assert_eq!(name("office-hours").unwrap(), "office-hours");
        for wrong in [
            "", "Office", "9to5", "-x", "a/b", "../a", "a b", "fn", "test",
        ] {
            assert!(name(wrong).is_err(), "{wrong}");
        }
    }

    #[test]
    fn a_project_is_made_once() {
        let folder = tempfile::tempdir().unwrap();
        let new = || New {
            name: "hello".to_owned(),
            kind: Kind::Policy,
            path: folder.path().to_owned(),
        };
        new().run().unwrap();
        let manifest = fs::read_to_string(folder.path().join("hello/Cargo.toml")).unwrap();
        assert!(manifest.contains("name = \"hello\""), "{manifest}");
        let again = new().run().unwrap_err().to_string();
        assert!(again.contains("exists already"), "{again}");
    }
}

//! The shared libraries that programs need, and those that these need, from the folders of the machine's C library.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result};

use super::toolchain::Toolchain;
use super::tree::Tree;
use crate::process::output;

/// What a program says it needs.
#[derive(Debug, Default, PartialEq)]
struct Needs {
    /// `/lib64/ld-linux-x86-64.so.2`
    loader: Option<String>,
    /// `libc.so.6`
    libraries: Vec<String>,
}

/// The libraries of these programs and their loader.
///
/// # Errors
/// One is not there, or a program cannot be read.
pub(crate) fn of(programs: &[&Path], toolchain: &Toolchain) -> Result<Tree> {
    let mut tree = Tree::default();
    let mut waiting: Vec<PathBuf> = programs
        .iter()
        .map(|program| program.to_path_buf())
        .collect();
    let mut seen = BTreeSet::new();
    while let Some(file) = waiting.pop() {
        let needs = needs(&file)?;
        if let Some(place) = needs.loader {
            tree.file(&place, read(&toolchain.loader(&place))?, 0o755);
        }
        for name in needs
            .libraries
            .into_iter()
            .filter(|name| !name.starts_with("ld-linux"))
        {
            let (found, place) = toolchain.library(&name).with_context(|| {
                format!(
                    "{} needs {name}, which is in no folder of this machine's libraries",
                    file.display()
                )
            })?;
            if seen.insert(name) {
                tree.file(&place, read(&found)?, 0o755);
                waiting.push(found);
            }
        }
    }
    Ok(tree)
}

pub(super) fn read(path: &Path) -> Result<Vec<u8>> {
    fs::read(path).with_context(|| format!("reading {}", path.display()))
}

/// readelf runs nothing of the file, and reads those of other processors too.
fn needs(file: &Path) -> Result<Needs> {
    let mut readelf = Command::new("readelf");
    readelf
        .env("LC_ALL", "C")
        .args(["--wide", "--dynamic", "--program-headers"])
        .arg(file);
    Ok(parse(&output(&mut readelf).context(
        "readelf is part of binutils, as the linker is",
    )?))
}

fn parse(told: &str) -> Needs {
    let between = |line: &str, before: &str, after: char| {
        let (_, rest) = line.split_once(before)?;
        rest.split_once(after).map(|(word, _)| word.to_owned())
    };
    let mut needs = Needs::default();
    for line in told.lines() {
        if line.contains("(NEEDED)") {
            needs.libraries.extend(between(line, "[", ']'));
        }
        needs.loader = needs
            .loader
            .or_else(|| between(line, "program interpreter: ", ']'));
    }
    needs
}

#[cfg(test)]
mod tests {
    use super::*;

    const TOLD: &str = "
  INTERP         0x000350 0x0000000000000350 0x0000000000000350 0x00001c 0x00001c R   0x1
      [Requesting program interpreter: /lib64/ld-linux-x86-64.so.2]
  0x0000000000000001 (NEEDED)             Shared library: [libgcc_s.so.1]
  0x0000000000000001 (NEEDED)             Shared library: [libc.so.6]
  0x000000000000001e (FLAGS)              BIND_NOW
";

    #[test]
    fn needs_are_read_from_readelf() {
        let needs = parse(TOLD);
        assert_eq!(needs.loader.as_deref(), Some("/lib64/ld-linux-x86-64.so.2"));
        assert_eq!(needs.libraries, ["libgcc_s.so.1", "libc.so.6"]);
    }
}

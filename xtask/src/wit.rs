//! `cargo xtask wit`: the WIT packages as files that registry tools take, and the templates' copies of them.
//!
//! An example of this package does it, since it links what reads WIT and this program is to stay light.

use std::process::Command;

use anyhow::Result;

use crate::cli;
use crate::process::{build_with_tests, cargo, run};
use crate::workspace::{program, root};

/// Writes the files, or compares them.
pub(crate) fn perform(options: &cli::Wit) -> Result<()> {
    let mut cargo = cargo(root());
    cargo.args([
        "run",
        "--quiet",
        "--locked",
        "--package",
        "xtask",
        "--example",
        "wit",
        "--",
    ]);
    cargo.args(options.check.then_some("--check"));
    run(cargo.args(options.release.then_some("--release")))
}

/// Compares them, with the build that the tests use.
pub(crate) fn prove() -> Result<()> {
    build_with_tests()?;
    wit(&["--check"])
}

/// Writes them, likewise.
pub(crate) fn write() -> Result<()> {
    wit(&[])
}

fn wit(arguments: &[&str]) -> Result<()> {
    run(Command::new(program("debug/examples", "wit"))
        .current_dir(root())
        .args(arguments))
}

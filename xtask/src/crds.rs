//! `cargo xtask crds`: the custom resource definitions, from the Rust types that read them.
//!
//! An example of this package does it, since it links those types and this program is to stay light.

use std::process::Command;

use anyhow::Result;

use crate::cli;
use crate::process::{build_with_tests, cargo, run};
use crate::workspace::{program, root};

/// Writes the files, or compares them.
pub(crate) fn perform(options: &cli::Crds) -> Result<()> {
    let mut cargo = cargo(root());
    cargo.args([
        "run",
        "--quiet",
        "--locked",
        "--package",
        "xtask",
        "--example",
        "crds",
        "--",
    ]);
    run(cargo.args(options.check.then_some("--check")))
}

/// Compares them, with the build that the tests use.
pub(crate) fn prove() -> Result<()> {
    build_with_tests()?;
    run(Command::new(program("debug/examples", "crds"))
        .current_dir(root())
        .arg("--check"))
}

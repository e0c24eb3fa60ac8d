//! `cargo xtask wit`: the WIT packages as files that registry tools take, and the templates' copies of them.
//!
//! An example of this package does it, since it links what reads WIT and this program is to stay light.

use std::process::Command;

use anyhow::Result;

use crate::cli;
use crate::process::{build_with_tests, cargo, run};
use crate::tools;
use crate::workspace::{program, root};

/// Plugins that are useful as they stand: a workspace of their own, as authors have.
const EXAMPLES: &str = "examples/plugins";
/// The last one; its successor is cargo itself.
const CARGO_COMPONENT: &str = "0.21.1";

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

/// What a plugin's author does, by each route: the tests of `author`, with a registry of files and cargo-component.
pub(crate) fn prove_author() -> Result<()> {
    examples()?;
    tools::program("cargo-component", CARGO_COMPONENT)?;
    build_with_tests()?;
    wit(&[])?;
    let arguments = [
        "test",
        "--locked",
        "--workspace",
        "--test",
        "author",
        "--",
        "--ignored",
    ];
    run(cargo(root()).args(arguments))
}

/// What other steps do for the other workspaces.
fn examples() -> Result<()> {
    let commands: [&[&str]; 3] = [
        &["fmt", "--all", "--check"],
        &[
            "clippy",
            "--locked",
            "--all-targets",
            "--target",
            "host-tuple",
            "--",
            "-D",
            "warnings",
        ],
        &["test", "--locked", "--target", "host-tuple"],
    ];
    commands
        .into_iter()
        .try_for_each(|arguments| run(cargo(root().join(EXAMPLES)).args(arguments)))
}

fn wit(arguments: &[&str]) -> Result<()> {
    run(Command::new(program("debug/examples", "wit"))
        .current_dir(root())
        .args(arguments))
}

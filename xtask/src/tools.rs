//! Cargo's own tools that steps need: the pinned version of each, below the target folder.

use std::path::PathBuf;

use anyhow::{Context, Result};

use crate::process::{cargo, probe, run};
use crate::workspace::{installed, root};

/// A program from the crates registry, installed when it is not there yet. A debug build: it compiles in half
/// the time, and what these tools do takes a second either way.
pub(crate) fn program(name: &str, version: &str) -> Result<PathBuf> {
    program_with(name, version, &[])
}

/// The same, with arguments of `cargo install` about its features.
pub(crate) fn program_with(name: &str, version: &str, features: &[&str]) -> Result<PathBuf> {
    let tools = installed("tools");
    let program = tools.join("bin").join(name);
    let versions = [format!("{name} {version}"), format!("{name} v{version}")];
    if probe(&program, &["--version"]).is_some_and(|said| versions.contains(&said)) {
        return Ok(program);
    }
    // Not quietly: some compile for ten minutes, and silence looks like an end.
    println!("installing {name} {version} into {}", tools.display());
    let mut cargo = cargo(root());
    cargo.args([
        "install",
        name,
        "--locked",
        "--debug",
        "--force",
        "--version",
        version,
    ]);
    run(cargo.args(features).arg("--root").arg(&tools))
        .with_context(|| format!("{name} is needed for this step"))?;
    Ok(program)
}

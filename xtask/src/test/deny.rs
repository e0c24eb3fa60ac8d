//! cargo-deny: what may be depended on. The rules and their reasons are in deny.toml.

use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result};

use super::Skip;
use crate::process::{cargo, probe, run};
use crate::workspace::{NATIVE, WORKSPACES, installed, root};

/// The newest that the compiler of rust-toolchain.toml builds.
const VERSION: &str = "0.20.2";

/// Rules and exceptions that nothing needs. The components depend on so little that most of them are idle there.
const STALE: [&str; 3] = [
    "license-not-encountered",
    "unmatched-skip",
    "unnecessary-skip",
];

/// Licences, bans, duplicates and sources of the three lock files.
pub(super) fn check() -> Result<()> {
    let program = program()?;
    WORKSPACES.into_iter().try_for_each(|workspace| {
        let attitude = if workspace == NATIVE {
            "--deny"
        } else {
            "--allow"
        };
        let stale = STALE.into_iter().flat_map(|rule| [attitude, rule]);
        run(deny(&program, workspace)
            .arg("check")
            .args(stale)
            .args(["licenses", "bans", "sources"]))
    })
}

/// Advisories of the same. Their database is a git repository at GitHub, which a build machine without that
/// network cannot reach: nothing that could be installed would help there.
pub(super) fn check_advisories() -> Result<Option<Skip>> {
    let program = program()?;
    if run(deny(&program, NATIVE).args(["fetch", "db"])).is_err() {
        let reason = "the RustSec database cannot be fetched from GitHub here (the error is above)";
        return Ok(Some(Skip::Environment(reason.to_owned())));
    }
    WORKSPACES
        .into_iter()
        .try_for_each(|workspace| run(deny(&program, workspace).args(["check", "advisories"])))
        .map(|()| None)
}

fn deny(program: &Path, workspace: &str) -> Command {
    let mut deny = Command::new(program);
    deny.current_dir(root())
        .arg("--manifest-path")
        .arg(root().join(workspace).join("Cargo.toml"))
        .args(["--locked", "--config", "deny.toml"]);
    deny
}

/// The pinned version, installed below the target folder when it is not there yet. A debug build: it compiles
/// in half the time, and the checks take a second either way.
fn program() -> Result<PathBuf> {
    let tools = installed("tools");
    let program = tools.join("bin/cargo-deny");
    if probe(&program, &["--version"]).is_some_and(|said| said == format!("cargo-deny {VERSION}")) {
        return Ok(program);
    }
    println!("installing cargo-deny {VERSION} into {}", tools.display());
    let mut cargo = cargo(root());
    cargo.args([
        "install",
        "cargo-deny",
        "--quiet",
        "--locked",
        "--debug",
        "--force",
        "--version",
        VERSION,
    ]);
    run(cargo.arg("--root").arg(&tools)).context("cargo-deny is needed for this step")?;
    Ok(program)
}

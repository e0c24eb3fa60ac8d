//! cargo-deny: what may be depended on. The rules and their reasons are in deny.toml.

use std::path::Path;
use std::process::Command;

use anyhow::Result;

use super::Skip;
use crate::process::run;
use crate::tools;
use crate::workspace::{NATIVE, WORKSPACES, root};

/// The newest that the compiler of rust-toolchain.toml builds.
const VERSION: &str = "0.20.2";

/// Rules and exceptions that nothing needs. The components depend on so little that most of them are idle there.
const STALE: [&str; 3] = [
    "license-not-encountered",
    "unmatched-skip",
    "unnecessary-skip",
];

/// Licences, bans, duplicates and sources of the lock files.
pub(super) fn check() -> Result<()> {
    let program = tools::program("cargo-deny", VERSION)?;
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
    let program = tools::program("cargo-deny", VERSION)?;
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

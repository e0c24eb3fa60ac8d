//! Packages of the system that a step's programs come from.

use std::process::Command;

use anyhow::{Context, Result};

use super::Skip;
use crate::process::{probe, run};

/// Installs what is not there, where this is root on Debian or one of its children.
pub(crate) fn ensure(packages: &[&str]) -> Result<Option<Skip>> {
    let missing: Vec<&str> = packages
        .iter()
        .copied()
        .filter(|package| !is_installed(package))
        .collect();
    if missing.is_empty() {
        return Ok(None);
    }
    if probe("id", &["-u"]).as_deref() != Some("0") || probe("apt-get", &["--version"]).is_none() {
        let why = format!(
            "{} are missing, and only root on a Debian-like system can have them installed here; install them",
            missing.join(", ")
        );
        return Ok(Some(Skip::Missing(why)));
    }
    println!("installing {}", missing.join(", "));
    run(apt().args(["update", "-qq"]))?;
    run(apt()
        .args(["install", "-y", "-qq", "--no-install-recommends"])
        .args(&missing))
    .context("packages of the system are needed for this step")?;
    Ok(None)
}

fn apt() -> Command {
    let mut apt = Command::new("apt-get");
    apt.env("DEBIAN_FRONTEND", "noninteractive");
    apt
}

fn is_installed(package: &str) -> bool {
    let format = "--showformat=${db:Status-Status}";
    probe("dpkg-query", &["--show", format, package]).as_deref() == Some("installed")
}

//! `cargo xtask bench`: the measurements, on release builds.

use std::process::Command;

use anyhow::{Result, bail};

use crate::cli;
use crate::cluster;
use crate::demo::become_program;
use crate::plugins;
use crate::process::{cargo, run};
use crate::test::Skip;
use crate::workspace::{program, root};

/// Builds what is measured and the bench program as they are released and becomes the latter.
pub(crate) fn measure(options: &cli::Bench) -> Result<()> {
    let (measured, bench) = match options.controller {
        true => ("podgate-controller", "bench-controller"),
        false => ("podgate-gateway", "bench"),
    };
    // The bench programs are one package with the gateway, which takes the plugins in; the guests are measured.
    plugins::build_all()?;
    if options.controller
        && let Some(Skip::Missing(why) | Skip::Environment(why)) = cluster::build()?
    {
        bail!(why);
    }
    println!("building {measured} and the bench program for release");
    run(cargo(root()).args([
        "build",
        "--release",
        "--locked",
        "-p",
        measured,
        "-p",
        "podgate-e2e",
        // Each other program is minutes of optimising across crates.
        "--bin",
        measured,
        "--bin",
        bench,
    ]))?;
    become_program(Command::new(program("release", bench)).args(&options.options))
}

//! `cargo xtask bench`: the measurements, on release builds.

use std::process::Command;

use anyhow::Result;

use crate::cli;
use crate::demo::become_program;
use crate::plugins;
use crate::process::{cargo, run};
use crate::workspace::{PLUGINS, program, root};

/// Builds the gateway and the bench program as they are released and becomes the latter.
pub(crate) fn measure(options: &cli::Bench) -> Result<()> {
    plugins::build(PLUGINS)?;
    println!("building the gateway and the bench program for release");
    run(cargo(root()).args([
        "build",
        "--release",
        "--locked",
        "--bins",
        "-p",
        "podgate-gateway",
        "-p",
        "podgate-e2e",
    ]))?;
    become_program(Command::new(program("release", "bench")).args(&options.options))
}

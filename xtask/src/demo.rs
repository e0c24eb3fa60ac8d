//! `cargo xtask demo`: the tour of the token path on embedded defaults.

use std::process::Command;

use anyhow::{Context, Result};

use crate::cli;
use crate::cluster;
use crate::process::{build_with_tests, cargo, line, run};
use crate::test::Skip;
use crate::workspace::{PLUGINS, program, root};
use crate::{netns, plugins};

/// Builds what the tour needs and becomes it, so that Ctrl-C reaches the tour alone and it can put things away.
pub(crate) fn show(options: &cli::Demo) -> Result<()> {
    if options.netns {
        return netns::show(options.once);
    }
    plugins::build(PLUGINS)?;
    println!(
        "building the gateway and the tour (minutes the first time: mostly the WebAssembly compiler)"
    );
    run(cargo(root()).args([
        "build",
        "--locked",
        "--bins",
        "-p",
        "podgate-gateway",
        "-p",
        "podgate-controller",
        "-p",
        "podgate-e2e",
    ]))?;
    if options.cluster
        && let Some(Skip::Missing(why) | Skip::Environment(why)) = cluster::build()?
    {
        anyhow::bail!(why);
    }
    become_program(&mut tour(options))
}

/// The tour as a test: the same program, of the build that the other tests use.
pub(crate) fn prove() -> Result<()> {
    build_with_tests()?;
    run(&mut tour(&cli::Demo {
        once: true,
        ..cli::Demo::default()
    }))
}

/// The same around a real API server, whose programs are there.
pub(crate) fn prove_cluster() -> Result<()> {
    run(&mut tour(&cli::Demo {
        once: true,
        cluster: true,
        ..cli::Demo::default()
    }))
}

fn tour(options: &cli::Demo) -> Command {
    let name = if options.cluster {
        "cluster-tour"
    } else {
        "tour"
    };
    let mut tour = Command::new(program("debug", name));
    tour.current_dir(root())
        .args(options.once.then_some("--once"));
    tour
}

/// Ends this program and goes on as the other where the system can; else waits for it.
pub(crate) fn become_program(command: &mut Command) -> Result<()> {
    #[cfg(unix)]
    {
        let error = std::os::unix::process::CommandExt::exec(command);
        Err(error).with_context(|| format!("starting `{}`", line(command)))
    }
    #[cfg(not(unix))]
    run(command)
}

//! Long runs, too long for every change: fuzz targets, each for a while (a finding is a file to keep as a seed), and
//! reloads of plugins by the hundred.

use std::path::Path;
use std::process::Command;

use anyhow::{Context, Result};

use crate::cli::Soak;
use crate::process::{build_with_tests, cargo, run};
use crate::tools;
use crate::workspace::{root, target};

const VERSION: &str = "0.13.1";

/// What is fuzzed: the names of tests/fuzz/targets.
const TARGETS: [&str; 5] = ["request", "settings", "manifest", "pfx", "answer"];

/// Longer inputs find nothing that shorter ones do not, and take longer.
const LONGEST_INPUT: u32 = 4096;

/// One of the two.
pub(crate) fn perform(options: &Soak) -> Result<()> {
    match options.reloads {
        Some(reloads) => reload(reloads),
        None => fuzz_all(options),
    }
}

/// The test that does so fifty times for every change.
fn reload(reloads: u64) -> Result<()> {
    build_with_tests()?;
    let test = "reload::reloads_under_load_lose_no_request_and_keep_no_memory";
    let mut cargo = cargo(root());
    cargo.env("SOAK_RELOADS", reloads.to_string());
    cargo.args(["test", "--locked", "--workspace", "--test", "plugins", "--"]);
    run(cargo.args([test, "--exact", "--nocapture"]))
}

/// Every target for its share of the time, from the seeds and whatever earlier runs found.
fn fuzz_all(options: &Soak) -> Result<()> {
    let program = tools::program("cargo-fuzz", VERSION)?;
    let seconds = (options.minutes * 60).div_ceil(TARGETS.len() as u64);
    for name in TARGETS {
        println!("fuzzing {name} for {seconds} s (the first build takes ten minutes)");
        fuzz(&program, name, seconds)?;
    }
    println!("{} targets, {seconds} s each: no finding", TARGETS.len());
    Ok(())
}

fn fuzz(program: &Path, name: &str, seconds: u64) -> Result<()> {
    let corpus = target().join("fuzz-corpus").join(name);
    std::fs::create_dir_all(&corpus).context("the corpus' folder")?;
    let seeds = root().join("tests/fuzz/seeds").join(name);
    let mut command = Command::new(program);
    command
        .current_dir(root())
        // Instrumentation is behind unstable flags; this is how the pinned compiler takes them.
        .env("RUSTC_BOOTSTRAP", "1")
        .args(["run", "--fuzz-dir", "tests/fuzz", "--target-dir"])
        .arg(target().join("fuzz"))
        .arg(name)
        .args([&corpus, &seeds])
        .args([
            "--",
            &format!("-max_total_time={seconds}"),
            &format!("-max_len={LONGEST_INPUT}"),
        ])
        .args(["-timeout=10", "-rss_limit_mb=1024"]);
    run(&mut command).with_context(|| format!("{name}: tests/fuzz/artifacts/{name} has the input"))
}

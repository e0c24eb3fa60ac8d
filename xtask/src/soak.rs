//! Long runs: fuzz targets, each for a while. Too long for every change; a finding is a file to keep as a seed.

use std::path::Path;
use std::process::Command;

use anyhow::{Context, Result};

use crate::cli::Soak;
use crate::process::run;
use crate::tools;
use crate::workspace::{root, target};

const VERSION: &str = "0.13.1";

/// What is fuzzed: the names of tests/fuzz/targets.
const TARGETS: [&str; 5] = ["request", "settings", "manifest", "pfx", "answer"];

/// Longer inputs find nothing that shorter ones do not, and take longer.
const LONGEST_INPUT: u32 = 4096;

/// Every target for its share of the time, from the seeds and whatever earlier runs found.
pub(crate) fn perform(options: &Soak) -> Result<()> {
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

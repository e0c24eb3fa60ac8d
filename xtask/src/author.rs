//! What a plugin's author does, by each route, from an empty folder on: the tests of tests/e2e/tests/author.

use std::fs;
use std::path::Path;
use std::process::Command;

use anyhow::{Context, Result};

use crate::process::{build_with_tests, cargo, probe, run};
use crate::test::Skip;
use crate::tools;
use crate::wit;
use crate::workspace::{installed, root};

/// The last one; its successor is cargo itself.
const CARGO_COMPONENT: &str = "0.21.1";
/// The example in Python, with the versions of what builds it.
const PYTHON: &str = "examples/plugins/required-labels/requirements.txt";

/// In Rust: by templates and by cargo-component, with a registry of files.
pub(crate) fn prove() -> Result<()> {
    tools::program("cargo-component", CARGO_COMPONENT)?;
    build_with_tests()?;
    wit::write()?;
    run(tests().args(["--skip", "python::"]))
}

/// In Python. Its tools are a package of PyPI, installed when they are not there yet.
pub(crate) fn prove_python() -> Result<Option<Skip>> {
    let venv = ["-c", "import ensurepip, sys, venv; print(sys.version)"];
    let Some(version) = probe("python3", &venv) else {
        let why = "the example in Python needs python3 with venv, and this machine has none";
        return Ok(Some(Skip::Missing(why.to_owned())));
    };
    set_up(&version)?;
    build_with_tests()?;
    run(tests().arg("python::"))?;
    Ok(None)
}

fn tests() -> Command {
    let mut cargo = cargo(root());
    cargo.args([
        "test",
        "--locked",
        "--workspace",
        "--test",
        "author",
        "--",
        "--ignored",
    ]);
    cargo
}

/// A virtual environment, made anew when the pinned versions or Python itself are others.
fn set_up(version: &str) -> Result<()> {
    let home = installed("tools").join("python");
    let requirements = root().join(PYTHON);
    let pinned = fs::read_to_string(&requirements).context(PYTHON)?;
    let stamp = format!("{version}\n{pinned}");
    let made_from = home.join(".made-from");
    if fs::read_to_string(&made_from).is_ok_and(|written| written == stamp) {
        return Ok(());
    }
    println!("installing componentize-py into {}", home.display());
    if home.exists() {
        fs::remove_dir_all(&home).with_context(|| format!("removing {}", home.display()))?;
    }
    run(Command::new("python3").args(["-m", "venv"]).arg(&home))?;
    install(&home, &requirements)?;
    fs::write(made_from, stamp).context("noting that componentize-py is installed")
}

fn install(home: &Path, requirements: &Path) -> Result<()> {
    let mut pip = Command::new(home.join("bin/python"));
    pip.args([
        "-m",
        "pip",
        "install",
        "--quiet",
        "--disable-pip-version-check",
    ]);
    pip.args([
        "--require-hashes",
        "--only-binary",
        ":all:",
        "--requirement",
    ]);
    run(pip.arg(requirements))
}

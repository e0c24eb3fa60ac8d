//! Builds the built-in components, so that `cargo build` of the gateway always embeds what the sources say.

use std::env;
use std::error::Error;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

const TARGET: &str = "wasm32-unknown-unknown";
const COMPONENTS: [&str; 3] = ["exception_matcher", "certificate_auth", "token_cache"];

fn main() -> Result<(), Box<dyn Error>> {
    let root = PathBuf::from(env::var("CARGO_MANIFEST_DIR")?).join("..");
    let out = PathBuf::from(env::var("OUT_DIR")?);
    for watched in ["plugins", "wit"] {
        println!("cargo::rerun-if-changed={}", root.join(watched).display());
    }
    install_target()?;
    build(&root.join("plugins"))?;
    let built = root.join("target/plugins").join(TARGET).join("release");
    for component in COMPONENTS {
        let file = format!("{component}.wasm");
        fs::copy(built.join(&file), out.join(&file))
            .map_err(|error| format!("copying {file} from {}: {error}", built.display()))?;
    }
    Ok(())
}

/// A fresh toolchain lacks the target; rustup has it.
fn install_target() -> Result<(), Box<dyn Error>> {
    let rustc = env::var("RUSTC")?;
    let output = Command::new(rustc)
        .args(["--print", "target-libdir", "--target", TARGET])
        .output()?;
    if Path::new(String::from_utf8(output.stdout)?.trim()).is_dir() {
        return Ok(());
    }
    run(Command::new("rustup").args(["target", "add", TARGET]))
        .map_err(|error| format!("{error}; install the target {TARGET} by hand").into())
}

/// In the plugins' own workspace: its profile, its lock file, its target folder.
fn build(workspace: &Path) -> Result<(), Box<dyn Error>> {
    let mut cargo = Command::new(env::var("CARGO")?);
    cargo
        .current_dir(workspace)
        .args([
            "build",
            "--quiet",
            "--release",
            "--locked",
            "--target",
            TARGET,
        ])
        .arg("--target-dir")
        .arg("../target/plugins");
    // What cargo set for this build script would be taken for settings of the inner build.
    for (name, _) in env::vars().filter(|(name, _)| is_of_this_build(name)) {
        cargo.env_remove(name);
    }
    run(&mut cargo)
}

fn is_of_this_build(name: &str) -> bool {
    let prefixes = [
        "CARGO_PKG_",
        "CARGO_CFG_",
        "CARGO_FEATURE_",
        "CARGO_MANIFEST_",
        "DEP_",
    ];
    let names = [
        "CARGO_ENCODED_RUSTFLAGS",
        "RUSTFLAGS",
        "TARGET",
        "HOST",
        "PROFILE",
        "OPT_LEVEL",
        "DEBUG",
        "OUT_DIR",
        "NUM_JOBS",
        "RUSTC",
        "RUSTDOC",
        "RUSTC_WORKSPACE_WRAPPER",
        "RUSTC_WRAPPER",
        "CLIPPY_ARGS",
        "CARGO_TARGET_DIR",
    ];
    prefixes.iter().any(|prefix| name.starts_with(prefix)) || names.contains(&name)
}

fn run(command: &mut Command) -> Result<(), Box<dyn Error>> {
    let status = command
        .status()
        .map_err(|error| format!("{command:?}: {error}"))?;
    match status.success() {
        true => Ok(()),
        false => Err(format!("{command:?} failed: {status}").into()),
    }
}

//! What the host does about real components that misbehave, one way each: `tests/guests` of the repository.
#![allow(clippy::unwrap_used, reason = "tests")]

use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::OnceLock;

use podgate_plugin_host::Plugin;

#[path = "../support/mod.rs"]
mod support;

mod cache;
mod credential;
mod policy;
mod released;
mod service_account;

use support::plugin;

const NATIVE: &str = "wasm32-unknown-unknown";
const WASI: &str = "wasm32-wasip2";

/// A component of `tests/guests`, built by cargo where it is missing or older than its source.
fn guest(target: &str, name: &str) -> Vec<u8> {
    static BUILT: OnceLock<PathBuf> = OnceLock::new();
    let folder = BUILT.get_or_init(build);
    let path = folder
        .join(target)
        .join("release")
        .join(format!("{name}.wasm"));
    std::fs::read(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}

fn build() -> PathBuf {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("../..");
    let folder = root.join("target/guests");
    let status = Command::new(env!("CARGO"))
        .args(["build", "--release", "--locked"])
        .current_dir(root.join("tests/guests"))
        .env("CARGO_TARGET_DIR", &folder)
        // Flags for this machine's code are none for wasm.
        .env_remove("RUSTFLAGS")
        .env_remove("CARGO_ENCODED_RUSTFLAGS")
        .env_remove("CARGO_BUILD_TARGET")
        .status()
        .unwrap();
    assert!(status.success(), "building tests/guests: {status}");
    folder
}

fn misbehaving(kind: &str, settings: &str) -> Plugin {
    let mut plugin = plugin(guest(NATIVE, &format!("misbehaving_{kind}")));
    plugin.settings = settings.into();
    plugin.grants.clock = true;
    plugin
}

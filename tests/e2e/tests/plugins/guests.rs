//! The components of `tests/guests`, built when a test first asks for one.

use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::LazyLock;

use serde_json::{Value, json};

/// A policy with one mode per misdeed.
pub(crate) const POLICY: &str = "wasm32-unknown-unknown/release/misbehaving_policy.wasm";
/// The same for credential plugins.
pub(crate) const CREDENTIAL: &str = "wasm32-unknown-unknown/release/misbehaving_credential.wasm";
/// The same for cache plugins.
pub(crate) const CACHE: &str = "wasm32-unknown-unknown/release/misbehaving_cache.wasm";
/// A policy that imports `http`.
pub(crate) const GREEDY: &str = "wasm32-unknown-unknown/release/greedy_policy.wasm";
/// A policy for interfaces of version 0.2.0.
pub(crate) const FUTURE: &str = "wasm32-unknown-unknown/release/future_policy.wasm";
/// A well-behaved policy on WASI 0.2.
pub(crate) const WASI: &str = "wasm32-wasip2/release/wasi_policy.wasm";

static BUILT: LazyLock<PathBuf> = LazyLock::new(build);

/// A plugin of this component with these settings, named `guest`, as an entry of a plugins file.
pub(crate) fn guest(component: &str, settings: Value) -> Value {
    let file = path(component);
    let sha256 = sha256(&file);
    json!({"name": "guest", "component": {"file": file, "sha256": sha256}, "settings": settings})
}

/// Where a component is.
pub(crate) fn path(component: &str) -> PathBuf {
    BUILT.join(component)
}

/// By the command that the documentation names.
pub(crate) fn sha256(file: &Path) -> String {
    let output = Command::new("sha256sum").arg(file).output().unwrap();
    let text = String::from_utf8(output.stdout).unwrap();
    text.split_whitespace().next().unwrap().to_owned()
}

/// Cargo itself knows whether anything is stale.
fn build() -> PathBuf {
    let guests = Path::new(env!("CARGO_MANIFEST_DIR")).join("../guests");
    let mut cargo = Command::new(std::env::var_os("CARGO").unwrap_or("cargo".into()));
    cargo.current_dir(&guests);
    cargo.args(["build", "--quiet", "--release", "--locked"]);
    // What cargo set for this test would be taken for settings of the inner build.
    for (name, _) in std::env::vars().filter(|(name, _)| is_of_this_build(name)) {
        cargo.env_remove(name);
    }
    let status = cargo.status().unwrap();
    assert!(
        status.success(),
        "{cargo:?} failed; the guests need `rustup target add wasm32-unknown-unknown wasm32-wasip2`"
    );
    guests.join("../../target/guests").canonicalize().unwrap()
}

fn is_of_this_build(name: &str) -> bool {
    let kept = [
        "CARGO_HOME",
        "CARGO_NET_OFFLINE",
        "CARGO_HTTP_",
        "CARGO_REGISTRIES_",
        "CARGO_SOURCE_",
    ];
    let is_cargos = name.starts_with("CARGO") && !kept.iter().any(|kept| name.starts_with(kept));
    is_cargos
        || [
            "RUSTFLAGS",
            "RUSTC",
            "RUSTDOC",
            "RUSTC_WRAPPER",
            "RUSTC_WORKSPACE_WRAPPER",
        ]
        .contains(&name)
}

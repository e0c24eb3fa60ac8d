//! Where things are.

use std::path::{Path, PathBuf};

/// The workspaces, each with a lock file of its own, from the root of the repository.
pub(crate) const WORKSPACES: [&str; 4] = [NATIVE, PLUGINS, GUESTS, EXAMPLES];
/// The gateway and all that goes with it.
pub(crate) const NATIVE: &str = ".";
/// The built-in components.
pub(crate) const PLUGINS: &str = "plugins";
/// The misbehaving components of the tests.
pub(crate) const GUESTS: &str = "tests/guests";
/// Plugins that are useful as they stand: a workspace as authors have.
pub(crate) const EXAMPLES: &str = "examples/plugins";

/// The root of the repository.
pub(crate) fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
        .parent()
        .expect("xtask is a folder of the repository")
}

/// Where cargo puts what it builds of the native workspace.
pub(crate) fn target() -> PathBuf {
    std::env::var_os("CARGO_TARGET_DIR")
        .map_or_else(|| root().join("target"), |folder| root().join(folder))
}

/// The program `name` as the dev or the release profile built it.
pub(crate) fn program(profile: &str, name: &str) -> PathBuf {
    target()
        .join(profile)
        .join(name)
        .with_extension(std::env::consts::EXE_EXTENSION)
}

/// Where programs and packages that are not cargo's own go: always below the repository, since tests that
/// know nothing of cargo's settings look for them there.
pub(crate) fn installed(what: &str) -> PathBuf {
    root().join("target").join(what)
}

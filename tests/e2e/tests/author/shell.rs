//! Commands as an author types them: podgate's own programs first on the path, and nothing of this test's own build.

use std::ffi::OsString;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

/// What a command said.
pub(crate) struct Said {
    pub(crate) code: i32,
    pub(crate) out: String,
    pub(crate) err: String,
}

/// The root of the repository.
pub(crate) fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("../..")
        .canonicalize()
        .unwrap()
}

/// Where cargo put podgate's programs: above the tests'.
fn programs() -> PathBuf {
    let this = std::env::current_exe().unwrap();
    this.ancestors().nth(2).unwrap().to_owned()
}

/// A program in a folder, with an author's environment.
pub(crate) fn command(program: &str, folder: &Path) -> Command {
    let mut path = vec![programs(), root().join("target/tools/bin")];
    path.extend(std::env::split_paths(
        &std::env::var_os("PATH").unwrap_or_default(),
    ));
    let mut command = Command::new(program);
    for (name, _) in std::env::vars_os().filter(|(name, _)| is_of_this_build(name)) {
        command.env_remove(name);
    }
    command
        .current_dir(folder)
        .env("PATH", std::env::join_paths(path).unwrap());
    command
}

fn is_of_this_build(name: &OsString) -> bool {
    let name = name.to_string_lossy();
    let kept = [
        "CARGO_HOME",
        "CARGO_NET_OFFLINE",
        "CARGO_HTTP_",
        "CARGO_REGISTRIES_",
        "CARGO_SOURCE_",
    ];
    let is_cargos = name.starts_with("CARGO") && !kept.iter().any(|kept| name.starts_with(kept));
    is_cargos || ["RUSTFLAGS", "RUSTC", "RUSTDOC", "LD_LIBRARY_PATH"].contains(&&*name)
}

/// Runs to the end.
pub(crate) fn said(command: &mut Command) -> Said {
    let Output {
        status,
        stdout,
        stderr,
    } = command.output().unwrap();
    Said {
        code: status.code().unwrap_or(-1),
        out: String::from_utf8_lossy(&stdout).into_owned(),
        err: String::from_utf8_lossy(&stderr).into_owned(),
    }
}

/// `podgate plugin …`
pub(crate) fn podgate(folder: &Path, arguments: &[&str]) -> Said {
    let program = programs().join("podgate");
    assert!(
        program.exists(),
        "podgate is not built: `cargo build -p podgate-cli`"
    );
    said(
        command(program.to_str().unwrap(), folder)
            .arg("plugin")
            .args(arguments),
    )
}

/// `cargo …`, which has to succeed.
pub(crate) fn cargo(folder: &Path, target: &Path, arguments: &[&str]) {
    let mut cargo = command("cargo", folder);
    cargo.env("CARGO_TARGET_DIR", target).args(arguments);
    let said = said(&mut cargo);
    assert_eq!(said.code, 0, "cargo {arguments:?}: {}", said.err);
}

/// Where tests of this file build, so that each builds what they share once.
pub(crate) fn target() -> PathBuf {
    Path::new(env!("CARGO_TARGET_TMPDIR")).join("author")
}

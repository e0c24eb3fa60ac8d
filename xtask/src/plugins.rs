//! `cargo xtask plugins`: the components, built in their own workspaces for their own target.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result, ensure};

use crate::process::{cargo, output, run};
use crate::workspace::{GUESTS, PLUGINS, root};

/// What the built-in components are made for, and what plugin authors' own toolchains make.
const TARGETS: [&str; 2] = ["wasm32-unknown-unknown", "wasm32-wasip2"];

/// The built-in components and the tests' guests.
pub(crate) fn build_all() -> Result<()> {
    build(PLUGINS)?;
    build(GUESTS)
}

/// The components of one workspace, with a line for each that says how big it is.
pub(crate) fn build(workspace: &str) -> Result<()> {
    TARGETS.into_iter().try_for_each(install)?;
    println!("building the components of {workspace}");
    let messages = output(cargo(root().join(workspace)).args([
        "build",
        "--release",
        "--locked",
        "--message-format=json-render-diagnostics",
    ]))?;
    let components = components(&messages);
    ensure!(
        !components.is_empty(),
        "{workspace} was built, but made no component"
    );
    components
        .iter()
        .try_for_each(|component| print_size(component))
}

/// rust-toolchain.toml asks rustup for the targets; a toolchain that came in another way may lack them.
fn install(target: &str) -> Result<()> {
    let mut rustc = Command::new("rustc");
    rustc
        .current_dir(root())
        .args(["--print", "target-libdir", "--target", target]);
    if Path::new(output(&mut rustc)?.trim()).is_dir() {
        return Ok(());
    }
    println!("adding the target {target} to the toolchain");
    run(Command::new("rustup").current_dir(root()).args(["target", "add", target])).with_context(|| {
        format!("the toolchain lacks the target {target} and rustup cannot add it; install it as your toolchain was installed")
    })
}

/// The files that cargo says it made: taken from its messages, so that no layout of folders is assumed.
fn components(messages: &str) -> BTreeSet<PathBuf> {
    messages
        .split('"')
        .filter(|word| word.ends_with(".wasm"))
        .map(PathBuf::from)
        .collect()
}

fn print_size(component: &Path) -> Result<()> {
    let bytes = fs::metadata(component)
        .with_context(|| format!("looking at {}", component.display()))?
        .len();
    let resolved = component.canonicalize()?;
    let shown = resolved
        .strip_prefix(root().canonicalize()?)
        .unwrap_or(&resolved);
    println!("{:>6} KiB  {}", bytes.div_ceil(1024), shown.display());
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_component_is_found_once_in_cargos_messages() {
        let message =
            r#"{"reason":"compiler-artifact","filenames":["/t/release/a.wasm"],"executable":null}"#;
        let twice =
            format!("{message}\n{message}\n{{\"reason\":\"build-finished\",\"success\":true}}");
        assert_eq!(
            components(&twice).into_iter().collect::<Vec<_>>(),
            [Path::new("/t/release/a.wasm")]
        );
    }
}

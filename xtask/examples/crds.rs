//! Writes `api/crds/*.yaml`, or with `--check` compares them; `cargo xtask crds` runs it.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, bail, ensure};

const HEADER: &str = "# Made by `cargo xtask crds` from the types of podgate-api: change those.\n";

fn main() -> Result<()> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../api/crds");
    let definitions = definitions()?;
    match std::env::args().nth(1).as_deref() {
        None => write(&folder, &definitions),
        Some("--check") => compare(&folder, &definitions),
        Some(other) => bail!("there is no option {other}; only --check"),
    }
}

/// What each file is to say, by its name.
fn definitions() -> Result<BTreeMap<String, String>> {
    let crds = podgate_api::crds();
    crds.iter()
        .map(|crd| {
            let name = crd
                .metadata
                .name
                .as_deref()
                .context("a definition without a name")?;
            let yaml =
                serde_saphyr::to_string(crd).with_context(|| format!("writing {name} as YAML"))?;
            Ok((format!("{name}.yaml"), format!("{HEADER}{yaml}")))
        })
        .collect()
}

fn write(folder: &Path, definitions: &BTreeMap<String, String>) -> Result<()> {
    fs::create_dir_all(folder)?;
    for stale in files(folder)?
        .keys()
        .filter(|file| !definitions.contains_key(*file))
    {
        fs::remove_file(folder.join(stale)).with_context(|| format!("removing {stale}"))?;
    }
    for (file, yaml) in definitions {
        fs::write(folder.join(file), yaml).with_context(|| format!("writing {file}"))?;
        println!("api/crds/{file}");
    }
    Ok(())
}

fn compare(folder: &Path, definitions: &BTreeMap<String, String>) -> Result<()> {
    let written = files(folder)?;
    let names = definitions.keys().chain(written.keys());
    let mut differing: Vec<_> = names
        .filter(|file| written.get(*file) != definitions.get(*file))
        .collect();
    differing.dedup();
    ensure!(
        differing.is_empty(),
        "api/crds differs from the types in {differing:?}: run `cargo xtask crds`"
    );
    Ok(())
}

fn files(folder: &Path) -> Result<BTreeMap<String, String>> {
    let entries = fs::read_dir(folder).with_context(|| format!("listing {}", folder.display()))?;
    entries
        .map(|entry| {
            let path: PathBuf = entry?.path();
            let name = path
                .file_name()
                .unwrap_or_default()
                .to_string_lossy()
                .into_owned();
            Ok((name, fs::read_to_string(&path)?))
        })
        .collect()
}

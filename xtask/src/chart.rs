//! `cargo xtask chart`: what is made of the helm chart, and the checks of what helm makes of it.
//!
//! ```text
//! api/crds ───────────────────────────▶ charts/podgate/crds
//! values.yaml + values.schema.json ───▶ charts/podgate/README.md
//! tests/chart/values/X.yaml ──helm────▶ tests/chart/golden/X.yaml
//! tests/chart/refused/X.yaml ─helm────▶ refused, with the words of its first line
//! ```

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, bail, ensure};

use self::helm::Helm;
pub(crate) use self::helm::KUBERNETES;
use crate::cli;
use crate::test::Skip;
use crate::workspace::root;

mod dashboard;
mod helm;
mod readme;
mod values;

/// Relative to the root of the repository.
const CHART: &str = "charts/podgate";
const CASES: &str = "tests/chart";

/// Files by their path from the root of the repository.
type Files = BTreeMap<PathBuf, String>;

/// Writes what is made, or compares it.
pub(crate) fn perform(options: &cli::Chart) -> Result<()> {
    if options.check {
        return match prove()? {
            Some(Skip::Missing(why) | Skip::Environment(why)) => bail!(why),
            None => Ok(()),
        };
    }
    write(&derived()?)?;
    match helm::set_up()? {
        Ok(helm) => write(&goldens(&helm)?),
        Err(Skip::Missing(why) | Skip::Environment(why)) => bail!(why),
    }
}

/// All checks: of derived files, of the chart as helm sees it, of values that are to be refused.
pub(crate) fn prove() -> Result<Option<Skip>> {
    compare(&derived()?)?;
    let programs = ["gateway/src", "watch/src", "controller/src"];
    dashboard::check(
        &root().join(CHART),
        &programs.map(|folder| root().join(folder)),
    )?;
    let helm = match helm::set_up()? {
        Ok(helm) => helm,
        Err(skip) => return Ok(Some(skip)),
    };
    helm.lint(&root().join(CHART))?;
    let goldens = goldens(&helm)?;
    compare(&goldens)?;
    let refused = refuse(&helm)?;
    println!(
        "{} modes as they are to be, {refused} mistakes refused",
        goldens.len()
    );
    Ok(None)
}

/// Builds helm where it is not there yet; says what is missing on a machine that cannot.
pub(crate) fn lacks_helm() -> Result<Option<Skip>> {
    Ok(helm::set_up()?.err())
}

/// The program itself; what is missing on a machine that cannot have it.
pub(crate) fn helm() -> Result<Result<PathBuf, Skip>> {
    Ok(helm::set_up()?.map(|helm| helm.program().to_owned()))
}

/// What needs no helm.
fn derived() -> Result<Files> {
    let chart = root().join(CHART);
    let mut files = Files::new();
    for (name, text) in read_all(&root().join("api/crds"))? {
        files.insert(Path::new(CHART).join("crds").join(name), text);
    }
    let read = |name: &str| {
        fs::read_to_string(chart.join(name)).with_context(|| format!("reading {CHART}/{name}"))
    };
    let text = readme::text(
        &values::parse(&read("values.yaml")?)?,
        &read("values.schema.json")?,
    )?;
    files.insert(Path::new(CHART).join("README.md"), text);
    Ok(files)
}

fn goldens(helm: &Helm) -> Result<Files> {
    let values = read_all(&root().join(CASES).join("values"))?;
    ensure!(
        !values.is_empty(),
        "{CASES}/values has no file: nothing would be proved"
    );
    let golden = |name: &String| {
        let rendered = helm.template(
            &root().join(CHART),
            &root().join(CASES).join("values").join(name),
        )?;
        let text = rendered.map_err(|error| anyhow::anyhow!("{CASES}/values/{name}: {error}"))?;
        Ok((Path::new(CASES).join("golden").join(name), text))
    };
    values.keys().map(golden).collect()
}

/// Each file of values is refused with the words that its first line promises; the number of them comes back.
fn refuse(helm: &Helm) -> Result<usize> {
    let folder = root().join(CASES).join("refused");
    let cases = read_all(&folder)?;
    ensure!(
        !cases.is_empty(),
        "{CASES}/refused has no file: nothing would be proved"
    );
    for (name, text) in &cases {
        let words = text
            .lines()
            .next()
            .and_then(|line| line.strip_prefix("# says: "));
        let words = words.with_context(|| {
            format!("{CASES}/refused/{name}: the first line is to be `# says: WORDS`")
        })?;
        match helm.template(&root().join(CHART), &folder.join(name))? {
            Ok(_) => bail!(
                "{CASES}/refused/{name}: the chart takes these values, and should say {words:?}"
            ),
            Err(error) => ensure!(
                error.contains(words),
                "{CASES}/refused/{name}: helm is to say {words:?}, and says: {error}"
            ),
        }
    }
    Ok(cases.len())
}

fn write(files: &Files) -> Result<()> {
    for stale in stale(files)? {
        fs::remove_file(root().join(&stale))
            .with_context(|| format!("removing {}", stale.display()))?;
        println!("removed {}", stale.display());
    }
    for (path, text) in files {
        if fs::read_to_string(root().join(path)).is_ok_and(|written| written == *text) {
            continue;
        }
        fs::write(root().join(path), text)
            .with_context(|| format!("writing {}", path.display()))?;
        println!("{}", path.display());
    }
    Ok(())
}

fn compare(files: &Files) -> Result<()> {
    if let Some(stale) = stale(files)?.first() {
        bail!(
            "{} is made of nothing any more: run `cargo xtask chart`",
            stale.display()
        );
    }
    for (path, text) in files {
        let written = fs::read_to_string(root().join(path)).unwrap_or_default();
        if let Some(difference) = difference(&written, text) {
            bail!(
                "{}: {difference}; look at it with `cargo xtask chart` and `git diff`",
                path.display()
            );
        }
    }
    Ok(())
}

/// Files beside the made ones, in folders that have no others.
fn stale(files: &Files) -> Result<Vec<PathBuf>> {
    let mut stale = Vec::new();
    for folder in [
        Path::new(CHART).join("crds"),
        Path::new(CASES).join("golden"),
    ] {
        if !files.keys().any(|path| path.starts_with(&folder)) {
            continue;
        }
        let names = read_all(&root().join(&folder))?.into_keys();
        stale.extend(
            names
                .map(|name| folder.join(name))
                .filter(|path| !files.contains_key(path)),
        );
    }
    Ok(stale)
}

/// The first line that differs.
fn difference(written: &str, made: &str) -> Option<String> {
    if written == made {
        return None;
    }
    let mut lines = written.lines().zip(made.lines()).enumerate();
    let first = lines.find(|(_, (written, made))| written != made);
    Some(match first {
        Some((at, (written, made))) => format!(
            "line {} says {written:?}, and would now be {made:?}",
            at + 1
        ),
        None => format!(
            "has {} lines, and would now have {}",
            written.lines().count(),
            made.lines().count()
        ),
    })
}

/// The texts of a folder's files, by name; a folder that is not there has none.
fn read_all(folder: &Path) -> Result<BTreeMap<String, String>> {
    if !folder.is_dir() {
        return Ok(BTreeMap::new());
    }
    let entries = fs::read_dir(folder).with_context(|| format!("listing {}", folder.display()))?;
    let read = |entry: std::io::Result<fs::DirEntry>| {
        let path = entry?.path();
        let name = path
            .file_name()
            .unwrap_or_default()
            .to_string_lossy()
            .into_owned();
        let text =
            fs::read_to_string(&path).with_context(|| format!("reading {}", path.display()))?;
        Ok((name, text))
    };
    entries.map(read).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_difference_names_the_first_line_that_differs() {
        assert_eq!(difference("a\nb\n", "a\nb\n"), None);
        let told = difference("a\nb\nc\n", "a\nx\nc\n").unwrap();
        assert_eq!(told, r#"line 2 says "b", and would now be "x""#);
    }

    #[test]
    fn a_text_that_only_goes_on_differs_by_its_length() {
        assert_eq!(
            difference("a\n", "a\nb\n").unwrap(),
            "has 1 lines, and would now have 2"
        );
    }
}

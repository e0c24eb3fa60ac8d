//! The dashboard asks for nothing that is not counted.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, ensure};

const DASHBOARD: &str = "dashboards/podgate.json";
/// What each series of ours begins with.
const PREFIXES: [&str; 2] = ["podgate_", "aadpodidentity_"];
/// What Prometheus and OpenMetrics add to a registered name.
const ENDINGS: [&str; 4] = ["_total", "_bucket", "_sum", "_count"];

/// Every series of the dashboard is registered somewhere in `sources`.
///
/// # Errors
/// One is not, or there is none at all.
pub(super) fn check(chart: &Path, sources: &[PathBuf]) -> Result<()> {
    let text = fs::read_to_string(chart.join(DASHBOARD))
        .with_context(|| format!("reading {DASHBOARD}"))?;
    serde_json::from_str::<serde_json::Value>(&text).context(DASHBOARD)?;
    let mut code = String::new();
    for folder in sources {
        read(folder, &mut code)?;
    }
    let series = series(&text);
    ensure!(
        !series.is_empty(),
        "{DASHBOARD} asks for no series: nothing would be proved"
    );
    for name in series {
        let bare = ENDINGS
            .iter()
            .find_map(|ending| name.strip_suffix(ending))
            .unwrap_or(name);
        ensure!(
            [name, bare]
                .iter()
                .any(|name| code.contains(&format!("\"{name}\""))),
            "{DASHBOARD} asks for a series {name}, which no program registers"
        );
    }
    Ok(())
}

/// The names without their prefixes.
fn series(text: &str) -> BTreeSet<&str> {
    let words = text.split(|letter: char| !letter.is_ascii_alphanumeric() && letter != '_');
    words
        .filter_map(|word| PREFIXES.iter().find_map(|prefix| word.strip_prefix(prefix)))
        .collect()
}

fn read(folder: &Path, code: &mut String) -> Result<()> {
    for entry in fs::read_dir(folder).with_context(|| format!("listing {}", folder.display()))? {
        let path = entry?.path();
        if path.is_dir() {
            read(&path, code)?;
        } else {
            code.push_str(&fs::read_to_string(&path)?);
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn series_are_found_in_expressions() {
        let found =
            series(r#"sum(rate(podgate_refusals_total{a="b"}[1m])) / aadpodidentity_x_count"#);
        assert_eq!(
            found.into_iter().collect::<Vec<_>>(),
            ["refusals_total", "x_count"]
        );
    }
}

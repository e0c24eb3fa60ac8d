//! What the book tells to type: helm renders its commands and values, and the files that it names exist.

use std::fs;
use std::path::Path;
use std::process::{Command, Stdio};

use anyhow::{Context, Result, ensure};

use super::files;
use crate::chart::{self, KUBERNETES};
use crate::process::line;
use crate::test::Skip;
use crate::workspace::{installed, root};

/// The book's name of the chart.
const CHART: &str = "charts/podgate";
/// Files that a reader makes, and what stands for them here.
const STAND_INS: [(&str, &str); 3] = [
    ("old-defaults.yaml", "tests/chart/values/old-chart.yaml"),
    ("old-values.yaml", "tests/chart/values/old-chart.yaml"),
    (
        "identities.yaml",
        "tests/chart/values/service-principals.yaml",
    ),
];
/// Of `helm install` and `helm upgrade`, without a meaning for what is rendered.
const WITHOUT_EFFECT: [&str; 4] = [
    "--reuse-values",
    "--reset-then-reuse-values",
    "--take-ownership",
    "--create-namespace",
];
/// Folders of the repository whose files commands name.
const FOLDERS: [&str; 2] = ["examples/", "charts/"];
/// The first lines of values in the book.
const VALUES: [&str; 2] = ["# values.yaml\n", "# old-defaults.yaml\n"];

/// Of every chapter.
///
/// # Errors
/// helm refuses a command or values, or a file is not there; which, and why.
pub(super) fn check(sources: &Path) -> Result<Option<Skip>> {
    let helm = match chart::helm()? {
        Ok(helm) => helm,
        Err(skip) => return Ok(Some(skip)),
    };
    let (mut rendered, mut named) = (0, 0);
    for page in files(sources, "md")? {
        let text = fs::read_to_string(&page)?;
        let told = || format!("{}", page.display());
        for command in commands(&text) {
            named += exist(&command).with_context(told)?;
            let Some(arguments) = template(&command) else {
                continue;
            };
            render(&helm, &arguments).with_context(|| format!("{}: `{command}`", told()))?;
            rendered += 1;
        }
        let are_values = |fence: &&str| VALUES.iter().any(|first| fence.starts_with(first));
        for values in fences(&text, "yaml").filter(are_values) {
            render_values(&helm, values).with_context(|| format!("{}:\n{values}", told()))?;
            rendered += 1;
        }
    }
    ensure!(
        rendered > 0,
        "the book tells nothing to helm: nothing was proved"
    );
    println!("helm takes {rendered} commands and values, {named} files are there");
    Ok(None)
}

/// What stands in fences of a language.
fn fences<'a>(text: &'a str, language: &str) -> impl Iterator<Item = &'a str> {
    text.split(&format!("```{language}\n"))
        .skip(1)
        .filter_map(|rest| Some(rest.split_once("```")?.0))
        .collect::<Vec<_>>()
        .into_iter()
}

/// The commands of a page, each in one line.
fn commands(text: &str) -> Vec<String> {
    fences(text, "sh")
        .flat_map(|fence| {
            let whole = fence.replace("\\\n", " ");
            whole.lines().map(str::to_owned).collect::<Vec<_>>()
        })
        .collect()
}

/// The number of files of the repository that a command names.
fn exist(command: &str) -> Result<usize> {
    let is_ours = |word: &&str| FOLDERS.iter().any(|folder| word.starts_with(folder));
    let files: Vec<&str> = command.split_whitespace().filter(is_ours).collect();
    for file in &files {
        ensure!(
            root().join(file).exists(),
            "`{command}`: there is no {file}"
        );
    }
    Ok(files.len())
}

/// What of `helm install` or `helm upgrade` says how the chart is rendered; nothing for other commands.
fn template(command: &str) -> Option<Vec<String>> {
    let mut words = command.split_whitespace();
    let is_helm = words.next() == Some("helm") && matches!(words.next()?, "install" | "upgrade");
    let stood_in = |word: &str| {
        let stand_in = STAND_INS.iter().find(|(name, _)| *name == word);
        stand_in.map_or(word, |(_, file)| *file).to_owned()
    };
    let words: Vec<String> = words
        .filter(|word| !WITHOUT_EFFECT.contains(word))
        .map(stood_in)
        .collect();
    (is_helm && words.iter().any(|word| word == CHART)).then_some(words)
}

fn render_values(helm: &Path, values: &str) -> Result<()> {
    let file = installed("book-values.yaml");
    fs::write(&file, values).with_context(|| format!("writing {}", file.display()))?;
    let file = file
        .to_str()
        .context("the target folder's name is no text")?;
    render(
        helm,
        &["podgate", CHART, "--values", file].map(str::to_owned),
    )
}

/// By a helm that knows no cluster, and nothing of the user's settings.
fn render(helm: &Path, arguments: &[String]) -> Result<()> {
    let mut helm = Command::new(helm);
    helm.current_dir(root())
        .env("HELM_PLUGINS", "/nonexistent")
        .env_remove("HELM_NAMESPACE")
        .args(["template", "--kube-version", KUBERNETES])
        .args(arguments)
        .stdin(Stdio::null());
    let output = helm
        .output()
        .with_context(|| format!("starting `{}`", line(&helm)))?;
    ensure!(
        output.status.success(),
        "helm refuses it: {}",
        String::from_utf8_lossy(&output.stderr).trim()
    );
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    const PAGE: &str = "\
```sh
helm install podgate charts/podgate --create-namespace \\
  --values old-values.yaml
kubectl apply --filename examples/nowhere.yaml
```

```yaml
# values.yaml
nmi: {}
```
";

    #[test]
    fn a_command_over_two_lines_is_one_and_becomes_what_helm_renders() {
        let commands = commands(PAGE);
        assert_eq!(commands.len(), 2, "{commands:?}");
        let expected = [
            "podgate",
            CHART,
            "--values",
            "tests/chart/values/old-chart.yaml",
        ];
        assert_eq!(template(&commands[0]).unwrap(), expected);
        assert_eq!(template(&commands[1]), None);
    }

    #[test]
    fn a_file_that_is_not_there_is_told() {
        assert_eq!(exist(&commands(PAGE)[0]).unwrap(), 1);
        let error = exist(&commands(PAGE)[1]).unwrap_err().to_string();
        assert!(error.contains("examples/nowhere.yaml"), "{error}");
    }

    #[test]
    fn every_stand_in_is_there() {
        for (_, file) in STAND_INS {
            assert!(root().join(file).is_file(), "{file}");
        }
    }
}

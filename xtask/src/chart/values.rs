//! values.yaml as people read it: each value with its default and its description, in the order of the file.
//!
//! Only as much of YAML is understood as a values file of ours needs: maps, lists of one level, scalars on a line.

use anyhow::{Result, ensure};

/// Begins a description, as helm-docs has it.
const MARK: &str = "# -- ";

/// One value.
#[derive(Debug, PartialEq)]
pub(super) struct Value {
    /// `nmi.port`
    pub(super) path: String,
    /// On one line.
    pub(super) default: String,
    /// In Markdown.
    pub(super) description: String,
}

/// One line with a key or an item.
struct Line<'a> {
    indent: usize,
    text: &'a str,
    description: Option<String>,
}

/// All values of the file.
///
/// # Errors
/// One has no description.
pub(super) fn parse(file: &str) -> Result<Vec<Value>> {
    let lines = lines(file);
    let mut values = Vec::new();
    let mut path: Vec<(usize, &str)> = Vec::new();
    let mut at = 0;
    while let Some(line) = lines.get(at) {
        path.retain(|(indent, _)| *indent < line.indent);
        let (key, rest) = line.text.split_once(':').unwrap_or((line.text, ""));
        path.push((line.indent, key));
        let below = 1 + lines[at + 1..]
            .iter()
            .take_while(|next| next.indent > line.indent)
            .count();
        let name = path
            .iter()
            .map(|(_, key)| *key)
            .collect::<Vec<_>>()
            .join(".");
        match &line.description {
            Some(description) => {
                let default = match rest.trim() {
                    "" => compact(&lines[at + 1..at + below]),
                    scalar => scalar.to_owned(),
                };
                values.push(Value {
                    path: name,
                    default,
                    description: description.clone(),
                });
                at += below;
            }
            None => {
                ensure!(
                    below > 1,
                    "values.yaml: {name} has no description; write `{MARK}…` above it"
                );
                at += 1;
            }
        }
    }
    Ok(values)
}

/// The lines that say something, each with the description above it.
fn lines(file: &str) -> Vec<Line<'_>> {
    let mut lines = Vec::new();
    let mut description: Option<String> = None;
    for line in file.lines() {
        let text = line.trim_start();
        let indent = line.len() - text.len();
        match (text.strip_prefix(MARK), text.strip_prefix("# ")) {
            (Some(first), _) => description = Some(first.to_owned()),
            (None, Some(more)) => {
                if let Some(description) = &mut description {
                    *description = format!("{description} {more}");
                }
            }
            (None, None) if text.is_empty() || text.starts_with('#') => description = None,
            (None, None) => lines.push(Line {
                indent,
                text,
                description: description.take(),
            }),
        }
    }
    lines
}

/// Nested lines as YAML on one line.
fn compact(lines: &[Line<'_>]) -> String {
    let Some(first) = lines.first() else {
        return String::new();
    };
    let is_list = first.text.starts_with("- ");
    let mut parts = Vec::new();
    let mut at = 0;
    while let Some(line) = lines.get(at) {
        let below = 1 + lines[at + 1..]
            .iter()
            .take_while(|next| next.indent > line.indent)
            .count();
        let text = line.text.trim_start_matches("- ");
        let nested = compact(&lines[at + 1..at + below]);
        let part = if nested.is_empty() {
            text.to_owned()
        } else {
            format!("{text} {nested}")
        };
        parts.push(if is_list { format!("{{{part}}}") } else { part });
        at += below;
    }
    let inside = parts.join(", ");
    if is_list {
        format!("[{inside}]")
    } else {
        format!("{{{inside}}}")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const FILE: &str = "\
# About the file.

# -- The first,
# on two lines.
first: \"\"
group:
  # -- The second.
  second:
    requests:
      cpu: 1
      memory: 2Mi
  # -- The third.
  third:
    - operator: Exists
";

    #[test]
    fn values_have_paths_defaults_and_descriptions() {
        let values = parse(FILE).unwrap();
        let of = |path: &str, default: &str, description: &str| Value {
            path: path.into(),
            default: default.into(),
            description: description.into(),
        };
        assert_eq!(
            values,
            [
                of("first", "\"\"", "The first, on two lines."),
                of(
                    "group.second",
                    "{requests: {cpu: 1, memory: 2Mi}}",
                    "The second."
                ),
                of("group.third", "[{operator: Exists}]", "The third."),
            ]
        );
    }

    #[test]
    fn a_value_without_a_description_is_refused_by_name() {
        let error = parse("group:\n  # About nothing.\n\n  key: 1\n").unwrap_err();
        assert!(
            error.to_string().contains("group.key has no description"),
            "{error}"
        );
    }
}

//! The chart's README: its words, the table of values.yaml, and what the schema says of old values.

use anyhow::{Context, Result};
use serde_json::Value as Json;

use super::values::Value;

const WORDS: &str = include_str!("readme.md");
const VALUES: &str = "{{values}}";
const RETIRED: &str = "{{retired}}";

/// The whole text.
///
/// # Errors
/// The schema is no JSON.
pub(super) fn text(values: &[Value], schema: &str) -> Result<String> {
    let schema: Json = serde_json::from_str(schema).context("values.schema.json")?;
    let rows: Vec<String> = values.iter().map(row).collect();
    let mut retired = Vec::new();
    collect(&schema, "", &mut retired);
    Ok(WORDS
        .replace(VALUES, &rows.join("\n"))
        .replace(RETIRED, &retired.join("\n")))
}

fn row(value: &Value) -> String {
    let Value {
        path,
        default,
        description,
    } = value;
    format!("| `{path}` | `{}` | {} |", cell(default), cell(description))
}

fn cell(text: &str) -> String {
    text.replace('|', "\\|")
}

/// Rows of the values that the schema calls deprecated.
fn collect(schema: &Json, path: &str, rows: &mut Vec<String>) {
    let properties = schema.get("properties").and_then(Json::as_object);
    for (key, below) in properties.into_iter().flatten() {
        let path = if path.is_empty() {
            key.clone()
        } else {
            format!("{path}.{key}")
        };
        if below.get("deprecated").is_some() {
            let why = below
                .get("description")
                .and_then(Json::as_str)
                .unwrap_or_default();
            rows.push(format!("| `{path}` | {} |", cell(why)));
        }
        collect(below, &path, rows);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_and_retired_ones_are_in_the_text_and_no_mark_is_left() {
        let value = Value {
            path: "a.b".into(),
            default: "1".into(),
            description: "this | that".into(),
        };
        let schema = r#"{"properties":{"a":{"properties":{"old":{"deprecated":true,"description":"Gone."}}}}}"#;
        let text = text(&[value], schema).unwrap();
        assert!(text.contains("| `a.b` | `1` | this \\| that |"), "{text}");
        assert!(text.contains("| `a.old` | Gone. |"), "{text}");
        assert!(!text.contains(VALUES) && !text.contains(RETIRED), "{text}");
    }
}

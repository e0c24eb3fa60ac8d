//! What is expected against what was found: members that are not named do not count, lists count as wholes.

use serde::Serialize;
use serde_json::{Map, Value};

/// One place where they differ.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub(super) struct Difference {
    /// `http/0/form/scope`
    pub(super) place: String,
    pub(super) expected: Value,
    /// `null` where there is nothing.
    pub(super) found: Value,
}

/// All of them.
pub(super) fn differences(expected: &Value, found: &Value) -> Vec<Difference> {
    let mut differences = Vec::new();
    compare(String::new(), expected, found, &mut differences);
    differences
}

fn compare(place: String, expected: &Value, found: &Value, into: &mut Vec<Difference>) {
    match (expected, found) {
        _ if is_met(expected, found) => {}
        (Value::Object(expected), Value::Object(found)) if part(expected).is_none() => {
            for (name, expected) in expected {
                let found = found.get(name).unwrap_or(&Value::Null);
                compare(inside(&place, name), expected, found, into);
            }
        }
        (Value::Array(expected), Value::Array(found)) if expected.len() == found.len() => {
            for (index, (expected, found)) in expected.iter().zip(found).enumerate() {
                compare(inside(&place, &index.to_string()), expected, found, into);
            }
        }
        _ => into.push(Difference {
            place,
            expected: expected.clone(),
            found: found.clone(),
        }),
    }
}

fn is_met(expected: &Value, found: &Value) -> bool {
    let part = expected.as_object().and_then(part);
    match (part, found) {
        (Some(part), Value::String(found)) => found.contains(part),
        _ => expected == found,
    }
}

/// `{ contains: TEXT }`
fn part(expected: &Map<String, Value>) -> Option<&str> {
    match expected.len() {
        1 => expected.get("contains")?.as_str(),
        _ => None,
    }
}

fn inside(place: &str, name: &str) -> String {
    match place {
        "" => name.to_owned(),
        place => format!("{place}/{name}"),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn places(expected: Value, found: Value) -> Vec<String> {
        let found = differences(&expected, &found);
        found.into_iter().map(|found| found.place).collect()
    }

    #[test]
    fn what_is_not_named_does_not_count() {
        let found = json!({"verdict": "pass", "log": [{"level": "info", "message": "x"}]});
        assert!(places(json!({"verdict": "pass"}), found.clone()).is_empty());
        assert!(places(json!({"log": [{"message": "x"}]}), found).is_empty());
    }

    #[test]
    fn each_difference_has_its_place() {
        let expected = json!({"a": {"b": 1, "c": 2}, "d": ["x", "y"], "e": []});
        let found = json!({"a": {"b": 1, "c": 3}, "d": ["x", "z"], "e": ["more"]});
        assert_eq!(places(expected, found), ["a/c", "d/1", "e"]);
    }

    #[test]
    fn what_is_missing_differs_unless_nothing_is_expected() {
        assert_eq!(places(json!({"key": "k"}), json!({})), ["key"]);
        assert!(places(json!({"key": null}), json!({})).is_empty());
        assert_eq!(places(json!({"key": null}), json!({"key": "k"})), ["key"]);
    }

    #[test]
    fn a_part_of_a_text_is_enough_where_it_is_asked_for() {
        let expected = json!({"deny": {"contains": "sundays"}});
        assert!(places(expected.clone(), json!({"deny": "closed on sundays"})).is_empty());
        assert_eq!(
            places(expected.clone(), json!({"deny": "closed"})),
            ["deny"]
        );
        assert_eq!(places(expected, json!({"deny": 7})), ["deny"]);
    }
}

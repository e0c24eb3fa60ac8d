use serde::Deserialize;

use super::*;

#[derive(Debug, Default, Deserialize, PartialEq)]
#[serde(default, rename_all = "camelCase", deny_unknown_fields)]
struct Sample {
    refresh_at: u8,
    #[serde(deserialize_with = "present")]
    names: Option<Vec<String>>,
    rules: Vec<Object<Rule>>,
    way: Way,
    #[serde(deserialize_with = "present")]
    pause: Option<Seconds<5, 60>>,
}

#[derive(Debug, Deserialize, PartialEq)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct Rule {
    name: String,
    #[serde(default)]
    skip: bool,
}

#[derive(Debug, Default, Deserialize, PartialEq)]
#[serde(rename_all = "lowercase")]
enum Way {
    #[default]
    First,
    Second,
}

fn problems(text: &str) -> Vec<(String, String)> {
    let problems = read::<Sample>(text).unwrap_err();
    problems
        .into_iter()
        .map(|problem| (problem.setting, problem.message))
        .collect()
}

fn problem(text: &str) -> (String, String) {
    let mut problems = problems(text);
    assert_eq!(problems.len(), 1, "{problems:?}");
    problems.remove(0)
}

#[test]
fn an_empty_object_is_all_defaults() {
    assert_eq!(read::<Sample>("{}").unwrap(), Sample::default());
}

#[test]
fn text_that_is_not_json_says_where() {
    let (setting, message) = problem("{\"a\": ]");
    assert_eq!(setting, "");
    assert_eq!(message, "not JSON: expected value at line 1 column 7");
}

#[test]
fn only_an_object_is_settings() {
    for text in ["[]", "null", "7", "\"x\""] {
        let (setting, message) = problem(text);
        assert_eq!(setting, "");
        assert!(message.ends_with("expected an object"), "{message}");
    }
}

#[test]
fn an_unknown_key_is_named_with_the_nearest_right_one() {
    let (setting, message) = problem(r#"{"refreshat": 1}"#);
    assert_eq!(setting, "/refreshat");
    assert_eq!(
        message,
        "unknown setting, the nearest is `refreshAt`; known are `refreshAt`, `names`, `rules`, `way`, `pause`"
    );
}

#[test]
fn a_key_inside_a_list_is_named_by_its_pointer() {
    let (setting, message) = problem(r#"{"rules": [{"name": "a"}, {"name": "b", "skpi": true}]}"#);
    assert_eq!(setting, "/rules/1/skpi");
    assert_eq!(
        message,
        "unknown setting, the nearest is `skip`; known are `name`, `skip`"
    );
}

#[test]
fn a_pointer_escapes_what_rfc_6901_escapes() {
    assert_eq!(problem(r#"{"a/b~c": 1}"#).0, "/a~1b~0c");
}

#[test]
fn a_key_that_looks_like_a_message_of_serde_does_not_confuse_the_reader() {
    let (_, message) = problem(r#"{"`, expected `evil": 1}"#);
    assert!(
        message.contains("known are `refreshAt`, `names`"),
        "{message}"
    );
    assert!(!message.contains("evil"), "{message}");
}

#[test]
fn an_unknown_value_is_named_with_the_nearest_right_one() {
    let (setting, message) = problem(r#"{"way": "secnd"}"#);
    assert_eq!(setting, "/way");
    assert_eq!(
        message,
        "unknown value `secnd`, the nearest is `second`; known are `first`, `second`"
    );
}

#[test]
fn a_missing_member_is_reported_at_its_object() {
    assert_eq!(
        problem(r#"{"rules": [{}]}"#),
        ("/rules/0".into(), "`name` is missing".into())
    );
}

#[test]
fn an_array_is_not_taken_for_an_object() {
    let (setting, message) = problem(r#"{"rules": [["name", true]]}"#);
    assert_eq!(setting, "/rules/0");
    assert_eq!(message, "invalid type: sequence, expected an object");
}

#[test]
fn a_key_without_a_value_is_not_a_key_left_out() {
    let (setting, message) = problem(r#"{"names": null}"#);
    assert_eq!(setting, "/names");
    assert_eq!(message, "invalid type: null, expected a sequence");
}

#[test]
fn seconds_out_of_bounds_name_the_bounds() {
    for (text, given) in [
        ("4", "integer `4`"),
        ("61", "integer `61`"),
        ("4294967301", "integer `4294967301`"),
    ] {
        let (setting, message) = problem(&format!(r#"{{"pause": {text}}}"#));
        assert_eq!(setting, "/pause");
        assert_eq!(
            message,
            format!("invalid value: {given}, expected a whole number of seconds from 5 to 60")
        );
    }
    for text in ["-5", "5.5", "\"5\"", "true", "null"] {
        assert_eq!(problem(&format!(r#"{{"pause": {text}}}"#)).0, "/pause");
    }
    assert_eq!(
        read::<Sample>(r#"{"pause": 60}"#)
            .unwrap()
            .pause
            .unwrap()
            .get(),
        60
    );
}

#[test]
fn all_problems_are_reported_together() {
    let text = r#"{"refreshAt": "x", "nams": [], "rules": [{"name": 1}], "way": 3, "pause": 1}"#;
    let places: Vec<String> = problems(text)
        .into_iter()
        .map(|(setting, _)| setting)
        .collect();
    assert_eq!(
        places,
        ["/nams", "/pause", "/refreshAt", "/rules/0/name", "/way"]
    );
}

#[test]
fn the_number_of_problems_and_their_length_are_bounded() {
    let members: Vec<String> = (0..1000)
        .map(|n| format!("\"{n}{}\": 1", "k".repeat(10_000)))
        .collect();
    let problems = problems(&format!("{{{}}}", members.join(",")));
    assert_eq!(problems.len(), MAX_PROBLEMS);
    assert!(
        problems
            .iter()
            .all(|(setting, message)| setting.len() < 70 && message.len() < 600)
    );
}

#[test]
fn deep_nesting_is_refused_before_it_can_exhaust_the_stack() {
    let text = "[".repeat(100_000);
    assert!(
        problem(&text)
            .1
            .starts_with("not JSON: recursion limit exceeded")
    );
}

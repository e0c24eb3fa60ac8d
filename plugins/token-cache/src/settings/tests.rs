use super::*;

fn problem(text: &str) -> (String, String) {
    let mut problems = Settings::read(text).unwrap_err();
    assert_eq!(problems.len(), 1, "{problems:?}");
    let problem = problems.remove(0);
    (problem.setting, problem.message)
}

fn entries(entries: &str) -> String {
    format!(r#"{{"resources": [{entries}]}}"#)
}

#[test]
fn every_setting_can_be_set() {
    let text = r#"{"refreshAt": 0.8, "minRefreshMarginSeconds": 60, "maxAgeSeconds": 3600,
        "resources": [{"resource": "api://a*", "maxAgeSeconds": 60, "refreshAt": 0.05, "skip": false}]}"#;
    let settings = Settings::read(text).unwrap();
    assert_eq!(settings.refresh_at.millionths(), 800_000);
    assert_eq!(settings.min_refresh_margin_seconds.get(), 60);
    assert_eq!(settings.max_age_seconds.unwrap().get(), 3600);
    let entry = settings.resources().next().unwrap();
    assert_eq!(entry.resource, "api://a*");
    assert_eq!(entry.max_age_seconds.unwrap().get(), 60);
    assert_eq!(entry.refresh_at.unwrap().millionths(), 50_000);
    assert!(!entry.skip);
}

#[test]
fn a_fraction_out_of_bounds_names_the_bounds() {
    for number in ["0", "1", "0.04", "0.96", "-0.5", "1e300", "50"] {
        let (setting, message) = problem(&format!(r#"{{"refreshAt": {number}}}"#));
        assert_eq!(setting, "/refreshAt");
        assert!(
            message.ends_with("expected a number from 0.05 to 0.95"),
            "{message}"
        );
    }
    for number in ["\"0.5\"", "null", "true"] {
        assert_eq!(
            problem(&format!(r#"{{"refreshAt": {number}}}"#)).0,
            "/refreshAt"
        );
    }
}

#[test]
fn an_entry_without_a_resource_is_named() {
    assert_eq!(
        problem(&entries(r#"{"skip": true}"#)),
        ("/resources/0".into(), "`resource` is missing".into())
    );
}

#[test]
fn a_resource_that_nothing_can_match_is_named() {
    for (resource, part) in [
        ("", "empty"),
        ("a*b", "only at the end"),
        ("**", "only at the end"),
        (" a", "space"),
    ] {
        let (setting, message) = problem(&entries(&format!(r#"{{"resource": "{resource}"}}"#)));
        assert_eq!(setting, "/resources/0/resource");
        assert!(message.contains(part), "{message}");
    }
    let long = "a".repeat(1025);
    assert!(
        problem(&entries(&format!(r#"{{"resource": "{long}"}}"#)))
            .1
            .contains("1024 bytes")
    );
}

#[test]
fn an_entry_that_contradicts_itself_or_another_is_named() {
    let (setting, message) = problem(&entries(
        r#"{"resource": "a", "skip": true, "maxAgeSeconds": 60}"#,
    ));
    assert_eq!(setting, "/resources/0/skip");
    assert!(message.contains("leave out `skip`"), "{message}");
    let (setting, message) = problem(&entries(
        r#"{"resource": "a"}, {"resource": "a", "skip": true}"#,
    ));
    assert_eq!(setting, "/resources/1/resource");
    assert!(message.contains("same resource"), "{message}");
}

#[test]
fn a_mistyped_key_is_answered_with_the_right_one_at_any_depth() {
    let (setting, message) = problem(r#"{"minRefreshMargin": 5}"#);
    assert_eq!(setting, "/minRefreshMargin");
    assert!(
        message.contains("the nearest is `minRefreshMarginSeconds`"),
        "{message}"
    );
    let (setting, message) = problem(&entries(r#"{"resource": "a", "maxAge": 60}"#));
    assert_eq!(setting, "/resources/0/maxAge");
    assert!(
        message.contains("the nearest is `maxAgeSeconds`"),
        "{message}"
    );
}

#[test]
fn a_setting_without_a_value_is_not_a_setting_left_out() {
    for key in [
        "refreshAt",
        "minRefreshMarginSeconds",
        "maxAgeSeconds",
        "resources",
    ] {
        assert_eq!(
            problem(&format!(r#"{{"{key}": null}}"#)).0,
            format!("/{key}")
        );
    }
}

#[test]
fn the_number_of_entries_is_bounded() {
    let many = |count: usize| -> String {
        let all: Vec<String> = (0..count)
            .map(|at| format!(r#"{{"resource": "{at}"}}"#))
            .collect();
        entries(&all.join(","))
    };
    assert!(Settings::read(&many(MAX_RESOURCES)).is_ok());
    assert_eq!(problem(&many(MAX_RESOURCES + 1)).0, "/resources");
}

use super::*;

fn problem(text: &str) -> String {
    Plugins::parse(text).unwrap_err().to_string()
}

#[test]
fn the_default_file_is_good_and_runs_the_three_built_in_plugins() {
    let plugins = Plugins::parse(DEFAULT).unwrap();
    let names: Vec<&str> = plugins.all().map(|plugin| plugin.name.as_str()).collect();
    assert_eq!(
        names,
        ["exception-matcher", "certificate-auth", "token-cache"]
    );
}

#[test]
fn an_unknown_key_is_refused_with_the_nearest_right_one() {
    let text = "policy:\n  - name: a\n    component: { builtin: exception-matcher }\n    onFailiure: skip\n";
    let problem = problem(text);
    assert!(
        problem.contains("onFailiure") && problem.contains("did you mean `onFailure`"),
        "{problem}"
    );
    assert!(problem.contains("line 4"), "the place is named: {problem}");
}

#[test]
fn a_file_without_its_digest_is_refused() {
    let problem = problem("policy:\n  - name: a\n    component: { file: a.wasm }\n");
    assert!(problem.contains("sha256sum"), "{problem}");
}

#[test]
fn what_cannot_mean_anything_is_refused() {
    for (text, reason) in [
        (
            "policy:\n  - name: a\n    component: {}\n",
            "component is either",
        ),
        (
            "policy:\n  - name: 'a b'\n    component: { builtin: x }\n",
            "name",
        ),
        (
            "cache:\n  - name: a\n    component: { builtin: x }\n    onFailure: skip\n",
            "policies only",
        ),
        (
            "cache:\n  - { name: a, component: { builtin: x } }\n  - { name: b, component: { builtin: x } }\n",
            "at most one",
        ),
        (
            "policy:\n  - { name: a, component: { builtin: x } }\n  - { name: a, component: { builtin: x } }\n",
            "twice",
        ),
        ("policy: [[[[", "plugins file"),
        ("- a", "plugins file"),
    ] {
        let problem = problem(text);
        assert!(problem.contains(reason), "{text}: {problem}");
    }
}

#[test]
fn settings_reach_the_plugin_as_they_are() {
    let text = "cache:\n  - name: c\n    component: { builtin: token-cache }\n    settings: { refreshAt: 0.5, resources: [{ resource: a, skip: true }] }\n";
    let plugins = Plugins::parse(text).unwrap();
    assert_eq!(
        plugins.cache[0].settings.to_string(),
        r#"{"refreshAt":0.5,"resources":[{"resource":"a","skip":true}]}"#
    );
}

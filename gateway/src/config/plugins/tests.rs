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
        (
            "cache:\n  - { name: a, component: { builtin: x }, mode: observe }\n",
            "mode is for policies only",
        ),
        (
            "credential:\n  - { name: a, component: { builtin: x }, scope: { namespaces: [b] } }\n",
            "scope is for policies only",
        ),
        (
            "policy:\n  - { name: a, component: { builtin: x, sha256: y } }\n",
            "component is either",
        ),
        ("policy: [[[[", "plugins file"),
        ("", "it is empty"),
        (" \n", "it is empty"),
        ("# policy: []\n", "it is empty"),
        ("---\n", "it is empty"),
        ("~", "it is empty"),
        ("- a", "plugins file"),
    ] {
        let problem = problem(text);
        assert!(problem.contains(reason), "{text}: {problem}");
    }
}

#[test]
fn a_file_that_takes_every_plugin_away_says_so() {
    let plugins = Plugins::parse("{}").unwrap();
    assert_eq!(plugins.all().count(), 0);
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

#[test]
fn an_artifact_is_named_by_its_whole_digest_and_nothing_else() {
    let file = |component: &str| format!("policy:\n  - name: a\n    component: {component}\n");
    let digest = format!("sha256:{}", "0123456789abcdef".repeat(4));
    let good = file(&format!("{{ oci: {{ layout: art, digest: '{digest}' }} }}"));
    let oci = Plugins::parse(&good)
        .unwrap()
        .policy
        .remove(0)
        .component
        .oci;
    assert_eq!(oci.unwrap().digest.unwrap(), digest);
    for wrong in [
        "latest",
        "sha256:",
        "sha512:00",
        &digest.to_uppercase(),
        &digest[..70],
    ] {
        let problem = problem(&file(&format!(
            "{{ oci: {{ layout: art, digest: '{wrong}' }} }}"
        )));
        assert!(problem.contains("a: component.oci.digest"), "{problem}");
    }
    let both = file(&format!(
        "{{ builtin: x, oci: {{ layout: art, digest: '{digest}' }} }}"
    ));
    assert!(problem(&both).contains("component is either"));
}

#[test]
fn an_artifact_is_in_a_layout_or_in_a_registry() {
    let file = |oci: &str| format!("policy:\n  - name: a\n    component: {{ oci: {oci} }}\n");
    let digest = format!("sha256:{}", "0123456789abcdef".repeat(4));
    let good = file(&format!("{{ image: 'ghcr.io/acme/a@{digest}' }}"));
    let oci = Plugins::parse(&good)
        .unwrap()
        .policy
        .remove(0)
        .component
        .oci;
    let oci = oci.unwrap();
    assert!(matches!(oci.artifact(), Some(Artifact::Registry(image)) if image.name == "acme/a"));
    for (wrong, words) in [
        ("{}".to_owned(), "a: component.oci: write `layout"),
        (
            "{ layout: art }".to_owned(),
            "a: component.oci: write `layout",
        ),
        (
            format!("{{ layout: art, digest: '{digest}', image: 'ghcr.io/a@{digest}' }}"),
            "a: component.oci: write `layout",
        ),
        ("{ image: ghcr.io/acme/a:1 }".to_owned(), "names no digest"),
    ] {
        let problem = problem(&file(&wrong));
        assert!(problem.contains(words), "{wrong}: {problem}");
    }
}

#[test]
fn a_scope_that_covers_no_pod_or_cannot_be_one_is_refused() {
    let file = |scope: &str| {
        format!("policy:\n  - {{ name: a, component: {{ builtin: x }}, scope: {scope} }}\n")
    };
    for (scope, words) in [
        ("{}", "it names nothing"),
        ("{ namespaces: [] }", "namespaces"),
        ("{ labels: {} }", "labels"),
        ("{ namespaces: [Shop] }", "Shop"),
        ("{ namespaces: ['shop*'] }", "shop*"),
        ("{ labels: { '': a } }", "labels"),
        ("{ labels: { a/b/c: d } }", "a/b/c"),
        ("{ labels: { a: 'b c' } }", "b c"),
        ("{ namespace: [shop] }", "did you mean `namespaces`"),
    ] {
        let problem = problem(&file(scope));
        assert!(problem.contains(words), "{scope}: {problem}");
    }
    Plugins::parse(&file(
        "{ namespaces: [shop], labels: { app.kubernetes.io/name: web, x: '' } }",
    ))
    .unwrap();
}

#[test]
fn a_mistyped_word_is_refused_with_the_nearest_right_one() {
    let text = "policy:\n  - { name: a, component: { builtin: x }, mode: observ }\n";
    let problem = problem(text);
    assert!(problem.contains("did you mean `observe`"), "{problem}");
}

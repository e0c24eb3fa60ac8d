use super::*;

const LOG: &str = "podgate:types/log@0.1.0";
const CLOCK: &str = "podgate:types/clock@0.1.0";
const DECIDE: &str = "podgate:policy/decide@0.1.0";

fn policy(imports: &[&str], exports: &[&str]) -> Result<Inspected, PluginError> {
    granted(World::Policy, &Grants::default(), imports, exports)
}

fn granted(
    world: World,
    grants: &Grants,
    imports: &[&str],
    exports: &[&str],
) -> Result<Inspected, PluginError> {
    inspect(
        "p",
        world,
        grants,
        imports.iter().copied(),
        exports.iter().copied(),
    )
}

#[test]
fn the_supported_version_is_the_one_of_the_wit_files() {
    for package in [
        "types/model",
        "policy/policy",
        "credential/credential",
        "cache/cache",
    ] {
        let path = format!("{}/../../wit/{package}.wit", env!("CARGO_MANIFEST_DIR"));
        let wit = std::fs::read_to_string(&path).unwrap();
        assert!(wit.contains(&format!("@{SUPPORTED};")), "{path}");
    }
}

#[test]
fn a_policy_that_imports_only_the_log_is_pure() {
    let seen = policy(&["podgate:types/model@0.1.0", LOG], &[DECIDE]).unwrap();
    assert!(seen.is_pure());
}

#[test]
fn a_policy_with_a_clock_or_wasi_is_not_pure() {
    let grants = Grants {
        clock: true,
        ..Grants::default()
    };
    let clock = granted(World::Policy, &grants, &[CLOCK], &[DECIDE]).unwrap();
    assert!(!clock.is_pure());
    let wasi = policy(&["wasi:cli/environment@0.2.6"], &[DECIDE]).unwrap();
    assert!(!wasi.is_pure());
}

#[test]
fn a_clock_without_the_grant_is_refused_with_the_grants_name() {
    let error = policy(&[CLOCK], &[DECIDE]).unwrap_err();
    assert_eq!(error.category(), "not_granted");
    assert!(error.to_string().contains("the grant `clock`"), "{error}");
}

#[test]
fn a_component_of_another_world_is_named_as_what_it_is() {
    let error = policy(&[], &["podgate:cache/lifetime@0.1.0"]).unwrap_err();
    assert_eq!(
        error.to_string(),
        "plugin p: it is a cache plugin and is configured as a policy plugin; list it under `cache`"
    );
}

#[test]
fn a_component_that_exports_nothing_of_podgates_is_the_wrong_world() {
    let error = policy(&[], &["wasi:cli/run@0.2.0"]).unwrap_err();
    assert!(
        matches!(error, PluginError::WrongWorld { found: None, .. }),
        "{error}"
    );
}

#[test]
fn versions_follow_the_component_models_rule() {
    let cases = [
        ("0.1.0", "ok"),
        ("0.1.9", "ok"),
        ("0.2.0", "too_new"),
        ("1.0.0", "too_new"),
        ("0.2.0-rc.1", "too_new"),
        ("0.1.0-rc.1", "too_old"),
        ("0.0.9", "too_old"),
    ];
    for (version, expected) in cases {
        let export = format!("podgate:policy/decide@{version}");
        let got = policy(&[], &[&export]).map_or_else(|error| error.category(), |_| "ok");
        assert_eq!(got, expected, "export @{version}");
        let import = format!("podgate:types/log@{version}");
        let got = policy(&[&import], &[DECIDE]).map_or_else(|error| error.category(), |_| "ok");
        assert_eq!(got, expected, "import @{version}");
    }
}

#[test]
fn an_interface_without_a_version_is_older_than_all() {
    let error = policy(&[], &["podgate:policy/decide"]).unwrap_err();
    assert_eq!(error.category(), "too_old");
}

#[test]
fn wasi_0_2_in_any_patch_fits_and_0_3_is_too_new() {
    assert!(policy(&["wasi:io/poll@0.2.12"], &[DECIDE]).is_ok());
    let error = policy(&["wasi:clocks/types@0.3.0"], &[DECIDE]).unwrap_err();
    assert_eq!(error.category(), "too_new");
}

#[test]
fn imports_that_no_grant_could_give_are_named() {
    for import in [
        "wasi:http/types@0.2.0",
        "podgate:types/keys@0.1.0",
        "acme:db/query@1.0.0",
        "f",
        "a:b/c@x",
    ] {
        let error = policy(&[import], &[DECIDE]).unwrap_err();
        assert_eq!(error.category(), "unknown_import");
        assert!(error.to_string().contains(import), "{error}");
    }
}

#[test]
fn a_credential_plugin_may_have_keys_and_http_and_a_cache_plugin_no_clock() {
    let grants = Grants {
        clock: true,
        ..Grants::default()
    };
    let imports = [
        "podgate:types/keys@0.1.0",
        "podgate:types/http@0.1.0",
        CLOCK,
    ];
    let acquire = ["podgate:credential/acquire@0.1.0"];
    let seen = granted(World::Credential, &grants, &imports, &acquire).unwrap();
    assert!(seen.has(Import::Keys) && seen.has(Import::Http) && seen.has(Import::Clock));
    let tokens = ["podgate:types/service-account@0.1.1"];
    let error = granted(World::Credential, &grants, &tokens, &acquire).unwrap_err();
    assert_eq!(error.category(), "not_granted");
    let grants = Grants {
        service_account: vec!["api://a".into()],
        ..grants
    };
    let seen = granted(World::Credential, &grants, &tokens, &acquire).unwrap();
    assert!(seen.has(Import::ServiceAccount));
    let error = granted(World::Policy, &grants, &tokens, &[DECIDE]).unwrap_err();
    assert_eq!(error.category(), "unknown_import");
    let error = granted(
        World::Cache,
        &grants,
        &[CLOCK],
        &["podgate:cache/lifetime@0.1.0"],
    );
    assert_eq!(error.unwrap_err().category(), "unknown_import");
}

#[test]
fn a_later_patch_version_that_does_not_link_is_too_new() {
    let seen = policy(&["podgate:types/log@0.1.7"], &[DECIDE]).unwrap();
    let error = seen.mismatch("p", World::Policy, "missing function".into());
    assert_eq!(error.category(), "too_new");
    assert!(
        error.to_string().contains("podgate:types/log@0.1.7"),
        "{error}"
    );
}

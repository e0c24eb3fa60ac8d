use super::*;
use crate::plugin::check::report::Refused;

fn import(name: &str, provided: &'static str, grant: Option<&'static str>) -> Import {
    let name = name.to_owned();
    Import {
        name,
        provided,
        grant,
    }
}

fn report() -> Report {
    Report {
        file: "target/office_hours.wasm".into(),
        size: 62_000,
        sha256: "9f86".into(),
        name: "office-hours".into(),
        world: Some("policy"),
        version: Some("0.1.0".into()),
        imports: vec![
            import("podgate:types/clock@0.1.0", "grant", Some("clock")),
            import("wasi:io/error@0.2.6", "empty", None),
            import("wasi:io/poll@0.2.6", "empty", None),
        ],
        pure: Some(false),
        memory: 1_114_112,
        memory_limit: 8 << 20,
        memory_mib: None,
        cost: Some(Cost {
            compile_ms: 40,
            load_ms: 1,
            code: 116_000,
        }),
        settings: Settings::NotNeeded,
        refused: None,
    }
}

#[test]
fn a_component_that_is_taken_comes_with_its_entry_of_the_plugins_file() {
    let text = text(&report());
    let entry = "\
policy:
  - name: office-hours
    component: { file: office_hours.wasm, sha256: 9f86 }
    grants: { clock: true }
";
    assert!(text.ends_with(entry), "{text}");
    assert!(
        text.contains("2 of WASI, such as wasi:io/error@0.2.6"),
        "{text}"
    );
    assert!(text.contains("with grants.clock: true"), "{text}");
}

#[test]
fn a_component_that_begins_with_much_memory_comes_with_its_limit() {
    let mut report = report();
    (report.memory, report.memory_mib) = (13 << 20, Some(26));
    let text = text(&report);
    assert!(text.contains("13 MiB of 26 MiB"), "{text}");
    assert!(text.contains("may have 8 MiB"), "{text}");
    assert!(text.ends_with("    limits: { memoryMiB: 26 }\n"), "{text}");
}

#[test]
fn a_component_that_is_refused_has_the_hosts_words_and_no_entry() {
    let mut report = report();
    report.refused = Some(Refused {
        category: "too_new",
        message: "plugin p: it was built for\u{1b}[31m 0.2.0; upgrade podgate".into(),
    });
    let text = text(&report);
    assert!(text.ends_with("0.2.0; upgrade podgate\n"), "{text}");
    assert!(
        !text.contains('\u{1b}') && !text.contains("policy:"),
        "{text}"
    );
}

#[test]
fn settings_that_are_needed_are_named() {
    let mut report = report();
    let problems = vec!["/from: `from` is missing".to_owned()];
    report.settings = Settings::Needed { problems };
    let text = text(&report);
    assert!(
        text.contains("--settings FILE") && text.contains("`from` is missing"),
        "{text}"
    );
}

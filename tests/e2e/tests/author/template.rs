//! Each kind's template, by each of cargo's targets.

use std::path::{Path, PathBuf};

use crate::shell::{cargo, podgate, target};

const TARGETS: [&str; 2] = ["wasm32-unknown-unknown", "wasm32-wasip2"];

/// A new project in an empty folder.
fn new(folder: &Path, name: &str, kind: &str) -> PathBuf {
    let said = podgate(folder, &["new", name, "--kind", kind]);
    assert_eq!(said.code, 0, "{}", said.err);
    folder.join(name)
}

fn built(project: &Path, name: &str, wasm: &str) -> String {
    let arguments = ["build", "--quiet", "--release", "--target", wasm];
    cargo(project, &target(), &arguments);
    let component = target().join(wasm).join("release").join(name);
    component
        .with_extension("wasm")
        .to_str()
        .unwrap()
        .to_owned()
}

#[test]
#[ignore = "compiles for a minute: cargo xtask test --only author"]
fn a_new_project_of_each_kind_passes_its_tests_and_its_cases() {
    let folder = tempfile::tempdir().unwrap();
    for kind in ["policy", "credential", "cache"] {
        let name = format!("new_{kind}");
        let project = new(folder.path(), &name, kind);
        cargo(&project, &target(), &["test", "--quiet"]);
        for wasm in TARGETS {
            let component = built(&project, &name, wasm);
            let said = podgate(&project, &["check", &component]);
            assert_eq!(said.code, 0, "{}", said.out);
            let said = podgate(&project, &["call", &component, "--input", "cases.yaml"]);
            assert_eq!(said.code, 0, "{kind}, {wasm}: {}{}", said.out, said.err);
        }
    }
}

#[test]
#[ignore = "compiles for a minute: cargo xtask test --only author"]
fn a_panic_is_in_the_log_with_its_words_and_its_line() {
    let folder = tempfile::tempdir().unwrap();
    let project = new(folder.path(), "clumsy", "policy");
    let source = project.join("src/lib.rs");
    let decide = "    let namespace = &question.pod.namespace;\n";
    let text = std::fs::read_to_string(&source).unwrap();
    assert!(text.contains(decide));
    let panics =
        format!("{decide}    assert!(namespace != \"shop\", \"not {{namespace}} again\");\n");
    std::fs::write(&source, text.replace(decide, &panics)).unwrap();
    let cases = "\
cases:
  - name: it panics and says where
    pod: { namespace: shop }
    expect:
      failure: trap
      log: [{ level: error, message: { contains: not shop again } }]
  - name: the place is the author's own file
    pod: { namespace: shop }
    expect:
      failure: trap
      log: [{ message: { contains: \"src/lib.rs:\" } }]
";
    std::fs::write(project.join("panics.yaml"), cases).unwrap();
    for wasm in TARGETS {
        let component = built(&project, "clumsy", wasm);
        let said = podgate(&project, &["call", &component, "--input", "panics.yaml"]);
        assert_eq!(said.code, 0, "{wasm}: {}{}", said.out, said.err);
    }
}

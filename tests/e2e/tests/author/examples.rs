//! The plugins of `examples/plugins`, by their own cases.

use serde_json::Value;

use crate::shell::{cargo, podgate, root};

/// In KiB, since a component holds paths of the machine it was built on.
const SIZES_DIFFER: u64 = 4;

#[test]
#[ignore = "compiles for a minute: cargo xtask test --only author"]
fn every_example_is_taken_and_does_what_its_cases_say() {
    let folder = root().join("examples/plugins");
    let target = root().join("target/example-plugins");
    cargo(
        &folder,
        &target,
        &["build", "--quiet", "--release", "--locked"],
    );
    for name in ["access-rules", "federation", "shorter-life"] {
        let component = target
            .join("wasm32-unknown-unknown/release")
            .join(name.replace('-', "_"))
            .with_extension("wasm");
        let component = component.to_str().unwrap();
        let said = podgate(&folder, &["check", component, "-o", "json"]);
        assert_eq!(said.code, 0, "{name}: {}", said.out);
        let ((told, kib), (wanted, size)) = (told(name), wanted(&said.out));
        assert_eq!(told, wanted, "{name}");
        assert!(kib.abs_diff(size) <= SIZES_DIFFER, "{name}: {size} KiB");
        let cases = format!("{name}/cases.yaml");
        let said = podgate(&folder, &["call", component, "--input", &cases]);
        assert_eq!(said.code, 0, "{name}: {}{}", said.out, said.err);
        assert!(
            std::fs::exists(folder.join(name).join("README.md")).unwrap(),
            "{name}"
        );
    }
}

/// The imports and the size that the page of all examples tells.
fn told(name: &str) -> (String, u64) {
    let page = include_str!("../../../../examples/plugins/README.md");
    let row = page
        .lines()
        .find(|line| line.starts_with(&format!("| [{name}]")));
    let cells: Vec<&str> = row.unwrap().split('|').map(str::trim).collect();
    let size = cells[5].trim_end_matches(" KiB").parse().unwrap();
    (cells[4].replace('`', ""), size)
}

/// Those that it has.
fn wanted(report: &str) -> (String, u64) {
    let report: Value = serde_json::from_str(report).unwrap();
    let imports = report["imports"].as_array().unwrap().iter();
    let names = imports.filter_map(|import| {
        let name = import["name"].as_str()?.strip_prefix("podgate:types/")?;
        name.strip_suffix("@0.1.1").filter(|name| *name != "model")
    });
    let size = report["size"].as_u64().unwrap().div_ceil(1024);
    (names.collect::<Vec<_>>().join(", "), size)
}

//! `docs/plugin-guide.md`, word for word.

use std::net::TcpListener;
use std::path::Path;

use crate::shell::{Said, command, root, said};

const GUIDE: &str = include_str!("../../../../docs/plugin-guide.md");

/// The commands of a section: all its blocks, as one would type them one after the other.
fn commands(heading: &str) -> String {
    let section = GUIDE
        .split_once(&format!("\n## {heading}\n"))
        .unwrap_or_else(|| panic!("no {heading}"))
        .1;
    let section = section.split("\n## ").next().unwrap();
    let blocks = section.split("\n```sh\n").skip(1);
    blocks
        .map(|rest| rest.split_once("\n```").unwrap().0)
        .collect::<Vec<_>>()
        .join("\n")
}

/// Ends at the first command that fails, and with it what runs in the background.
fn run(script: &str, folder: &Path) -> Said {
    let script = format!("set -eu\ntrap 'kill $(jobs -p) 2>/dev/null' EXIT\n{script}\n");
    said(
        command("bash", folder)
            .args(["-c", &script])
            .env("PODGATE", root()),
    )
}

/// A port that nobody has: several tests run on one machine.
fn port() -> String {
    let listener = TcpListener::bind(("127.0.0.1", 0)).unwrap();
    listener.local_addr().unwrap().port().to_string()
}

/// The one thing that is not word for word.
fn with_free_ports(commands: String) -> String {
    assert!(commands.contains("2579") && commands.contains("8085"));
    commands.replace("2579", &port()).replace("8085", &port())
}

/// The gateway's part of the first section, for another component.
fn in_a_gateway(name: &str, component: &str) -> String {
    let commands = with_free_ports(commands("Your first plugin"));
    let gateway = &commands[commands.find("mkdir -p try").unwrap()..];
    gateway
        .replace("target/wasm32-wasip2/release/hello.wasm", component)
        .replace("    settings: { deniedNamespaces: [shop] }\n", "")
        .replace("hello", name)
}

#[test]
fn the_function_that_the_guide_shows_is_the_templates() {
    let template = include_str!("../../../../examples/plugins/templates/policy/src/lib.rs");
    let shown = GUIDE.split_once("```rust\n").unwrap().1;
    let shown = shown.split("```").next().unwrap();
    assert!(template.contains(shown), "{shown}");
}

#[test]
#[ignore = "compiles for a minute: cargo xtask test --only author"]
fn the_first_plugin_goes_from_an_empty_folder_to_a_denied_request() {
    let folder = tempfile::tempdir().unwrap();
    let ran = run(
        &with_free_ports(commands("Your first plugin")),
        folder.path(),
    );
    assert_eq!(ran.code, 0, "{}\n{}", ran.out, ran.err);
    let denied = "denied by policy hello: pods of shop get no tokens";
    assert!(GUIDE.contains(denied));
    for expected in ["takes it", "3 of 3 cases as expected", denied] {
        assert!(ran.out.contains(expected), "{expected}: {}", ran.out);
    }
}

#[test]
#[ignore = "needs cargo-component and target/wit: cargo xtask test --only author"]
fn cargo_component_goes_from_an_empty_folder_to_a_denied_request() {
    let folder = tempfile::tempdir().unwrap();
    let component = "target/wasm32-wasip1/release/greeter.wasm";
    let script = format!(
        "export CARGO_COMPONENT_CACHE_DIR=$PWD/cache\n{}\n{}",
        commands("By cargo component"),
        in_a_gateway("greeter", component)
    );
    let ran = run(&script, folder.path());
    assert_eq!(ran.code, 0, "{}\n{}", ran.out, ran.err);
    let denied = "denied by policy greeter: no token for web, by cargo component";
    assert!(ran.out.contains(denied), "{}\n{}", ran.out, ran.err);
}

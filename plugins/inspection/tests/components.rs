//! What holds for every built-in component: its imports, its export, its stack and its size.
#![allow(clippy::unwrap_used, reason = "tests")]

use std::path::{Path, PathBuf};
use std::process::Command;

use wasmparser::{Operator, Parser, Payload};

const TARGET: &str = "wasm32-unknown-unknown";

/// `stack.rs` asks for it; without, a fresh instance costs twice as much.
const STACK_BYTES: i32 = 64 * 1024;

/// Each is in the gateway's binary, and its machine code, three times as large, in every node's memory.
const MAX_BYTES: usize = 150 * 1024;

struct Component {
    bytes: usize,
    imports: Vec<String>,
    exports: Vec<String>,
    stack: Option<i32>,
}

#[test]
fn exception_matcher_is_a_pure_policy() {
    let component = built("exception-matcher");
    assert_eq!(component.imports, ["podgate:types/model@0.1.1"]);
    assert_eq!(component.exports, ["podgate:policy/decide@0.1.1"]);
    component.is_small();
}

#[test]
fn certificate_auth_imports_what_a_credential_plugin_is_granted() {
    let component = built("certificate-auth");
    let imports =
        ["clock", "http", "keys", "log", "model"].map(|name| format!("podgate:types/{name}@0.1.1"));
    assert_eq!(component.imports, imports);
    assert_eq!(component.exports, ["podgate:credential/acquire@0.1.1"]);
    component.is_small();
}

#[test]
fn token_cache_is_a_pure_cache_policy() {
    let component = built("token-cache");
    assert_eq!(component.imports, ["podgate:types/model@0.1.1"]);
    assert_eq!(component.exports, ["podgate:cache/lifetime@0.1.1"]);
    component.is_small();
}

impl Component {
    fn is_small(&self) {
        assert_eq!(self.stack, Some(STACK_BYTES));
        assert!(self.bytes <= MAX_BYTES, "{} bytes", self.bytes);
    }
}

fn built(package: &str) -> Component {
    let workspace = Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap();
    let target_dir = workspace.join("../target/plugins");
    let status = Command::new(env!("CARGO"))
        .current_dir(workspace)
        .args([
            "build",
            "--quiet",
            "--release",
            "--target",
            TARGET,
            "--package",
            package,
            "--target-dir",
        ])
        .arg(&target_dir)
        .status()
        .unwrap();
    assert!(status.success(), "{package} does not build");
    read(&component_path(&target_dir, package))
}

fn component_path(target_dir: &Path, package: &str) -> PathBuf {
    let file = format!("{}.wasm", package.replace('-', "_"));
    target_dir.join(TARGET).join("release").join(file)
}

fn read(path: &Path) -> Component {
    let bytes = std::fs::read(path).unwrap();
    let mut component = Component {
        bytes: bytes.len(),
        imports: vec![],
        exports: vec![],
        stack: None,
    };
    let mut depth = 0;
    for payload in Parser::new(0).parse_all(&bytes) {
        match payload.unwrap() {
            Payload::ModuleSection { .. } | Payload::ComponentSection { .. } => depth += 1,
            Payload::End(_) => depth -= 1,
            Payload::ComponentImportSection(imports) if depth == 0 => {
                let name = |import: wasmparser::Result<wasmparser::ComponentImport<'_>>| {
                    import.unwrap().name.name.to_owned()
                };
                component.imports.extend(imports.into_iter().map(name));
            }
            Payload::ComponentExportSection(exports) if depth == 0 => {
                let name = |export: wasmparser::Result<wasmparser::ComponentExport<'_>>| {
                    export.unwrap().name.name.to_owned()
                };
                component.exports.extend(exports.into_iter().map(name));
            }
            Payload::GlobalSection(globals) => {
                component.stack = component.stack.or_else(|| first_value(globals))
            }
            _ => {}
        }
    }
    component.imports.sort();
    component
}

/// The first global is the stack pointer, and it starts at the stack's upper end, which is its size since the
/// stack lies first in memory.
fn first_value(globals: wasmparser::GlobalSectionReader<'_>) -> Option<i32> {
    let global = globals.into_iter().next()?.unwrap();
    match global.init_expr.get_operators_reader().read().unwrap() {
        Operator::I32Const { value } => Some(value),
        _ => None,
    }
}

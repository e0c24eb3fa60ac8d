//! Policies in the text format.
//!
//! The canonical ABI in short: `configure` gets a pointer and a length and returns a pointer to
//! `{0: ok, 1: list of problems}`; `decide` gets a pointer to the question and returns a pointer to
//! `{0: pass, 1: bypass, 2: deny, 3: restrict}`, with pointer and length of the rest at 4 and 8.
//! Memory begins as zeros, so a pointer to nothing reads as `ok` and as `pass`.

const TEMPLATE: &str = include_str!("policy.wat");
/// Accepts all settings.
pub(crate) const CONFIGURE: &str =
    r#"(func (export "configure") (param i32 i32) (result i32) (i32.const 16))"#;
/// Returns what data the test has put at 32.
pub(crate) const DECIDE: &str =
    r#"(func (export "decide") (param i32) (result i32) (i32.const 32))"#;

const LOG: [&str; 3] = [
    r#"(import "podgate:types/log@0.1.0" (instance $log
        (type $level0 (enum "debug" "info" "warn" "error"))
        (export "level" (type $level (eq $level0)))
        (export "write" (func (param "level" $level) (param "message" string)))))"#,
    r#"(core func $write (canon lower (func $log "write") (memory (core memory $memory "memory"))))"#,
    r#"(with "log" (instance (export "write" (func $write))))"#,
];

const CLOCK: [&str; 3] = [
    r#"(import "podgate:types/clock@0.1.0" (instance $clock (export "now" (func (result u64)))))"#,
    r#"(core func $now (canon lower (func $clock "now")))"#,
    r#"(with "clock" (instance (export "now" (func $now))))"#,
];

/// A policy of these core functions, with a page of memory and no imports.
pub(crate) fn policy(main: &str) -> Vec<u8> {
    build(["", "", ""], 1, main)
}

/// A policy with so many pages of memory.
pub(crate) fn with_pages(pages: usize, main: &str) -> Vec<u8> {
    build(["", "", ""], pages, main)
}

/// A policy that imports `"log" "write"` (level, pointer, length).
pub(crate) fn with_log(main: &str) -> Vec<u8> {
    build(
        LOG,
        1,
        &format!(r#"(import "log" "write" (func $write (param i32 i32 i32))) {main}"#),
    )
}

/// A policy that imports `"clock" "now"`.
pub(crate) fn with_clock(main: &str) -> Vec<u8> {
    build(
        CLOCK,
        1,
        &format!(r#"(import "clock" "now" (func $now (result i64))) {main}"#),
    )
}

/// A policy that always answers this: a discriminant, and the text of a denial.
pub(crate) fn answering(discriminant: u8, text: &str) -> Vec<u8> {
    let length = text.len().to_le_bytes();
    let bytes = [
        discriminant,
        0,
        0,
        0,
        64,
        0,
        0,
        0,
        length[0],
        length[1],
        length[2],
        0,
    ];
    let data: String = bytes.iter().map(|byte| format!("\\{byte:02x}")).collect();
    let text: String = text.bytes().map(|byte| format!("\\{byte:02x}")).collect();
    policy(&format!(
        r#"(data (i32.const 32) "{data}") (data (i32.const 64) "{text}") {CONFIGURE} {DECIDE}"#
    ))
}

fn build([imports, lowered, wiring]: [&str; 3], pages: usize, main: &str) -> Vec<u8> {
    let text = TEMPLATE
        .replace("%imports%", imports)
        .replace("%lowered%", lowered)
        .replace("%wiring%", wiring)
        .replace("%pages%", &pages.to_string())
        .replace("%main%", main);
    wat::parse_str(text).unwrap()
}

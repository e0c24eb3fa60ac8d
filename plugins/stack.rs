//! The build script of every component: a stack of 64 KiB.
//!
//! Rust's default of 1 MiB lies at the start of linear memory, where the gateway's pool wipes it between two
//! calls; 64 KiB makes a fresh instance cost less than half. A link argument from here holds whatever
//! `RUSTFLAGS` says, which a setting in `.cargo/config.toml` does not.

const STACK_BYTES: u32 = 64 * 1024;

fn main() {
    println!("cargo:rerun-if-changed=../stack.rs");
    if std::env::var("CARGO_CFG_TARGET_FAMILY").is_ok_and(|family| family == "wasm") {
        println!("cargo:rustc-link-arg-cdylib=-zstack-size={STACK_BYTES}");
    }
}

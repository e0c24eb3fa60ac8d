//! A stack of 64 KiB instead of Rust's 1 MiB, which the gateway would have to wipe after each call.

fn main() {
    println!("cargo:rerun-if-changed=build.rs");
    if std::env::var("CARGO_CFG_TARGET_FAMILY").is_ok_and(|family| family == "wasm") {
        println!("cargo:rustc-link-arg-cdylib=-zstack-size=65536");
    }
}

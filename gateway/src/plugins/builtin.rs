//! The three components that are part of the gateway. `build.rs` builds them.

use bytes::Bytes;

/// Their names.
pub(super) const NAMES: [&str; 3] = ["exception-matcher", "certificate-auth", "token-cache"];

/// A component by name.
pub(super) fn component(name: &str) -> Option<Bytes> {
    let bytes: &'static [u8] = match name {
        "exception-matcher" => include_bytes!(concat!(env!("OUT_DIR"), "/exception_matcher.wasm")),
        "certificate-auth" => include_bytes!(concat!(env!("OUT_DIR"), "/certificate_auth.wasm")),
        "token-cache" => include_bytes!(concat!(env!("OUT_DIR"), "/token_cache.wasm")),
        _ => return None,
    };
    Some(Bytes::from_static(bytes))
}

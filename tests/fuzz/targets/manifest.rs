//! Manifests of the standalone folder: one broken document harms only itself.
#![no_main]

use libfuzzer_sys::fuzz_target;

fuzz_target!(|text: &str| {
    let (objects, problems) = podgate_gateway::fuzzing::manifest(text);
    assert!(objects + problems <= text.len() + 1, "more than the text can hold");
});

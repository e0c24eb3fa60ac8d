//! The plugins file: whatever a ConfigMap holds is settings or a refusal.
#![no_main]

use libfuzzer_sys::fuzz_target;
use podgate_gateway::config::plugins::Plugins;

fuzz_target!(|text: &str| {
    let _ = Plugins::parse(text);
});

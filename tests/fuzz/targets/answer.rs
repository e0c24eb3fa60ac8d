//! What a token endpoint answers: a token is safe to put into a header and JSON, and its time is a time.
#![no_main]

use libfuzzer_sys::fuzz_target;
use podgate_azure::fuzzing::answer;

fuzz_target!(|body: &[u8]| {
    if let Some(token) = answer(body) {
        assert!(token.access_token.secret().bytes().all(|byte| byte.is_ascii_graphic()));
        assert!(token.expires_on <= 253_402_300_799);
    }
});

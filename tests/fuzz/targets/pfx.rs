//! A Secret's certificate, in PFX or PEM: whoever may write the Secret writes these bytes.
#![no_main]

use libfuzzer_sys::fuzz_target;
use podgate_gateway::credential::key::CertificateKey;

fuzz_target!(|file: &[u8]| {
    let _ = CertificateKey::read(file, "password");
});

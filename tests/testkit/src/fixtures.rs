//! Committed keys, certificates and PFX files: `fixtures/README.md` says how they were made.
//!
//! They are public. Nothing but a test may trust them.

/// The password of every file whose name does not end in `_empty`.
pub const PASSWORD: &str = "podgate-test";

macro_rules! fixtures {
    ($($(#[$doc:meta])+ $name:ident = $file:literal;)+) => {$(
        $(#[$doc])+
        pub fn $name() -> &'static [u8] {
            include_bytes!(concat!("../fixtures/", $file))
        }
    )+};
}

fixtures! {
    /// PBE-SHA1-RC2-40 for key and certificate, MAC SHA-1: what Windows and OpenSSL 1 made.
    pfx_rc2 = "rc2.pfx";
    /// [`pfx_rc2`] with an empty password.
    pfx_rc2_empty = "rc2-empty.pfx";
    /// PBE-SHA1-3DES for both, MAC SHA-1.
    pfx_3des = "3des.pfx";
    /// [`pfx_3des`] with an empty password.
    pfx_3des_empty = "3des-empty.pfx";
    /// PBES2 with AES-256 and SHA-256: what OpenSSL 3 makes.
    pfx_aes = "aes.pfx";
    /// [`pfx_aes`] with an empty password.
    pfx_aes_empty = "aes-empty.pfx";
    /// `openssl pkcs12 -export -legacy` as it comes: certificate RC2-40, key 3DES.
    pfx_legacy = "legacy.pfx";
    /// An issued certificate with its intermediate and root.
    pfx_chain = "chain.pfx";
    /// A certificate that ended with the year 2021.
    pfx_expired = "expired.pfx";
    /// A P-256 key, which Entra does not take.
    pfx_ec = "ec.pfx";
    /// Two RSA keys with their certificates.
    pfx_two_keys = "two-keys.pfx";
    /// The first 1000 bytes of [`pfx_aes`].
    pfx_truncated = "truncated.pfx";
    /// The RSA-2048 key of all files but `chain`, `ec` and the second of `two_keys`; PKCS#8 PEM.
    rsa_key_pem = "rsa.key.pem";
    /// The same key as PKCS#1 PEM.
    rsa_pkcs1_pem = "rsa.pkcs1.pem";
    /// The self-signed certificate of that key; its common name is `podgate-test.example`.
    rsa_certificate_pem = "rsa.crt.pem";
    /// The certificate of [`pfx_expired`].
    expired_certificate_pem = "expired.crt.pem";
    /// The key of [`pfx_chain`], PKCS#8 PEM.
    issued_key_pem = "issued.key.pem";
    /// The chain of [`pfx_chain`]: leaf, intermediate, root.
    chain_pem = "chain.pem";
    /// The key of [`pfx_ec`], PKCS#8 PEM.
    ec_key_pem = "ec.key.pem";
    /// The certificate of [`pfx_ec`].
    ec_certificate_pem = "ec.crt.pem";
}

/// Every encoding with its name and password. All hold [`rsa_key_pem`] and [`rsa_certificate_pem`].
pub fn every_pfx_encoding() -> [(&'static str, &'static [u8], &'static str); 7] {
    [
        ("RC2-40", pfx_rc2(), PASSWORD),
        ("RC2-40, empty password", pfx_rc2_empty(), ""),
        ("3DES", pfx_3des(), PASSWORD),
        ("3DES, empty password", pfx_3des_empty(), ""),
        ("PBES2", pfx_aes(), PASSWORD),
        ("PBES2, empty password", pfx_aes_empty(), ""),
        ("certificate RC2-40, key 3DES", pfx_legacy(), PASSWORD),
    ]
}

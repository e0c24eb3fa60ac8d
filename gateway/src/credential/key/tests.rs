use std::collections::BTreeMap;

use aws_lc_rs::signature::{
    RSA_PKCS1_2048_8192_SHA256, RSA_PSS_2048_8192_SHA256, UnparsedPublicKey,
};
use podgate_testkit::fixtures;

use super::*;

fn secret(entries: &[(&str, &[u8])]) -> SecretData {
    let owned = |(key, value): &(&str, &[u8])| ((*key).to_owned(), value.to_vec());
    SecretData::new(entries.iter().map(owned).collect::<BTreeMap<_, _>>())
}

fn read(file: &[u8]) -> Result<CertificateKey, KeyError> {
    CertificateKey::read(file, fixtures::PASSWORD)
}

fn pem(parts: &[&[u8]]) -> Vec<u8> {
    parts.concat()
}

#[test]
fn a_pfx_is_read_in_every_encoding_that_users_hold() {
    let reference = read(fixtures::pfx_aes()).unwrap().thumbprint_sha256();
    for (encoding, file, password) in fixtures::every_pfx_encoding() {
        let key = CertificateKey::read(file, password)
            .unwrap_or_else(|error| panic!("{encoding}: {error}"));
        assert_eq!(key.thumbprint_sha256(), reference, "{encoding}");
    }
}

#[test]
fn pem_is_read_with_a_pkcs8_and_a_pkcs1_key_in_any_order() {
    let certificate = fixtures::rsa_certificate_pem();
    for file in [
        pem(&[certificate, fixtures::rsa_key_pem()]),
        pem(&[fixtures::rsa_key_pem(), certificate]),
        pem(&[
            b"Bag Attributes
    localKeyID: 01
",
            fixtures::rsa_pkcs1_pem(),
            certificate,
        ]),
    ] {
        assert!(read(&file).is_ok());
    }
}

#[test]
fn a_secret_without_a_password_has_an_empty_one_and_a_line_break_is_not_part_of_it() {
    assert!(
        CertificateKey::from_secret(&secret(&[("certificate", fixtures::pfx_aes_empty())])).is_ok()
    );
    let line = format!("{}\n", fixtures::PASSWORD);
    let with_line = secret(&[
        ("certificate", fixtures::pfx_aes()),
        ("password", line.as_bytes()),
    ]);
    assert!(CertificateKey::from_secret(&with_line).is_ok());
}

#[test]
fn a_chain_is_ordered_from_the_leaf_up() {
    let from_pfx = read(fixtures::pfx_chain()).unwrap();
    let from_pem = read(&pem(&[fixtures::chain_pem(), fixtures::issued_key_pem()])).unwrap();
    assert_eq!(from_pfx.chain(), from_pem.chain());
    let chain = from_pfx.chain();
    assert_eq!(chain.len(), 3);
    for pair in chain.windows(2) {
        assert_eq!(
            parse(&pair[0]).unwrap().issuer(),
            parse(&pair[1]).unwrap().subject()
        );
    }
}

#[test]
fn what_is_no_usable_certificate_is_refused_with_the_cure() {
    let key = |result: Result<CertificateKey, KeyError>| result.unwrap_err().to_string();
    for (problem, cure) in [
        (
            key(CertificateKey::read(fixtures::pfx_aes(), "wrong")),
            "password is wrong",
        ),
        (key(read(fixtures::pfx_truncated())), "cut short"),
        (key(read(b"hello")), "neither PKCS#12 nor PEM"),
        (key(read(b"")), "neither PKCS#12 nor PEM"),
        (key(read(fixtures::pfx_ec())), "no RSA key"),
        (key(read(fixtures::pfx_two_keys())), "exactly one"),
        (key(read(fixtures::rsa_certificate_pem())), "no private key"),
        (
            key(read(&pem(&[
                fixtures::rsa_key_pem(),
                fixtures::ec_certificate_pem(),
            ]))),
            "none of its 1 certificates",
        ),
        (
            key(read(
                b"-----BEGIN CERTIFICATE-----\n!!!\n-----END CERTIFICATE-----\n",
            )),
            "PEM",
        ),
        (
            key(read(b"-----BEGIN ENCRYPTED PRIVATE KEY-----\nAAAA\n-----END ENCRYPTED PRIVATE KEY-----\n")),
            "is encrypted",
        ),
        (
            key(read(&vec![0x30; MAX_FILE + 1])),
            "more than a certificate",
        ),
        (
            key(CertificateKey::from_secret(&secret(&[("cert", b"x")]))),
            "key `certificate` is missing",
        ),
    ] {
        assert!(problem.contains(cure), "{problem:?} lacks {cure:?}");
    }
}

#[test]
fn both_algorithms_make_signatures_that_the_public_key_verifies() {
    let key = read(fixtures::pfx_aes()).unwrap();
    let public = key.pair.public_key().as_ref();
    let verifies = |algorithm, signature: Vec<u8>| {
        UnparsedPublicKey::new(algorithm, public)
            .verify(b"message", &signature)
            .is_ok()
    };
    assert!(verifies(
        &RSA_PSS_2048_8192_SHA256,
        key.sign(Algorithm::Ps256, b"message").unwrap()
    ));
    assert!(verifies(
        &RSA_PKCS1_2048_8192_SHA256,
        key.sign(Algorithm::Rs256, b"message").unwrap()
    ));
}

#[test]
fn the_end_of_a_certificate_is_known() {
    let ended = read(fixtures::pfx_expired()).unwrap().not_after();
    assert!((1_600_000_000..1_650_000_000).contains(&ended), "{ended}");
}

#[test]
fn nothing_of_a_key_shows_in_debug_output() {
    assert_eq!(
        format!("{:?}", read(fixtures::pfx_aes()).unwrap()),
        "CertificateKey([redacted])"
    );
}

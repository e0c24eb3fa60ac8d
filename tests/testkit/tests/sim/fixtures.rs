//! The committed files hold what their README says.

use p12_keystore::{KeyStore, KeyStoreEntry, Pkcs12ImportPolicy};
use podgate_testkit::{Certificate, fixtures, pki};

/// The certificate chains of the keys in a file.
fn keys(pfx: &[u8], password: &str) -> Vec<Vec<Vec<u8>>> {
    let store = KeyStore::from_pkcs12(pfx, password, Pkcs12ImportPolicy::Relaxed).unwrap();
    let entries = store.entries().filter_map(|(_, entry)| match entry {
        KeyStoreEntry::PrivateKeyChain(chain) => Some(chain),
        _ => None,
    });
    entries
        .map(|chain| {
            chain
                .certs()
                .iter()
                .map(|one| one.as_der().to_vec())
                .collect()
        })
        .collect()
}

fn certificate(pem: &[u8]) -> Certificate {
    Certificate::from_pem(std::str::from_utf8(pem).unwrap()).unwrap()
}

#[test]
fn every_encoding_holds_the_same_key_and_opens_with_its_own_password_only() {
    let own = certificate(fixtures::rsa_certificate_pem());
    for (name, pfx, password) in fixtures::every_pfx_encoding() {
        assert_eq!(keys(pfx, password), [[own.der().to_vec()]], "{name}");
        assert!(
            KeyStore::from_pkcs12(pfx, "wrong", Pkcs12ImportPolicy::Relaxed).is_err(),
            "{name}"
        );
    }
}

#[test]
fn the_special_ones_are_special_in_the_way_they_say() {
    let chain = keys(fixtures::pfx_chain(), fixtures::PASSWORD);
    assert_eq!((chain.len(), chain[0].len()), (1, 3));
    assert_eq!(chain[0][0], certificate(fixtures::chain_pem()).der());
    assert_eq!(keys(fixtures::pfx_two_keys(), fixtures::PASSWORD).len(), 2);
    let expired = keys(fixtures::pfx_expired(), fixtures::PASSWORD);
    assert_eq!(
        expired,
        [[certificate(fixtures::expired_certificate_pem())
            .der()
            .to_vec()]]
    );
    let ec = keys(fixtures::pfx_ec(), fixtures::PASSWORD);
    assert_eq!(
        ec,
        [[certificate(fixtures::ec_certificate_pem()).der().to_vec()]]
    );
    let truncated = KeyStore::from_pkcs12(
        fixtures::pfx_truncated(),
        fixtures::PASSWORD,
        Pkcs12ImportPolicy::Relaxed,
    );
    assert!(truncated.is_err());
}

#[test]
fn the_keys_of_the_process_are_the_same_at_every_call_and_their_pem_is_whole() {
    assert!(std::ptr::eq(pki::self_signed(), pki::self_signed()));
    assert_ne!(
        pki::self_signed().certificate(),
        pki::stranger().certificate()
    );
    assert_eq!(
        pki::issued().pem().matches("-----BEGIN").count(),
        4,
        "key, leaf, intermediate, root"
    );
    let again = Certificate::from_pem(&pki::issued().chain_pem()).unwrap();
    assert_eq!(&again, pki::issued().certificate());
    assert_eq!(format!("{again:?}").len(), "Certificate()".len() + 40);
}

#[test]
fn what_is_no_certificate_is_named_as_such() {
    assert!(
        Certificate::from_pem("nothing")
            .unwrap_err()
            .to_string()
            .contains("PEM block")
    );
    assert!(
        Certificate::from_der(*b"x")
            .unwrap_err()
            .to_string()
            .contains("X.509")
    );
    let mut longer = pki::self_signed().certificate().der().to_vec();
    longer.push(0);
    assert!(
        Certificate::from_der(longer)
            .unwrap_err()
            .to_string()
            .contains("1 more bytes")
    );
}

use der::asn1::{Any, OctetString};
use der::oid::ObjectIdentifier;
use der::{Decode, Encode};
use pkcs5::{pbes2, scrypt};
use pkcs12::cms::cert::x509::spki::AlgorithmIdentifierOwned;
use pkcs12::cms::content_info::{CmsVersion, ContentInfo};
use pkcs12::cms::encrypted_data::EncryptedData;
use pkcs12::cms::enveloped_data::EncryptedContentInfo;
use pkcs12::pbe_params::{EncryptedPrivateKeyInfo, Pkcs12PbeParams};
use pkcs12::pfx::{Pfx, Version};
use pkcs12::safe_bag::SafeBag;
use pkcs12::{DigestInfo, MacData};

use super::*;

const PASSWORD: &str = "p";
const DATA: &str = "1.2.840.113549.1.7.1";
const ENCRYPTED: &str = "1.2.840.113549.1.7.6";
const SHROUDED: &str = "1.2.840.113549.1.12.10.1.2";
const SECRET: &str = "1.2.840.113549.1.12.10.1.5";
const CRL: &str = "1.2.840.113549.1.12.10.1.4";
const PBE_3DES: &str = "1.2.840.113549.1.12.1.3";

fn oid(text: &str) -> ObjectIdentifier {
    ObjectIdentifier::new(text).unwrap()
}

fn any(value: &impl Encode) -> Any {
    Any::from_der(&value.to_der().unwrap()).unwrap()
}

fn octets(bytes: Vec<u8>) -> OctetString {
    OctetString::new(bytes).unwrap()
}

fn pbkdf2(iterations: u32) -> pbes2::Parameters {
    let mut params =
        pbes2::Parameters::generate_pbkdf2_sha256_aes256cbc(1, &[7; 16], [7; 16]).unwrap();
    if let pbes2::Kdf::Pbkdf2(pbkdf2) = &mut params.kdf {
        pbkdf2.iteration_count = iterations;
    }
    params
}

fn scrypt_of_a_gibibyte() -> pbes2::Parameters {
    let cost = scrypt::Params::new(20, 8, 1).unwrap();
    pbes2::Parameters::generate_scrypt_aes256cbc(cost, &[7; 16], [7; 16]).unwrap()
}

fn pbes2_algorithm(params: &pbes2::Parameters) -> AlgorithmIdentifierOwned {
    AlgorithmIdentifierOwned {
        oid: pbes2::PBES2_OID,
        parameters: Some(any(params)),
    }
}

fn pbe_3des(iterations: i32) -> AlgorithmIdentifierOwned {
    AlgorithmIdentifierOwned {
        oid: oid(PBE_3DES),
        parameters: Some(any(&Pkcs12PbeParams {
            salt: octets(vec![7; 8]),
            iterations,
        })),
    }
}

fn bag(id: &str, value: &impl Encode) -> SafeBag {
    SafeBag {
        bag_id: oid(id),
        bag_value: value.to_der().unwrap(),
        bag_attributes: None,
    }
}

fn shrouded(encryption_algorithm: AlgorithmIdentifierOwned) -> SafeBag {
    bag(
        SHROUDED,
        &EncryptedPrivateKeyInfo {
            encryption_algorithm,
            encrypted_data: octets(vec![0; 16]),
        },
    )
}

/// A bag that no reader looks into.
fn ballast() -> SafeBag {
    bag(CRL, &octets(vec![0]))
}

fn plain(bags: &Vec<SafeBag>) -> ContentInfo {
    ContentInfo {
        content_type: oid(DATA),
        content: any(&octets(bags.to_der().unwrap())),
    }
}

fn encrypted(bags: &Vec<SafeBag>) -> ContentInfo {
    let params = pbkdf2(10);
    let hidden = params.encrypt(PASSWORD, &bags.to_der().unwrap()).unwrap();
    sealed(pbes2_algorithm(&params), hidden)
}

fn sealed(content_enc_alg: AlgorithmIdentifierOwned, content: Vec<u8>) -> ContentInfo {
    ContentInfo {
        content_type: oid(ENCRYPTED),
        content: any(&EncryptedData {
            version: CmsVersion::V0,
            enc_content_info: EncryptedContentInfo {
                content_type: oid(DATA),
                content_enc_alg,
                encrypted_content: Some(octets(content)),
            },
            unprotected_attrs: None,
        }),
    }
}

fn pfx(safes: Vec<ContentInfo>, mac_data: Option<MacData>) -> Vec<u8> {
    let auth_safe = ContentInfo {
        content_type: oid(DATA),
        content: any(&octets(safes.to_der().unwrap())),
    };
    let version = Version::V3;
    Pfx {
        version,
        auth_safe,
        mac_data,
    }
    .to_der()
    .unwrap()
}

/// A file whose key takes nearly all the work that is allowed.
pub(in crate::credential) fn slow() -> Vec<u8> {
    let key = shrouded(pbes2_algorithm(&pbkdf2(900_000)));
    pfx(vec![plain(&vec![key])], None)
}

/// Why a file of these safes is refused, and that it was within no time.
fn refusal(safes: Vec<ContentInfo>) -> String {
    refused(&pfx(safes, None))
}

fn refused(file: &[u8]) -> String {
    let start = std::time::Instant::now();
    let Err(error) = read(file, PASSWORD) else {
        return "read".to_owned();
    };
    assert!(start.elapsed().as_millis() < 500, "{:?}", start.elapsed());
    error.to_string()
}

#[test]
fn scrypt_is_refused_wherever_it_stands() {
    let costly = || pbes2_algorithm(&scrypt_of_a_gibibyte());
    let small = pfx(vec![sealed(costly(), vec![0; 16])], None);
    assert!(small.len() < 256, "{} bytes", small.len());
    assert!(refused(&small).contains("scrypt"));
    for safe in [
        plain(&vec![shrouded(costly())]),
        encrypted(&vec![shrouded(costly())]),
    ] {
        let problem = refusal(vec![safe]);
        assert!(problem.contains("scrypt"), "{problem}");
    }
}

#[test]
fn a_secret_bag_is_refused_wherever_it_stands() {
    let secret = || vec![bag(SECRET, &octets(vec![0]))];
    for safe in [plain(&secret()), encrypted(&secret())] {
        let problem = refusal(vec![safe]);
        assert!(problem.contains("secret bag"), "{problem}");
    }
}

#[test]
fn bags_are_counted_over_all_safes_the_encrypted_ones_included() {
    let bags = |count| (0..count).map(|_| ballast()).collect::<Vec<_>>();
    for safes in [
        vec![plain(&bags(17))],
        vec![encrypted(&bags(17))],
        vec![plain(&bags(9)), encrypted(&bags(8))],
        (0..17).map(|_| plain(&bags(0))).collect(),
    ] {
        let problem = refusal(safes);
        assert!(problem.contains("17 bags"), "{problem}");
    }
    assert_eq!(refusal(vec![plain(&bags(8)), encrypted(&bags(8))]), "read");
}

#[test]
fn iterations_are_added_up_over_the_whole_file() {
    let key = |iterations| shrouded(pbes2_algorithm(&pbkdf2(iterations)));
    let mac = MacData {
        mac: DigestInfo {
            algorithm: AlgorithmIdentifierOwned {
                oid: oid("2.16.840.1.101.3.4.2.1"),
                parameters: None,
            },
            digest: octets(vec![0; 32]),
        },
        mac_salt: octets(vec![7; 8]),
        iterations: 900_000,
    };
    for file in [
        pfx(vec![plain(&vec![key(1_000_001)])], None),
        pfx(vec![plain(&vec![key(500_000), key(500_001)])], None),
        pfx(vec![encrypted(&vec![key(500_000), key(500_000)])], None),
        pfx(vec![plain(&vec![shrouded(pbe_3des(i32::MAX))])], None),
        pfx(vec![sealed(pbe_3des(1_000_001), vec![0; 16])], None),
        pfx(vec![plain(&vec![key(100_001)])], Some(mac)),
    ] {
        let problem = refused(&file);
        assert!(problem.contains("iterations"), "{problem}");
    }
    for iterations in [0, -1, i32::MIN] {
        let problem = refusal(vec![plain(&vec![shrouded(pbe_3des(iterations))])]);
        assert!(problem.contains("not positive"), "{problem}");
    }
}

#[test]
fn a_safe_that_the_password_does_not_open_is_said_to_be_so() {
    for algorithm in [pbes2_algorithm(&pbkdf2(10)), pbe_3des(10)] {
        let problem = refusal(vec![sealed(algorithm, vec![3; 32])]);
        assert!(problem.contains("password is wrong"), "{problem}");
    }
}

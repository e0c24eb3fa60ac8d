//! Keys and certificates for tests, made once per process because RSA keys take long to find.

use std::sync::OnceLock;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use rcgen::{
    BasicConstraints, CertificateParams, DnType, IsCa, Issuer, KeyPair, KeyUsagePurpose,
    PKCS_RSA_SHA256, date_time_ymd,
};

use crate::Certificate;

/// The common name of every leaf made here: what subject name/issuer tests put into `subject_name`.
pub const SUBJECT_NAME: &str = "podgate-test.example";

/// A private key, its certificate, and who issued that.
///
/// These are test keys: they are made in the process, and nothing but tests may trust them.
#[derive(Clone)]
pub struct Credential {
    key_pem: String,
    certificate: Certificate,
    issuers: Vec<Certificate>,
}

impl Credential {
    /// The private key, PKCS#8 PEM.
    pub fn key_pem(&self) -> &str {
        &self.key_pem
    }

    /// The private key, PKCS#8 DER.
    pub fn key_der(&self) -> Vec<u8> {
        KeyPair::from_pem(&self.key_pem)
            .expect("the key was made here")
            .serialize_der()
    }

    /// The leaf certificate.
    pub fn certificate(&self) -> &Certificate {
        &self.certificate
    }

    /// The intermediate (if any), then the root (if not self-signed).
    pub fn issuers(&self) -> &[Certificate] {
        &self.issuers
    }

    /// The authority at the end of the chain: what goes into `TrustedIssuer::authority`.
    pub fn root(&self) -> &Certificate {
        self.issuers.last().unwrap_or(&self.certificate)
    }

    /// Key, leaf, intermediate, root, as one PEM file.
    pub fn pem(&self) -> String {
        format!("{}{}", self.key_pem, self.chain_pem())
    }

    /// Leaf, intermediate, root, as one PEM file.
    pub fn chain_pem(&self) -> String {
        let chain = std::iter::once(&self.certificate).chain(&self.issuers);
        chain.map(Certificate::pem).collect()
    }
}

/// An RSA-2048 key with a self-signed certificate, the same in the whole process.
pub fn self_signed() -> &'static Credential {
    static ONCE: OnceLock<Credential> = OnceLock::new();
    ONCE.get_or_init(|| make_self_signed(&rsa(), 2100))
}

/// A second self-signed one, that nobody registered.
pub fn stranger() -> &'static Credential {
    static ONCE: OnceLock<Credential> = OnceLock::new();
    ONCE.get_or_init(|| make_self_signed(&rsa(), 2100))
}

/// A self-signed certificate of the key of [`self_signed`] that expired long ago.
pub fn expired() -> &'static Credential {
    static ONCE: OnceLock<Credential> = OnceLock::new();
    ONCE.get_or_init(|| make_self_signed(&pair(self_signed()), 2021))
}

/// An RSA-2048 key with a certificate from an intermediate of a small CA.
pub fn issued() -> &'static Credential {
    static ONCE: OnceLock<Credential> = OnceLock::new();
    ONCE.get_or_init(make_issued)
}

/// The key azure-sim signs tokens with.
pub(crate) fn signing_key() -> &'static Credential {
    static ONCE: OnceLock<Credential> = OnceLock::new();
    ONCE.get_or_init(|| make_self_signed(&rsa(), 2100))
}

/// `der` as a PEM block.
pub(crate) fn pem(label: &str, der: &[u8]) -> String {
    let text = STANDARD.encode(der);
    let lines = text.as_bytes().chunks(64).map(String::from_utf8_lossy);
    let body = lines.map(|line| format!("{line}\n")).collect::<String>();
    format!("-----BEGIN {label}-----\n{body}-----END {label}-----\n")
}

fn rsa() -> KeyPair {
    KeyPair::generate_for(&PKCS_RSA_SHA256).expect("aws-lc makes RSA-2048 keys")
}

fn pair(credential: &Credential) -> KeyPair {
    KeyPair::from_pem(&credential.key_pem).expect("the key was made here")
}

fn params(name: &str, until: i32) -> CertificateParams {
    let mut params = CertificateParams::default();
    params.distinguished_name = rcgen::DistinguishedName::new();
    params.distinguished_name.push(DnType::CommonName, name);
    params.not_before = date_time_ymd(2020, 1, 1);
    params.not_after = date_time_ymd(until, 1, 1);
    params
}

fn authority(name: &str, path_length: u8) -> CertificateParams {
    let mut params = params(name, 2100);
    params.is_ca = IsCa::Ca(BasicConstraints::Constrained(path_length));
    params.key_usages = vec![KeyUsagePurpose::KeyCertSign, KeyUsagePurpose::CrlSign];
    params
}

fn registered(made: &rcgen::Certificate) -> Certificate {
    Certificate::from_der(made.der().as_ref()).expect("rcgen makes X.509")
}

fn make_self_signed(key: &KeyPair, until: i32) -> Credential {
    let made = params(SUBJECT_NAME, until)
        .self_signed(key)
        .expect("rcgen signs with a key it made");
    Credential {
        key_pem: key.serialize_pem(),
        certificate: registered(&made),
        issuers: Vec::new(),
    }
}

fn make_issued() -> Credential {
    let key = rsa();
    let root_key = KeyPair::generate().expect("aws-lc makes EC keys");
    let root_params = authority("podgate test root", 1);
    let root = root_params
        .self_signed(&root_key)
        .expect("rcgen signs with a key it made");
    let root_issuer = Issuer::new(root_params, root_key);
    let middle_key = KeyPair::generate().expect("aws-lc makes EC keys");
    let middle_params = authority("podgate test intermediate", 0);
    let middle = middle_params
        .signed_by(&middle_key, &root_issuer)
        .expect("the root is a CA");
    let middle_issuer = Issuer::new(middle_params, middle_key);
    let leaf = params(SUBJECT_NAME, 2100)
        .signed_by(&key, &middle_issuer)
        .expect("the intermediate is a CA");
    Credential {
        key_pem: key.serialize_pem(),
        certificate: registered(&leaf),
        issuers: vec![registered(&middle), registered(&root)],
    }
}

//! An application's key and certificates, out of a PFX or PEM file.

use std::fmt;
use std::sync::Arc;

use aws_lc_rs::digest::{SHA256, digest};
use aws_lc_rs::signature::{KeyPair, RsaKeyPair};
use p12_keystore::Pkcs12Archive;
use rustls_pki_types::pem::PemObject;
use rustls_pki_types::{CertificateDer, PrivateKeyDer};
use thiserror::Error;
use zeroize::Zeroizing;

/// Longest file that is read, in bytes. A chain of RSA-4096 certificates has some 10 KiB.
const MAX_FILE: usize = 256 * 1024;

/// Certificates of one file. Chains have two or three.
const MAX_CHAIN: usize = 10;

/// An RSA key and its certificate, with those that issued it.
#[derive(Clone)]
pub struct ClientCertificate {
    key: Arc<RsaKeyPair>,
    /// DER, the leaf first.
    chain: Arc<[Vec<u8>]>,
}

/// Why a file holds no usable certificate.
#[derive(Clone, Debug, Error, PartialEq, Eq)]
pub enum CertificateError {
    /// Longer than any real one.
    #[error("the certificate file has {0} bytes, at most {MAX_FILE} are read")]
    TooLong(usize),
    /// No PKCS#12 file that can be opened, and no PEM file.
    #[error("the certificate file is neither PEM nor a PKCS#12 file that the password opens: {0}")]
    Unreadable(String),
    /// Not exactly one private key.
    #[error("the certificate file holds {0} private keys; it needs one")]
    Keys(usize),
    /// Entra ID takes RSA keys only.
    #[error("the private key is no RSA key of 2048 bits or more; Entra ID takes no other")]
    NotRsa,
    /// The certificate of the key is not there.
    #[error("none of the {0} certificates in the file belongs to its private key")]
    NoLeaf(usize),
}

/// DER of keys and certificates, as they stand in a file.
struct Parts {
    keys: Vec<Zeroizing<Vec<u8>>>,
    certificates: Vec<Vec<u8>>,
}

impl ClientCertificate {
    /// Reads a PKCS#12 file in any encoding that users have (RC2-40, 3DES, PBES2), or a PEM file.
    ///
    /// # Errors
    /// What is wrong with it; nothing of the key or the password is repeated.
    pub fn read(file: &[u8], password: &str) -> Result<Self, CertificateError> {
        if file.len() > MAX_FILE {
            return Err(CertificateError::TooLong(file.len()));
        }
        let parts = match file.windows(10).any(|window| window == b"-----BEGIN") {
            true => pem(file)?,
            false => pfx(file, password)?,
        };
        let [key] = &parts.keys[..] else {
            return Err(CertificateError::Keys(parts.keys.len()));
        };
        let key = RsaKeyPair::from_pkcs8(key).or_else(|_| RsaKeyPair::from_der(key));
        let key = key.map_err(|_| CertificateError::NotRsa)?;
        let chain = leaf_first(&key, parts.certificates)?;
        Ok(Self {
            key: Arc::new(key),
            chain: chain.into(),
        })
    }

    pub(super) fn key(&self) -> &RsaKeyPair {
        &self.key
    }

    /// DER, the leaf first.
    pub(super) fn chain(&self) -> &[Vec<u8>] {
        &self.chain
    }

    /// SHA-256 of the leaf: `x5t#S256`.
    pub(super) fn thumbprint(&self) -> Vec<u8> {
        digest(&SHA256, &self.chain[0]).as_ref().to_vec()
    }
}

/// The certificate that holds the key's public half, then the others in their order: files list them leaf first or
/// root first, and Entra ID wants the leaf first.
fn leaf_first(key: &RsaKeyPair, mut all: Vec<Vec<u8>>) -> Result<Vec<Vec<u8>>, CertificateError> {
    all.truncate(MAX_CHAIN);
    let public: &[u8] = key.public_key().as_ref();
    let is_leaf = |der: &Vec<u8>| der.windows(public.len()).any(|window| window == public);
    let count = all.len();
    let leaf = all
        .iter()
        .position(is_leaf)
        .ok_or(CertificateError::NoLeaf(count))?;
    let leaf = all.remove(leaf);
    all.insert(0, leaf);
    Ok(all)
}

fn pfx(file: &[u8], password: &str) -> Result<Parts, CertificateError> {
    let archive = Pkcs12Archive::from_pkcs12(file, password)
        .map_err(|error| CertificateError::Unreadable(error.to_string()))?;
    let keys = archive
        .keys
        .iter()
        .map(|bag| Zeroizing::new(bag.key.as_der().to_vec()));
    let certificates = archive.certs.iter().map(|bag| bag.cert.as_der().to_vec());
    Ok(Parts {
        keys: keys.collect(),
        certificates: certificates.collect(),
    })
}

fn pem(file: &[u8]) -> Result<Parts, CertificateError> {
    let unreadable =
        |error: rustls_pki_types::pem::Error| CertificateError::Unreadable(error.to_string());
    let keys = PrivateKeyDer::pem_slice_iter(file)
        .map(|key| key.map(|key| Zeroizing::new(key.secret_der().to_vec())))
        .collect::<Result<Vec<_>, _>>();
    let certificates = CertificateDer::pem_slice_iter(file)
        .map(|one| one.map(|one| one.to_vec()))
        .collect::<Result<Vec<_>, _>>();
    Ok(Parts {
        keys: keys.map_err(unreadable)?,
        certificates: certificates.map_err(unreadable)?,
    })
}

impl fmt::Debug for ClientCertificate {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "ClientCertificate({} certificates, key [redacted])",
            self.chain.len()
        )
    }
}

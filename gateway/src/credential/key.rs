//! A certificate with its private key, as a plugin's handle sees it: it signs, and shows its public part.

use std::fmt;

use aws_lc_rs::digest::{SHA1_FOR_LEGACY_USE_ONLY, SHA256, digest};
use aws_lc_rs::rand::SystemRandom;
use aws_lc_rs::rsa::KeySize;
use aws_lc_rs::signature::{KeyPair, RSA_PKCS1_SHA256, RSA_PSS_SHA256, RsaKeyPair};
use podgate_plugin_host::{Algorithm, SignError, SigningKey};
use thiserror::Error;
use x509_parser::prelude::{FromDer, X509Certificate};
use zeroize::Zeroizing;

use super::{pem, pfx};
use crate::world::SecretData;

/// Certificates of one file: a leaf, its intermediates, a root, and room.
const MAX_CHAIN: usize = 10;
/// More than any PFX of a service principal; a Secret may hold 1 MiB.
const MAX_FILE: usize = 256 * 1024;

/// An RSA key with its certificate chain.
pub struct CertificateKey {
    pair: RsaKeyPair,
    /// DER, leaf first.
    chain: Vec<Vec<u8>>,
    not_after: i64,
}

/// What a file held: PKCS#8 private keys and DER certificates, in no order.
pub(super) struct Parts {
    pub(super) keys: Vec<Zeroizing<Vec<u8>>>,
    pub(super) certificates: Vec<Vec<u8>>,
}

/// Why a Secret is no certificate. Never holds any of its content.
#[derive(Clone, Debug, Error, PartialEq, Eq)]
pub enum KeyError {
    /// The key is not in the Secret.
    #[error(
        "key `certificate` is missing; put the PFX (PKCS#12) or PEM file there, and its password under `password`"
    )]
    Missing,
    /// Too long to be one.
    #[error("key `certificate` holds {0} bytes, more than a certificate with its chain has")]
    TooLong(usize),
    /// The password is not text.
    #[error("key `password` is not UTF-8 text")]
    Password,
    /// Not a PFX that can be read with this password.
    #[error("the PFX cannot be read: {0}")]
    Pfx(String),
    /// Not a PEM file that can be read.
    #[error("the PEM file cannot be read: {0}")]
    Pem(String),
    /// A private key that needs a password of its own.
    #[error(
        "its private key is encrypted; decrypt it with `openssl pkcs8 -in FILE -out key.pem`, or give a PFX and its password"
    )]
    Encrypted,
    /// No private key.
    #[error("there is no private key in it; export it with its key")]
    NoKey,
    /// Several private keys.
    #[error("there are {0} private keys in it; export exactly one")]
    SeveralKeys(usize),
    /// Not an RSA key of 2048 bits or more.
    #[error(
        "the private key is no RSA key of at least 2048 bits, which Microsoft Entra ID asks for"
    )]
    NotRsa,
    /// No certificate has the key.
    #[error("none of its {0} certificates belongs to its private key")]
    NoCertificate(usize),
    /// Far too many.
    #[error("it holds {0} certificates, at most {MAX_CHAIN} make a chain")]
    TooManyCertificates(usize),
}

impl CertificateKey {
    /// Reads the Secret of a type 2 identity: `certificate` (PFX or PEM) and `password`, which may be absent.
    ///
    /// # Errors
    /// What is wrong and what would be right.
    pub fn from_secret(secret: &SecretData) -> Result<Self, KeyError> {
        let file = secret.get("certificate").ok_or(KeyError::Missing)?;
        let password = std::str::from_utf8(secret.get("password").unwrap_or_default())
            .map_err(|_| KeyError::Password)?;
        Self::read(file, password.trim_end_matches(['\r', '\n']))
    }

    /// Reads a PFX or PEM file.
    ///
    /// # Errors
    /// As [`Self::from_secret`].
    pub fn read(file: &[u8], password: &str) -> Result<Self, KeyError> {
        if file.len() > MAX_FILE {
            return Err(KeyError::TooLong(file.len()));
        }
        // DER begins with a SEQUENCE; `openssl pkcs12 -nodes` writes lines before the first block.
        let pem = !file.starts_with(&[0x30]) && contains(file, b"-----BEGIN ");
        let parts = match pem {
            true if contains(file, b"ENCRYPTED") => return Err(KeyError::Encrypted),
            true => pem::read(file)?,
            false => pfx::read(file, password)?,
        };
        Self::assemble(parts)
    }

    fn assemble(parts: Parts) -> Result<Self, KeyError> {
        let key = match parts.keys.as_slice() {
            [] => return Err(KeyError::NoKey),
            [key] => key,
            keys => return Err(KeyError::SeveralKeys(keys.len())),
        };
        if parts.certificates.len() > MAX_CHAIN {
            return Err(KeyError::TooManyCertificates(parts.certificates.len()));
        }
        let pair = rsa(key)?;
        let chain = chain(parts.certificates, pair.public_key().as_ref())?;
        let not_after = parse(&chain[0]).map_or(0, |leaf| leaf.validity().not_after.timestamp());
        Ok(Self {
            pair,
            chain,
            not_after,
        })
    }

    /// When the certificate ends, in seconds since 1970.
    pub fn not_after(&self) -> i64 {
        self.not_after
    }
}

impl fmt::Debug for CertificateKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("CertificateKey([redacted])")
    }
}

impl SigningKey for CertificateKey {
    fn sign(&self, algorithm: Algorithm, message: &[u8]) -> Result<Vec<u8>, SignError> {
        let encoding: &'static dyn aws_lc_rs::signature::RsaEncoding = match algorithm {
            Algorithm::Ps256 => &RSA_PSS_SHA256,
            Algorithm::Rs256 => &RSA_PKCS1_SHA256,
        };
        let mut signature = vec![0; self.pair.public_modulus_len()];
        self.pair
            .sign(encoding, &SystemRandom::new(), message, &mut signature)
            .map_err(|_| SignError::Other("the key could not sign".to_owned()))?;
        Ok(signature)
    }

    fn thumbprint_sha1(&self) -> [u8; 20] {
        thumbprint(&SHA1_FOR_LEGACY_USE_ONLY, &self.chain[0])
    }

    fn thumbprint_sha256(&self) -> [u8; 32] {
        thumbprint(&SHA256, &self.chain[0])
    }

    fn chain(&self) -> Vec<Vec<u8>> {
        self.chain.clone()
    }
}

fn contains(bytes: &[u8], words: &[u8]) -> bool {
    bytes.windows(words.len()).any(|window| window == words)
}

fn thumbprint<const N: usize>(
    algorithm: &'static aws_lc_rs::digest::Algorithm,
    der: &[u8],
) -> [u8; N] {
    let mut bytes = [0; N];
    bytes.copy_from_slice(digest(algorithm, der).as_ref());
    bytes
}

fn rsa(pkcs8: &[u8]) -> Result<RsaKeyPair, KeyError> {
    let pair = RsaKeyPair::from_pkcs8(pkcs8).map_err(|_| KeyError::NotRsa)?;
    let smallest = KeySize::Rsa2048.len();
    match pair.public_modulus_len() >= smallest {
        true => Ok(pair),
        false => Err(KeyError::NotRsa),
    }
}

/// The leaf is the one with the key; its issuers follow, as far as they are there.
fn chain(certificates: Vec<Vec<u8>>, public_key: &[u8]) -> Result<Vec<Vec<u8>>, KeyError> {
    let count = certificates.len();
    let leaf = certificates
        .iter()
        .position(|der| has_key(der, public_key))
        .ok_or(KeyError::NoCertificate(count))?;
    let mut rest = certificates;
    let mut chain = vec![rest.remove(leaf)];
    while let Some(next) = chain.last().and_then(|last| issuer_of(last, &rest)) {
        chain.push(rest.remove(next));
    }
    Ok(chain)
}

fn has_key(der: &[u8], public_key: &[u8]) -> bool {
    parse(der).is_some_and(|certificate| {
        certificate.public_key().subject_public_key.data.as_ref() == public_key
    })
}

fn issuer_of(der: &[u8], others: &[Vec<u8>]) -> Option<usize> {
    let certificate = parse(der)?;
    if certificate.issuer() == certificate.subject() {
        return None;
    }
    others
        .iter()
        .position(|other| parse(other).is_some_and(|other| other.subject() == certificate.issuer()))
}

fn parse(der: &[u8]) -> Option<X509Certificate<'_>> {
    X509Certificate::from_der(der)
        .ok()
        .map(|(_, certificate)| certificate)
}

#[cfg(test)]
mod tests;

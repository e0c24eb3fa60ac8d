//! Private keys as plugins see them: something that signs and shows its certificates.

use thiserror::Error;

/// The signature algorithms of RFC 7518 that Microsoft Entra ID accepts.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Algorithm {
    /// RSASSA-PSS with SHA-256.
    Ps256,
    /// RSASSA-PKCS1-v1_5 with SHA-256.
    Rs256,
}

/// Why a signature was refused. Reaches the plugin, so it holds no key material.
#[derive(Clone, Debug, Error, PartialEq, Eq)]
pub enum SignError {
    /// The key cannot do this algorithm.
    #[error("the key cannot sign with {0:?}")]
    Unsupported(Algorithm),
    /// Anything else, in a sentence.
    #[error("{0}")]
    Other(String),
}

/// A private key and the certificates that go with it. Its bytes never enter a plugin's memory.
pub trait SigningKey: Send + Sync {
    /// Signs a message, hashing it first.
    ///
    /// # Errors
    /// The key cannot do it.
    fn sign(&self, algorithm: Algorithm, message: &[u8]) -> Result<Vec<u8>, SignError>;

    /// SHA-1 of the leaf certificate's DER: the JWT header `x5t` before encoding.
    fn thumbprint_sha1(&self) -> [u8; 20];

    /// SHA-256 of the leaf certificate's DER: the JWT header `x5t#S256` before encoding.
    fn thumbprint_sha256(&self) -> [u8; 32];

    /// The certificates as DER, leaf first.
    fn chain(&self) -> Vec<Vec<u8>>;
}

//! A real key without a certificate authority behind it.

use aws_lc_rs::rand::SystemRandom;
use aws_lc_rs::rsa::KeySize;
use aws_lc_rs::signature::{
    KeyPair, RSA_PKCS1_SHA256, RSA_PSS_2048_8192_SHA256, RSA_PSS_SHA256, RsaKeyPair,
};
use aws_lc_rs::signature::{RsaEncoding, UnparsedPublicKey};
use podgate_plugin_host::{Algorithm, SignError, SigningKey};

/// An RSA key with fixed bytes for a certificate.
pub(crate) struct TestKey(RsaKeyPair);

impl TestKey {
    pub(crate) fn new() -> Self {
        Self(RsaKeyPair::generate(KeySize::Rsa2048).unwrap())
    }

    /// Whether this key made this PS256 signature.
    pub(crate) fn verifies(&self, message: &[u8], signature: &[u8]) -> bool {
        UnparsedPublicKey::new(&RSA_PSS_2048_8192_SHA256, self.0.public_key().as_ref())
            .verify(message, signature)
            .is_ok()
    }
}

impl SigningKey for TestKey {
    fn sign(&self, algorithm: Algorithm, message: &[u8]) -> Result<Vec<u8>, SignError> {
        let encoding: &'static dyn RsaEncoding = match algorithm {
            Algorithm::Ps256 => &RSA_PSS_SHA256,
            Algorithm::Rs256 => &RSA_PKCS1_SHA256,
        };
        let mut signature = vec![0; self.0.public_modulus_len()];
        self.0
            .sign(encoding, &SystemRandom::new(), message, &mut signature)
            .map_err(|error| SignError::Other(error.to_string()))?;
        Ok(signature)
    }

    fn thumbprint_sha1(&self) -> [u8; 20] {
        [1; 20]
    }

    fn thumbprint_sha256(&self) -> [u8; 32] {
        [2; 32]
    }

    fn chain(&self) -> Vec<Vec<u8>> {
        vec![b"leaf".to_vec(), b"issuer".to_vec()]
    }
}

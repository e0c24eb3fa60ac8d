//! The key of an identity that names no Secret.

use podgate_plugin_host::{Algorithm, SignError, SigningKey};

/// Signs nothing, and says why.
pub(super) struct NoKey;

impl SigningKey for NoKey {
    fn sign(&self, _: Algorithm, _: &[u8]) -> Result<Vec<u8>, SignError> {
        let why = "the AzureIdentity names no Secret (spec.clientPassword), so there is no key";
        Err(SignError::Other(why.to_owned()))
    }

    fn thumbprint_sha1(&self) -> [u8; 20] {
        [0; 20]
    }

    fn thumbprint_sha256(&self) -> [u8; 32] {
        [0; 32]
    }

    fn chain(&self) -> Vec<Vec<u8>> {
        Vec::new()
    }
}

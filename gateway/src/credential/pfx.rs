//! PKCS#12 files, in the encodings users have: RC2-40 and 3DES (what the old gateway could read) and
//! PBES2 (what OpenSSL 3 and Azure Key Vault write).

use p12_keystore::Pkcs12Archive;
use p12_keystore::error::Error;
use zeroize::Zeroizing;

use super::key::{KeyError, Parts};

mod cost;
mod pbes1;

/// Reads a file whose cost is bounded; the password is the author's as well, so nothing of it is trusted.
pub(super) fn read(file: &[u8], password: &str) -> Result<Parts, KeyError> {
    cost::check(file, password)?;
    let archive = Pkcs12Archive::from_pkcs12(file, password).map_err(|error| explain(&error))?;
    Ok(Parts {
        keys: archive
            .keys
            .iter()
            .map(|bag| Zeroizing::new(bag.key.as_der().to_vec()))
            .collect(),
        certificates: archive
            .certs
            .iter()
            .map(|bag| bag.cert.as_der().to_vec())
            .collect(),
    })
}

fn explain(error: &Error) -> KeyError {
    KeyError::Pfx(match error {
        Error::MacError(_) => "the password is wrong (key `password` of the Secret)".to_owned(),
        Error::UnsupportedEncryptionScheme | Error::UnsupportedMacAlgorithm => {
            format!("{error}; export it again with PBES2 (AES-256, SHA-256), 3DES or RC2-40")
        }
        Error::DerError(_) => "it is neither PKCS#12 nor PEM, or it is cut short".to_owned(),
        other => other.to_string(),
    })
}

#[cfg(test)]
pub(super) mod tests;

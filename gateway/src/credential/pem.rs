//! PEM files: an extension over the old gateway, since that is how most certificates travel today.

use aws_lc_rs::encoding::AsDer;
use aws_lc_rs::rsa::KeyPair;
use rustls_pki_types::pem::PemObject;
use rustls_pki_types::{CertificateDer, PrivateKeyDer};
use zeroize::Zeroizing;

use super::key::{KeyError, Parts};

pub(super) fn read(file: &[u8]) -> Result<Parts, KeyError> {
    let certificates = CertificateDer::pem_slice_iter(file)
        .map(|certificate| certificate.map(|der| der.to_vec()))
        .collect::<Result<_, _>>()
        .map_err(|error| KeyError::Pem(error.to_string()))?;
    let keys = PrivateKeyDer::pem_slice_iter(file)
        .map(|key| pkcs8(key.map_err(|error| KeyError::Pem(error.to_string()))?))
        .collect::<Result<_, _>>()?;
    Ok(Parts { keys, certificates })
}

/// PKCS#1 becomes PKCS#8, so that one form goes on. An encrypted key has another label and is not found,
/// which the caller reports as a missing key.
fn pkcs8(key: PrivateKeyDer<'_>) -> Result<Zeroizing<Vec<u8>>, KeyError> {
    match key {
        PrivateKeyDer::Pkcs8(key) => Ok(Zeroizing::new(key.secret_pkcs8_der().to_vec())),
        PrivateKeyDer::Pkcs1(key) => {
            let pair = KeyPair::from_der(key.secret_pkcs1_der()).map_err(|_| KeyError::NotRsa)?;
            let pkcs8 = pair.as_der().map_err(|_| KeyError::NotRsa)?;
            let der: &aws_lc_rs::encoding::Pkcs8V1Der<'_> = &pkcs8;
            Ok(Zeroizing::new(der.as_ref().to_vec()))
        }
        _ => Err(KeyError::NotRsa),
    }
}

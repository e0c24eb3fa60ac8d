//! A certificate as applications register it.

use std::fmt;

use aws_lc_rs::digest;
use rustls_pki_types::CertificateDer;
use rustls_pki_types::pem::PemObject;
use serde::{Deserialize, Serialize};

/// An X.509 certificate that was parsed when it was made, so that it cannot fail later.
#[derive(Clone, PartialEq, Eq, Deserialize, Serialize)]
#[serde(try_from = "String", into = "String")]
pub struct Certificate {
    der: Vec<u8>,
}

impl Certificate {
    /// The certificate in `der`.
    ///
    /// # Errors
    /// When the bytes are no X.509 certificate, or when something follows it.
    pub fn from_der(der: impl Into<Vec<u8>>) -> Result<Self, CertificateError> {
        let der = der.into();
        match x509_parser::parse_x509_certificate(&der) {
            Ok(([], _)) => Ok(Self { der }),
            Ok((rest, _)) => Err(CertificateError::Trailing(rest.len())),
            Err(source) => Err(CertificateError::NotX509(source.to_string())),
        }
    }

    /// The first certificate in `pem`.
    ///
    /// # Errors
    /// When there is no `CERTIFICATE` block, or it holds something else.
    pub fn from_pem(pem: &str) -> Result<Self, CertificateError> {
        let der = CertificateDer::from_pem_slice(pem.as_bytes())
            .map_err(|source| CertificateError::NotPem(source.to_string()))?;
        Self::from_der(der.as_ref())
    }

    /// The DER bytes.
    pub fn der(&self) -> &[u8] {
        &self.der
    }

    /// The certificate as PEM.
    pub fn pem(&self) -> String {
        crate::pki::pem("CERTIFICATE", &self.der)
    }

    /// SHA-1 of the DER: what Entra calls the thumbprint, and a JWT's `x5t`.
    pub fn thumbprint_sha1(&self) -> [u8; 20] {
        let mut out = [0; 20];
        out.copy_from_slice(digest::digest(&digest::SHA1_FOR_LEGACY_USE_ONLY, &self.der).as_ref());
        out
    }

    /// SHA-256 of the DER: a JWT's `x5t#S256`.
    pub fn thumbprint_sha256(&self) -> [u8; 32] {
        let mut out = [0; 32];
        out.copy_from_slice(digest::digest(&digest::SHA256, &self.der).as_ref());
        out
    }
}

impl fmt::Debug for Certificate {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Certificate(")?;
        self.thumbprint_sha1()
            .iter()
            .try_for_each(|byte| write!(f, "{byte:02X}"))?;
        f.write_str(")")
    }
}

impl TryFrom<String> for Certificate {
    type Error = CertificateError;

    fn try_from(pem: String) -> Result<Self, Self::Error> {
        Self::from_pem(&pem)
    }
}

impl From<Certificate> for String {
    fn from(certificate: Certificate) -> Self {
        certificate.pem()
    }
}

/// Why bytes are not a certificate.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum CertificateError {
    /// No PEM block of the right kind.
    #[error("expected a PEM block CERTIFICATE: {0}")]
    NotPem(String),
    /// Not DER, or not a certificate.
    #[error("expected an X.509 certificate in DER: {0}")]
    NotX509(String),
    /// Bytes behind the certificate.
    #[error("expected one X.509 certificate in DER, found {0} more bytes behind it")]
    Trailing(usize),
}

//! The TLS of outgoing connections.

use std::sync::Arc;

use rustls::crypto::aws_lc_rs;
use rustls::{ClientConfig, RootCertStore};
use rustls_pki_types::CertificateDer;
use rustls_pki_types::pem::PemObject;
use thiserror::Error;

/// Why a client's TLS cannot be set up. Files are counted from 1, in the order they were given.
#[derive(Debug, Error)]
pub enum TlsError {
    /// Something that is no PEM file, or a broken one.
    #[error("file {position} of further certificate authorities is no PEM file: {reason}")]
    Pem {
        /// Which file.
        position: usize,
        /// What is wrong with it.
        reason: String,
    },
    /// A PEM file of something else, such as a key.
    #[error(
        "file {position} of further certificate authorities holds no certificate; it needs at least one \
         block that begins with -----BEGIN CERTIFICATE-----"
    )]
    Empty {
        /// Which file.
        position: usize,
    },
    /// A certificate that cannot be an authority.
    #[error(
        "file {position} of further certificate authorities holds an unusable certificate: {source}"
    )]
    Certificate {
        /// Which file.
        position: usize,
        /// What is wrong with it.
        source: rustls::Error,
    },
    /// The cryptography library does not offer what TLS needs.
    #[error("TLS cannot be set up: {0}")]
    Setup(#[source] rustls::Error),
}

/// The provider is named, because the process may hold several and rustls refuses to choose.
pub(super) fn config(extra_roots_pem: &[Vec<u8>]) -> Result<ClientConfig, TlsError> {
    let provider = Arc::new(aws_lc_rs::default_provider());
    let config = ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .map_err(TlsError::Setup)?
        .with_root_certificates(roots(extra_roots_pem)?)
        .with_no_client_auth();
    Ok(config)
}

fn roots(extra: &[Vec<u8>]) -> Result<RootCertStore, TlsError> {
    let mut roots = RootCertStore {
        roots: webpki_roots::TLS_SERVER_ROOTS.to_vec(),
    };
    for (position, pem) in (1..).zip(extra) {
        for certificate in certificates(pem, position)? {
            roots
                .add(certificate)
                .map_err(|source| TlsError::Certificate { position, source })?;
        }
    }
    Ok(roots)
}

fn certificates(pem: &[u8], position: usize) -> Result<Vec<CertificateDer<'static>>, TlsError> {
    let certificates: Vec<_> = CertificateDer::pem_slice_iter(pem)
        .collect::<Result<_, _>>()
        .map_err(|error| TlsError::Pem {
            position,
            reason: error.to_string(),
        })?;
    match certificates.is_empty() {
        true => Err(TlsError::Empty { position }),
        false => Ok(certificates),
    }
}

//! The https endpoint's own little CA.

use std::net::IpAddr;
use std::sync::Arc;

use rcgen::{BasicConstraints, CertificateParams, DnType, IsCa, Issuer, KeyPair, KeyUsagePurpose};
use rustls::ServerConfig;
use rustls_pki_types::{CertificateDer, PrivateKeyDer, PrivatePkcs8KeyDer};

use super::SimError;

/// What Entra listens with.
pub(crate) struct Endpoint {
    pub(crate) ca_pem: String,
    pub(crate) server: Arc<ServerConfig>,
}

/// A new CA, and a certificate of it for `localhost`, the listen address and `names`.
pub(crate) fn endpoint(ip: IpAddr, names: &[String]) -> Result<Endpoint, SimError> {
    make(ip, names).map_err(|why| SimError::Tls(why.to_string()))
}

fn make(ip: IpAddr, names: &[String]) -> Result<Endpoint, Box<dyn std::error::Error>> {
    let ca_key = KeyPair::generate()?;
    let ca_params = authority();
    let ca_pem = ca_params.self_signed(&ca_key)?.pem();
    let issuer = Issuer::new(ca_params, ca_key);
    let mut subjects = vec![
        "localhost".to_owned(),
        "127.0.0.1".to_owned(),
        ip.to_string(),
    ];
    subjects.dedup();
    subjects.extend_from_slice(names);
    let key = KeyPair::generate()?;
    let mut params = CertificateParams::new(subjects)?;
    params
        .distinguished_name
        .push(DnType::CommonName, "azure-sim entra");
    let certificate = params.signed_by(&key, &issuer)?;
    Ok(Endpoint {
        ca_pem,
        server: server(certificate.der().clone(), &key)?,
    })
}

fn authority() -> CertificateParams {
    let mut params = CertificateParams::default();
    params.distinguished_name.push(
        DnType::CommonName,
        "azure-sim test CA, trust it in tests only",
    );
    params.is_ca = IsCa::Ca(BasicConstraints::Constrained(0));
    params.key_usages = vec![KeyUsagePurpose::KeyCertSign, KeyUsagePurpose::CrlSign];
    params
}

fn server(
    leaf: CertificateDer<'static>,
    key: &KeyPair,
) -> Result<Arc<ServerConfig>, rustls::Error> {
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let key = PrivateKeyDer::Pkcs8(PrivatePkcs8KeyDer::from(key.serialize_der()));
    let config = ServerConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()?
        .with_no_client_auth()
        .with_single_cert(vec![leaf], key)?;
    Ok(Arc::new(config))
}

//! The throw-away certificates of a control plane.

use std::net::IpAddr;
use std::path::Path;

use anyhow::Result;
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use rcgen::{
    BasicConstraints, CertificateParams, DnType, ExtendedKeyUsagePurpose, IsCa, Issuer, KeyPair,
    KeyUsagePurpose, PublicKeyData, SanType, date_time_ymd,
};
use serde_json::json;

/// Signs for the API server and for its clients.
pub(super) struct Authority {
    issuer: Issuer<'static, KeyPair>,
    pem: String,
}

impl Authority {
    pub(super) fn new() -> Result<Self> {
        let key = KeyPair::generate()?;
        let mut params = params("podgate-test-ca", None);
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        params.key_usages = vec![KeyUsagePurpose::KeyCertSign];
        let pem = params.self_signed(&key)?.pem();
        Ok(Self {
            issuer: Issuer::new(params, key),
            pem,
        })
    }

    /// What the API server needs in its folder.
    pub(super) fn write_server(&self, folder: &Path, address: IpAddr) -> Result<()> {
        let mut server = params("kube-apiserver", None);
        server.extended_key_usages = vec![ExtendedKeyUsagePurpose::ServerAuth];
        server.subject_alt_names = vec![
            SanType::IpAddress(address),
            SanType::IpAddress([127, 0, 0, 1].into()),
            SanType::IpAddress([10, 96, 0, 1].into()),
            SanType::DnsName("localhost".try_into()?),
            SanType::DnsName("kubernetes.default.svc".try_into()?),
        ];
        let (certificate, key) = self.sign(&server)?;
        let tokens = KeyPair::generate()?;
        let public = crate::pki::pem("PUBLIC KEY", &tokens.subject_public_key_info());
        std::fs::write(folder.join("ca.crt"), &self.pem)?;
        std::fs::write(folder.join("apiserver.crt"), certificate)?;
        std::fs::write(folder.join("apiserver.key"), key)?;
        std::fs::write(folder.join("sa.key"), tokens.serialize_pem())?;
        Ok(std::fs::write(folder.join("sa.pub"), public)?)
    }

    /// JSON, which is YAML as well.
    pub(super) fn kubeconfig(
        &self,
        server: &str,
        user: &str,
        group: Option<&str>,
    ) -> Result<String> {
        let mut client = params(user, group);
        client.extended_key_usages = vec![ExtendedKeyUsagePurpose::ClientAuth];
        let (certificate, key) = self.sign(&client)?;
        let text = json!({
            "apiVersion": "v1", "kind": "Config", "current-context": "test",
            "clusters": [{"name": "test", "cluster": {
                "server": server, "certificate-authority-data": STANDARD.encode(&self.pem)}}],
            "users": [{"name": "test", "user": {
                "client-certificate-data": STANDARD.encode(certificate),
                "client-key-data": STANDARD.encode(key)}}],
            "contexts": [{"name": "test", "context": {"cluster": "test", "user": "test"}}],
        });
        Ok(text.to_string())
    }

    /// Certificate and key, PEM.
    fn sign(&self, params: &CertificateParams) -> Result<(String, String)> {
        let key = KeyPair::generate()?;
        let certificate = params.signed_by(&key, &self.issuer)?;
        Ok((certificate.pem(), key.serialize_pem()))
    }
}

/// Kubernetes reads the user from the common name and its group from the organisation.
fn params(name: &str, group: Option<&str>) -> CertificateParams {
    let mut params = CertificateParams::default();
    params.distinguished_name = rcgen::DistinguishedName::new();
    if let Some(group) = group {
        params
            .distinguished_name
            .push(DnType::OrganizationName, group);
    }
    params.distinguished_name.push(DnType::CommonName, name);
    params.not_before = date_time_ymd(2020, 1, 1);
    params.not_after = date_time_ymd(2100, 1, 1);
    params.use_authority_key_identifier_extension = true;
    params
}

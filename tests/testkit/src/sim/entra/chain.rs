//! The certificates behind an assertion: `x5c`, trust by subject name and issuer, validity.

use std::sync::Arc;
use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use rustls::RootCertStore;
use rustls::server::WebPkiClientVerifier;
use rustls_pki_types::{CertificateDer, UnixTime};
use serde_json::Value;
use x509_parser::prelude::{FromDer, GeneralName, ParsedExtension, X509Certificate};
use x509_parser::public_key::PublicKey;

use super::errors::Refusal;
use crate::{Certificate, TrustedIssuer};

/// The certificates of `x5c`: base64 (not base64url) of DER, leaf first, each issued by the next (RFC 7515 §4.1.6).
/// MSAL.NET sends a single string when there is one.
pub(super) fn parse(x5c: &Value) -> Result<Vec<Certificate>, Refusal> {
    let entries = match x5c {
        Value::Array(entries) if !entries.is_empty() => entries.as_slice(),
        Value::String(_) => std::slice::from_ref(x5c),
        _ => return Err(wrong("x5c is a list of certificates")),
    };
    let chain = entries
        .iter()
        .map(certificate)
        .collect::<Result<Vec<_>, _>>()?;
    match chain.windows(2).all(|pair| issued_by(&pair[0], &pair[1])) {
        true => Ok(chain),
        false => Err(wrong(
            "x5c is not in order: leaf first, each certificate issued by the next",
        )),
    }
}

fn wrong(why: &str) -> Refusal {
    Refusal::new(
        50_027,
        format!("JWT token is invalid or malformed. azure-sim: {why}"),
    )
}

fn certificate(entry: &Value) -> Result<Certificate, Refusal> {
    let text = entry
        .as_str()
        .ok_or_else(|| wrong("an entry of x5c is not a string"))?;
    let der = STANDARD
        .decode(text)
        .map_err(|_| wrong("an entry of x5c is not base64"))?;
    Certificate::from_der(der).map_err(|why| wrong(&format!("an entry of x5c: {why}")))
}

fn x509(certificate: &Certificate) -> X509Certificate<'_> {
    X509Certificate::from_der(certificate.der())
        .expect("a Certificate was parsed when it was made")
        .1
}

fn issued_by(leaf: &Certificate, issuer: &Certificate) -> bool {
    x509(leaf).issuer() == x509(issuer).subject()
}

/// The RSA key of a certificate, PKCS#1.
pub(super) fn rsa_key(certificate: &Certificate) -> Result<Vec<u8>, Refusal> {
    let parsed = x509(certificate);
    match parsed.public_key().parsed() {
        Ok(PublicKey::RSA(_)) => Ok(parsed.public_key().subject_public_key.data.to_vec()),
        _ => Err(Refusal::new(
            700_027,
            "Client assertion failed signature validation. The key is not an RSA key.",
        )),
    }
}

/// Whether a registered certificate is valid now.
pub(super) fn in_time(
    certificate: &Certificate,
    now: u64,
    thumbprint: &str,
) -> Result<(), Refusal> {
    let parsed = x509(certificate);
    let validity = parsed.validity();
    let now = i64::try_from(now).unwrap_or(i64::MAX);
    if (validity.not_before.timestamp()..=validity.not_after.timestamp()).contains(&now) {
        return Ok(());
    }
    Err(Refusal::new(
        700_027,
        format!(
            "Client assertion contains an invalid signature. [Reason - The key used is expired., Thumbprint of key \
             used by client: '{thumbprint}', Found key 'Start={}, End={}']",
            validity.not_before, validity.not_after
        ),
    ))
}

/// The leaf, when one of the issuers vouches for it and its subject is the right one.
pub(super) fn trusted(
    chain: &[Certificate],
    issuers: &[TrustedIssuer],
    now: u64,
) -> Result<Certificate, Refusal> {
    let [leaf, rest @ ..] = chain else {
        return Err(wrong("x5c is empty"));
    };
    let vouching = issuers
        .iter()
        .filter(|issuer| vouches(&issuer.authority, leaf, rest, now))
        .collect::<Vec<_>>();
    if vouching.is_empty() {
        return Err(untrusted(leaf, now));
    }
    let names = subject_names(leaf);
    match vouching.iter().any(|issuer| {
        names
            .iter()
            .any(|name| name.eq_ignore_ascii_case(&issuer.subject_name))
    }) {
        true => Ok(leaf.clone()),
        false => Err(Refusal::new(
            700_030,
            format!(
                "Invalid certificate - subject name in certificate isn't authorized. SubjectNames/\
                 SubjectAlternativeNames (up to 10) in token certificate are: {}.",
                names.join(", ")
            ),
        )),
    }
}

fn untrusted(leaf: &Certificate, now: u64) -> Refusal {
    match in_time(leaf, now, "") {
        Ok(()) => Refusal::new(
            700_027,
            "Client assertion failed signature validation. No trusted issuer of x5c.",
        ),
        Err(_) => Refusal::new(
            1_000_502,
            "The provided certificate is not within its specified validity window.",
        ),
    }
}

/// Builds the path as a TLS server would for a client's certificate.
fn vouches(authority: &Certificate, leaf: &Certificate, rest: &[Certificate], now: u64) -> bool {
    let der = |certificate: &Certificate| CertificateDer::from(certificate.der().to_vec());
    let mut roots = RootCertStore::empty();
    if roots.add(der(authority)).is_err() {
        return false;
    }
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let Ok(verifier) =
        WebPkiClientVerifier::builder_with_provider(Arc::new(roots), provider).build()
    else {
        return false;
    };
    let between = rest.iter().map(der).collect::<Vec<_>>();
    let at = UnixTime::since_unix_epoch(Duration::from_secs(now));
    verifier
        .verify_client_cert(&der(leaf), &between, at)
        .is_ok()
}

/// Common names, then DNS names.
fn subject_names(leaf: &Certificate) -> Vec<String> {
    let parsed = x509(leaf);
    let common = parsed
        .subject()
        .iter_common_name()
        .filter_map(|name| name.as_str().ok().map(str::to_owned));
    let mut names = common.collect::<Vec<_>>();
    for extension in parsed.extensions() {
        if let ParsedExtension::SubjectAlternativeName(alternative) = extension.parsed_extension() {
            names.extend(
                alternative
                    .general_names
                    .iter()
                    .filter_map(|name| match name {
                        GeneralName::DNSName(dns) => Some((*dns).to_owned()),
                        _ => None,
                    }),
            );
        }
    }
    names.truncate(10);
    names
}

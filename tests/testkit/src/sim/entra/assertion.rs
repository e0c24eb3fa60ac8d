//! Client assertions (RFC 7523): who signed, with which certificate, for whom, for how long, and only once.

use std::collections::HashMap;

use aws_lc_rs::signature::{
    RSA_PKCS1_2048_8192_SHA256, RSA_PSS_2048_8192_SHA256, RsaParameters, UnparsedPublicKey,
};
use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD};
use parking_lot::Mutex;
use serde::Deserialize;
use serde::de::DeserializeOwned;
use serde_json::Value;

use super::chain;
use super::errors::Refusal;
use super::{Dialect, TokenRequest};
use crate::{Application, Certificate};

/// The longest life of an assertion, seconds. v2: Microsoft's guidance is 5 to 10 minutes; v1: adal sends 24 hours.
const LONGEST_V2: f64 = 600.0;
const LONGEST_V1: f64 = 86_400.0;

/// Sums of times with fractions are not exact.
const ROUNDING: f64 = 0.001;

/// An assertion's header.
#[derive(Debug, Deserialize)]
struct Header {
    alg: String,
    #[serde(default)]
    typ: String,
    x5t: Option<String>,
    #[serde(rename = "x5t#S256")]
    x5t_s256: Option<String>,
    x5c: Option<Value>,
    crit: Option<Value>,
}

/// An assertion's claims, as far as Entra reads them. Times may have fractions (RFC 7519 §2), and MSAL Python's do.
#[derive(Debug, Deserialize)]
struct Claims {
    aud: String,
    iss: String,
    sub: String,
    jti: Option<String>,
    exp: f64,
    nbf: Option<f64>,
    iat: Option<f64>,
}

/// The assertions that were used, until they expire.
#[derive(Default)]
pub(crate) struct Replays(Mutex<HashMap<(String, String), f64>>);

impl Replays {
    /// Remembers an assertion; `false` when it was used before.
    fn first_use(&self, client_id: &str, jti: &str, exp: f64, now: f64) -> bool {
        let mut used = self.0.lock();
        used.retain(|_, until| *until > now);
        used.insert((client_id.to_ascii_lowercase(), jti.to_owned()), exp)
            .is_none()
    }
}

/// Checks an assertion as Entra does, and then some.
pub(super) fn check(
    jwt: &str,
    application: &Application,
    request: &TokenRequest<'_>,
    replays: &Replays,
) -> Result<(), Refusal> {
    let (message, signature) = jwt
        .rsplit_once('.')
        .ok_or_else(|| malformed("it has no three parts"))?;
    let (header, payload) = message
        .split_once('.')
        .ok_or_else(|| malformed("it has no three parts"))?;
    let header = part::<Header>(header, "header")?;
    let algorithm = algorithm(&header, request.dialect)?;
    let signer = signer(&header, application, request)?;
    verify(
        &signer,
        algorithm,
        message,
        &base64url(signature, "signature")?,
    )?;
    check_claims(
        &part::<Claims>(payload, "payload")?,
        application,
        request,
        replays,
    )
}

pub(super) fn malformed(why: &str) -> Refusal {
    Refusal::new(
        50_027,
        format!("JWT token is invalid or malformed. azure-sim: {why}"),
    )
}

pub(super) fn base64url(text: &str, what: &str) -> Result<Vec<u8>, Refusal> {
    let why = || malformed(&format!("the {what} is not unpadded base64url"));
    URL_SAFE_NO_PAD.decode(text).map_err(|_| why())
}

pub(super) fn part<T: DeserializeOwned>(text: &str, what: &str) -> Result<T, Refusal> {
    let json = base64url(text, what)?;
    serde_json::from_slice(&json)
        .map_err(|why| malformed(&format!("the {what} is not as expected: {why}")))
}

/// "PS256" (Entra docs, certificate credentials); RS256 is what older libraries send, and all that AD FS knows.
fn algorithm(header: &Header, dialect: Dialect) -> Result<&'static RsaParameters, Refusal> {
    if header.typ != "JWT" {
        return Err(malformed("typ is JWT"));
    }
    if header.crit.is_some() {
        return Err(malformed("crit names an extension nobody knows"));
    }
    match (header.alg.as_str(), dialect) {
        ("PS256", Dialect::V1 | Dialect::V2) => Ok(&RSA_PSS_2048_8192_SHA256),
        ("RS256", _) => Ok(&RSA_PKCS1_2048_8192_SHA256),
        ("PS256", Dialect::Adfs) => Err(malformed("AD FS knows RS256 only")),
        (other, _) => Err(malformed(&format!("alg is PS256 or RS256, not {other}"))),
    }
}

/// The certificate that signed: one that is registered, or one whose chain and subject are trusted.
fn signer(
    header: &Header,
    application: &Application,
    request: &TokenRequest<'_>,
) -> Result<Certificate, Refusal> {
    let names = Thumbprints::of(header, request.dialect)?;
    let sent = header.x5c.as_ref().map(chain::parse).transpose()?;
    if let Some(leaf) = sent.as_ref().and_then(|chain| chain.first())
        && !names.name(leaf)
    {
        return Err(malformed(
            "the first certificate of x5c is not the one that x5t names",
        ));
    }
    if let Some(registered) = application.certificates.iter().find(|one| names.name(one)) {
        return chain::in_time(registered, request.now.as_secs(), &names.shown)
            .map(|()| registered.clone());
    }
    match sent {
        Some(chain) if !application.trusted_issuers.is_empty() => {
            chain::trusted(&chain, &application.trusted_issuers, request.now.as_secs())
        }
        _ => Err(key_not_found(&names.shown)),
    }
}

fn key_not_found(thumbprint: &str) -> Refusal {
    Refusal::new(
        700_027,
        format!(
            "The certificate with identifier used to sign the client assertion is not registered on application. \
             [Reason - The key was not found., Thumbprint of key used by client: '{thumbprint}']"
        ),
    )
}

/// How a header names its certificate.
struct Thumbprints {
    sha1: Option<Vec<u8>>,
    sha256: Option<Vec<u8>>,
    shown: String,
}

impl Thumbprints {
    fn of(header: &Header, dialect: Dialect) -> Result<Self, Refusal> {
        let sha1 = header.x5t.as_deref().map(|text| thumbprint(text, "x5t"));
        let sha1 = sha1.transpose()?;
        let sha256 = header.x5t_s256.as_deref();
        let sha256 = sha256
            .map(|text| thumbprint(text, "x5t#S256"))
            .transpose()?;
        if sha1.as_ref().is_some_and(|bytes| bytes.len() != 20)
            || sha256.as_ref().is_some_and(|b| b.len() != 32)
        {
            return Err(malformed(
                "x5t is the SHA-1, x5t#S256 the SHA-256 of the certificate",
            ));
        }
        match (&sha1, &sha256, header.alg.as_str(), dialect) {
            (None, _, _, Dialect::Adfs) => Err(malformed("AD FS needs x5t")),
            (_, None, "PS256", _) => Err(malformed("PS256 goes with x5t#S256")),
            (None, None, ..) => Err(malformed("neither x5t nor x5t#S256 names the certificate")),
            _ => Ok(Self {
                shown: hex(sha1.as_ref().or(sha256.as_ref())),
                sha1,
                sha256,
            }),
        }
    }

    /// Whether everything that was sent names this certificate.
    fn name(&self, certificate: &Certificate) -> bool {
        self.sha1
            .as_ref()
            .is_none_or(|sent| certificate.thumbprint_sha1()[..] == **sent)
            && self
                .sha256
                .as_ref()
                .is_none_or(|sent| certificate.thumbprint_sha256()[..] == **sent)
    }
}

/// RFC 7515 says base64url without padding; adal and MSAL Python pad, and MSAL Go writes plain base64.
fn thumbprint(text: &str, what: &str) -> Result<Vec<u8>, Refusal> {
    match STANDARD.decode(text) {
        Ok(bytes) => Ok(bytes),
        Err(_) => base64url(text.trim_end_matches('='), what),
    }
}

fn hex(bytes: Option<&Vec<u8>>) -> String {
    bytes
        .into_iter()
        .flatten()
        .map(|byte| format!("{byte:02X}"))
        .collect()
}

fn verify(
    signer: &Certificate,
    algorithm: &'static RsaParameters,
    message: &str,
    signature: &[u8],
) -> Result<(), Refusal> {
    let key = chain::rsa_key(signer)?;
    UnparsedPublicKey::new(algorithm, key).verify(message.as_bytes(), signature).map_err(|_| {
        let thumbprint = hex(Some(&signer.thumbprint_sha1().to_vec()));
        Refusal::new(
            700_027,
            format!(
                "Client assertion contains an invalid signature. [Reason - The key was found, but use of the key to \
                 verify the signature failed., Thumbprint of key used by client: '{thumbprint}']"
            ),
        )
    })
}

fn check_claims(
    claims: &Claims,
    application: &Application,
    request: &TokenRequest<'_>,
    replays: &Replays,
) -> Result<(), Refusal> {
    let id = &request.form.client_id;
    if claims.iss != *id || claims.sub != *id {
        return Err(Refusal::new(
            700_021,
            "Client assertion application identifier doesn't match 'client_id' parameter. Review the documentation at \
             https://learn.microsoft.com/entra/identity-platform/certificate-credentials .",
        ));
    }
    audience(claims, request)?;
    times(claims, request)?;
    let jti = claims
        .jti
        .as_deref()
        .filter(|jti| !jti.is_empty())
        .ok_or_else(|| malformed("jti is missing"))?;
    match replays.first_use(
        &application.client_id,
        jti,
        claims.exp,
        request.now.as_secs_f64(),
    ) {
        true => Ok(()),
        false => Err(malformed("this jti was used before")),
    }
}

/// The endpoint that was called; with its query or without, as adal and MSAL differ.
fn audience(claims: &Claims, request: &TokenRequest<'_>) -> Result<(), Refusal> {
    let with_query = request
        .query
        .map(|query| format!("{}?{query}", request.endpoint));
    if claims.aud == request.endpoint || with_query.as_ref() == Some(&claims.aud) {
        return Ok(());
    }
    Err(Refusal::new(
        700_023,
        format!(
            "Client assertion audience claim does not match Realm issuer. azure-sim: aud is '{}', the endpoint that \
             was called '{}'",
            claims.aud, request.endpoint
        ),
    ))
}

fn times(claims: &Claims, request: &TokenRequest<'_>) -> Result<(), Refusal> {
    let now = request.now.as_secs_f64();
    let Some(from) = claims.nbf.or(claims.iat) else {
        return Err(malformed("neither nbf nor iat is there"));
    };
    let longest = if request.dialect == Dialect::V1 {
        LONGEST_V1
    } else {
        LONGEST_V2
    };
    if from > now || claims.exp <= now || claims.iat.is_some_and(|iat| iat > now) {
        return Err(out_of_time(now, from, claims.exp, ""));
    }
    match claims.exp - from > longest + ROUNDING {
        true => Err(out_of_time(
            now,
            from,
            claims.exp,
            &format!(" azure-sim: it may live {longest} seconds."),
        )),
        false => Ok(()),
    }
}

pub(super) fn out_of_time(now: f64, from: f64, until: f64, note: &str) -> Refusal {
    // The cast saturates, and jiff refuses what is out of its range.
    let at = |seconds: f64| {
        jiff::Timestamp::from_millisecond((seconds * 1000.0) as i64)
            .map_or_else(|_| "out of range".into(), |time| time.to_string())
    };
    Refusal::new(
        700_024,
        format!(
            "Client assertion is not within its valid time range. Current time: {}, assertion valid from {}, expiry \
             time of assertion {}.{note} Review the documentation at \
             https://learn.microsoft.com/entra/identity-platform/certificate-credentials .",
            at(now),
            at(from),
            at(until)
        ),
    )
}

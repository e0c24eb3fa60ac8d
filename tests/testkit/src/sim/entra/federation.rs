//! Workload identity federation: a foreign issuer's token as the assertion.
//!
//! Sources: Entra docs "Workload identity federation", "Important considerations and restrictions for federated
//! identity credentials"; the refusals are worded as users have reported them. Which of several mismatches Entra
//! names is not documented: azure-sim names the issuer, then the audience, then the subject, and repeats all three.

use jsonwebtoken::jwk::JwkSet;
use jsonwebtoken::{Algorithm, DecodingKey};
use serde::Deserialize;
use serde_json::Value;

use super::assertion::{base64url, malformed, out_of_time, part};
use super::errors::Refusal;
use super::form::Credential;
use super::{Dialect, TokenRequest};
use crate::sim::World;
use crate::{Application, FederatedCredential};

/// The end of each refusal of a token that no credential is for.
const SEE: &str = "https://learn.microsoft.com/entra/workload-id/workload-identity-federation";

/// The header of a service account's token: without `typ`.
#[derive(Deserialize)]
struct Header {
    alg: String,
    kid: Option<String>,
    #[serde(default = "jwt")]
    typ: String,
    crit: Option<Value>,
}

fn jwt() -> String {
    "JWT".to_owned()
}

#[derive(Deserialize)]
struct Claims {
    iss: String,
    sub: String,
    aud: Audience,
    exp: f64,
    nbf: Option<f64>,
    iat: Option<f64>,
}

/// Kubernetes writes a list of one.
#[derive(Deserialize)]
#[serde(untagged)]
enum Audience {
    One(String),
    Many([String; 1]),
}

impl Audience {
    fn as_str(&self) -> &str {
        match self {
            Self::One(audience) | Self::Many([audience]) => audience,
        }
    }
}

/// Checks the assertion of a request, where another issuer made it; `None` where the application did, or nobody knows
/// the application.
pub(super) async fn check(
    world: &World,
    request: &TokenRequest<'_>,
) -> Option<Result<(), Refusal>> {
    let Credential::Assertion(jwt) = &request.form.credential else {
        return None;
    };
    let foreign = request.dialect != Dialect::Adfs && is_foreign(jwt);
    let application = world
        .directory
        .application(request.tenant, &request.form.client_id)
        .filter(|_| foreign)?;
    Some(verified(jwt, &application, request.now.as_secs_f64()).await)
}

/// Whether `iss` is a URL: an application names itself by its id.
fn is_foreign(jwt: &str) -> bool {
    let payload = jwt.split('.').nth(1).unwrap_or_default();
    let claims = part::<Value>(payload, "payload").unwrap_or_default();
    claims["iss"]
        .as_str()
        .is_some_and(|issuer| issuer.starts_with("https://"))
}

async fn verified(jwt: &str, application: &Application, now: f64) -> Result<(), Refusal> {
    let parts: Vec<&str> = jwt.split('.').collect();
    let [header, payload, signature] = parts[..] else {
        return Err(malformed("it has no three parts"));
    };
    let claims = part::<Claims>(payload, "payload")?;
    let credential = credential(&claims, application)?;
    let kid = kid(part::<Header>(header, "header")?)?;
    let keys = credential.keys.of(&claims.iss).await.map_err(|why| {
        let message = format!("Request to External OIDC endpoint failed. azure-sim: {why}");
        Refusal::new(501_661, message)
    })?;
    let key = key(&keys, &kid, &claims.iss)?;
    base64url(signature, "signature")?;
    let message = &jwt[..jwt.len() - signature.len() - 1];
    signed(message, signature, &key)?;
    in_time(&claims, now)
}

/// The one credential that is for this token.
fn credential<'a>(
    claims: &Claims,
    application: &'a Application,
) -> Result<&'a FederatedCredential, Refusal> {
    let all = &application.federated_credentials;
    let (issuer, subject, audience) = (&claims.iss, &claims.sub, claims.aud.as_str());
    let right = |one: &&FederatedCredential| {
        one.issuer == *issuer && one.subject == *subject && one.audience == audience
    };
    all.iter()
        .find(right)
        .ok_or_else(|| mismatch(claims, application))
}

fn mismatch(claims: &Claims, application: &Application) -> Refusal {
    let all = &application.federated_credentials;
    let (issuer, subject, audience) = (&claims.iss, &claims.sub, claims.aud.as_str());
    let (id, folded) = (&application.client_id, subject.to_lowercase());
    if all.is_empty() {
        let message =
            format!("The client '{id}' has no configured federated identity credentials.");
        return Refusal::new(70_025, message);
    }
    if !all.iter().any(|one| one.issuer == *issuer) {
        return unmatched(700_211, &format!(" issuer '{issuer}'."), claims);
    }
    if !all.iter().any(|one| one.audience == audience) {
        return unmatched(700_212, &format!(" audience '{audience}'."), claims);
    }
    if all.iter().any(|one| one.subject == *subject) {
        let named = format!(
            ". Assertion Issuer: '{issuer}'. Assertion Subject: '{subject}'. Assertion Audience: '{audience}'."
        );
        return unmatched(70_021, &named, claims);
    }
    match all.iter().any(|one| one.subject.to_lowercase() == folded) {
        true => {
            let but = "The subject matches with case-insensitive comparison, but not with case-sensitive comparison.";
            unmatched(7_002_138, &format!(" subject '{subject}'. {but}"), claims)
        }
        false => unmatched(700_213, &format!(" subject '{subject}'."), claims),
    }
}

fn unmatched(code: u32, what: &str, claims: &Claims) -> Refusal {
    Refusal::new(
        code,
        format!(
            "No matching federated identity record found for presented assertion{what} Check your federated identity \
             credential Subject, Audience and Issuer against the presented assertion. {SEE} azure-sim: issuer '{}', \
             subject '{}', audience '{}'",
            claims.iss,
            claims.sub,
            claims.aud.as_str()
        ),
    )
}

/// RS256 is the one algorithm that Entra supports of other issuers.
fn kid(header: Header) -> Result<String, Refusal> {
    if header.typ != "JWT" || header.crit.is_some() {
        return Err(malformed("typ is JWT or absent, and there is no crit"));
    }
    if header.alg != "RS256" {
        let why = format!("alg of a federated token is RS256, not {}", header.alg);
        return Err(malformed(&why));
    }
    header.kid.ok_or_else(|| malformed("kid is missing"))
}

fn key(keys: &JwkSet, kid: &str, issuer: &str) -> Result<DecodingKey, Refusal> {
    let jwk = keys.find(kid).ok_or_else(|| {
        Refusal::new(
            7_000_272,
            format!(
                "The certificate with identifier {kid} used to sign the federated credential could not be found in \
                 the metadata of identity provider {issuer}. Please validate that your Identity Provider's metadata \
                 exposes the key used to sign the incoming token."
            ),
        )
    })?;
    DecodingKey::from_jwk(jwk).map_err(|_| malformed("the issuer's key is no RSA key"))
}

fn signed(message: &str, signature: &str, key: &DecodingKey) -> Result<(), Refusal> {
    let algorithm = Algorithm::RS256;
    let holds = jsonwebtoken::crypto::verify(signature, message.as_bytes(), key, algorithm);
    match holds {
        Ok(true) => Ok(()),
        Ok(false) | Err(_) => Err(Refusal::new(
            700_027,
            "Client assertion contains an invalid signature. [Reason - The key was found, but use of the key to verify \
             the signature failed.]",
        )),
    }
}

/// The same token may be used until it ends, unlike an application's own assertion.
fn in_time(claims: &Claims, now: f64) -> Result<(), Refusal> {
    let from = claims.nbf.or(claims.iat).unwrap_or(now);
    match from <= now && now < claims.exp {
        true => Ok(()),
        false => Err(out_of_time(now, from, claims.exp, "")),
    }
}

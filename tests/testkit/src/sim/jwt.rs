//! The tokens: real JWTs, signed RS256 with one key per process.

use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use jsonwebtoken::jwk::{Jwk, JwkSet};
use jsonwebtoken::{Algorithm, DecodingKey, EncodingKey, Header, Validation};
use serde::{Deserialize, Serialize};

use super::record::now_ms;
use crate::pki;

/// Why a token is not one of ours, or no longer.
#[derive(Debug, thiserror::Error)]
#[error("the token does not verify: {0}")]
pub struct VerifyError(String);

/// What a token says, with Entra's names.
#[derive(Clone, Debug, Deserialize, Serialize, PartialEq, Eq)]
pub struct Claims {
    /// The resource, exactly as asked for.
    pub aud: String,
    /// The issuer; OpenID discovery works on it.
    pub iss: String,
    /// Issued at, Unix seconds.
    pub iat: u64,
    /// Not before, Unix seconds.
    pub nbf: u64,
    /// Expiry, Unix seconds.
    pub exp: u64,
    /// The client id.
    pub appid: String,
    /// How the client proved itself: `1` secret, `2` certificate or managed identity.
    pub appidacr: String,
    /// Always `app`: nobody signs in.
    pub idtyp: String,
    /// The object id of the principal.
    pub oid: String,
    /// The same as `oid`.
    pub sub: String,
    /// The tenant.
    pub tid: String,
    /// Unique in every token.
    pub uti: String,
    /// `1.0` or `2.0`.
    pub ver: String,
    /// The ARM id a managed identity has.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub xms_mirid: Option<String>,
}

/// Whom a token is for.
pub(crate) struct Grant<'a> {
    pub(crate) resource: &'a str,
    pub(crate) tenant: &'a str,
    pub(crate) client_id: &'a str,
    pub(crate) object_id: &'a str,
    pub(crate) by_secret: bool,
    pub(crate) version: &'static str,
    pub(crate) mirid: Option<&'a str>,
}

/// A token and its times.
pub(crate) struct Minted {
    pub(crate) token: String,
    pub(crate) not_before: u64,
    pub(crate) expires_on: u64,
    pub(crate) expires_in: u64,
}

/// Makes and verifies tokens.
pub(crate) struct Mint {
    authority: String,
    lifetime_s: AtomicU64,
    key: EncodingKey,
    kid: String,
    public: DecodingKey,
    jwks: JwkSet,
}

impl Mint {
    pub(crate) fn new(authority: String, lifetime: Duration) -> Self {
        let pair = pki::signing_key();
        let key = EncodingKey::from_rsa_pem(pair.key_pem().as_bytes())
            .expect("the key was just made as RSA");
        let mut jwk = Jwk::from_encoding_key(&key, Algorithm::RS256).expect("an RSA key has a JWK");
        let kid = pair
            .certificate()
            .thumbprint_sha1()
            .iter()
            .map(|byte| format!("{byte:02X}"))
            .collect::<String>();
        jwk.common.key_id = Some(kid.clone());
        let public = DecodingKey::from_jwk(&jwk).expect("the JWK was just made");
        let jwks = JwkSet { keys: vec![jwk] };
        Self {
            authority,
            lifetime_s: AtomicU64::new(lifetime.as_secs()),
            key,
            kid,
            public,
            jwks,
        }
    }

    pub(crate) fn set_lifetime(&self, lifetime: Duration) {
        self.lifetime_s.store(lifetime.as_secs(), Ordering::Relaxed);
    }

    pub(crate) fn jwks(&self) -> &JwkSet {
        &self.jwks
    }

    /// The issuer of a tenant's tokens: discovery (`…/.well-known/openid-configuration`) works on it.
    pub(crate) fn issuer(&self, tenant: &str, version: &str) -> String {
        let suffix = if version == "2.0" { "v2.0" } else { "" };
        format!("{}{tenant}/{suffix}", self.authority)
    }

    pub(crate) fn mint(&self, grant: &Grant<'_>) -> Minted {
        let now = now_ms() / 1000;
        let expires_in = self.lifetime_s.load(Ordering::Relaxed);
        let claims = self.claims(grant, now, now + expires_in);
        let header = Header {
            kid: Some(self.kid.clone()),
            x5t: None,
            ..Header::new(Algorithm::RS256)
        };
        let token = jsonwebtoken::encode(&header, &claims, &self.key)
            .expect("RSA signing of plain strings");
        Minted {
            token,
            not_before: now,
            expires_on: claims.exp,
            expires_in,
        }
    }

    fn claims(&self, grant: &Grant<'_>, now: u64, exp: u64) -> Claims {
        Claims {
            aud: grant.resource.into(),
            iss: self.issuer(grant.tenant, grant.version),
            iat: now,
            nbf: now,
            exp,
            appid: grant.client_id.into(),
            appidacr: if grant.by_secret { "1" } else { "2" }.into(),
            idtyp: "app".into(),
            oid: grant.object_id.into(),
            sub: grant.object_id.into(),
            tid: grant.tenant.into(),
            uti: uuid::Uuid::new_v4().simple().to_string(),
            ver: grant.version.into(),
            xms_mirid: grant.mirid.map(Into::into),
        }
    }

    pub(crate) fn verify(&self, token: &str) -> Result<Claims, VerifyError> {
        let mut rules = Validation::new(Algorithm::RS256);
        rules.leeway = 0;
        rules.validate_nbf = true;
        rules.validate_aud = false;
        let decoded = jsonwebtoken::decode::<Claims>(token, &self.public, &rules);
        let claims = decoded.map_err(|why| VerifyError(why.to_string()))?.claims;
        match claims.iss.starts_with(&self.authority) {
            true => Ok(claims),
            false => Err(VerifyError(format!(
                "it was issued by {}, not by {}",
                claims.iss, self.authority
            ))),
        }
    }
}

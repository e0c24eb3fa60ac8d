//! The assertion: a JWT (RFC 7519) that another issuer's key has signed, as RFC 7523 lets a client bear it.

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use form_urlencoded::Serializer;
use serde_json::json;

/// It is used at once.
const LIFE_SECONDS: u64 = 300;
/// Clocks differ.
const SKEW_SECONDS: u64 = 60;
/// RFC 7523, section 2.2.
const ASSERTION_TYPE: &str = "urn:ietf:params:oauth:client-assertion-type:jwt-bearer";

/// Who says what to whom.
pub struct Claims<'a> {
    pub issuer: &'a str,
    pub subject: &'a str,
    pub audience: &'a str,
    pub id: &'a str,
    /// Seconds since 1970.
    pub now: u64,
}

/// What is signed. The key is named by its certificate's SHA-256, as the issuer's JWKS names it.
pub fn signing_input(thumbprint: &[u8], claims: &Claims<'_>) -> String {
    let begin = claims.now.saturating_sub(SKEW_SECONDS);
    let header = json!({"alg": "RS256", "typ": "JWT", "kid": URL_SAFE_NO_PAD.encode(thumbprint)});
    let claims = json!({
        "iss": claims.issuer,
        "sub": claims.subject,
        "aud": claims.audience,
        "jti": claims.id,
        "iat": begin,
        "nbf": begin,
        "exp": claims.now.saturating_add(LIFE_SECONDS),
    });
    format!("{}.{}", encoded(&header), encoded(&claims))
}

fn encoded(part: &serde_json::Value) -> String {
    URL_SAFE_NO_PAD.encode(part.to_string())
}

/// With its signature.
pub fn complete(input: &str, signature: &[u8]) -> String {
    format!("{input}.{}", URL_SAFE_NO_PAD.encode(signature))
}

/// The form that is posted.
pub fn form(client_id: &str, resource: &str, assertion: &str) -> String {
    Serializer::new(String::new())
        .append_pair("grant_type", "client_credentials")
        .append_pair("client_id", client_id)
        .append_pair("scope", &format!("{resource}/.default"))
        .append_pair("client_assertion_type", ASSERTION_TYPE)
        .append_pair("client_assertion", assertion)
        .finish()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_assertion_lives_for_minutes_around_now() {
        let claims = Claims {
            issuer: "https://i.example",
            subject: "s",
            audience: "a",
            id: "id",
            now: 1_000,
        };
        let input = signing_input(&[1; 32], &claims);
        let part = input.split('.').nth(1).unwrap();
        let json: serde_json::Value =
            serde_json::from_slice(&URL_SAFE_NO_PAD.decode(part).unwrap()).unwrap();
        assert_eq!((&json["nbf"], &json["exp"]), (&json!(940), &json!(1_300)));
        assert_eq!(json["iss"], "https://i.example");
    }

    #[test]
    fn a_hostile_resource_adds_no_field() {
        let form = form("c", "x&client_id=other", "a.b.c");
        let fields = form_urlencoded::parse(form.as_bytes());
        assert_eq!(fields.filter(|(name, _)| name == "client_id").count(), 1);
    }
}

//! The client assertion: a JWT (RFC 7523) that says who asks, signed with the certificate's key.

use base64::Engine;
use base64::engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD};
use serde::Serialize;

use crate::settings::{Algorithm, Settings};

/// Which certificate the signature is checked with.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Certificate {
    /// The digest of the leaf's DER that goes with the algorithm: SHA-256 for PS256, SHA-1 for RS256, each
    /// as Entra ID expects them together.
    pub thumbprint: Vec<u8>,
    /// The chain as DER, leaf first; empty where it does not go along.
    pub chain: Vec<Vec<u8>>,
}

/// What an assertion says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Claims<'a> {
    /// The token endpoint's URL.
    pub audience: &'a str,
    /// Who asks: issuer and subject.
    pub client_id: &'a str,
    /// A fresh UUID, so that no assertion is accepted twice.
    pub id: &'a str,
    /// When it begins and when it ends, in seconds since 1970-01-01T00:00:00Z.
    pub life: Life,
}

/// From when to when an assertion holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Life {
    begins: u64,
    ends: u64,
}

impl Life {
    /// A life around `now`, in seconds since 1970-01-01T00:00:00Z. The allowance for clocks lies inside the
    /// lifetime, since the authority bounds the whole of it.
    #[must_use]
    pub fn at(now: u64, settings: &Settings) -> Self {
        let begins = now.saturating_sub(settings.clock_skew_seconds.get().into());
        let ends = begins.saturating_add(settings.assertion_lifetime_seconds.get().into());
        Self { begins, ends }
    }
}

#[derive(Serialize)]
struct Header<'a> {
    alg: &'a str,
    typ: &'a str,
    #[serde(rename = "x5t", skip_serializing_if = "Option::is_none")]
    sha1: Option<String>,
    #[serde(rename = "x5t#S256", skip_serializing_if = "Option::is_none")]
    sha256: Option<String>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    x5c: Vec<String>,
}

#[derive(Serialize)]
struct Payload<'a> {
    aud: &'a str,
    iss: &'a str,
    sub: &'a str,
    jti: &'a str,
    nbf: u64,
    /// Not the node's "now": an authority whose clock is behind would see it in its future.
    iat: u64,
    exp: u64,
}

/// What is to be signed: header and claims, encoded and joined (RFC 7515, section 5.1).
#[must_use]
pub fn signing_input(
    algorithm: Algorithm,
    certificate: &Certificate,
    claims: &Claims<'_>,
) -> String {
    format!(
        "{}.{}",
        encoded(&header(algorithm, certificate)),
        encoded(&payload(claims))
    )
}

/// The assertion, from what was signed and its signature.
#[must_use]
pub fn complete(signing_input: &str, signature: &[u8]) -> String {
    format!("{signing_input}.{}", URL_SAFE_NO_PAD.encode(signature))
}

fn header(algorithm: Algorithm, certificate: &Certificate) -> Header<'static> {
    let thumbprint = Some(URL_SAFE_NO_PAD.encode(&certificate.thumbprint));
    let (sha1, sha256) = match algorithm {
        Algorithm::Ps256 => (None, thumbprint),
        Algorithm::Rs256 => (thumbprint, None),
    };
    // RFC 7515, section 4.1.6: base64, not base64url, of DER.
    let x5c = certificate
        .chain
        .iter()
        .map(|der| STANDARD.encode(der))
        .collect();
    Header {
        alg: algorithm.name(),
        typ: "JWT",
        sha1,
        sha256,
        x5c,
    }
}

fn payload<'a>(claims: &Claims<'a>) -> Payload<'a> {
    Payload {
        aud: claims.audience,
        iss: claims.client_id,
        sub: claims.client_id,
        jti: claims.id,
        nbf: claims.life.begins,
        iat: claims.life.begins,
        exp: claims.life.ends,
    }
}

fn encoded(part: &impl Serialize) -> String {
    let json = serde_json::to_vec(part).expect("text and numbers have a JSON form");
    URL_SAFE_NO_PAD.encode(json)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use serde_json::{Value, json};

    const NOW: u64 = 1_700_000_000;

    fn certificate() -> Certificate {
        Certificate {
            thumbprint: vec![0xfb, 0xff, 0xfe],
            chain: vec![vec![0xfb, 0xff], vec![1]],
        }
    }

    fn claims(audience: &str) -> Claims<'_> {
        Claims {
            audience,
            client_id: "client",
            id: "id",
            life: Life::at(NOW, &Settings::default()),
        }
    }

    fn part(text: &str) -> Value {
        serde_json::from_slice(&URL_SAFE_NO_PAD.decode(text).unwrap()).unwrap()
    }

    fn parts(assertion: &str) -> (Value, Value) {
        let (header, payload) = assertion.split_once('.').unwrap();
        (part(header), part(payload))
    }

    #[test]
    fn ps256_names_the_certificate_by_sha_256() {
        let (header, _) = parts(&signing_input(
            Algorithm::Ps256,
            &certificate(),
            &claims("a"),
        ));
        assert_eq!(
            header,
            json!({"alg": "PS256", "typ": "JWT", "x5t#S256": "-__-", "x5c": ["+/8=", "AQ=="]})
        );
    }

    #[test]
    fn rs256_names_the_certificate_by_sha_1() {
        let (header, _) = parts(&signing_input(
            Algorithm::Rs256,
            &certificate(),
            &claims("a"),
        ));
        assert_eq!(
            header,
            json!({"alg": "RS256", "typ": "JWT", "x5t": "-__-", "x5c": ["+/8=", "AQ=="]})
        );
    }

    #[test]
    fn without_a_chain_there_is_no_x5c() {
        let bare = Certificate {
            chain: vec![],
            ..certificate()
        };
        let (header, _) = parts(&signing_input(Algorithm::Ps256, &bare, &claims("a")));
        assert_eq!(
            header,
            json!({"alg": "PS256", "typ": "JWT", "x5t#S256": "-__-"})
        );
    }

    #[test]
    fn the_claims_are_those_of_rfc_7523_within_ten_minutes() {
        let url = "https://login.microsoftonline.com/t/oauth2/token?api-version=1.0";
        let (_, payload) = parts(&signing_input(
            Algorithm::Rs256,
            &certificate(),
            &claims(url),
        ));
        let begins = NOW - 60;
        let expected = json!({"aud": url, "iss": "client", "sub": "client", "jti": "id",
            "nbf": begins, "iat": begins, "exp": begins + 600});
        assert_eq!(payload, expected);
    }

    #[test]
    fn the_signature_comes_last_without_padding() {
        assert_eq!(complete("a.b", &[0xfb, 0xff]), "a.b.-_8");
    }

    #[test]
    fn a_clock_that_was_never_set_does_not_panic() {
        assert_eq!(
            Life::at(0, &Settings::default()),
            Life {
                begins: 0,
                ends: 600
            }
        );
        assert_eq!(Life::at(u64::MAX, &Settings::default()).ends, u64::MAX);
    }

    proptest! {
        #[test]
        fn hostile_text_in_a_claim_stays_inside_its_claim(audience in any::<String>(), client_id in any::<String>()) {
            let claims = Claims { client_id: &client_id, ..claims(&audience) };
            let (_, payload) = parts(&signing_input(Algorithm::Ps256, &certificate(), &claims));
            prop_assert_eq!(&payload["aud"], &json!(audience));
            prop_assert_eq!(&payload["iss"], &json!(client_id));
            prop_assert_eq!(payload.as_object().unwrap().len(), 7);
        }
    }
}

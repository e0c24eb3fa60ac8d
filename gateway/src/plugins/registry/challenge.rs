//! `WWW-Authenticate` (RFC 9110, section 11.6.1), as registries send it with 401.

use http::HeaderMap;
use http::header::WWW_AUTHENTICATE;

/// How a registry wants to know who asks.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Challenge {
    /// By a token of another service (RFC 6750, and the distribution project's token specification).
    Bearer {
        /// Where tokens are.
        realm: String,
        /// Whom they are for.
        service: Option<String>,
    },
    /// By name and password (RFC 7617).
    Basic,
}

/// The best of those that are offered: a token says less than a password, and not for long.
pub(super) fn offered(headers: &HeaderMap) -> Option<Challenge> {
    let values = headers.get_all(WWW_AUTHENTICATE);
    let challenges = values.iter().filter_map(|value| read(value.to_str().ok()?));
    let (mut bearer, mut basic) = (None, None);
    for challenge in challenges {
        match challenge {
            Challenge::Bearer { .. } => bearer = bearer.or(Some(challenge)),
            Challenge::Basic => basic = Some(challenge),
        }
    }
    bearer.or(basic)
}

/// One challenge per field, as registries send them. The scope is not read: this client asks for what it needs.
fn read(text: &str) -> Option<Challenge> {
    let (scheme, rest) = text.trim().split_once(' ').unwrap_or((text.trim(), ""));
    if scheme.eq_ignore_ascii_case("basic") {
        return Some(Challenge::Basic);
    }
    if !scheme.eq_ignore_ascii_case("bearer") {
        return None;
    }
    let (mut realm, mut service) = (None, None);
    for (name, value) in Parameters(rest) {
        match name.to_ascii_lowercase().as_str() {
            "realm" => realm = Some(value),
            "service" => service = Some(value),
            _ => {}
        }
    }
    let realm = realm?;
    Some(Challenge::Bearer { realm, service })
}

/// `name="value"` or `name=token`, with commas between them.
struct Parameters<'a>(&'a str);

impl<'a> Iterator for Parameters<'a> {
    type Item = (&'a str, String);

    fn next(&mut self) -> Option<Self::Item> {
        let text = self.0.trim_start_matches([' ', '\t', ',']);
        let (name, rest) = text.split_once('=')?;
        let (value, rest) = match rest.strip_prefix('"') {
            Some(quoted) => unquote(quoted)?,
            None => {
                let end = rest.find([',', ' ']).unwrap_or(rest.len());
                (rest[..end].to_owned(), &rest[end..])
            }
        };
        self.0 = rest;
        Some((name.trim(), value))
    }
}

/// What is in quotes, and what comes after them.
fn unquote(text: &str) -> Option<(String, &str)> {
    let mut value = String::new();
    let mut characters = text.char_indices();
    while let Some((at, character)) = characters.next() {
        match character {
            '"' => return Some((value, &text[at + 1..])),
            '\\' => value.push(characters.next()?.1),
            other => value.push(other),
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use http::HeaderValue;

    use super::*;

    fn of(fields: &[&str]) -> Option<Challenge> {
        let mut headers = HeaderMap::new();
        for field in fields {
            headers.append(WWW_AUTHENTICATE, HeaderValue::from_str(field).unwrap());
        }
        offered(&headers)
    }

    fn bearer(realm: &str, service: Option<&str>) -> Option<Challenge> {
        Some(Challenge::Bearer {
            realm: realm.to_owned(),
            service: service.map(str::to_owned),
        })
    }

    #[test]
    fn a_challenge_is_read_as_registries_write_it() {
        let hub = r#"Bearer realm="https://auth.docker.io/token",service="registry.docker.io",scope="repository:a:pull""#;
        assert_eq!(
            of(&[hub]),
            bearer("https://auth.docker.io/token", Some("registry.docker.io"))
        );
        assert_eq!(
            of(&[r#"bearer  scope="a,b" , realm="https://a\"b/""#]),
            bearer("https://a\"b/", None)
        );
        assert_eq!(
            of(&["Bearer realm=https://a/t, service=b"]),
            bearer("https://a/t", Some("b"))
        );
        assert_eq!(of(&[r#"Basic realm="x""#]), Some(Challenge::Basic));
        assert_eq!(of(&["Basic", r#"Bearer realm="r""#]), bearer("r", None));
    }

    #[test]
    fn what_is_no_challenge_is_none() {
        for field in [
            "",
            "Bearer",
            "Bearer realm",
            "Bearer realm=\"open",
            "Digest realm=\"a\"",
            "Bearer service=\"a\"",
        ] {
            assert_eq!(of(&[field]), None, "{field}");
        }
        assert_eq!(of(&[]), None);
    }

    proptest::proptest! {
        #[test]
        fn no_field_makes_the_reader_stumble(field in "[ -~]{0,200}") {
            let _ = read(&field);
        }
    }
}

//! An artifact in a registry, by digest: `REGISTRY/NAME@sha256:…`.

use std::fmt;
use std::str::FromStr;

use serde::Deserialize;
use thiserror::Error;
use url::{Host, Url};

/// Longest reference that is read: name and host have at most 255 characters each (distribution-spec 1.1).
const LONGEST: usize = 640;
/// Longest name of a repository.
const LONGEST_NAME: usize = 255;

/// Where an artifact is, and which one it is. There is no tag in it: a tag is whatever somebody moved it to.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(try_from = "String")]
pub struct Image {
    /// The registry as the operator wrote it: `HOST` or `HOST:PORT`.
    pub registry: String,
    /// The repository in it.
    pub name: String,
    /// Of the artifact's manifest, `sha256:` and 64 digits in lower case.
    pub digest: String,
}

/// Why a reference cannot be used.
#[derive(Debug, Error, PartialEq, Eq)]
#[error("{reason}; write REGISTRY/NAME@sha256:DIGEST, as `ghcr.io/acme/office-hours@sha256:…`")]
pub struct InvalidImage {
    reason: &'static str,
}

/// Whether this is `sha256:` and 64 digits in lower case.
pub(super) fn is_digest(text: &str) -> bool {
    let is_hex = |byte: u8| matches!(byte, b'0'..=b'9' | b'a'..=b'f');
    text.strip_prefix("sha256:")
        .is_some_and(|hex| hex.len() == 64 && hex.bytes().all(is_hex))
}

/// A host with or without a port, and nothing else that a URL may have there.
fn is_registry(text: &str) -> bool {
    let host = text.split(':').next().unwrap_or_default();
    // What has no dot is another registry's short name to most tools; here every name is whole.
    let is_whole = host.contains('.') || host == "localhost" || text.starts_with('[');
    let url = Url::parse(&format!("https://{text}/"));
    is_whole
        && url.is_ok_and(|url| {
            let is_named = !matches!(url.host(), None | Some(Host::Domain("")));
            let is_all = url.path() == "/" && url.query().is_none() && url.fragment().is_none();
            is_named && is_all && url.username().is_empty() && url.password().is_none()
        })
        && text
            .bytes()
            .all(|byte| byte.is_ascii_graphic() && !b"@/\\?#%".contains(&byte))
}

/// The distribution specification's grammar of names.
fn is_name(text: &str) -> bool {
    text.len() <= LONGEST_NAME && text.split('/').all(is_part)
}

fn is_part(part: &str) -> bool {
    let is_alphanumeric = |byte: &u8| byte.is_ascii_lowercase() || byte.is_ascii_digit();
    let ends = [part.as_bytes().first(), part.as_bytes().last()];
    let is_allowed = |byte: u8| is_alphanumeric(&byte) || b"._-".contains(&byte);
    ends.into_iter().all(|end| end.is_some_and(is_alphanumeric))
        && part.bytes().all(is_allowed)
        && !["..", "___", "._", "_.", "-.", ".-", "-_", "_-"]
            .iter()
            .any(|pair| part.contains(pair))
}

// === impl Image ===

impl FromStr for Image {
    type Err = InvalidImage;

    fn from_str(text: &str) -> Result<Self, InvalidImage> {
        let wrong = |reason| Err(InvalidImage { reason });
        if text.len() > LONGEST {
            return wrong("it is too long");
        }
        let Some((place, digest)) = text.split_once('@') else {
            return wrong("it names no digest, and a tag is whatever somebody moved it to");
        };
        if !is_digest(digest) {
            return wrong("its digest is none of sha256, or not in lower case");
        }
        let Some((registry, name)) = place.split_once('/') else {
            return wrong("it names no registry");
        };
        if !is_registry(registry) {
            return wrong("what comes before its first slash is no registry's host");
        }
        if name.contains(':') {
            return wrong("it has a tag beside the digest");
        }
        if !is_name(name) {
            return wrong("its name is none that a repository can have");
        }
        Ok(Self {
            registry: registry.to_owned(),
            name: name.to_owned(),
            digest: digest.to_owned(),
        })
    }
}

impl TryFrom<String> for Image {
    type Error = InvalidImage;

    fn try_from(text: String) -> Result<Self, InvalidImage> {
        text.parse()
    }
}

impl fmt::Display for Image {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}@{}", self.registry, self.name, self.digest)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const DIGEST: &str = "sha256:0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef";

    #[test]
    fn an_artifact_is_named_by_registry_name_and_digest() {
        for (place, registry, name) in [
            ("ghcr.io/acme/office-hours", "ghcr.io", "acme/office-hours"),
            ("acme.azurecr.io:443/a", "acme.azurecr.io:443", "a"),
            ("localhost:5000/a/b.c/d__e", "localhost:5000", "a/b.c/d__e"),
            ("127.0.0.1:5000/a-b", "127.0.0.1:5000", "a-b"),
            ("[::1]:5000/a", "[::1]:5000", "a"),
        ] {
            let text = format!("{place}@{DIGEST}");
            let image: Image = text.parse().unwrap();
            assert_eq!(
                (image.registry.as_str(), image.name.as_str()),
                (registry, name)
            );
            assert_eq!(image.to_string(), text);
        }
    }

    #[test]
    fn what_could_mean_something_else_is_refused_with_what_to_write() {
        for (text, words) in [
            ("ghcr.io/acme/a:latest".to_owned(), "no digest"),
            (format!("ghcr.io/acme/a:1.0@{DIGEST}"), "a tag beside"),
            (
                format!("ghcr.io/acme/a@{}", DIGEST.to_uppercase()),
                "lower case",
            ),
            ("ghcr.io/acme/a@sha512:00".to_owned(), "none of sha256"),
            (format!("acme/a@{DIGEST}"), "no registry's host"),
            (format!("a@{DIGEST}"), "names no registry"),
            (format!("user:pass@ghcr.io/a@{DIGEST}"), "none of sha256"),
            (format!("ghcr.io?x/a@{DIGEST}"), "no registry's host"),
            (format!("ghcr.io:99999/a@{DIGEST}"), "no registry's host"),
            (format!("ghcr.io/../a@{DIGEST}"), "repository can have"),
            (format!("ghcr.io/A@{DIGEST}"), "repository can have"),
            (format!("ghcr.io//a@{DIGEST}"), "repository can have"),
            (
                format!("ghcr.io/{}@{DIGEST}", "a".repeat(256)),
                "repository can have",
            ),
            ("a".repeat(1000), "too long"),
        ] {
            let error = text.parse::<Image>().unwrap_err().to_string();
            assert!(error.contains(words), "{text}: {error}");
            assert!(
                error.contains("write REGISTRY/NAME@sha256:DIGEST"),
                "{error}"
            );
        }
    }
}

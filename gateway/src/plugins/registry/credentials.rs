//! Accounts at registries, from a file as `docker login` writes it: `{"auths": {"HOST": {"auth": "…"}}}`. What such a
//! file holds is never part of an error.

use std::collections::BTreeMap;
use std::path::Path;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use http::HeaderValue;
use serde::Deserialize;
use zeroize::{Zeroize, ZeroizeOnDrop, Zeroizing};

use super::super::read;
use crate::config::plugins::Image;

/// A Secret holds 1 MiB.
const MAX_FILE: u64 = 1024 * 1024;
/// How `docker login` calls the registry that it means without a name.
const HUB: &str = "index.docker.io";

#[derive(Deserialize)]
struct File {
    #[serde(default)]
    auths: BTreeMap<String, Entry>,
}

#[derive(Deserialize, Zeroize, ZeroizeOnDrop)]
struct Entry {
    /// Name and password with a colon between them, in base64.
    auth: Option<String>,
    username: Option<String>,
    password: Option<String>,
}

/// The `Authorization` of the account for an image, if the file has one.
///
/// # Errors
/// The file cannot be read, in words without its content.
pub(super) async fn basic(path: &Path, image: &Image) -> Result<Option<HeaderValue>, String> {
    let shown = path.display();
    let bytes = read::bounded(path, MAX_FILE).await;
    let bytes = Zeroizing::new(bytes.map_err(|error| format!("reading {shown}: {error}"))?);
    let file: File = serde_json::from_slice(&bytes).map_err(|error| {
        let (line, column) = (error.line(), error.column());
        format!("{shown} is no file of `docker login` (line {line}, column {column})")
    })?;
    let Some(entry) = file.of(image) else {
        return Ok(None);
    };
    let value = entry.authorization();
    value.map(Some).ok_or_else(|| {
        format!(
            "the entry of {} in {shown} has neither `auth` nor `username` and `password`",
            image.registry
        )
    })
}

// === impl File ===

impl File {
    /// The entry whose host is the registry's and whose path, if any, the image's name begins with: the longest.
    fn of(&self, image: &Image) -> Option<&Entry> {
        let fitting = self.auths.iter().filter_map(|(key, entry)| {
            let (host, path) = place(key);
            let fits = is_of(host, &image.registry) && is_within(&image.name, path);
            fits.then_some((path.len(), entry))
        });
        fitting
            .max_by_key(|(length, _)| *length)
            .map(|(_, entry)| entry)
    }
}

/// Host and path of a key, such as `https://index.docker.io/v1/`, `ghcr.io` or `ghcr.io/acme`.
fn place(key: &str) -> (&str, &str) {
    let key = key.split_once("://").map_or(key, |(_, rest)| rest);
    let (host, path) = key.split_once('/').unwrap_or((key, ""));
    let path = path.trim_matches('/');
    match path {
        "v1" | "v2" => (host, ""),
        path => (host, path),
    }
}

fn is_of(host: &str, registry: &str) -> bool {
    host == registry || (registry == "docker.io" && host == HUB)
}

/// By whole parts: `acme` is no beginning of `acmeevil/a`.
fn is_within(name: &str, path: &str) -> bool {
    let rest = name.strip_prefix(path);
    path.is_empty() || rest.is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
}

// === impl Entry ===

impl Entry {
    /// As RFC 7617 has it.
    fn authorization(&self) -> Option<HeaderValue> {
        let encoded = match (&self.auth, &self.username, &self.password) {
            (Some(auth), _, _) if !auth.is_empty() => Zeroizing::new(auth.trim().to_owned()),
            (_, Some(username), Some(password)) => {
                let both = Zeroizing::new(format!("{username}:{password}"));
                Zeroizing::new(STANDARD.encode(both.as_bytes()))
            }
            _ => return None,
        };
        let text = Zeroizing::new(format!("Basic {}", encoded.as_str()));
        let mut value = HeaderValue::from_str(&text).ok()?;
        value.set_sensitive(true);
        Some(value)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const DIGEST: &str = "sha256:0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef";

    async fn found(file: &str, place: &str) -> Result<Option<String>, String> {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("config.json");
        std::fs::write(&path, file).unwrap();
        let image = format!("{place}@{DIGEST}").parse().unwrap();
        let value = basic(&path, &image).await?;
        Ok(value.map(|value| {
            assert!(value.is_sensitive());
            let text = value
                .to_str()
                .unwrap()
                .strip_prefix("Basic ")
                .unwrap()
                .to_owned();
            String::from_utf8(STANDARD.decode(text).unwrap()).unwrap()
        }))
    }

    #[tokio::test]
    async fn an_account_is_for_its_registry_and_the_longest_path() {
        let file = r#"{"auths": {
            "https://index.docker.io/v1/": {"auth": "aHVi OnNlY3JldA=="},
            "ghcr.io": {"username": "all", "password": "p:w"},
            "ghcr.io/acme": {"auth": "YWNtZTpw"},
            "http://local.test:5000/v2/": {"auth": "bG9jYWw6cA=="}
        }, "credsStore": "desktop"}"#;
        let file = file.replace("aHVi OnNl", "aHViOnNl");
        for (image, account) in [
            ("docker.io/library/a", Some("hub:secret")),
            ("ghcr.io/other/a", Some("all:p:w")),
            ("ghcr.io/acme/a", Some("acme:p")),
            ("ghcr.io/acmeevil/a", Some("all:p:w")),
            ("local.test:5000/a", Some("local:p")),
            ("local.test/a", None),
            ("evil.test/ghcr.io/a", None),
        ] {
            assert_eq!(
                found(&file, image).await.unwrap().as_deref(),
                account,
                "{image}"
            );
        }
    }

    #[tokio::test]
    async fn what_is_wrong_with_the_file_is_said_without_its_content() {
        for file in [
            r#"{"auths": {"ghcr.io": "hunter2"}}"#,
            r#"{"auths": {"ghcr.io": {"auth": 5, "password": "hunter2"}}}"#,
            r#"{"auths": {"ghcr.io": {"password": "hunter2"}}}"#,
            "hunter2",
        ] {
            let error = found(file, "ghcr.io/a").await.unwrap_err();
            assert!(
                !error.contains("hunter2") && error.contains("config.json"),
                "{error}"
            );
        }
    }
}

//! Login URLs.

use std::fmt;
use std::str::FromStr;

use thiserror::Error;
use url::{Host, Url};

/// Longest login URL, in bytes. The real ones have some forty; AD FS adds a short path.
const MAX: usize = 512;

/// A login URL: `https`, a host, perhaps a port and a path (AD FS has one), a trailing slash, and nothing more.
/// Normalised, so that two spellings of one URL are equal.
#[derive(Clone, PartialEq, Eq, Hash)]
pub struct Authority(Url);

/// Why a text is no login URL.
#[derive(Clone, Debug, Error, PartialEq, Eq)]
pub enum InvalidAuthority {
    /// No URL at all, or an unreasonably long one.
    #[error(
        "the login URL {excerpt:?} is no URL; write one such as https://login.microsoftonline.com/"
    )]
    NoUrl {
        /// The text, or its beginning.
        excerpt: String,
    },
    /// A credential goes nowhere without TLS.
    #[error("the login URL has the scheme {scheme:?}; only https is allowed")]
    Scheme {
        /// What came.
        scheme: String,
    },
    /// User, query or fragment.
    #[error("the login URL must have neither user, query nor fragment; keep scheme, host and path")]
    Parts,
    /// A path that URL parsers may read in more than one way.
    #[error(
        "the path of the login URL may hold letters, digits and -._~ between single slashes only"
    )]
    Path,
}

impl Authority {
    /// The URL, with its trailing slash.
    pub fn as_str(&self) -> &str {
        self.0.as_str()
    }

    /// The host, without a port; IPv6 addresses in brackets.
    pub fn host(&self) -> &str {
        self.0.host_str().unwrap_or_default()
    }

    /// The port, 443 where the URL names none.
    pub fn port(&self) -> u16 {
        self.0.port_or_known_default().unwrap_or(443)
    }

    /// The URL of a token endpoint or anything else below this one. `path` must come from checked parts.
    pub(crate) fn below(&self, path: &str) -> String {
        format!("{}{path}", self.as_str())
    }
}

impl FromStr for Authority {
    type Err = InvalidAuthority;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let text = text.trim();
        let no_url = || InvalidAuthority::NoUrl {
            excerpt: text.chars().take(64).collect(),
        };
        if text.len() > MAX {
            return Err(no_url());
        }
        let mut url = Url::parse(text).map_err(|_| no_url())?;
        check(&url, text)?;
        if !url.path().ends_with('/') {
            let path = format!("{}/", url.path());
            url.set_path(&path);
        }
        Ok(Self(url))
    }
}

fn check(url: &Url, text: &str) -> Result<(), InvalidAuthority> {
    if url.scheme() != "https" {
        let scheme = url.scheme().chars().take(16).collect();
        return Err(InvalidAuthority::Scheme { scheme });
    }
    // The parser drops an empty user, takes a backslash for a slash, decodes dots and skips line breaks: look
    // at the text as well.
    let parts = url.query().is_some() || url.fragment().is_some() || text.contains('@');
    if parts
        || !matches!(
            url.host(),
            Some(Host::Domain(_) | Host::Ipv4(_) | Host::Ipv6(_))
        )
    {
        return Err(InvalidAuthority::Parts);
    }
    let plain = |c: char| c.is_ascii_alphanumeric() || matches!(c, '-' | '.' | '_' | '~' | '/');
    let resolved = |c: char| c.is_control() || c.is_whitespace() || matches!(c, '\\' | '%');
    if !url.path().chars().all(plain) || url.path().contains("//") || text.contains(resolved) {
        return Err(InvalidAuthority::Path);
    }
    Ok(())
}

impl fmt::Display for Authority {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl fmt::Debug for Authority {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Authority({:?})", self.as_str())
    }
}

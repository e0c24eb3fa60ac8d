//! Hosts as grants name them.

use std::fmt;

use url::Url;

/// A host and a port, spoken to with TLS.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Origin {
    /// As the URL standard writes it: lower case, IDNA, IPv6 in brackets.
    host: String,
    port: u16,
}

// === impl Origin ===

impl Origin {
    /// From a grant: `host` or `host:port`, no scheme, no path, no wildcard.
    pub(crate) fn granted(grant: &str) -> Result<Self, String> {
        let wrong = || {
            format!(
                "`{grant}` is not a host or host:port, such as login.example.com or api.example.com:8443"
            )
        };
        let forbidden =
            |character: char| character.is_whitespace() || "/\\?#@*%".contains(character);
        if grant.contains(forbidden) {
            return Err(wrong());
        }
        let url = Url::parse(&format!("https://{grant}/")).map_err(|_| wrong())?;
        Self::of(&url).ok_or_else(wrong)
    }

    /// Of an `https` URL.
    pub(crate) fn of(url: &Url) -> Option<Self> {
        if url.scheme() != "https" {
            return None;
        }
        Some(Self {
            host: url.host_str().filter(|host| !host.is_empty())?.to_owned(),
            port: url.port_or_known_default()?,
        })
    }

    /// Of the text of an `https` URL.
    pub(crate) fn of_text(url: &str) -> Option<Self> {
        Self::of(&Url::parse(url).ok()?)
    }
}

impl fmt::Display for Origin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.port {
            443 => f.write_str(&self.host),
            port => write!(f, "{}:{port}", self.host),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_grant_is_one_host_and_one_port() {
        let granted = |grant| Origin::granted(grant).unwrap();
        assert_eq!(
            granted("Login.Example.com"),
            Origin::of_text("https://login.example.com/x").unwrap()
        );
        assert_eq!(
            granted("a.example:8443"),
            Origin::of_text("https://a.example:8443").unwrap()
        );
        assert_ne!(
            granted("a.example"),
            Origin::of_text("https://a.example:8443").unwrap()
        );
        assert_ne!(
            granted("example"),
            Origin::of_text("https://sub.example").unwrap()
        );
        assert_eq!(
            granted("[::1]:8443"),
            Origin::of_text("https://[::1]:8443/").unwrap()
        );
    }

    #[test]
    fn anything_but_a_host_is_no_grant() {
        let wrong = [
            "",
            "https://a.example",
            "a.example/path",
            "*.example",
            "user@a.example",
            "a.example:",
            "a b",
            "a.example:99999",
            "a%2eexample",
            "a.example?x",
            "a.example#x",
            "a.example\\x",
        ];
        for grant in wrong {
            let accepted = Origin::granted(grant);
            // An empty port is the default one.
            assert!(
                accepted.is_err() || grant == "a.example:",
                "{grant}: {accepted:?}"
            );
        }
    }

    #[test]
    fn only_https_has_an_origin() {
        assert_eq!(Origin::of_text("http://a.example/"), None);
        assert_eq!(Origin::of_text("file:///etc/passwd"), None);
        assert_eq!(Origin::of_text("a.example"), None);
    }
}
